//! Reading JSON: a tree that borrows its text, one member of a text, the memory that the whole would take, objects with
//! known members or of known kinds, and text as another release writes it.

pub(crate) mod borrowed;
pub(crate) mod lenient;
pub(crate) mod member;
mod reader;
pub(crate) mod record;
pub(crate) mod tagged;
pub(crate) mod weight;
