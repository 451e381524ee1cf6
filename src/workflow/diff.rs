//! What differs between two workflows: for programs that set inputs, and for people who wonder why results differ.

use std::{collections::BTreeSet, fmt, sync::Arc};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::{
    Input, Workflow,
    document::{Edge, Invocation, Node},
};

/// Every difference between two workflows that can matter to whoever runs them. Titles, notes and positions do not
/// count.
///
/// ```
/// use invokeai_client::{schema::NodeCatalog, workflow::{Workflow, WorkflowDefinition, WorkflowDiff}};
///
/// let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
/// let before = Workflow::new(WorkflowDefinition::from_path(file)?, NodeCatalog::embedded());
/// let after = before.clone().with_input("Width", 64)?;
/// let diff = WorkflowDiff::between(&before, &after);
/// assert_eq!(diff.changes.len(), 1, "{diff}");
/// assert!(WorkflowDiff::between(&before, &before).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowDiff {
    /// Inputs first, then nodes, fields and connections.
    pub changes: Vec<WorkflowChange>,
}

crate::base::debug::short_debug! { WorkflowDiff { changes } }

/// One difference. Inputs and fields are named `node.field`, by the id of the node.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkflowChange {
    /// The form has a new input.
    InputAdded {
        /// System name.
        input: String,
        /// The name that users see.
        name: String,
        /// Its type; `None` if the catalog does not know it.
        #[serde(rename = "type")]
        kind: Option<String>,
        /// Whether a run needs a value for it, and none is set.
        required: bool,
    },
    /// The form no longer has an input.
    InputRemoved {
        /// System name.
        input: String,
        /// The name that users see.
        name: String,
    },
    /// An input has another name, because its label or its node changed.
    InputRenamed {
        /// System name now.
        input: String,
        /// System name and user name before.
        from: [String; 2],
        /// System name and user name now.
        to: [String; 2],
    },
    /// An input takes values of another type.
    InputRetyped {
        /// System name.
        input: String,
        /// The name that users see.
        name: String,
        /// Type before.
        from: Option<String>,
        /// Type now.
        to: Option<String>,
    },
    /// An input has another default.
    DefaultChanged {
        /// System name.
        input: String,
        /// The name that users see.
        name: String,
        /// Value before; `None` if it had none.
        from: Option<Value>,
        /// Value now.
        to: Option<Value>,
    },
    /// A node was added.
    NodeAdded {
        /// Id of the node.
        node: String,
        /// Type of the node.
        #[serde(rename = "type")]
        kind: String,
        /// Version of the node.
        version: String,
    },
    /// A node was removed.
    NodeRemoved {
        /// Id of the node.
        node: String,
        /// Type of the node.
        #[serde(rename = "type")]
        kind: String,
    },
    /// A node has another type or version.
    NodeChanged {
        /// Id of the node.
        node: String,
        /// Type and version before.
        from: [String; 2],
        /// Type and version now.
        to: [String; 2],
    },
    /// A field that the form does not show has another value.
    ValueChanged {
        /// System name of the field.
        field: String,
        /// Value before; `None` if it had none.
        from: Option<Value>,
        /// Value now.
        to: Option<Value>,
    },
    /// A connection was added.
    ConnectionAdded {
        /// `node.field -> node.field`.
        connection: String,
    },
    /// A connection was removed.
    ConnectionRemoved {
        /// `node.field -> node.field`.
        connection: String,
    },
}

crate::base::debug::short_debug! {
    enum WorkflowChange {
        InputAdded { input, name, kind, required },
        InputRemoved { input, name },
        InputRenamed { input, from, to },
        InputRetyped { input, name, from, to },
        DefaultChanged { input, name, from, to },
        NodeAdded { node, kind, version },
        NodeRemoved { node, kind },
        NodeChanged { node, from, to },
        ValueChanged { field, from, to },
        ConnectionAdded { connection },
        ConnectionRemoved { connection },
    }
}

impl WorkflowDiff {
    /// Finds what has to change in the first workflow to get the second.
    ///
    /// Two inputs are the same if they are the same field of the same node. Otherwise they are the same if they have
    /// the same label and field name, and neither workflow has another such input: a workflow that was built again has
    /// other node ids.
    pub fn between(before: &Workflow, after: &Workflow) -> Self {
        let mut changes = Vec::new();
        inputs(before, after, &mut changes);
        nodes(before, after, &mut changes);
        values(before, after, &mut changes);
        let (old, new) = (connections(before), connections(after));
        let (gone, fresh) = (old.difference(&new).cloned(), new.difference(&old).cloned());
        changes.extend(gone.map(|connection| WorkflowChange::ConnectionRemoved { connection }));
        changes.extend(fresh.map(|connection| WorkflowChange::ConnectionAdded { connection }));
        Self { changes }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl WorkflowChange {
    /// Whether the change concerns the inputs, so that a program that sets them may have to change too.
    pub fn is_about_inputs(&self) -> bool {
        matches!(
            self,
            Self::InputAdded { .. }
                | Self::InputRemoved { .. }
                | Self::InputRenamed { .. }
                | Self::InputRetyped { .. }
                | Self::DefaultChanged { .. }
        )
    }
}

/// A form may show a field twice; it is one input here.
fn by_name(workflow: &Workflow) -> IndexMap<&str, &Input> {
    let mut all = IndexMap::new();
    for input in workflow.inputs() {
        all.entry(input.system_name.as_str()).or_insert(input);
    }
    all
}

fn inputs(before: &Workflow, after: &Workflow, changes: &mut Vec<WorkflowChange>) {
    let (mut old, new) = (by_name(before), by_name(after));
    let mut unmatched = Vec::new();
    for (name, input) in &new {
        match old.shift_remove(name) {
            Some(was) => compare(was, input, changes),
            None => unmatched.push(*input),
        }
    }
    let alike = |a: &Input, b: &Input| a.user_name == b.user_name && a.field_name == b.field_name;
    for input in &unmatched {
        let mut twins = old.values().filter(|was| alike(was, input));
        let was = twins.next().copied().filter(|_| twins.next().is_none());
        let is_alone = unmatched.iter().filter(|other| alike(other, input)).count() == 1;
        match was.filter(|_| is_alone) {
            Some(was) => {
                old.shift_remove(was.system_name.as_str());
                compare(was, input, changes);
            }
            None => changes.push(WorkflowChange::InputAdded {
                input: input.system_name.clone(),
                name: input.user_name.clone(),
                kind: kind(input),
                required: input.required && !input.connected && input.value().is_none(),
            }),
        }
    }
    changes.extend(
        old.values()
            .map(|was| WorkflowChange::InputRemoved { input: was.system_name.clone(), name: was.user_name.clone() }),
    );
}

fn compare(was: &Input, is: &Input, changes: &mut Vec<WorkflowChange>) {
    let (input, name) = (is.system_name.clone(), is.user_name.clone());
    let names = |input: &Input| [input.system_name.clone(), input.user_name.clone()];
    if names(was) != names(is) {
        changes.push(WorkflowChange::InputRenamed { input: input.clone(), from: names(was), to: names(is) });
    }
    if kind(was) != kind(is) {
        let (input, name) = (input.clone(), name.clone());
        changes.push(WorkflowChange::InputRetyped { input, name, from: kind(was), to: kind(is) });
    }
    if was.value() != is.value() {
        let (from, to) = (was.value().cloned(), is.value().cloned());
        changes.push(WorkflowChange::DefaultChanged { input, name, from, to });
    }
}

fn kind(input: &Input) -> Option<String> {
    input.field_type().map(ToString::to_string)
}

/// Types and versions are those in the files: a loaded workflow has been updated to the catalog's.
fn nodes(before: &Workflow, after: &Workflow, changes: &mut Vec<WorkflowChange>) {
    let (mut old, new) =
        (invocations(&before.definition().document().nodes), invocations(&after.definition().document().nodes));
    let type_of = |node: &Invocation| [node.node_type.to_string(), node.version.to_string()];
    for (id, is) in new {
        let node = id.to_owned();
        match old.shift_remove(id).map(type_of) {
            None => {
                let [kind, version] = type_of(is);
                changes.push(WorkflowChange::NodeAdded { node, kind, version });
            }
            Some(from) if from != type_of(is) => {
                changes.push(WorkflowChange::NodeChanged { node, from, to: type_of(is) });
            }
            Some(_) => {}
        }
    }
    changes.extend(old.into_iter().map(|(node, was)| {
        let [kind, _] = type_of(was);
        WorkflowChange::NodeRemoved { node: node.to_owned(), kind }
    }));
}

/// Compares fields that are an input of neither workflow. Fields of nodes that were added or removed are covered by the
/// node's own change.
fn values(before: &Workflow, after: &Workflow, changes: &mut Vec<WorkflowChange>) {
    let (old, new) = (invocations(&before.document().nodes), invocations(&after.document().nodes));
    let inputs = [by_name(before), by_name(after)];
    for (id, is) in new {
        let Some(was) = old.get(id) else { continue };
        let lost = was.inputs.iter().filter(|(name, _)| is.inputs.get(&***name).is_none());
        let names = is.inputs.iter().chain(lost).map(|(name, _)| name);
        for name in names {
            let field = format!("{id}.{name}");
            let of = |node: &Invocation| node.inputs.get(&**name).and_then(|field| field.value.clone());
            let (from, to) = (of(was), of(is));
            if from != to && !inputs.iter().any(|inputs| inputs.contains_key(field.as_str())) {
                changes.push(WorkflowChange::ValueChanged { field, from, to });
            }
        }
    }
}

fn invocations(nodes: &[Arc<Node>]) -> IndexMap<&str, &Invocation> {
    nodes.iter().filter_map(|node| Some((&*node.id, node.invocation()?))).collect()
}

fn connections(workflow: &Workflow) -> BTreeSet<String> {
    let edges = workflow.document().edges.iter();
    edges.filter(|edge| edge.handles.is_some()).map(Edge::describe).collect()
}

/// A change in one line.
impl fmt::Display for WorkflowChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(value) => shortened(&value.to_string()),
        };
        let kind = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "an unknown type".to_owned());
        match self {
            Self::InputAdded { input, name, kind: its, required } => {
                let must = if *required { ", must be set" } else { "" };
                write!(f, "+ input {name:?} ({input}): {}{must}", kind(its))
            }
            Self::InputRemoved { input, name } => write!(f, "- input {name:?} ({input})"),
            Self::InputRenamed { from, to, .. } => {
                write!(f, "~ input {:?} ({}) is now {:?} ({})", from[1], from[0], to[1], to[0])
            }
            Self::InputRetyped { input, name, from, to } => {
                write!(f, "~ input {name:?} ({input}): type {} is now {}", kind(from), kind(to))
            }
            Self::DefaultChanged { input, name, from, to } => {
                write!(f, "~ input {name:?} ({input}): default {} is now {}", value(from), value(to))
            }
            Self::NodeAdded { node, kind, version } => write!(f, "+ node {node}: {kind} {version}"),
            Self::NodeRemoved { node, kind } => write!(f, "- node {node}: {kind}"),
            Self::NodeChanged { node, from, to } => {
                write!(f, "~ node {node}: {} {} is now {} {}", from[0], from[1], to[0], to[1])
            }
            Self::ValueChanged { field, from, to } => {
                write!(f, "~ field {field}: {} is now {}", value(from), value(to))
            }
            Self::ConnectionAdded { connection } => write!(f, "+ connection {connection}"),
            Self::ConnectionRemoved { connection } => write!(f, "- connection {connection}"),
        }
    }
}

/// One line for each change.
impl fmt::Display for WorkflowDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
