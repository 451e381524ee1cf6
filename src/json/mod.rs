//! Reading JSON: one member of a text, what the whole would cost in memory, and text as another release writes it.

pub(crate) mod lenient;
pub(crate) mod member;
pub(crate) mod weight;
