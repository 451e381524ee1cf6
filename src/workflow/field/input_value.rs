//! Values on their way into a field, and the error if one is refused.

use crate::schema::ModelRecord;
use crate::workflow::generator::Generator;
use serde_json::Value;

/// A value to set: anything that has a JSON form. Made by `into()` from numbers, booleans, strings, lists of those,
/// JSON, models, LoRAs, colors, generators, and from what the client returns: images, videos, outputs, boards, presets.
/// Floats that JSON cannot hold (infinite, not a number) are refused by every field.
///
/// ```
/// use invokeai_client::workflow::field::InputValue;
///
/// assert_eq!(InputValue::from(vec![1, 2]), InputValue::from(serde_json::json!([1, 2])));
/// ```
#[derive(Clone, PartialEq)]
pub struct InputValue(pub(super) Value);

crate::base::debug::short_debug! { InputValue(value) }

impl InputValue {
    /// The JSON form.
    pub fn as_json(&self) -> &Value {
        &self.0
    }
}

impl From<InputValue> for Value {
    fn from(value: InputValue) -> Self {
        value.0
    }
}

macro_rules! from_json_like {
    ($($source:ty),*) => {
        $(impl From<$source> for InputValue {
            fn from(value: $source) -> Self {
                InputValue(Value::from(value))
            }
        })*
    };
}

from_json_like!(Value, bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64, &str, String, Generator);

impl From<&Value> for InputValue {
    fn from(value: &Value) -> Self {
        InputValue(value.clone())
    }
}

impl From<&String> for InputValue {
    fn from(value: &String) -> Self {
        InputValue(Value::from(value.as_str()))
    }
}

impl<T: Into<InputValue>> From<Vec<T>> for InputValue {
    fn from(values: Vec<T>) -> Self {
        InputValue(values.into_iter().map(|value| value.into().0).collect())
    }
}

impl<T: Into<InputValue>, const N: usize> From<[T; N]> for InputValue {
    fn from(values: [T; N]) -> Self {
        InputValue(values.into_iter().map(|value| value.into().0).collect())
    }
}

impl<T: Clone + Into<InputValue>> From<&[T]> for InputValue {
    fn from(values: &[T]) -> Self {
        InputValue(values.iter().cloned().map(|value| value.into().0).collect())
    }
}

impl From<&ModelRecord> for InputValue {
    fn from(model: &ModelRecord) -> Self {
        InputValue(model.to_json())
    }
}

impl From<ModelRecord> for InputValue {
    fn from(model: ModelRecord) -> Self {
        (&model).into()
    }
}

/// Lets what a server describes be set as an input: `Type: "member" = field`.
macro_rules! settable {
    ($($source:ty: $member:literal = $id:ident),*) => {
        $(
            /// Uses its name or id, as a field of this kind takes it.
            impl From<&$source> for $crate::workflow::field::InputValue {
                fn from(value: &$source) -> Self {
                    ::serde_json::json!({ $member: value.$id }).into()
                }
            }

            /// Uses its name or id, as a field of this kind takes it.
            impl From<$source> for $crate::workflow::field::InputValue {
                fn from(value: $source) -> Self {
                    (&value).into()
                }
            }
        )*
    };
}
pub(crate) use settable;

/// A value that a field does not accept.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` does not accept {value}; it accepts {accepted}", .input.as_ref().unwrap_or(.field))]
#[non_exhaustive]
pub struct ValueError {
    /// How the caller named the input; `None` if by its system name, or if the field is not an input.
    pub input: Option<String>,
    /// System name of the field; for one item of a list, followed by its index: `node.images[2]`.
    pub field: String,
    /// The value as JSON, shortened if long.
    pub value: String,
    /// What is accepted, in words.
    pub accepted: String,
}

crate::base::debug::short_debug! { ValueError { input, field, value, accepted } }

impl ValueError {
    /// The same, for an input that was set by this name.
    pub(crate) fn of_input(mut self, name: &str, system_name: &str) -> Self {
        // What follows the system name is the index of an item in a list.
        let rest = self.field.strip_prefix(system_name).filter(|_| name != system_name);
        self.input = rest.map(|index| format!("{name}{index}"));
        self
    }
}

/// A value, or an item of a list, that a kind does not accept.
#[derive(Debug)]
pub struct Refused {
    value: Value,
    index: Option<usize>,
}

impl Refused {
    pub(super) fn new(value: Value) -> Self {
        Refused { value, index: None }
    }

    /// The same refusal, for the item at this place in a list.
    pub(super) fn at(self, index: usize) -> Self {
        Refused { index: Some(index), ..self }
    }

    pub(super) fn error(self, field: &str, accepted: String) -> ValueError {
        let index = self.index.map(|index| format!("[{index}]")).unwrap_or_default();
        let accepted = if is_wide(&self.value) { accepted.replacen(WHOLE, WIDEST, 1) } else { accepted };
        ValueError { input: None, field: format!("{field}{index}"), value: shorten(&self.value), accepted }
    }
}

const WHOLE: &str = "a whole number";
const WIDEST: &str = "a whole number of up to 64 bits";

/// Whether it is a whole number that is too large, so that the limit must be said.
fn is_wide(value: &Value) -> bool {
    value.is_number() && value.as_i64().is_none() && value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn shorten(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
