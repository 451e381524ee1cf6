//! The graph the server runs, built from the loaded workflow (`features/nodes/util/graph/buildNodesGraph.ts`).

use super::batch::is_executable;
use super::document::{FieldInstance, Invocation, Node};
use super::dynamic_inputs;
use super::json::object;
use super::value::accepts_extra_inputs;
use super::wiring::{Link, Wiring};
use crate::schema::{InputTemplate, NodeCatalogue};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const CALL: &str = "call_saved_workflow";
const CALL_INPUTS: &str = "workflow_inputs";

/// The members `id`, `nodes` and `edges`. Images of nodes whose board is `auto` or unset go to `auto_add_board`.
pub(super) fn build(wiring: &Wiring<'_>, catalogue: &NodeCatalogue, auto_add_board: Option<&str>) -> Value {
    let mut nodes = Map::new();
    for node in wiring.nodes {
        if let Some(built) = build_node(node, catalogue, auto_add_board) {
            nodes.insert(node.id.clone(), Value::Object(built));
        }
    }
    let mut edges = Vec::new();
    let mut seen = HashSet::new();
    for link in wiring.links() {
        let Some((source, output, target, input)) = resolve(link, wiring) else { continue };
        // Ends without a template are not in the graph; loading has removed their edges.
        let known = nodes.contains_key(source) && nodes.contains_key(target);
        if !known || !seen.insert((source, output, target, input)) {
            continue;
        }
        let end = |node: &str, field: &str| object([("node_id", node.into()), ("field", field.into())]);
        edges.push(object([("source", end(source, output)), ("destination", end(target, input))]));
        if let Some(Value::Object(node)) = nodes.get_mut(target) {
            drop_direct_value(node, input);
        }
    }
    object([("id", uuid::Uuid::new_v4().to_string().into()), ("nodes", nodes.into()), ("edges", edges.into())])
}

/// The ends of an edge between nodes that run, with connectors resolved.
fn resolve<'a>(link: &Link<'a>, wiring: &Wiring<'a>) -> Option<(&'a str, &'a str, &'a str, &'a str)> {
    let (output, input) = link.handles?;
    let target = wiring.node(link.target)?;
    target.invocation().filter(|node| is_executable(node))?;
    let source = wiring.node(link.source)?;
    let (source, output) = if source.is_connector() {
        let (place, output) = wiring.connector_source(link.source)?;
        (wiring.node(place)?, output)
    } else {
        (source, output)
    };
    source.invocation().filter(|node| is_executable(node))?;
    Some((source.id.as_str(), output, target.id.as_str(), input))
}

fn build_node(node: &Node, catalogue: &NodeCatalogue, auto_add_board: Option<&str>) -> Option<Map<String, Value>> {
    let invocation = node.invocation().filter(|node| is_executable(node))?;
    let template = catalogue.get(&invocation.node_type)?;
    let mut built = Map::new();
    built.insert("type".into(), Value::from(invocation.node_type.as_str()));
    built.insert("id".into(), Value::from(node.id.as_str()));
    for (name, field) in &invocation.inputs {
        if invocation.node_type == CALL && (name == CALL_INPUTS || name.starts_with(dynamic_inputs::PREFIX)) {
            if name != CALL_INPUTS {
                call_input(&mut built, name, field);
            }
            continue;
        }
        let value = match invocation.template_of(template, name) {
            Some(input) => sent_value(input, field, auto_add_board),
            None if accepts_extra_inputs(&invocation.node_type) => field.value.clone(),
            None => None,
        };
        if let Some(value) = value {
            built.insert(name.clone(), value);
        }
    }
    if invocation.node_type == CALL {
        built.entry(CALL_INPUTS).or_insert_with(|| json!({}));
    }
    built.insert("use_cache".into(), Value::Bool(invocation.use_cache));
    built.insert("is_intermediate".into(), Value::Bool(invocation.is_intermediate));
    Some(built)
}

/// The inputs of a called workflow go into one object.
fn call_input(built: &mut Map<String, Value>, name: &str, field: &FieldInstance) {
    let inputs = built.entry(CALL_INPUTS).or_insert_with(|| json!({}));
    if let (Value::Object(inputs), Some(value)) = (inputs, &field.value) {
        inputs.insert(name.to_owned(), value.clone());
    }
}

fn sent_value(input: &InputTemplate, field: &FieldInstance, auto_add_board: Option<&str>) -> Option<Value> {
    if input.field_type.name != "BoardField" {
        return field.value.clone();
    }
    match field.value.as_ref() {
        None => auto_add_board.map(board),
        Some(Value::String(word)) if word == "auto" => auto_add_board.map(board),
        Some(Value::String(word)) if word == "none" => None,
        Some(value) => Some(value.clone()),
    }
}

fn board(id: &str) -> Value {
    json!({"board_id": id})
}

/// The server still checks a value beside an edge, although it does not use it.
fn drop_direct_value(node: &mut Map<String, Value>, input: &str) {
    let is_call = node.get("type").is_some_and(|kind| kind == CALL);
    if is_call && input.starts_with(dynamic_inputs::PREFIX) {
        if let Some(Value::Object(inputs)) = node.get_mut(CALL_INPUTS) {
            inputs.shift_remove(input);
        }
    } else {
        node.shift_remove(input);
    }
}

/// The board that a node's images go to, as the graph will say.
pub(super) fn board_of(node: &Invocation, input: &InputTemplate, auto_add_board: Option<&str>) -> Option<Value> {
    match node.inputs.get(&input.name) {
        Some(field) => sent_value(input, field, auto_add_board),
        // A field that the file lacks is not sent, so the editor's auto-add board does not apply.
        None => None,
    }
}
