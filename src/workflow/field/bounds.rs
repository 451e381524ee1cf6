//! Bounds that are in force, and their description.

use crate::schema::{Constraints, InputTemplate, json_number};

/// What the server enforces, and our own rule for step counts.
pub(super) fn in_force(template: &InputTemplate) -> Constraints {
    let mut bounds = template.server_constraints.clone();
    if counts_steps(template) && bounds.minimum.is_none_or(|minimum| minimum < 1.0) {
        bounds.exclusive_minimum = Some(bounds.exclusive_minimum.unwrap_or(0.0).max(0.0));
        bounds.minimum = None;
    }
    bounds
}

/// An optional field that is 0 by default only records a step count: `core_metadata.steps`.
fn counts_steps(template: &InputTemplate) -> bool {
    let is_record = !template.required && template.default.as_ref().is_some_and(|default| default.as_i64() == Some(0));
    matches!(template.name.as_str(), "steps" | "num_steps") && template.field_type.name == "IntegerField" && !is_record
}

/// Whether a number is within bounds.
pub(super) fn admits_number(bounds: &Constraints, number: f64) -> bool {
    bounds.minimum.is_none_or(|bound| number >= bound)
        && bounds.maximum.is_none_or(|bound| number <= bound)
        && bounds.exclusive_minimum.is_none_or(|bound| number > bound)
        && bounds.exclusive_maximum.is_none_or(|bound| number < bound)
        && bounds.multiple_of.is_none_or(|factor| is_multiple(number, factor))
}

/// The same for a whole number, exactly: a float has no room for the last digits of a large one.
pub(super) fn admits_integer(bounds: &Constraints, number: i64) -> bool {
    let wide = i128::from(number);
    let is_multiple = |factor: f64| match factor == 0.0 || factor.fract() != 0.0 {
        true => is_multiple(number as f64, factor),
        false => wide % factor as i128 == 0,
    };
    bounds.minimum.is_none_or(|bound| wide >= bound.ceil() as i128)
        && bounds.maximum.is_none_or(|bound| wide <= bound.floor() as i128)
        && bounds.exclusive_minimum.is_none_or(|bound| wide > bound.floor() as i128)
        && bounds.exclusive_maximum.is_none_or(|bound| wide < bound.ceil() as i128)
        && bounds.multiple_of.is_none_or(is_multiple)
}

/// Tolerant where the factor has a fraction: 0.3 is a multiple of 0.1, though its float is not.
fn is_multiple(number: f64, factor: f64) -> bool {
    if factor == 0.0 || factor.fract() == 0.0 {
        return factor == 0.0 || number % factor == 0.0;
    }
    let ratio = number / factor;
    (ratio - ratio.round()).abs() <= 1e-9 * ratio.abs().max(1.0)
}

/// Whether this many are enough and not too many.
pub(super) fn admits_count(count: usize, least: Option<u64>, most: Option<u64>) -> bool {
    let count = count as u64;
    least.is_none_or(|least| count >= least) && most.is_none_or(|most| count <= most)
}

/// `a number` and its bounds: `a whole number greater than 0, at most 100, a multiple of 8`.
pub(super) fn describe_number(what: &str, bounds: &Constraints) -> String {
    let parts = [
        ("at least", bounds.minimum),
        ("greater than", bounds.exclusive_minimum),
        ("at most", bounds.maximum),
        ("less than", bounds.exclusive_maximum),
        ("a multiple of", bounds.multiple_of),
    ];
    let parts = parts.into_iter().filter_map(|(words, bound)| Some(format!("{words} {}", json_number(bound?))));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { what.to_owned() } else { format!("{what} {}", parts.join(", ")) }
}

/// `a string` of how many characters, `a list` of how many items.
pub(super) fn describe_count(what: &str, units: &str, least: Option<u64>, most: Option<u64>) -> String {
    let unit = |count: u64| if count == 1 { units.trim_end_matches('s') } else { units };
    match (least, most) {
        (None, None) => what.to_owned(),
        (Some(least), None) => format!("{what} of at least {least} {}", unit(least)),
        (None, Some(most)) => format!("{what} of at most {most} {}", unit(most)),
        (Some(least), Some(most)) => format!("{what} of {least} to {most} {}", unit(most)),
    }
}
