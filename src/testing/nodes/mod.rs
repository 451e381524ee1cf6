//! What the nodes do.
//!
//! Nodes without a model do what InvokeAI's do. Nodes with one pretend: a picture is made from the prompt, the seed and
//! the size, so that equal inputs give equal pictures and different ones differ. A type that is in neither group is
//! refused, see [`unsupported`].

mod context;
mod error;
mod tensors;

pub(crate) use context::{Context, NewImage, Preview, SavedImage};
pub(crate) use error::NodeError;
pub(crate) use tensors::Tensors;

use super::session::Prepared;
use serde_json::Value;

/// Runs a node and gives its output object, `type` and `output_meta` included.
///
/// Blocks; to cancel, let [`Context::is_canceled`] answer true: the error is then [`NodeError::canceled`].
pub(crate) fn invoke(prepared: &Prepared, _context: &mut dyn Context) -> Result<Value, NodeError> {
    Err(NodeError::new("NotImplementedError", format!("the embedded server has no node {}", prepared.node_type)))
}

/// Whether the embedded server can run nodes of this invocation type.
pub(crate) fn is_supported(_node_type: &str) -> bool {
    false
}

/// The node types of a graph that InvokeAI has and the embedded server cannot run, each once. A graph with any is
/// answered with 501.
pub(crate) fn unsupported(graph: &Value) -> Vec<String> {
    let nodes = graph["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
    let mut types: Vec<String> = nodes
        .filter_map(|node| node["type"].as_str())
        .filter(|node_type| !is_supported(node_type))
        .map(str::to_owned)
        .collect();
    types.sort();
    types.dedup();
    types
}

/// The key under which the invocation cache keeps the output of this node, or none if it must run each time: what
/// differs between two runs of the same work (`id`) is left out (`invocation_cache_memory.py`).
pub(crate) fn cache_key(prepared: &Prepared) -> Option<String> {
    if prepared.node.get("use_cache") == Some(&Value::Bool(false)) {
        return None;
    }
    let mut node = prepared.node.clone();
    node.remove("id");
    Some(Value::Object(node).to_string())
}
