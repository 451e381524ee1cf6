//! The graph the server runs, built from the loaded workflow (`features/nodes/util/graph/buildNodesGraph.ts`).

use super::batch::is_executable;
use super::document::{FieldInstance, Invocation, Node};
use super::document_json::write_object;
use super::dynamic_inputs;
use super::table::{Ordered, Set};
use super::value::accepts_extra_inputs;
use super::wiring::{Link, Wiring};
use crate::schema::{NodeCatalog, NodeTemplate};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

const CALL: &str = "call_saved_workflow";
const CALL_INPUTS: &str = "workflow_inputs";
/// Members that every node of a graph has.
const ATTRIBUTES: [&str; 4] = ["type", "id", "use_cache", "is_intermediate"];

/// The graph of a workflow, ready to be written: the members `id`, `nodes` and `edges`.
pub(super) struct Graph<'a> {
    id: String,
    wiring: &'a Wiring<'a>,
    /// Board for the images of nodes whose board is `auto` or unset.
    auto_add_board: Option<&'a str>,
    nodes: Vec<Running<'a>>,
    edges: Vec<Connection<'a>>,
    /// Inputs that an edge feeds. The server still checks a value beside an edge, although it does not use it.
    fed: Set<(usize, &'a str)>,
}

/// A node that runs.
struct Running<'a> {
    node: &'a Node,
    invocation: &'a Invocation,
    template: &'a NodeTemplate,
    /// The place of the first node with its id, where edges end.
    place: usize,
}

/// The ends of an edge between nodes that run: nodes by their place, outputs and inputs by name.
type Connection<'a> = (usize, &'a str, usize, &'a str);

impl<'a> Graph<'a> {
    pub(super) fn new(wiring: &'a Wiring<'a>, catalog: &'a NodeCatalog, auto_add_board: Option<&'a str>) -> Self {
        let nodes = running(wiring, catalog);
        let mut runs = vec![false; wiring.nodes.len()];
        for node in &nodes {
            if let Some(runs) = runs.get_mut(node.place) {
                // Of several nodes with the same id, the last runs, but edges end at the first.
                *runs = wiring.node(node.place).and_then(Node::invocation).is_some_and(is_executable);
            }
        }
        let links = wiring.links();
        let mut edges = Vec::with_capacity(links.len());
        let mut seen = Set::with_capacity_and_hasher(links.len(), Default::default());
        let mut fed = Set::with_capacity_and_hasher(links.len(), Default::default());
        for link in links {
            let Some(edge @ (source, _, target, input)) = resolve(link, wiring) else { continue };
            // Ends without a template are not in the graph; loading has removed their edges.
            let known = runs.get(source) == Some(&true) && runs.get(target) == Some(&true);
            if known && seen.insert(edge) {
                edges.push(edge);
                fed.insert((target, input));
            }
        }
        Graph { id: uuid::Uuid::new_v4().to_string(), wiring, auto_add_board, nodes, edges, fed }
    }

    fn id_at(&self, place: usize) -> &'a str {
        self.wiring.node(place).map_or("", |node| &node.id)
    }
}

/// The nodes that run, in the order of the file. Of several nodes with the same id, the last runs, in the place of the
/// first.
fn running<'a>(wiring: &Wiring<'a>, catalog: &'a NodeCatalog) -> Vec<Running<'a>> {
    let runs = wiring.nodes.iter().enumerate().filter_map(|(place, node)| {
        let invocation = node.invocation().filter(|node| is_executable(node))?;
        let template = catalog.get(&invocation.node_type)?;
        Some(Running { node, invocation, template, place })
    });
    if !wiring.has_twins() {
        return runs.collect();
    }
    let mut by_id = Ordered::default();
    for running in runs {
        let place = wiring.place(&running.node.id).unwrap_or(running.place);
        by_id.insert(place, Running { place, ..running });
    }
    by_id.into_values().collect()
}

/// The ends of an edge, with connectors resolved.
fn resolve<'a>(link: &Link<'a>, wiring: &Wiring<'a>) -> Option<Connection<'a>> {
    let (output, input) = link.handles?;
    let source = wiring.node(link.source)?;
    let (place, output) =
        if source.is_connector() { wiring.connector_source(link.source)? } else { (link.source, output) };
    Some((place, output, link.target, input))
}

impl Serialize for Graph<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_object!(serializer, { "id": &self.id, "nodes": &Nodes(self), "edges": &Edges(self) })
    }
}

struct Nodes<'g, 'a>(&'g Graph<'a>);

impl Serialize for Nodes<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.nodes.iter().map(|running| (&running.node.id, GraphNode(self.0, running))))
    }
}

struct Edges<'g, 'a>(&'g Graph<'a>);

impl Serialize for Edges<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.edges.iter().map(|(source, output, target, input)| {
            let end = |place, field| End { node_id: self.0.id_at(place), field };
            GraphEdge { source: end(*source, output), destination: end(*target, input) }
        }))
    }
}

#[derive(Serialize)]
struct GraphEdge<'a> {
    source: End<'a>,
    destination: End<'a>,
}

#[derive(Serialize)]
struct End<'a> {
    node_id: &'a str,
    field: &'a str,
}

struct GraphNode<'g, 'a>(&'g Graph<'a>, &'g Running<'a>);

impl Serialize for GraphNode<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GraphNode(graph, Running { node, invocation, template, place }) = self;
        let is_fed = |name: &str| graph.fed.contains(&(*place, name));
        if invocation.node_type == CALL || invocation.inputs.keys().any(|name| ATTRIBUTES.contains(&name.as_str())) {
            return odd_node(node, invocation, template, graph.auto_add_board, is_fed).serialize(serializer);
        }
        let mut built = serializer.serialize_map(None)?;
        built.serialize_entry("type", &invocation.node_type)?;
        built.serialize_entry("id", &node.id)?;
        for (name, field) in invocation.inputs.iter().filter(|(name, _)| !is_fed(name)) {
            if let Some(value) = sent_value(invocation, template, name, field, graph.auto_add_board) {
                built.serialize_entry(name, &*value)?;
            }
        }
        built.serialize_entry("use_cache", &invocation.use_cache)?;
        built.serialize_entry("is_intermediate", &invocation.is_intermediate)?;
        built.end()
    }
}

/// A node that calls a workflow, or has inputs that are named like attributes of nodes.
fn odd_node(
    node: &Node,
    invocation: &Invocation,
    template: &NodeTemplate,
    auto_add_board: Option<&str>,
    is_fed: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut built = Map::new();
    built.insert("type".into(), Value::from(invocation.node_type.as_str()));
    built.insert("id".into(), Value::from(node.id.as_str()));
    let is_call = invocation.node_type == CALL;
    for (name, field) in &invocation.inputs {
        if is_call && (name == CALL_INPUTS || name.starts_with(dynamic_inputs::PREFIX)) {
            // The inputs of a called workflow go into one object.
            if name != CALL_INPUTS
                && let Value::Object(inputs) = built.entry(CALL_INPUTS).or_insert_with(|| json!({}))
                && let Some(value) = field.value.as_ref().filter(|_| !is_fed(name))
            {
                inputs.insert(name.to_string(), value.clone());
            }
        } else if let Some(value) = sent_value(invocation, template, name, field, auto_add_board) {
            built.insert(name.to_string(), value.into_owned());
        }
    }
    if is_call {
        built.entry(CALL_INPUTS).or_insert_with(|| json!({}));
    }
    built.insert("use_cache".into(), Value::Bool(invocation.use_cache));
    built.insert("is_intermediate".into(), Value::Bool(invocation.is_intermediate));
    built.retain(|name, _| !is_fed(name) || (is_call && name.starts_with(dynamic_inputs::PREFIX)));
    built
}

/// The value of an input in the graph.
fn sent_value<'a>(
    invocation: &Invocation,
    template: &NodeTemplate,
    name: &str,
    field: &'a FieldInstance,
    auto_add_board: Option<&str>,
) -> Option<Cow<'a, Value>> {
    match invocation.template_of(template, name) {
        Some(input) if input.field_type.name == "BoardField" => board_value(field, auto_add_board),
        None if !accepts_extra_inputs(&invocation.node_type) => None,
        _ => field.value.as_ref().map(Cow::Borrowed),
    }
}

fn board_value<'a>(field: &'a FieldInstance, auto_add_board: Option<&str>) -> Option<Cow<'a, Value>> {
    let board = || auto_add_board.map(|id| Cow::Owned(json!({"board_id": id})));
    match field.value.as_ref() {
        None => board(),
        Some(Value::String(word)) if word == "auto" => board(),
        Some(Value::String(word)) if word == "none" => None,
        Some(value) => Some(Cow::Borrowed(value)),
    }
}

/// The board that a node's images go to, as the graph names it. `name` is the input for it.
pub(super) fn board_of(node: &Invocation, name: &str, auto_add_board: Option<&str>) -> Option<Value> {
    // A field that is not in the file is not sent, so the editor's auto-add board does not apply.
    board_value(node.inputs.get(name)?, auto_add_board).map(Cow::into_owned)
}
