//! What a field can hold, and by which rules.

use super::input_value::Refused;
use crate::schema::{Cardinality, InputTemplate};
use serde_json::Value;

/// What a field holds. Only the kinds of this module implement it; the trait cannot be implemented elsewhere.
pub trait FieldKind: sealed::Rules {
    /// The value as a Rust type.
    type Typed<'a>;

    /// Reads a JSON value; `None` if it has another shape.
    fn read(value: &Value) -> Option<Self::Typed<'_>>;
}

pub(super) mod sealed {
    use super::{Cardinality, InputTemplate, Refused, Value};

    /// The rules of a kind, called only by this crate.
    pub trait Rules {
        /// What is accepted, in words that follow "it accepts".
        fn accepts(template: &InputTemplate) -> String;
        /// Checks a value and gives it the form that is stored.
        fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused>;
        /// The JSON schema of what is accepted, without texts that spell a value of another type.
        fn schema(template: &InputTemplate) -> Value;
        /// Whether a list may stand in for the one value. The editor has no widget for that, but keeps and sends it.
        /// Where such a field has bounds, the server fails on lists: it compares the list itself with the bound.
        fn takes_list(template: &InputTemplate) -> bool {
            let bounds = &template.server_constraints;
            let limits = [bounds.minimum, bounds.maximum, bounds.exclusive_minimum, bounds.exclusive_maximum];
            template.field_type.cardinality == Cardinality::SingleOrCollection && limits.iter().all(Option::is_none)
        }
    }
}
