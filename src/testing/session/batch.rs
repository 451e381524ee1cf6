//! Batches: one graph with many values (`invokeai/app/services/session_queue/session_queue_common.py`).

use super::Problem;
use super::graph::Graph;
use super::values::{self, Texts, check};
use crate::testing::openapi::schemas;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What one session of a batch runs.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The graph with this session's values. The *types* of the values were not checked, as on the real server:
    /// [`super::Session::new`] may refuse it.
    pub(crate) graph: Value,
    /// The values themselves, `[{"node_path", "field_name", "value"}]`; empty for a batch without data.
    pub(crate) field_values: Value,
}

/// A checked batch: its sessions in the order they run. They are made as they are asked for.
#[derive(Debug)]
pub(crate) struct Expansion {
    graph: Value,
    /// The graph without null members: the server keeps it so, and reads it again when a session starts. A value that
    /// must not be missing but may be null, as in a metadata item, makes that fail.
    stored: Value,
    /// For each group of the data, for each index in it, the values to set.
    groups: Vec<Vec<Vec<Value>>>,
    runs: usize,
}

impl Expansion {
    /// Number of sessions: the product of the groups, times `runs`.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().fold(self.runs, |product, group| product.saturating_mul(group.len()))
    }

    /// The sessions in the order they run: the last group changes fastest.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> + '_ {
        (0..self.len()).map(|number| {
            let (mut rest, mut chosen) = (number, Vec::new());
            for group in self.groups.iter().rev() {
                chosen.push(&group[rest % group.len()]);
                rest /= group.len();
            }
            let values: Vec<&Value> = chosen.into_iter().rev().flatten().collect();
            let mut graph = self.stored.clone();
            for value in &values {
                let (Some(node), Some(field)) = (value["node_path"].as_str(), value["field_name"].as_str()) else {
                    continue;
                };
                if let Some(node) = graph["nodes"].get_mut(node).and_then(Value::as_object_mut) {
                    node.insert(field.to_owned(), value["value"].clone());
                }
            }
            Item { graph, field_values: json!(values) }
        })
    }

    /// The graph as the server keeps it: defaults filled in. The enqueue answer echoes it.
    pub(crate) fn graph(&self) -> &Value {
        &self.graph
    }
}

/// Checks the `batch` of an enqueue request, its graph included.
///
/// # Errors
/// Everything the real server refuses with 422, with places inside the batch.
pub(crate) fn expand(batch: &Value) -> Result<Expansion, Vec<Problem>> {
    let Value::Object(members) = batch else {
        return Err(vec![values::not_an_object(batch)]);
    };
    let mut problems = Vec::new();
    let mut data = Vec::new();
    for field in ["batch_id", "origin", "destination", "data", "workflow", "runs"] {
        let (Some(value), Some(schema)) =
            (members.get(field), schemas().get("Batch").and_then(|batch| batch["properties"].get(field)))
        else {
            continue;
        };
        match check(schema, value, Texts::Only) {
            Ok(checked) if field == "data" => match groups(&checked) {
                Ok(groups) => data = groups,
                Err(broken) => problems.push(Problem::rule(broken, value).within(field)),
            },
            Ok(_) => {}
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.within(field))),
        }
    }
    let graph = match members.get("graph") {
        None => Err(vec![Problem::new("missing", "Field required", batch)]),
        Some(graph) => Graph::read(graph),
    };
    let graph = graph.map_err(|found| problems.extend(found.into_iter().map(|problem| problem.within("graph"))));
    let Some(graph) = graph.ok().filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    for datum in data.iter().flatten() {
        let (node, field) = (text(datum, "node_path"), text(datum, "field_name"));
        let Some(class) = graph.class(node) else {
            return Err(vec![Problem::rule(format!("Node {node} not found in graph"), batch)]);
        };
        if !class.properties.contains_key(field) {
            return Err(vec![Problem::rule(format!("Field {field} not found in node {node}"), batch)]);
        }
    }
    let runs = members.get("runs").and_then(Value::as_f64).map_or(1, |runs| runs as usize);
    let graph = graph.to_json();
    Ok(Expansion { stored: without_nulls(&graph), graph, groups: data.iter().map(|group| zip(group)).collect(), runs })
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        other => other.clone(),
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn items(datum: &Value) -> &[Value] {
    datum["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The groups of the data, or the rule they break.
fn groups(data: &Value) -> Result<Vec<Vec<Value>>, &'static str> {
    let group = |group: &Value| group.as_array().cloned().unwrap_or_default();
    let groups: Vec<Vec<Value>> = data.as_array().into_iter().flatten().map(group).collect();
    for group in &groups {
        let length = group.first().map_or(0, |datum| items(datum).len());
        if group.iter().any(|datum| items(datum).len() != length) {
            return Err("Zipped batch items must all have the same length");
        }
    }
    for datum in groups.iter().flatten() {
        let kinds: HashSet<&str> = items(datum).iter().map(kind).collect();
        if kinds.len() > 1 {
            return Err("All items in a batch must have the same type");
        }
    }
    let mut seen = HashSet::new();
    for datum in groups.iter().flatten() {
        if !seen.insert((text(datum, "node_path").to_owned(), text(datum, "field_name").to_owned())) {
            return Err("Each batch data must have unique node_id and field_name");
        }
    }
    Ok(groups)
}

/// Python's type of an item; whole numbers and others may mix.
fn kind(item: &Value) -> &'static str {
    match item {
        Value::Number(_) | Value::Bool(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(members) if members.contains_key("image_name") => "image",
        _ => "other",
    }
}

/// The values of a group by index.
fn zip(group: &[Value]) -> Vec<Vec<Value>> {
    let length = group.first().map_or(0, |datum| items(datum).len());
    let value = |datum: &Value, index: usize| {
        let item = items(datum).get(index).cloned().unwrap_or_default();
        json!({"node_path": datum["node_path"], "field_name": datum["field_name"], "value": item})
    };
    (0..length).map(|index| group.iter().map(|datum| value(datum, index)).collect()).collect()
}
