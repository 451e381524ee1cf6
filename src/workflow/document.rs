//! A workflow in the editor's current form, version 4.0.0: what every older version is migrated to, what is edited,
//! and what is embedded into images (`features/nodes/types/workflow.ts`).

use super::form::Form;
use crate::schema::{InputTemplate, NodeTemplate};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// The only version the editor writes.
pub(super) const CURRENT_VERSION: &str = "4.0.0";
/// Package of the nodes that come with InvokeAI, and of nodes that do not say where they come from.
pub(super) const OWN_NODE_PACK: &str = "invokeai";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) id: Option<String>,
    pub(super) texts: Texts,
    pub(super) category: String,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    pub(super) exposed_fields: Vec<FieldIdentifier>,
    pub(super) form: Form,
}

/// The texts about a workflow. All of them are free text of its author.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Texts {
    pub(super) name: String,
    pub(super) author: String,
    pub(super) description: String,
    pub(super) version: String,
    pub(super) contact: String,
    pub(super) tags: String,
    pub(super) notes: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Key of the node in the graph.
    pub(super) id: String,
    /// `data.id`, which equals `id` in every file the editor writes.
    pub(super) data_id: String,
    pub(super) data: NodeData,
    pub(super) position: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeData {
    Invocation(Box<Invocation>),
    Notes { label: String, is_open: bool, notes: String },
    Connector { label: String, is_open: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    pub(super) node_type: String,
    pub(super) version: String,
    /// `None` in files of version 1.0.0, which do not say; the catalogue does.
    pub(super) node_pack: Option<String>,
    pub(super) label: String,
    pub(super) notes: String,
    pub(super) inputs: IndexMap<String, FieldInstance>,
    /// Inputs that only this node has: those of the workflow a `call_saved_workflow` node calls.
    pub(super) dynamic_inputs: IndexMap<String, DynamicInput>,
    pub(super) is_open: bool,
    pub(super) is_intermediate: bool,
    pub(super) use_cache: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldInstance {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: String,
    /// Absent means unset.
    pub(super) value: Option<Value>,
}

/// Template of a dynamic input, and the JSON the editor stores it as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DynamicInput {
    pub(super) template: InputTemplate,
    pub(super) json: Value,
}

/// One input of one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FieldIdentifier {
    pub(super) node_id: String,
    pub(super) field_name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) target: String,
    /// `None` for a collapsed edge, which is only drawn.
    pub(super) handles: Option<Handles>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Handles {
    pub(super) source: String,
    pub(super) target: String,
    /// Drawn or not; it is a real edge either way.
    pub(super) hidden: Option<bool>,
}

impl Document {
    /// As the editor writes it, member for member. `id` is for the library only; embedded workflows have none.
    pub(super) fn to_json(&self, with_id: bool) -> Value {
        let texts = &self.texts;
        let mut workflow = json!({
            "name": texts.name,
            "author": texts.author,
            "description": texts.description,
            "version": texts.version,
            "contact": texts.contact,
            "tags": texts.tags,
            "notes": texts.notes,
            "nodes": self.nodes.iter().map(Node::to_json).collect::<Vec<_>>(),
            "edges": self.edges.iter().map(Edge::to_json).collect::<Vec<_>>(),
            "exposedFields": self.exposed_fields.iter().map(FieldIdentifier::to_json).collect::<Vec<_>>(),
            "meta": {"category": self.category, "version": CURRENT_VERSION},
            "form": self.form.to_json(),
        });
        if let (true, Some(id), Value::Object(members)) = (with_id, &self.id, &mut workflow) {
            members.shift_insert(0, "id".into(), Value::from(id.as_str()));
        }
        workflow
    }
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

    fn to_json(&self) -> Value {
        let (kind, data) = match &self.data {
            NodeData::Invocation(invocation) => ("invocation", invocation.to_json(&self.data_id)),
            NodeData::Notes { label, is_open, notes } => (
                "notes",
                json!({"id": self.data_id, "type": "notes", "label": label, "isOpen": is_open, "notes": notes}),
            ),
            NodeData::Connector { label, is_open } => {
                ("connector", json!({"id": self.data_id, "type": "connector", "label": label, "isOpen": is_open}))
            }
        };
        json!({"id": self.id, "type": kind, "data": data, "position": self.position})
    }
}

impl Invocation {
    /// The template of an input: the node's own dynamic one, else that of its type.
    pub(super) fn template_of<'a>(&'a self, template: &'a NodeTemplate, field: &str) -> Option<&'a InputTemplate> {
        match self.dynamic_inputs.get(field) {
            Some(dynamic) => Some(&dynamic.template),
            None => template.inputs.get(field),
        }
    }

    /// The name shown for the node: its label, else the title of its type.
    pub(super) fn title<'a>(&'a self, template: Option<&'a NodeTemplate>) -> &'a str {
        match template {
            _ if !self.label.is_empty() => &self.label,
            Some(template) => &template.title,
            None => &self.node_type,
        }
    }

    fn to_json(&self, id: &str) -> Value {
        let dynamic: Map<_, _> =
            self.dynamic_inputs.iter().map(|(name, input)| (name.clone(), input.json.clone())).collect();
        let inputs: Map<String, Value> =
            self.inputs.iter().map(|(name, field)| (name.clone(), field.to_json())).collect();
        json!({
            "id": id,
            "version": self.version,
            "nodePack": self.node_pack.as_deref().unwrap_or(OWN_NODE_PACK),
            "label": self.label,
            "notes": self.notes,
            "type": self.node_type,
            "inputs": inputs,
            "dynamicInputTemplates": dynamic,
            "isOpen": self.is_open,
            "isIntermediate": self.is_intermediate,
            "useCache": self.use_cache,
        })
    }
}

impl FieldInstance {
    /// A field as on a new node.
    pub(super) fn new(name: &str, value: Option<Value>) -> Self {
        FieldInstance { name: name.to_owned(), label: String::new(), description: String::new(), value }
    }

    fn to_json(&self) -> Value {
        let mut field = json!({"name": self.name, "label": self.label, "description": self.description});
        if let (Some(value), Value::Object(members)) = (&self.value, &mut field) {
            members.insert("value".into(), value.clone());
        }
        field
    }
}

impl FieldIdentifier {
    pub(super) fn to_json(&self) -> Value {
        json!({"nodeId": self.node_id, "fieldName": self.field_name})
    }
}

impl Edge {
    fn to_json(&self) -> Value {
        let kind = if self.handles.is_some() { "default" } else { "collapsed" };
        let mut edge = json!({"id": self.id, "source": self.source, "target": self.target, "type": kind});
        if let (Some(handles), Value::Object(members)) = (&self.handles, &mut edge) {
            members.insert("sourceHandle".into(), Value::from(handles.source.as_str()));
            members.insert("targetHandle".into(), Value::from(handles.target.as_str()));
            if let Some(hidden) = handles.hidden {
                members.insert("hidden".into(), Value::Bool(hidden));
            }
        }
        edge
    }

    /// `node.field -> node.field`, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.handles {
            Some(handles) => format!("{}.{} -> {}.{}", self.source, handles.source, self.target, handles.target),
            None => format!("{} -> {}", self.source, self.target),
        }
    }
}
