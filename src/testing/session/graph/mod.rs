//! A graph as sent, read and checked.

mod rules;

use super::class::{self, Class, class};
use super::{Problem, values};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Port {
    pub(super) node_id: String,
    pub(super) field: String,
}

/// A value's way from an output to an input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Edge {
    pub(super) source: Port,
    pub(super) destination: Port,
}

/// `a.value -> b.image`, as errors name edges.
impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Edge { source, destination } = self;
        write!(f, "{}.{} -> {}.{}", source.node_id, source.field, destination.node_id, destination.field)
    }
}

/// A graph whose nodes and edges fit together.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub(super) id: String,
    pub(super) nodes: IndexMap<String, Map<String, Value>>,
    pub(super) edges: Vec<Edge>,
}

impl Graph {
    /// Reads a graph.
    ///
    /// # Errors
    /// All problems of the nodes and edges by themselves, otherwise the first of those between them.
    pub(super) fn read(graph: &Value) -> Result<Self, Vec<Problem>> {
        let Value::Object(members) = graph else {
            return Err(vec![values::not_an_object(graph)]);
        };
        let mut problems = Vec::new();
        let id = match members.get("id") {
            None => uuid::Uuid::new_v4().to_string(),
            Some(Value::String(id)) => id.clone(),
            Some(other) => {
                problems.push(Problem::new("string_type", "Input should be a valid string", other).within("id"));
                String::new()
            }
        };
        let mut nodes = IndexMap::new();
        match members.get("nodes") {
            None => {}
            Some(Value::Object(sent)) => {
                for (key, node) in sent {
                    match class::read_node(node) {
                        Ok(node) => _ = nodes.insert(key.clone(), node),
                        Err(found) => {
                            problems.extend(found.into_iter().map(|p| p.within(key.as_str()).within("nodes")));
                        }
                    }
                }
            }
            Some(other) => {
                problems.push(Problem::new("dict_type", "Input should be a valid dictionary", other).within("nodes"));
            }
        }
        let mut edges = Vec::new();
        match members.get("edges") {
            None => {}
            Some(Value::Array(sent)) => {
                for (index, edge) in sent.iter().enumerate() {
                    match read_edge(edge) {
                        Ok(edge) => edges.push(edge),
                        Err(found) => problems.extend(found.into_iter().map(|p| p.within(index).within("edges"))),
                    }
                }
            }
            Some(other) => {
                problems.push(Problem::new("list_type", "Input should be a valid list", other).within("edges"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let read = Graph { id, nodes, edges };
        rules::graph(&read).map_err(|broken| vec![Problem::rule(broken, graph)])?;
        Ok(read)
    }

    /// The class of a node.
    pub(super) fn class(&self, node_id: &str) -> Option<&'static Class> {
        class(self.nodes.get(node_id)?.get("type")?.as_str()?)
    }

    /// Whether the node is of this type.
    pub(super) fn is(&self, node_id: &str, node_type: &str) -> bool {
        self.class(node_id).is_some_and(|class| class.node_type == node_type)
    }

    /// Edges into a node, in the order sent.
    pub(super) fn inputs<'a>(&'a self, node_id: &'a str) -> impl Iterator<Item = &'a Edge> {
        self.edges.iter().filter(move |edge| edge.destination.node_id == node_id)
    }

    /// Edges out of a node, in the order sent.
    pub(super) fn outputs<'a>(&'a self, node_id: &'a str) -> impl Iterator<Item = &'a Edge> {
        self.edges.iter().filter(move |edge| edge.source.node_id == node_id)
    }

    /// Nodes an edge comes from, each once.
    pub(super) fn parents<'a>(&'a self, node_id: &'a str) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let sources = self.inputs(node_id).map(|edge| edge.source.node_id.as_str());
        sources.filter(|source| seen.insert(*source)).collect()
    }

    /// All nodes before this one; with `past_collectors` false, collectors end the way.
    pub(super) fn ancestors<'a>(&'a self, node_id: &'a str, past_collectors: bool) -> HashSet<&'a str> {
        let (mut found, mut open) = (HashSet::new(), vec![node_id]);
        while let Some(next) = open.pop() {
            if !past_collectors && self.is(next, "collect") {
                continue;
            }
            for edge in self.inputs(next) {
                if found.insert(edge.source.node_id.as_str()) {
                    open.push(edge.source.node_id.as_str());
                }
            }
        }
        found
    }

    /// The nodes, each after those it depends on; `None` if there is a cycle. By generations, each in the order sent.
    pub(super) fn topological(&self) -> Option<Vec<&str>> {
        let mut open: IndexMap<&str, usize> =
            self.nodes.keys().map(|id| (id.as_str(), self.parents(id).len())).collect();
        let mut ready: Vec<&str> = open.iter().filter(|&(_, &count)| count == 0).map(|(id, _)| *id).collect();
        let mut order = Vec::with_capacity(open.len());
        while !ready.is_empty() {
            let mut later = Vec::new();
            for id in ready {
                order.push(id);
                let mut seen = HashSet::new();
                for child in self.outputs(id).map(|edge| edge.destination.node_id.as_str()) {
                    if !seen.insert(child) {
                        continue;
                    }
                    if let Some(count) = open.get_mut(child) {
                        *count -= 1;
                        if *count == 0 {
                            later.push(child);
                        }
                    }
                }
            }
            ready = later;
        }
        (order.len() == open.len()).then_some(order)
    }

    /// As the server shows it.
    pub(super) fn to_json(&self) -> Value {
        let end = |port: &Port| json!({"node_id": port.node_id, "field": port.field});
        let edge = |edge: &Edge| json!({"source": end(&edge.source), "destination": end(&edge.destination)});
        let nodes: Map<String, Value> =
            self.nodes.iter().map(|(id, node)| (id.clone(), Value::Object(node.clone()))).collect();
        json!({"id": self.id, "nodes": nodes, "edges": self.edges.iter().map(edge).collect::<Vec<_>>()})
    }
}

fn read_edge(edge: &Value) -> Result<Edge, Vec<Problem>> {
    let Value::Object(members) = edge else {
        return Err(vec![values::not_an_object(edge)]);
    };
    let mut problems = Vec::new();
    let mut end = |name: &str| {
        let Some(port) = members.get(name) else {
            problems.push(Problem::new("missing", "Field required", edge).within(name));
            return None;
        };
        let Value::Object(members) = port else {
            problems.push(values::not_an_object(port).within(name));
            return None;
        };
        let mut text = |member: &str| match members.get(member) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                let problem = Problem::new("string_type", "Input should be a valid string", other);
                problems.push(problem.within(member).within(name));
                None
            }
            None => {
                problems.push(Problem::new("missing", "Field required", port).within(member).within(name));
                None
            }
        };
        let (node_id, field) = (text("node_id"), text("field"));
        Some(Port { node_id: node_id?, field: field? })
    };
    match (end("source"), end("destination")) {
        (Some(source), Some(destination)) if problems.is_empty() => Ok(Edge { source, destination }),
        _ => Err(problems),
    }
}
