//! Arithmetic as Python does it (`math.py`). Python's integers have no limit; these have 64 bits.

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::json;

fn integer_result(value: Option<i64>) -> Fields {
    let value = value.ok_or_else(|| {
        NodeError::new("OverflowError", "the result has more than the 64 bits that the embedded server computes with")
    })?;
    fields(json!({"value": value}))
}

fn float_result(value: f64) -> Fields {
    if value.is_finite() {
        fields(json!({"value": value}))
    } else {
        Err(NodeError::new("OverflowError", "the result is not a finite number"))
    }
}

/// A float as an integer, if it fits.
fn whole(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&value).then_some(value as i64)
}

/// Python's `int(a / b)`: a division of floats, cut off.
fn divide(a: i64, b: i64) -> Fields {
    if b == 0 {
        return Err(NodeError::new("ZeroDivisionError", "division by zero"));
    }
    integer_result(whole((a as f64 / b as f64).trunc()))
}

pub(super) fn simple(call: &mut Call<'_>) -> Fields {
    let (a, b) = (call.int("a")?, call.int("b")?);
    match call.node_type() {
        "add" => integer_result(a.checked_add(b)),
        "sub" => integer_result(a.checked_sub(b)),
        "mul" => integer_result(a.checked_mul(b)),
        _ => divide(a, b),
    }
}

pub(super) fn integer(call: &mut Call<'_>) -> Fields {
    let (a, b) = (call.int("a")?, call.int("b")?);
    match call.text("operation")? {
        "ADD" => integer_result(a.checked_add(b)),
        "SUB" => integer_result(a.checked_sub(b)),
        "MUL" => integer_result(a.checked_mul(b)),
        "DIV" => divide(a, b),
        "EXP" => integer_result(u32::try_from(b).ok().and_then(|b| a.checked_pow(b))),
        // The sign of the divisor, as in Python.
        "MOD" => integer_result(a.checked_rem(b).and_then(|rest| rest.checked_add(b)?.checked_rem(b))),
        "ABS" => integer_result(a.checked_abs()),
        "MIN" => integer_result(Some(a.min(b))),
        _ => integer_result(Some(a.max(b))),
    }
}

pub(super) fn float(call: &mut Call<'_>) -> Fields {
    let (a, b) = (call.float("a")?, call.float("b")?);
    match call.text("operation")? {
        "ADD" => float_result(a + b),
        "SUB" => float_result(a - b),
        "MUL" => float_result(a * b),
        "DIV" if b == 0.0 => Err(NodeError::new("ZeroDivisionError", "float division by zero")),
        "DIV" => float_result(a / b),
        "EXP" => float_result(a.powf(b)),
        "SQRT" => float_result(a.sqrt()),
        "ABS" => float_result(a.abs()),
        "MIN" => float_result(a.min(b)),
        _ => float_result(a.max(b)),
    }
}

pub(super) fn float_to_int(call: &mut Call<'_>) -> Fields {
    let multiple = call.int("multiple")?;
    let quotient = call.float("value")? / multiple as f64;
    let rounded = match call.text("method")? {
        "Nearest" => quotient.round_ties_even(),
        "Floor" => quotient.floor(),
        "Ceiling" => quotient.ceil(),
        _ => quotient.trunc(),
    };
    integer_result(whole(rounded).and_then(|rounded| rounded.checked_mul(multiple)))
}

/// Python's `round(value, decimals)`.
fn rounded(value: f64, decimals: i64) -> f64 {
    match usize::try_from(decimals) {
        // Formatting rounds the exact value, as Python does.
        Ok(decimals) if decimals <= 30 => format!("{value:.decimals$}").parse().unwrap_or(value),
        Ok(_) => value,
        Err(_) => {
            let unit = 10_f64.powf(-(decimals as f64));
            (value / unit).round_ties_even() * unit
        }
    }
}

pub(super) fn round(call: &mut Call<'_>) -> Fields {
    float_result(rounded(call.float("value")?, call.int("decimals")?))
}

pub(super) fn random_integer(call: &mut Call<'_>) -> Fields {
    let (low, high) = (call.int("low")?, call.int("high")?);
    if low >= high {
        return Err(value_error("low >= high"));
    }
    integer_result(Some(fastrand::i64(low..high)))
}

pub(super) fn random_float(call: &mut Call<'_>) -> Fields {
    let (low, high) = (call.float("low")?, call.float("high")?);
    let random = low + (high - low) * fastrand::f64();
    float_result(rounded(random, call.int("decimals")?))
}
