//! Which function runs which node.

use super::call::Call;
use super::{NodeError, images, models, values};
use serde_json::{Map, Value};

/// Runs a node and gives the fields of its output.
pub(super) type Run = fn(&mut Call<'_>) -> Result<Map<String, Value>, NodeError>;

pub(super) fn implementation(node_type: &str) -> Option<Run> {
    values::implementation(node_type)
        .or_else(|| images::implementation(node_type))
        .or_else(|| models::implementation(node_type))
}
