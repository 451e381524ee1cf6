//! The rules of graphs that InvokeAI checks in code (`Graph.validate_self`).

use super::{Edge, Graph, Port};
use crate::testing::session::types::Type;
use serde_json::{Map, Value};

/// The first rule between nodes and edges that the graph breaks, in the server's words.
pub(super) fn graph(graph: &Graph) -> Result<(), String> {
    let id = |node: &Map<String, Value>| node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let ids: Vec<String> = graph.nodes.values().map(id).collect();
    if let Some(twice) = ids.iter().enumerate().find(|(index, id)| ids[..*index].contains(id)).map(|(_, id)| id) {
        return Err(format!("Node ids must be unique, found duplicates {{'{twice}'}}"));
    }
    for (key, id) in graph.nodes.keys().zip(&ids) {
        if key != id {
            return Err(format!("Node ids must match, got {key} and {id}"));
        }
    }
    for Edge { source, destination } in &graph.edges {
        let Some(source_class) = graph.class(&source.node_id) else {
            return Err(format!("Edge source node {} does not exist in the graph", source.node_id));
        };
        let Some(destination_class) = graph.class(&destination.node_id) else {
            return Err(format!("Edge destination node {} does not exist in the graph", destination.node_id));
        };
        if source_class.output_type(&source.field).is_none() {
            return Err(format!("Edge source field {} does not exist in node {}", source.field, source.node_id));
        }
        if destination_class.input_type(&destination.field).is_none() {
            let Port { node_id, field } = destination;
            return Err(format!("Edge destination field {field} does not exist in node {node_id}"));
        }
    }
    if graph.topological().is_none() {
        return Err("Graph contains cycles".into());
    }
    for edge in &graph.edges {
        if !output_type(graph, &edge.source).fits(&input_type(graph, &edge.destination)) {
            return Err(format!("Edge source and target types do not match ({edge})"));
        }
    }
    for node in graph.nodes.keys() {
        if graph.is(node, "iterate") {
            iterator(graph, node).map_err(|broken| format!("Invalid iterator node ({node}): {broken}"))?;
        }
        if graph.is(node, "collect") {
            collector(graph, node).map_err(|broken| format!("Invalid collector node ({node}): {broken}"))?;
        }
    }
    Ok(())
}

fn output_type(graph: &Graph, port: &Port) -> Type {
    graph.class(&port.node_id).and_then(|class| class.output_type(&port.field)).unwrap_or(Type::None)
}

fn input_type(graph: &Graph, port: &Port) -> Type {
    graph.class(&port.node_id).and_then(|class| class.input_type(&port.field)).unwrap_or(Type::None)
}

fn sources<'a>(graph: &'a Graph, node: &'a str, field: &str) -> Vec<&'a Port> {
    graph.inputs(node).filter(|edge| edge.destination.field == field).map(|edge| &edge.source).collect()
}

fn destinations<'a>(graph: &'a Graph, node: &'a str, field: &str) -> Vec<&'a Port> {
    graph.outputs(node).filter(|edge| edge.source.field == field).map(|edge| &edge.destination).collect()
}

fn iterator(graph: &Graph, node: &str) -> Result<(), &'static str> {
    let [input] = sources(graph, node, "collection")[..] else {
        let none = sources(graph, node, "collection").is_empty();
        return Err(if none {
            "Iterator must have a collection input edge"
        } else {
            "Iterator may only have one input edge"
        });
    };
    let outputs: Vec<Type> = destinations(graph, node, "item").iter().map(|port| input_type(graph, port)).collect();
    let Type::List(item) = output_type(graph, input) else {
        return Err("Iterator input must be a collection");
    };
    if !outputs.iter().all(|output| item.fits(output)) {
        return Err("Iterator outputs must connect to an input with a matching type");
    }
    if graph.is(&input.node_id, "collect") {
        let Some(root) = root_type(collected_types(graph, &input.node_id)) else {
            return Err("Iterator input collector must have at least one item or collection input edge");
        };
        if !outputs.iter().all(|output| root.fits(output)) {
            return Err("Iterator collection type must match all iterator output types");
        }
    }
    Ok(())
}

/// The types of everything that goes into a collector, other collectors before it included.
fn collected_types(graph: &Graph, collector: &str) -> Vec<Type> {
    let mut found = Vec::new();
    for source in sources(graph, collector, "item") {
        let output = output_type(graph, source);
        let items = if output.is_simple() { vec![output] } else { output.args().to_vec() };
        found.extend(items.into_iter().filter(|item| *item != Type::None));
    }
    for source in sources(graph, collector, "collection") {
        // Cycles are excluded before, so this ends.
        if graph.is(&source.node_id, "collect") && source.field == "collection" {
            found.extend(collected_types(graph, &source.node_id));
        } else {
            found.extend(output_type(graph, source).item_types());
        }
    }
    let mut unique: Vec<Type> = Vec::new();
    for item in found {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

/// Those among the types that are not a subclass of another.
fn roots(types: &[Type]) -> Vec<&Type> {
    types.iter().filter(|one| !types.iter().any(|other| other != *one && one.is_subclass_of(other))).collect()
}

fn root_type(types: Vec<Type>) -> Option<Type> {
    let known: Vec<Type> = types.iter().filter(|item| **item != Type::Any).cloned().collect();
    match (known.is_empty(), types.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Type::Any),
        _ => match roots(&known)[..] {
            [root] => Some(root.clone()),
            _ => Some(Type::Any),
        },
    }
}

fn collector(graph: &Graph, node: &str) -> Result<(), &'static str> {
    const MISMATCH: &str = "Collector outputs must connect to a collection input with a matching type";
    let collections = sources(graph, node, "collection");
    if sources(graph, node, "item").is_empty() && collections.is_empty() {
        return Err("Collector must have at least one item or collection input edge");
    }
    let is_collection = |port: &&Port| {
        let output = output_type(graph, port);
        output.is_or_contains_list() || output.is_any()
    };
    if !collections.iter().all(is_collection) {
        return Err("Collector collection input must be a collection");
    }
    let known: Vec<Type> = collected_types(graph, node).into_iter().filter(|item| *item != Type::Any).collect();
    let root = match roots(&known)[..] {
        [] => None,
        [root] => Some(root),
        _ => return Err("Collector input collection items must be of a single type"),
    };
    let ports = destinations(graph, node, "collection");
    let outputs: Vec<Type> = ports.iter().map(|port| input_type(graph, port)).collect();
    if !outputs.iter().all(|output| output.is_or_contains_list() || output.is_any()) {
        return Err("Collector output must connect to a collection input");
    }
    let takes = |output: &Type| match (root, output.args().first()) {
        _ if output.is_any() => true,
        (Some(root), Some(first)) => root.is_union_subtype_of(first) || root.is_subclass_of(first),
        _ => false,
    };
    if !outputs.iter().all(takes) {
        return Err(MISMATCH);
    }
    for port in ports.iter().filter(|port| graph.is(&port.node_id, "collect") && port.field == "collection") {
        let Some(downstream) = root_type(collected_types(graph, &port.node_id)) else { continue };
        let fits = root.map_or(downstream == Type::Any, |root| root.fits(&downstream));
        if !fits {
            return Err(MISMATCH);
        }
    }
    Ok(())
}
