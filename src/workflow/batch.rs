//! Batch nodes: which lists they run over, and what they feed
//! (`useEnqueueWorkflows.ts`, `features/nodes/util/node/resolveBatchValue.ts`).

use super::document::{Invocation, Node};
use super::generator::{Generated, Generator, GeneratorKind, ServerRequest};
use super::json::object;
use super::table::Set;
use super::wiring::Wiring;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::HashMap;

/// The group of batch nodes that run by themselves.
pub(super) const UNGROUPED: &str = "None";

/// A type of batch node, with the type of generator that can feed it.
struct BatchType {
    batch: &'static str,
    generator: &'static str,
    /// Input of the batch node that holds its list.
    list: &'static str,
    /// Output of the batch node.
    output: &'static str,
    kind: GeneratorKind,
}

const BATCH_TYPES: [BatchType; 4] = [
    BatchType {
        batch: "image_batch",
        generator: "image_generator",
        list: "images",
        output: "image",
        kind: GeneratorKind::Image,
    },
    BatchType {
        batch: "string_batch",
        generator: "string_generator",
        list: "strings",
        output: "value",
        kind: GeneratorKind::String,
    },
    BatchType {
        batch: "integer_batch",
        generator: "integer_generator",
        list: "integers",
        output: "value",
        kind: GeneratorKind::Integer,
    },
    BatchType {
        batch: "float_batch",
        generator: "float_generator",
        list: "floats",
        output: "value",
        kind: GeneratorKind::Float,
    },
];

fn batch_type(node: &Invocation) -> Option<&'static BatchType> {
    BATCH_TYPES.iter().find(|batch| node.node_type == batch.batch)
}

/// Whether a node runs on the server. Batch and generator nodes only say what to run.
pub(super) fn is_executable(node: &Invocation) -> bool {
    !BATCH_TYPES.iter().any(|batch| [batch.batch, batch.generator].contains(&node.node_type.as_str()))
}

/// A batch node with its items.
pub(super) struct Batch<'a> {
    pub(super) node: &'a Node,
    pub(super) invocation: &'a Invocation,
    /// `None`, `Group 1` … `Group 5`; nodes that name no group form one of their own.
    pub(super) group: String,
    pub(super) items: Result<Vec<Value>, BatchFault>,
    /// The fields the items go to: node and field.
    pub(super) targets: Vec<(&'a str, &'a str)>,
    /// Whether any edge leaves the node at all.
    pub(super) is_connected: bool,
}

/// Why the items of a batch node cannot be determined.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BatchFault {
    /// The node's own list is missing or not a list of its type.
    OwnList { list: &'static str },
    /// The edge into the list does not come from a generator with a fitting rule.
    Generator,
    /// A generator asks for too much.
    Refused(String),
    /// A server must make the items.
    NeedsServer { generator: String, request: ServerRequest },
}

/// All batch nodes, in the order of the file. `generated` holds lists that a server made, by generator node.
pub(super) fn batches<'a>(wiring: &Wiring<'a>, generated: &HashMap<String, Vec<Value>>) -> Vec<Batch<'a>> {
    let batches = wiring.nodes.iter().enumerate().filter_map(|(place, node)| {
        let invocation = node.invocation()?;
        let batch = batch_type(invocation)?;
        Some(Batch {
            node,
            invocation,
            group: group_of(invocation),
            items: items(place, invocation, batch, wiring, generated),
            targets: targets(place, batch, wiring),
            is_connected: wiring.out_of(place).next().is_some(),
        })
    });
    batches.collect()
}

fn group_of(node: &Invocation) -> String {
    match node.inputs.get("batch_group_id").and_then(|field| field.value.as_ref()) {
        Some(Value::String(group)) => group.clone(),
        Some(other) => other.to_string(),
        // What JavaScript makes of an absent group; it cannot collide with a real one.
        None => "undefined".to_owned(),
    }
}

fn items(
    place: usize,
    node: &Invocation,
    batch: &BatchType,
    wiring: &Wiring<'_>,
    generated: &HashMap<String, Vec<Value>>,
) -> Result<Vec<Value>, BatchFault> {
    let own = node.inputs.get(batch.list).ok_or(BatchFault::OwnList { list: batch.list })?;
    let own = match &own.value {
        None => Vec::new(),
        Some(Value::Array(items)) if items.iter().all(|item| is_item(batch.kind, item)) => items.clone(),
        Some(_) => return Err(BatchFault::OwnList { list: batch.list }),
    };
    let Some(edge) = wiring.edges_into(place, batch.list).next() else {
        return Ok(own);
    };
    let source = match wiring.node(edge.source) {
        Some(connector) if connector.is_connector() => {
            wiring.connector_source(edge.source).and_then(|(source, _)| wiring.node(source))
        }
        source => source,
    };
    let source = source.ok_or(BatchFault::Generator)?;
    let rule = source.invocation().and_then(|node| node.inputs.get("generator")?.value.as_ref());
    let generator = rule.and_then(|rule| {
        // The type is required: without it the editor takes every rule for a rule of floats.
        rule.get("type")?;
        Generator::from_json(batch.kind, rule)
    });
    let generator = generator.ok_or(BatchFault::Generator)?;
    if let Some(items) = generated.get(source.id.as_str()) {
        return Ok(items.clone());
    }
    match generator.generate() {
        Ok(Generated::Values(items)) => Ok(items),
        Ok(Generated::NeedsServer(request)) => {
            Err(BatchFault::NeedsServer { generator: source.id.to_string(), request })
        }
        Err(error) => Err(BatchFault::Refused(error.to_string())),
    }
}

fn is_item(kind: GeneratorKind, item: &Value) -> bool {
    match kind {
        GeneratorKind::Integer => super::json::is_integer(item),
        GeneratorKind::Float => item.is_number(),
        GeneratorKind::String => item.is_string(),
        _ => item.get("image_name").is_some_and(Value::is_string),
    }
}

/// The fields a batch node feeds, through connectors too.
fn targets<'a>(place: usize, batch: &BatchType, wiring: &Wiring<'a>) -> Vec<(&'a str, &'a str)> {
    let mut targets = Vec::new();
    let mut seen = Set::default();
    let mut add = |target: usize, handle: &'a str| {
        if let Some(node) = wiring.node(target)
            && seen.insert((target, handle))
        {
            targets.push((node.id.as_str(), handle));
        }
    };
    for edge in wiring.out_of(place) {
        let Some((output, handle)) = edge.handles else { continue };
        if output != batch.output {
            continue;
        }
        if wiring.node(edge.target).is_some_and(Node::is_connector) {
            for end in wiring.connector_targets(edge.target) {
                if let Some((_, handle)) = end.handles {
                    add(end.target, handle);
                }
            }
        } else {
            add(edge.target, handle);
        }
    }
    targets
}

/// `batch.data`: an outer list whose members multiply, of inner lists whose members run side by side.
pub(super) fn data(batches: &[Batch<'_>]) -> Result<Vec<Value>, BatchFault> {
    let mut data = Vec::new();
    for (group, batches) in by_group(batches) {
        let mut zipped = Vec::new();
        for batch in batches {
            let items = batch.items.clone()?;
            let datums = batch.targets.iter().map(|(node, field)| {
                object([
                    ("node_path", (*node).into()),
                    ("field_name", (*field).into()),
                    ("items", items.clone().into()),
                ])
            });
            if group == UNGROUPED {
                let datums: Vec<Value> = datums.collect();
                if !datums.is_empty() {
                    data.push(Value::Array(datums));
                }
            } else {
                zipped.extend(datums);
            }
        }
        if !zipped.is_empty() {
            data.push(Value::Array(zipped));
        }
    }
    Ok(data)
}

/// Batch nodes by group, in order of appearance.
pub(super) fn by_group<'b, 'a>(batches: &'b [Batch<'a>]) -> IndexMap<&'b str, Vec<&'b Batch<'a>>> {
    let mut groups: IndexMap<&str, Vec<&Batch<'a>>> = IndexMap::new();
    for batch in batches {
        groups.entry(batch.group.as_str()).or_default().push(batch);
    }
    groups
}
