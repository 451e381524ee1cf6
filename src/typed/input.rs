//! Inputs of a generated struct, as constants.

use super::value::InputType;
use super::{Embedded, TypedWorkflow};
use crate::workflow::InputKey;
use crate::workflow::field::{InkField, ValueError};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;

/// One input of a generated struct, without its types.
#[derive(Clone, Copy)]
pub struct InputInfo {
    name: &'static str,
    system_name: &'static str,
    label: &'static str,
    normal: fn(&Value) -> Option<Value>,
    is_complete: fn(&Value) -> bool,
}

crate::base::debug::short_debug! { InputInfo { name, system_name, label; .. } }

impl InputInfo {
    /// Name of the accessor, and of the member in JSON.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// `{node_id}.{field_name}`.
    pub const fn system_name(&self) -> &'static str {
        self.system_name
    }

    /// The label in the form.
    pub const fn label(&self) -> &'static str {
        self.label
    }

    /// A value as the struct would return it; `None` if it is not of the input's type.
    pub(super) fn normal(&self, value: &Value) -> Option<Value> {
        (self.normal)(value)
    }

    pub(super) fn is_complete(&self, value: &Value) -> bool {
        (self.is_complete)(value)
    }

    /// The value as it is stored, if the input accepts it by the rules from when the code was generated.
    pub(super) fn check(&self, embedded: &Embedded, value: Value) -> Result<Value, ValueError> {
        let Some(template) = embedded.template(self.system_name) else { return Ok(value) };
        let mut field = InkField::shared(self.name, template.clone(), None);
        field.set(value)?;
        Ok(field.value().cloned().unwrap_or_default())
    }
}

/// One input of the generated struct `W`, which holds values of type `T`.
///
/// It names the input wherever a key is asked for: `workflow.input(Flux::PROMPT)`.
pub struct TypedInput<W, T> {
    info: InputInfo,
    types: PhantomData<fn() -> (W, T)>,
}

impl<W, T: InputType> TypedInput<W, T> {
    /// For generated code: names of the accessor, of the input and of its label.
    pub const fn new(name: &'static str, system_name: &'static str, label: &'static str) -> Self {
        TypedInput {
            info: InputInfo { name, system_name, label, normal: normal::<T>, is_complete: is_complete::<T> },
            types: PhantomData,
        }
    }

    /// The input without its types.
    pub const fn info(&self) -> InputInfo {
        self.info
    }
}

fn normal<T: InputType>(value: &Value) -> Option<Value> {
    T::from_json(value).map(|value| value.to_json())
}

fn is_complete<T: InputType>(value: &Value) -> bool {
    T::from_json(value).is_some_and(|value| value.is_complete())
}

impl<W: TypedWorkflow, T: InputType> TypedInput<W, T> {
    /// Checks a value by the rules from when the code was generated, and converts it to the form that is stored.
    ///
    /// A choice that was not known then, and a model given only by name, are left to the server's own rules.
    ///
    /// # Errors
    /// If the input does not accept it.
    pub fn check(&self, value: T) -> Result<T, ValueError> {
        if !value.is_complete() {
            return Ok(value);
        }
        let json = self.info.check(W::embedded(), value.to_json())?;
        Ok(T::from_json(&json).unwrap_or(value))
    }
}

// Derives would require the same of `W` and `T`, of which there are no values here.
impl<W, T> Clone for TypedInput<W, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, T> Copy for TypedInput<W, T> {}

impl<W, T> fmt::Debug for TypedInput<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

impl<W, T> From<TypedInput<W, T>> for InputKey {
    fn from(input: TypedInput<W, T>) -> Self {
        InputKey::Name(input.info.system_name.to_owned())
    }
}
