//! The values of inputs, as Rust types.

use std::fmt;

use crate::workflow::field::{
    ColorChannels, FieldKind,
    kind::{Color, Integer},
};
use crate::workflow::generator::{Generator, GeneratorKind};
use serde_json::Value;

/// A type of value that an input holds. Implemented for numbers, texts, booleans, references, models, colors,
/// generators, lists of these, and by generated code for choices.
pub trait InputType: Clone + PartialEq + Send + Sync + 'static {
    /// Reads the JSON form that workflows store; `None` if it has another shape.
    fn from_json(value: &Value) -> Option<Self>;

    /// The JSON form that workflows store.
    fn to_json(&self) -> Value;

    /// Whether the value has all that a check needs. A model given only by name does not, nor does a choice from a
    /// newer server.
    fn is_complete(&self) -> bool {
        true
    }
}

impl InputType for i64 {
    fn from_json(value: &Value) -> Option<Self> {
        Integer::read(value)
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

/// For inputs that take no numbers below 0.
impl InputType for u64 {
    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64().or_else(|| Integer::read(value)?.try_into().ok())
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl InputType for f64 {
    fn from_json(value: &Value) -> Option<Self> {
        value.as_f64()
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl InputType for bool {
    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl InputType for String {
    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

impl InputType for ColorChannels {
    fn from_json(value: &Value) -> Option<Self> {
        Color::read(value)
    }

    fn to_json(&self) -> Value {
        ColorChannels::to_json(*self)
    }
}

impl InputType for Generator {
    fn from_json(value: &Value) -> Option<Self> {
        use GeneratorKind::{Float, Image, Integer, String};
        // The beginning of its type says which kind it is.
        let kind = value.get("type")?.as_str()?.split('_').next()?;
        let kinds = [("float", Float), ("integer", Integer), ("string", String), ("image", Image)];
        let (_, kind) = kinds.into_iter().find(|(name, _)| *name == kind)?;
        Generator::from_json(kind, value)
    }

    fn to_json(&self) -> Value {
        Generator::to_json(self)
    }
}

impl<T: InputType> InputType for Vec<T> {
    fn from_json(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_json).collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(T::to_json).collect()
    }

    fn is_complete(&self) -> bool {
        self.iter().all(T::is_complete)
    }
}

/// One value or a list of such, for inputs that take either.
#[derive(Clone, PartialEq)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T: fmt::Debug> fmt::Debug for OneOrMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| match self {
            Self::One(value) => f.debug_tuple("One").field(value).finish(),
            Self::Many(values) => f.debug_tuple("Many").field(values).finish(),
        })
    }
}

impl<T> From<T> for OneOrMany<T> {
    fn from(value: T) -> Self {
        OneOrMany::One(value)
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(values: Vec<T>) -> Self {
        OneOrMany::Many(values)
    }
}

impl<T: InputType> InputType for OneOrMany<T> {
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Array(_) => Vec::from_json(value).map(OneOrMany::Many),
            value => T::from_json(value).map(OneOrMany::One),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            OneOrMany::One(value) => value.to_json(),
            OneOrMany::Many(values) => values.to_json(),
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            OneOrMany::One(value) => value.is_complete(),
            OneOrMany::Many(values) => values.is_complete(),
        }
    }
}

/// Any JSON, for inputs that have no narrower type, such as metadata.
#[derive(Clone, PartialEq)]
pub struct Json(pub Value);

crate::base::debug::short_debug! { Json(value) }

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Json(value)
    }
}

impl InputType for Json {
    fn from_json(value: &Value) -> Option<Self> {
        (!value.is_null()).then(|| Json(value.clone()))
    }

    fn to_json(&self) -> Value {
        self.0.clone()
    }
}

/// For generated code: a stored value that has no literal in Rust.
pub fn stored<T: InputType>(json: &str) -> Option<T> {
    T::from_json(&serde_json::from_str(json).ok()?)
}

/// For generated code: a choice as text, from a string or a whole number.
pub fn choice_from_json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            Some(Integer::read(value).map_or_else(|| number.to_string(), |whole| whole.to_string()))
        }
        _ => None,
    }
}

/// For generated code: the other way round, where at least one choice is a number.
pub fn choice_to_json(choice: &str) -> Value {
    choice.parse::<i64>().map_or_else(|_| choice.into(), Value::from)
}
