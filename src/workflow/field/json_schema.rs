//! Pieces of JSON schemas that several kinds need.

use crate::schema::{Constraints, json_number};
use serde_json::{Map, Value, json};

/// At least one character that is not whitespace, by the rules of Rust's `trim`. Spelled out because dialects of
/// regular expressions disagree on what `\S` is.
const NOT_BLANK: &str = "[^\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

/// A name or id.
pub(super) fn not_blank() -> Value {
    json!({"type": "string", "pattern": NOT_BLANK})
}

/// An object that holds a name or id in this member, among others.
pub(super) fn holding(member: &str) -> Value {
    json!({"type": "object", "required": [member], "properties": {member: not_blank()}})
}

/// The same, as text or in an object with one of these members.
pub(super) fn reference(format: &str, members: &[&str]) -> Value {
    let objects = members.iter().map(|member| holding(member));
    let any: Vec<Value> = std::iter::once(not_blank()).chain(objects).collect();
    json!({"format": format, "anyOf": any})
}

/// A number of this type within bounds.
pub(super) fn number(kind: &str, bounds: &Constraints) -> Value {
    let bounds = [
        ("minimum", bounds.minimum),
        ("maximum", bounds.maximum),
        ("exclusiveMinimum", bounds.exclusive_minimum),
        ("exclusiveMaximum", bounds.exclusive_maximum),
        // Nothing is a multiple of 0 in JSON schema; here everything is.
        ("multipleOf", bounds.multiple_of.filter(|factor| *factor != 0.0).map(f64::abs)),
    ];
    let bounds = bounds.into_iter().filter_map(|(key, bound)| Some((key.to_owned(), json_number(bound?))));
    let kind = [("type".to_owned(), Value::from(kind))];
    Value::Object(kind.into_iter().chain(bounds).collect())
}

/// A list of this many items.
pub(super) fn list(items: Value, bounds: &Constraints) -> Value {
    counted(json!({"type": "array", "items": items}), ("minItems", bounds.min_items), ("maxItems", bounds.max_items))
}

/// A text of this many characters.
pub(super) fn text(bounds: &Constraints) -> Value {
    let (least, most) = (("minLength", bounds.min_length), ("maxLength", bounds.max_length));
    counted(json!({"type": "string"}), least, most)
}

fn counted(mut schema: Value, least: (&str, Option<u64>), most: (&str, Option<u64>)) -> Value {
    for (key, count) in [least, most] {
        if let Some(count) = count {
            schema[key] = count.into();
        }
    }
    schema
}

/// An object with these optional members and no others, `null` apart: a rule of a generator, named by `type`.
pub(super) fn rule(name: &str, parameters: &[(&str, Value)]) -> Value {
    let mut properties = Map::from_iter([("type".to_owned(), json!({"const": name}))]);
    properties.extend(parameters.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    json!({"type": "object", "required": ["type"], "properties": properties, "additionalProperties": {"type": "null"}})
}
