//! A workflow in the editor's current form, version 4.0.0 (`features/nodes/types/workflow.ts`). Every older version is
//! migrated to it, and it is what is edited and embedded into images.

pub(super) use super::field_identifier::FieldIdentifier;
use super::form::Form;
use super::table::Ordered;
use super::text::Text;
use crate::schema::{InputTemplate, NodeTemplate};
use serde_json::{Number, Value};
use std::sync::Arc;

/// The only version the editor writes.
pub(super) const CURRENT_VERSION: &str = "4.0.0";
/// Package of the nodes that come with InvokeAI, and of nodes that do not say where they come from.
pub(super) const OWN_NODE_PACK: &str = "invokeai";

/// Most parts are shared with the definition that the document was loaded from, until they change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) id: Option<Text>,
    pub(super) texts: Arc<Texts>,
    pub(super) category: Text,
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) edges: Arc<Vec<Edge>>,
    pub(super) exposed_fields: Arc<Vec<FieldIdentifier>>,
    pub(super) form: Arc<Form>,
}

/// The texts about a workflow. All of them are free text of its author.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Texts {
    pub(super) name: Text,
    pub(super) author: Text,
    pub(super) description: Text,
    pub(super) version: Text,
    pub(super) contact: Text,
    pub(super) tags: Text,
    pub(super) notes: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Key of the node in the graph.
    pub(super) id: Text,
    /// `data.id`, which equals `id` in every file the editor writes.
    pub(super) data_id: Text,
    pub(super) data: NodeData,
    pub(super) position: Position,
}

/// Where the editor draws a node; 0,0 if the file does not say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    pub(super) x: Number,
    pub(super) y: Number,
}

impl Default for Position {
    fn default() -> Self {
        Position { x: 0.into(), y: 0.into() }
    }
}

// Nearly all nodes are invocations, and in a box each would cost an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeData {
    Invocation(Invocation),
    Notes { label: Text, is_open: bool, notes: Text },
    Connector { label: Text, is_open: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    pub(super) node_type: Text,
    pub(super) version: Text,
    /// `None` in files of version 1.0.0, which do not have it; the catalog does.
    pub(super) node_pack: Option<Text>,
    pub(super) label: Text,
    pub(super) notes: Text,
    pub(super) inputs: Ordered<Text, FieldInstance>,
    /// Inputs that only this node has: those of the workflow a `call_saved_workflow` node calls.
    pub(super) dynamic_inputs: Ordered<Text, DynamicInput>,
    pub(super) is_open: bool,
    pub(super) is_intermediate: bool,
    pub(super) use_cache: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldInstance {
    pub(super) name: Text,
    pub(super) label: Text,
    pub(super) description: Text,
    /// Absent means unset.
    pub(super) value: Option<Value>,
}

/// Template of a dynamic input, and the JSON the editor stores it as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DynamicInput {
    pub(super) template: Arc<InputTemplate>,
    pub(super) json: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) id: Text,
    pub(super) source: Text,
    pub(super) target: Text,
    /// `None` for a collapsed edge, which is only drawn.
    pub(super) handles: Option<Handles>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Handles {
    pub(super) source: Text,
    pub(super) target: Text,
    /// Drawn or not; it is a real edge either way.
    pub(super) hidden: Option<bool>,
}

impl Node {
    pub(super) fn invocation(&self) -> Option<&Invocation> {
        match &self.data {
            NodeData::Invocation(invocation) => Some(invocation),
            _ => None,
        }
    }

    pub(super) fn invocation_mut(&mut self) -> Option<&mut Invocation> {
        match &mut self.data {
            NodeData::Invocation(invocation) => Some(invocation),
            _ => None,
        }
    }

    pub(super) fn is_connector(&self) -> bool {
        matches!(self.data, NodeData::Connector { .. })
    }
}

impl Invocation {
    /// The template of an input: the node's own dynamic one, otherwise that of its type.
    pub(super) fn template_of<'a>(&'a self, template: &'a NodeTemplate, field: &str) -> Option<&'a Arc<InputTemplate>> {
        match self.dynamic_inputs.get(field) {
            Some(dynamic) => Some(&dynamic.template),
            None => template.inputs.get_shared(field),
        }
    }

    /// The name shown for the node: its label, or the title of its type if it has none.
    pub(super) fn title<'a>(&'a self, template: Option<&'a NodeTemplate>) -> &'a str {
        match template {
            _ if !self.label.is_empty() => &self.label,
            Some(template) => &template.title,
            None => &self.node_type,
        }
    }
}

impl FieldInstance {
    /// A field as on a new node.
    pub(super) fn new(name: &Text, value: Option<Value>) -> Self {
        FieldInstance { name: name.clone(), label: Text::default(), description: Text::default(), value }
    }
}

impl Edge {
    /// `node.field -> node.field`, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.handles {
            Some(handles) => format!("{}.{} -> {}.{}", self.source, handles.source, self.target, handles.target),
            None => format!("{} -> {}", self.source, self.target),
        }
    }
}
