//! JSON that holds a workflow or a graph somewhere inside: what InvokeAI's API sends and takes. Also files of other
//! programs, which are reported by the program's name.

use super::definition::DefinitionError;
use super::json;
use serde_json::Value;

/// The most wrappers around a workflow: a queue item has one, an enqueue body two.
const MOST: usize = 4;

/// What was found in JSON.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// A workflow, or whatever looks most like one.
    Workflow(Value),
    /// A graph as the server runs it: `{nodes: {id: node}, edges: [...]}`.
    Graph(Value),
}

/// Removes what is wrapped around a workflow:
///
/// - a record of the library (`workflow`), a queue item (`workflow`, otherwise `session.graph`);
/// - an enqueue body (`batch.workflow`, otherwise `batch.graph`);
/// - an answer to `GET /api/v1/images/i/{name}/workflow` (`workflow`, otherwise `graph`, both JSON texts).
pub(super) fn unwrap(value: Value) -> Result<Found, DefinitionError> {
    let mut value = value;
    for _ in 0..MOST {
        let Value::Object(members) = &mut value else { break };
        let is = |name: &str, test: fn(&Value) -> bool| members.get(name).is_some_and(test);
        if let Some(program) = foreign(members) {
            return Err(DefinitionError::Foreign { program });
        }
        if is("nodes", Value::is_array) {
            break;
        }
        // A workflow whose nodes are not a list is a broken workflow.
        let of_workflow = ["meta", "exposedFields"].iter().any(|name| members.contains_key(*name));
        if is("nodes", Value::is_object) && is("edges", Value::is_array) && !of_workflow {
            return Ok(Found::Graph(value));
        }
        let inner = ["workflow", "batch", "graph", "session"].into_iter().find(|name| {
            members.get(*name).is_some_and(|inner| inner.is_object() || inner.is_string() && *name != "session")
        });
        match inner.and_then(|name| members.shift_remove(name)) {
            Some(Value::String(text)) => value = json::read(&text)?,
            Some(inner) => value = inner,
            None => break,
        }
    }
    Ok(Found::Workflow(value))
}

/// The program that such JSON is from, if that is not InvokeAI.
fn foreign(members: &serde_json::Map<String, Value>) -> Option<&'static str> {
    const COMFY: &str = "ComfyUI";
    // The canvas of ComfyUI: links are lists of numbers.
    if members.get("nodes").is_some_and(Value::is_array) && members.get("links").is_some_and(Value::is_array) {
        return Some(COMFY);
    }
    // What ComfyUI runs: nodes by number, at the top level or in the member `prompt`.
    let of_comfy = |nodes: &serde_json::Map<String, Value>| {
        !nodes.is_empty() && nodes.values().all(|node| node.get("class_type").is_some_and(Value::is_string))
    };
    let prompt = members.get("prompt").and_then(Value::as_object);
    (of_comfy(members) || prompt.is_some_and(of_comfy)).then_some(COMFY)
}

/// Texts that PNG images of other programs carry: the keyword of the text, and the program.
pub(super) const FOREIGN_TEXTS: [(&str, &str); 3] =
    [("prompt", "ComfyUI"), ("workflow", "ComfyUI"), ("parameters", "Stable Diffusion web UI (AUTOMATIC1111)")];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrapped_around_a_workflow_comes_off() {
        let workflow = json!({"nodes": [], "edges": [], "meta": {"version": "3.0.0"}});
        let graph = json!({"id": "g", "nodes": {}, "edges": []});
        for wrapped in [
            workflow.clone(),
            json!({"workflow_id": "x", "workflow": workflow}),
            json!({"item_id": 1, "session": {"graph": graph}, "workflow": workflow}),
            json!({"batch": {"graph": graph, "workflow": workflow}, "prepend": false}),
            json!({"workflow": workflow.to_string(), "graph": graph.to_string()}),
        ] {
            assert_eq!(unwrap(wrapped.clone()).unwrap(), Found::Workflow(workflow.clone()), "{wrapped}");
        }
        for wrapped in [
            graph.clone(),
            json!({"item_id": 1, "session": {"graph": graph}, "workflow": null}),
            json!({"batch": {"graph": graph}}),
            json!({"workflow": null, "graph": graph.to_string()}),
        ] {
            assert_eq!(unwrap(wrapped.clone()).unwrap(), Found::Graph(graph.clone()), "{wrapped}");
        }
    }

    #[test]
    fn a_broken_workflow_is_no_graph() {
        let broken = json!({"nodes": {}, "edges": [], "exposedFields": [], "meta": {"version": "3.0.0"}});
        assert_eq!(unwrap(broken.clone()).unwrap(), Found::Workflow(broken));
    }

    #[test]
    fn files_from_comfyui_are_recognized() {
        let node = json!({"class_type": "KSampler", "inputs": {}});
        for file in [
            json!({"last_node_id": 3, "nodes": [], "links": [], "version": 0.4}),
            json!({"3": node, "4": node}),
            json!({"client_id": "x", "prompt": {"3": node}}),
        ] {
            let refused = unwrap(file).unwrap_err().to_string();
            assert!(refused.contains("ComfyUI"), "{refused}");
        }
    }
}
