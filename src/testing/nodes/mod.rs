//! What the nodes do.
//!
//! Nodes without a model do what InvokeAI's do (`invokeai/app/invocations/`): same outputs, same pixels where Pillow's
//! arithmetic is simple enough. Nodes with one are simulated: a picture is made from the prompts, the seed and the
//! size, so that equal inputs give equal pictures and different ones differ, and image-to-image keeps the more of the
//! input, the greater `denoising_start` is. A type in neither group is refused, see [`unsupported`].
//!
//! Random numbers are not those of NumPy, so nodes with a seed give other values than the real server, but the same
//! each time.

mod call;
mod context;
mod digest;
mod images;
mod models;
mod registry;
mod tensors;
mod values;

#[allow(unused_imports, reason = "the server gives some of them")]
pub(crate) use context::{Context, NewImage, Preview, SavedImage};
pub(crate) use tensors::Tensors;
#[allow(unused_imports, reason = "for the server's utilities")]
pub(crate) use values::prompts::dynamic_prompts;

pub(crate) use super::node_error::NodeError;
use super::session::Prepared;
use super::session::class::class;
use call::Call;
use serde_json::Value;
use std::collections::HashSet;

/// Runs a node and returns its output object, `type` and `output_meta` included.
///
/// Blocks; to cancel, let [`Context::is_canceled`] return true: the error is then [`NodeError::canceled`].
pub(crate) fn invoke(prepared: &Prepared, context: &mut dyn Context) -> Result<Value, NodeError> {
    let node_type = prepared.node_type.as_str();
    let (Some(class), Some(run)) = (class(node_type), registry::implementation(node_type)) else {
        return Err(NodeError::new("NotImplementedError", format!("the embedded server has no node {node_type}")));
    };
    if let Some((field, only_by_edge)) = class.missing_input(&prepared.node) {
        return Err(if only_by_edge {
            let message = format!("Node {node_type} missing connections for field {field}");
            NodeError::new("RequiredConnectionException", message)
        } else {
            let message = format!("Node {node_type} missing value or connection for field {field}");
            NodeError::new("MissingInputException", message)
        });
    }
    let output = run(&mut Call::new(prepared, context))?;
    class.output(output).map_err(|field| {
        NodeError::new("ValidationError", format!("{node_type}: the output {field} has no valid value"))
    })
}

/// Whether the embedded server can run nodes of this invocation type.
pub(crate) fn is_supported(node_type: &str) -> bool {
    registry::implementation(node_type).is_some()
}

/// What a graph uses that InvokeAI supports and the embedded server does not: node types, each once, and options of
/// nodes. Such a graph is answered with 501.
pub(crate) fn unsupported(graph: &Value) -> Vec<String> {
    let nodes = graph["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
    let mut missing: Vec<String> = nodes
        .filter_map(|node| {
            let node_type = node["type"].as_str().filter(|node_type| class(node_type).is_some())?;
            match node_type {
                "string_replace" if node["use_regex"] == true => Some("string_replace with use_regex".to_owned()),
                "img_conv" if node["mode"] == "I" => Some("img_conv to mode I".to_owned()),
                known if is_supported(known) => None,
                unknown => Some(unknown.to_owned()),
            }
        })
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

/// The key under which the invocation cache keeps the output of this node, or `None` if it must run each time. What
/// differs between two runs of the same work (`id`) is left out
/// (`invokeai/app/services/invocation_cache/invocation_cache_memory.py`).
///
/// An output is stale when one of its images is deleted, see [`image_names`].
pub(crate) fn cache_key(prepared: &Prepared) -> Option<String> {
    let mut node = prepared.node.clone();
    node.remove("id");
    (node.get("use_cache") == Some(&Value::Bool(true))).then(|| Value::Object(node).to_string())
}

/// Whether one of these texts is a value somewhere in an output.
pub(crate) fn has_text(output: &Value, texts: &HashSet<String>) -> bool {
    match output {
        Value::String(text) => texts.contains(text),
        Value::Object(members) => members.values().any(|value| has_text(value, texts)),
        Value::Array(items) => items.iter().any(|value| has_text(value, texts)),
        _ => false,
    }
}

/// All images that an output names.
pub(crate) fn image_names(output: &Value) -> Vec<&str> {
    match output {
        Value::Object(members) => {
            let own = members.get("image_name").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(image_names)).collect()
        }
        Value::Array(items) => items.iter().flat_map(image_names).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
pub(crate) mod tests;
