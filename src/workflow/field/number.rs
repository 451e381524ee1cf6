//! Integers and floats.

use super::bounds::{admits_integer, admits_number, describe_number, in_force};
use super::input_value::Refused;
use super::json_schema;
use super::rules::{FieldKind, sealed::Rules};
use crate::schema::InputTemplate;
use serde_json::{Number, Value};

/// A whole number that fits in a signed 64-bit integer. Whole floats (`30.0`) and texts (`"30"`) are converted.
pub struct Integer;

/// A finite number. Integers stay integers; texts (`"0.5"`) are converted.
pub struct Float;

impl FieldKind for Integer {
    type Typed<'a> = i64;

    fn read(value: &Value) -> Option<i64> {
        whole(value.as_number()?)
    }
}

impl Rules for Integer {
    fn accepts(template: &InputTemplate) -> String {
        describe_number("a whole number", &in_force(template))
    }

    fn schema(template: &InputTemplate) -> Value {
        let mut schema = json_schema::number("integer", &in_force(template));
        // What 64 bits hold, where nothing is narrower.
        for (key, also, end) in [("minimum", "exclusiveMinimum", i64::MIN), ("maximum", "exclusiveMaximum", i64::MAX)] {
            if schema.get(key).or_else(|| schema.get(also)).is_none() {
                schema[key] = end.into();
            }
        }
        schema
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let number = number(&value).as_ref().and_then(whole);
        let number = number.filter(|number| admits_integer(&in_force(template), *number));
        number.map(Value::from).ok_or(Refused::new(value))
    }
}

impl FieldKind for Float {
    type Typed<'a> = f64;

    fn read(value: &Value) -> Option<f64> {
        value.as_f64()
    }
}

impl Rules for Float {
    fn accepts(template: &InputTemplate) -> String {
        describe_number("a number", &in_force(template))
    }

    fn schema(template: &InputTemplate) -> Value {
        json_schema::number("number", &in_force(template))
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let bounds = in_force(template);
        let in_bounds = |number: &Number| number.as_f64().is_some_and(|number| admits_number(&bounds, number));
        number(&value).filter(in_bounds).map(Value::Number).ok_or(Refused::new(value))
    }
}

/// The number that a value is or spells.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse().ok().and_then(Number::from_f64))
        }
        _ => None,
    }
}

/// The number as an integer, also if it is written `30.0`.
fn whole(number: &Number) -> Option<i64> {
    // Above this a float stands for several integers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
    number.as_i64().or_else(|| if number.is_f64() { float().map(|float| float as i64) } else { None })
}
