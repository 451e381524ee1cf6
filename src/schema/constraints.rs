//! Bounds of values and of lists.

use super::Cardinality;
use super::field_type::{FieldType, non_null_branches};
use crate::json::borrowed::{Json, Members};
use serde_json::{Map, Number, Value};

/// Bounds that a schema puts on a field's value, or on each item of a list.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Constraints {
    /// Smallest number allowed.
    pub minimum: Option<f64>,
    /// Largest number allowed.
    pub maximum: Option<f64>,
    /// Numbers must be greater than this.
    pub exclusive_minimum: Option<f64>,
    /// Numbers must be less than this.
    pub exclusive_maximum: Option<f64>,
    /// Numbers must be a multiple of this.
    pub multiple_of: Option<f64>,
    /// Fewest items of a list.
    pub min_items: Option<u64>,
    /// Most items of a list.
    pub max_items: Option<u64>,
    /// Fewest characters of a string.
    pub min_length: Option<u64>,
    /// Most characters of a string.
    pub max_length: Option<u64>,
}

impl Constraints {
    /// Whether nothing is constrained.
    pub fn is_empty(&self) -> bool {
        *self == Constraints::default()
    }

    /// The constraints as JSON-schema members, in the order of the fields of this struct. Whole numbers print as
    /// integers.
    pub fn to_json(&self) -> Map<String, Value> {
        let numbers = [
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("exclusiveMinimum", self.exclusive_minimum),
            ("exclusiveMaximum", self.exclusive_maximum),
            ("multipleOf", self.multiple_of),
        ];
        let counts = [
            ("minItems", self.min_items),
            ("maxItems", self.max_items),
            ("minLength", self.min_length),
            ("maxLength", self.max_length),
        ];
        let numbers = numbers.into_iter().filter_map(|(key, bound)| Some((key.to_owned(), json_number(bound?))));
        let counts = counts.into_iter().filter_map(|(key, bound)| Some((key.to_owned(), Value::from(bound?))));
        numbers.chain(counts).collect()
    }

    /// The bounds that the editor copies from the top level of a property, which depend on the type
    /// (`features/nodes/util/schema/buildFieldInputTemplate.ts`).
    pub(super) fn shown(schema: &Members<'_>, field_type: &FieldType) -> Self {
        let list = field_type.cardinality == Cardinality::Collection;
        let (numbers, lengths, items) = match field_type.name.as_str() {
            "IntegerField" | "FloatField" => (true, false, list),
            "StringField" => (false, true, list),
            "SavedWorkflowField" => (false, true, false),
            "ImageField" => (false, false, list),
            "LoRAField" => (false, false, true),
            _ => (false, false, false),
        };
        let mut shown = Self::of_schema(schema);
        if !numbers {
            (shown.minimum, shown.maximum, shown.multiple_of) = (None, None, None);
            (shown.exclusive_minimum, shown.exclusive_maximum) = (None, None);
        }
        if !lengths {
            (shown.min_length, shown.max_length) = (None, None);
        }
        if !items {
            (shown.min_items, shown.max_items) = (None, None);
        }
        shown
    }

    /// Everything the server enforces: the top level, every non-null branch of `anyOf` and the items of arrays.
    pub(super) fn enforced(schema: &Members<'_>) -> Self {
        let mut found = Self::of_schema(schema);
        // pydantic uses its own names where JSON schema has no word, as for one number or many.
        let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
        found.minimum = found.minimum.or(bound("ge"));
        found.maximum = found.maximum.or(bound("le"));
        found.exclusive_minimum = found.exclusive_minimum.or(bound("gt"));
        found.exclusive_maximum = found.exclusive_maximum.or(bound("lt"));
        if holds_list(schema) {
            found.lengths_are_counts();
        }
        for branch in non_null_branches(schema).unwrap_or_default() {
            found.fill_from(Self::enforced(branch));
        }
        if let Some(items) = schema.get("items").and_then(Json::as_object) {
            found.fill_from(Self::enforced(items));
        }
        found
    }

    /// The bounds that a schema declares itself, by the names of JSON Schema.
    pub(crate) fn declared(members: &Map<String, Value>) -> Self {
        Self::of_members(members.iter().map(|(name, value)| (name.as_str(), value.as_number())))
    }

    fn of_schema(schema: &Members<'_>) -> Self {
        Self::of_members(schema.iter().map(|(name, value)| (name, value.as_number())))
    }

    fn of_members<'a>(members: impl Iterator<Item = (&'a str, Option<&'a Number>)>) -> Self {
        let mut declared = Constraints::default();
        // Looking at each member is less work than looking up each name: a program does this a hundred times at its
        // start.
        for (name, number) in members {
            match name {
                "minimum" => declared.minimum = number.and_then(Number::as_f64),
                "maximum" => declared.maximum = number.and_then(Number::as_f64),
                "exclusiveMinimum" => declared.exclusive_minimum = number.and_then(Number::as_f64),
                "exclusiveMaximum" => declared.exclusive_maximum = number.and_then(Number::as_f64),
                "multipleOf" => declared.multiple_of = number.and_then(Number::as_f64),
                "minItems" => declared.min_items = number.and_then(Number::as_u64),
                "maxItems" => declared.max_items = number.and_then(Number::as_u64),
                "minLength" => declared.min_length = number.and_then(Number::as_u64),
                "maxLength" => declared.max_length = number.and_then(Number::as_u64),
                _ => {}
            }
        }
        declared
    }

    /// A length beside `one or many` counts the items: `llava_onevision_vllm.images` has `maxLength` 3.
    fn lengths_are_counts(&mut self) {
        self.min_items = self.min_items.or(self.min_length.take());
        self.max_items = self.max_items.or(self.max_length.take());
    }

    fn fill_from(&mut self, other: Self) {
        fn fill<T>(slot: &mut Option<T>, value: Option<T>) {
            if slot.is_none() {
                *slot = value;
            }
        }
        fill(&mut self.minimum, other.minimum);
        fill(&mut self.maximum, other.maximum);
        fill(&mut self.exclusive_minimum, other.exclusive_minimum);
        fill(&mut self.exclusive_maximum, other.exclusive_maximum);
        fill(&mut self.multiple_of, other.multiple_of);
        fill(&mut self.min_items, other.min_items);
        fill(&mut self.max_items, other.max_items);
        fill(&mut self.min_length, other.min_length);
        fill(&mut self.max_length, other.max_length);
    }
}

fn holds_list(schema: &Members<'_>) -> bool {
    schema.get("type").is_some_and(|kind| *kind == *"array")
        || non_null_branches(schema).unwrap_or_default().iter().any(|branch| holds_list(branch))
}

/// `8.0` as `8`: bounds are kept as floats, but whole ones read better as integers, also in enum labels and errors.
pub(crate) fn json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
