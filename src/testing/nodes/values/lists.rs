//! Collections (`collections.py`, `param_easing.py`, `primitives.py`).

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use crate::testing::nodes::digest::Dice;
use serde_json::json;

/// Lists longer than this would only exhaust the memory of the program under test.
const MOST: i64 = 1_000_000;

fn numbers(start: i64, stop: i64, step: i64) -> Fields {
    if step == 0 {
        return Err(value_error("range() arg 3 must not be zero"));
    }
    let span = i128::from(stop) - i128::from(start);
    let count = (span.unsigned_abs()).div_ceil(u128::from(step.unsigned_abs()));
    let count = if (span > 0) == (step > 0) { i64::try_from(count).unwrap_or(i64::MAX) } else { 0 };
    let count = checked_count(count)?;
    let collection: Vec<i64> = (0..count as i64).map(|index| start.wrapping_add(index.wrapping_mul(step))).collect();
    fields(json!({"collection": collection}))
}

fn checked_count(count: i64) -> Result<usize, NodeError> {
    match usize::try_from(count) {
        Ok(small) if count <= MOST => Ok(small),
        Ok(_) => Err(NodeError::new("MemoryError", format!("{count} items; the embedded server makes up to {MOST}"))),
        Err(_) => Err(value_error("negative dimensions are not allowed")),
    }
}

pub(super) fn images(call: &mut Call<'_>) -> Fields {
    let of = |field: &str| call.value(field).as_array().cloned().unwrap_or_default();
    let collection = [of("collection"), of("images")].concat();
    fields(json!({"collection": collection}))
}

pub(super) fn range(call: &mut Call<'_>) -> Fields {
    numbers(call.int("start")?, call.int("stop")?, call.int("step")?)
}

pub(super) fn range_of_size(call: &mut Call<'_>) -> Fields {
    let (start, size, step) = (call.int("start")?, call.int("size")?, call.int("step")?);
    let length = size.checked_mul(step).and_then(|length| start.checked_add(length));
    let stop = length.ok_or_else(|| NodeError::new("OverflowError", "the range ends beyond 64 bits"))?;
    numbers(start, stop, step)
}

/// Not NumPy's numbers, but always the same for the same seed.
pub(super) fn random_range(call: &mut Call<'_>) -> Fields {
    let (low, high, count) = (call.int("low")?, call.int("high")?, checked_count(call.int("size")?)?);
    let width = u64::try_from(i128::from(high) - i128::from(low)).unwrap_or(0);
    if width == 0 {
        return Err(value_error("low >= high"));
    }
    let mut dice = Dice::new(call.int("seed")?.cast_unsigned());
    let collection: Vec<i64> = (0..count).map(|_| low.wrapping_add((dice.next() % width).cast_signed())).collect();
    fields(json!({"collection": collection}))
}

pub(super) fn float_range(call: &mut Call<'_>) -> Fields {
    let (start, stop, count) = (call.float("start")?, call.float("stop")?, call.int("steps")?);
    if count < 0 {
        return Err(value_error(format!("Number of samples, {count}, must be non-negative.")));
    }
    let count = checked_count(count)?;
    let step = (stop - start) / count.saturating_sub(1).max(1) as f64;
    let mut collection: Vec<f64> = (0..count).map(|index| start + index as f64 * step).collect();
    if let [_, .., last] = collection.as_mut_slice() {
        *last = stop;
    }
    fields(json!({"collection": collection}))
}
