//! Values on their way into a generated struct.

use super::value::InputType;
use super::{InputInfo, TypedInput, TypedWorkflow};
use crate::workflow::field::ValueError;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

/// Why a generated struct cannot be made from values.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// An input that must have a value has none.
    #[error("`{input}` must have a value")]
    Missing {
        /// Name of the accessor.
        input: &'static str,
    },
    /// No input has this name.
    #[error("no input `{name}`; there are {}", known.join(", "))]
    NoSuchInput {
        /// The name given.
        name: String,
        /// All names, or the first of many.
        known: Vec<&'static str>,
    },
    /// The workflow does not have the input.
    #[error("the workflow has no input {system_name}, which `{input}` stands for")]
    NotInWorkflow {
        /// Name of the accessor.
        input: &'static str,
        /// `{node_id}.{field_name}`.
        system_name: &'static str,
    },
    /// The input does not accept the value.
    #[error(transparent)]
    Value(#[from] ValueError),
}

crate::base::debug::short_debug! {
    enum TypedError {
        Missing { input },
        NoSuchInput { name, known },
        NotInWorkflow { input, system_name },
        Value(value),
    }
}

/// The values that a generated struct is made from.
pub struct InputSource<'a, W> {
    values: HashMap<&'static str, &'a Value>,
    workflow: PhantomData<fn() -> W>,
}

impl<W> fmt::Debug for InputSource<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| f.debug_struct("InputSource").field("values", &self.values).finish())
    }
}

impl<'a, W: TypedWorkflow> InputSource<'a, W> {
    pub(super) fn new(values: impl IntoIterator<Item = (InputInfo, &'a Value)>) -> Self {
        let values = values.into_iter().map(|(info, value)| (info.name(), value)).collect();
        InputSource { values, workflow: PhantomData }
    }

    /// The value of an input that must have one.
    ///
    /// # Errors
    /// If it has none, or one of another type.
    pub fn required<T: InputType>(&self, input: TypedInput<W, T>) -> Result<T, TypedError> {
        self.optional(input)?.ok_or(TypedError::Missing { input: input.info().name() })
    }

    /// The value of an input that may have none.
    ///
    /// # Errors
    /// If it has one of another type.
    pub fn optional<T: InputType>(&self, input: TypedInput<W, T>) -> Result<Option<T>, TypedError> {
        let Some(value) = self.values.get(input.info().name()) else { return Ok(None) };
        match T::from_json(value) {
            Some(value) => Ok(Some(value)),
            // A value in a file may have any shape; the rules of the input say what is wrong with it.
            None => {
                let refused = input.info().check(W::embedded(), (*value).clone());
                let accepted = "a value of the type that it had when the code was generated".to_owned();
                let (field, value) = (input.info().name().to_owned(), value.to_string());
                Err(refused.err().unwrap_or(ValueError { input: None, field, value, accepted }).into())
            }
        }
    }
}
