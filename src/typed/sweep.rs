//! Sweeps over typed inputs.

use super::{InputType, TypedInput, TypedWorkflow};
use crate::Sweep;
use crate::error::Result;
use crate::workflow::field::InputValue;

impl Sweep {
    /// Creates a sweep over one input of a generated struct: `Sweep::over(Flux::PROMPT, ["a cat", "a dog"])`.
    ///
    /// # Errors
    /// If the input cannot be varied, or does not accept a value.
    pub fn over<W: TypedWorkflow, T: InputType>(
        input: TypedInput<W, T>,
        values: impl IntoIterator<Item = impl Into<T>>,
    ) -> Result<Self> {
        Sweep::new().and_over(input, values)
    }

    /// Combines everything so far with each of these values of an input of a generated struct.
    ///
    /// # Errors
    /// Same as [`over`](Self::over).
    pub fn and_over<W: TypedWorkflow, T: InputType>(
        self,
        input: TypedInput<W, T>,
        values: impl IntoIterator<Item = impl Into<T>>,
    ) -> Result<Self> {
        let values = values.into_iter().map(|value| InputValue::from(value.into().to_json()));
        self.product(W::embedded().workflow(), input, values)
    }
}
