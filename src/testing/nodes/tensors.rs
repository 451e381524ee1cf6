//! Latents, noise, conditionings and masks: what nodes hand on by name.

use std::collections::HashMap;

/// The named tensors of a server.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    names: HashMap<String, ()>,
}
