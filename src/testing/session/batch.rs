//! Batches: one graph with many values (`invokeai/app/services/session_queue/session_queue_common.py`).

use super::Problem;
use serde_json::Value;

/// What one session of a batch runs.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The graph with this session's values.
    pub(crate) graph: Value,
    /// The values themselves, `[{"node_path", "field_name", "value"}]`; empty for a batch without data.
    pub(crate) field_values: Value,
}

/// A checked batch: its sessions in the order they run. They are made as they are asked for.
#[derive(Debug)]
pub(crate) struct Expansion {
    graph: Value,
}

impl Expansion {
    /// Number of sessions: the product of the groups, times `runs`.
    pub(crate) fn len(&self) -> usize {
        0
    }

    /// The sessions in the order they run.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> + '_ {
        std::iter::empty()
    }
}

/// Checks the `batch` of an enqueue request, its graph included.
///
/// # Errors
/// Everything the real server refuses with 422, with places inside the batch.
pub(crate) fn expand(batch: &Value) -> Result<Expansion, Vec<Problem>> {
    Ok(Expansion { graph: batch["graph"].clone() })
}
