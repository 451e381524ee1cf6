//! Lists of values.

use super::bounds::{admits_count, describe_count, in_force};
use super::input_value::Refused;
use super::json_schema;
use super::rules::{FieldKind, sealed::Rules};
use crate::schema::InputTemplate;
use serde_json::Value;
use std::marker::PhantomData;

/// A list of values of one kind. Each item is checked and converted by the rules of its kind.
pub struct Many<K>(PhantomData<fn() -> K>);

impl<K: FieldKind> FieldKind for Many<K> {
    type Typed<'a> = Vec<K::Typed<'a>>;

    fn read(value: &Value) -> Option<Vec<K::Typed<'_>>> {
        value.as_array()?.iter().map(K::read).collect()
    }
}

impl<K: FieldKind> Rules for Many<K> {
    fn accepts(template: &InputTemplate) -> String {
        let bounds = in_force(template);
        let list = describe_count("a list", "items", bounds.min_items, bounds.max_items);
        format!("{list}, each {}", K::accepts(template))
    }

    fn schema(template: &InputTemplate) -> Value {
        json_schema::list(K::schema(template), &in_force(template))
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        convert_list(value, template, K::convert)
    }
}

/// Checks and converts a value by the rules of a kind.
pub(super) type Convert = fn(Value, &InputTemplate) -> Result<Value, Refused>;

/// Checks a list, and converts every item.
pub(super) fn convert_list(value: Value, template: &InputTemplate, convert: Convert) -> Result<Value, Refused> {
    let bounds = in_force(template);
    match value {
        Value::Array(items) if admits_count(items.len(), bounds.min_items, bounds.max_items) => {
            convert_items(items, &|item| convert(item, template))
        }
        value => Err(Refused::new(value)),
    }
}

/// Converts every item; a refusal names the item's place.
pub(super) fn convert_items(
    items: Vec<Value>,
    convert: &dyn Fn(Value) -> Result<Value, Refused>,
) -> Result<Value, Refused> {
    let items = items.into_iter().enumerate();
    items.map(|(index, item)| convert(item).map_err(|refused| refused.at(index))).collect()
}
