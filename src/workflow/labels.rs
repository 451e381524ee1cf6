//! The names that a workflow gives to its nodes.

use serde_json::Value;

/// The node ids of a workflow document, with their labels.
pub(crate) fn labels_of(document: &Value) -> Vec<(String, Option<String>)> {
    let nodes = document.get("nodes").and_then(Value::as_array);
    let label = |node: &Value| {
        let data = node.get("data")?;
        // Notes and connectors are not run.
        (node.get("type")? == "invocation").then_some(())?;
        let label = data.get("label").and_then(Value::as_str).filter(|label| !label.is_empty());
        Some((node.get("id")?.as_str()?.to_owned(), label.map(str::to_owned)))
    };
    nodes.into_iter().flatten().filter_map(label).collect()
}
