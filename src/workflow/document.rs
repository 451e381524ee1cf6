//! A workflow in the editor's current form, version 4.0.0: what every older version is migrated to, what is edited,
//! and what is embedded into images (`features/nodes/types/workflow.ts`).

use super::form::Form;
use super::json::object;
use crate::schema::{InputTemplate, NodeTemplate};
use indexmap::IndexMap;
use serde_json::{Map, Value};

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
        let meta = [("category", self.category.as_str().into()), ("version", CURRENT_VERSION.into())];
        let mut workflow = object([
            ("name", texts.name.as_str().into()),
            ("author", texts.author.as_str().into()),
            ("description", texts.description.as_str().into()),
            ("version", texts.version.as_str().into()),
            ("contact", texts.contact.as_str().into()),
            ("tags", texts.tags.as_str().into()),
            ("notes", texts.notes.as_str().into()),
            ("nodes", self.nodes.iter().map(Node::to_json).collect()),
            ("edges", self.edges.iter().map(Edge::to_json).collect()),
            ("exposedFields", self.exposed_fields.iter().map(FieldIdentifier::to_json).collect()),
            ("meta", object(meta)),
            ("form", self.form.to_json()),
        ]);
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
        let id = ("id", self.data_id.as_str().into());
        let (kind, data) = match &self.data {
            NodeData::Invocation(invocation) => ("invocation", invocation.to_json(&self.data_id)),
            NodeData::Notes { label, is_open, notes } => {
                let own =
                    [("label", label.as_str().into()), ("isOpen", (*is_open).into()), ("notes", notes.as_str().into())];
                let [label, is_open, notes] = own;
                ("notes", object([id, ("type", "notes".into()), label, is_open, notes]))
            }
            NodeData::Connector { label, is_open } => {
                let (label, is_open) = (label.as_str().into(), (*is_open).into());
                ("connector", object([id, ("type", "connector".into()), ("label", label), ("isOpen", is_open)]))
            }
        };
        object([
            ("id", self.id.as_str().into()),
            ("type", kind.into()),
            ("data", data),
            ("position", self.position.clone()),
        ])
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
        let inputs: Map<_, _> = self.inputs.iter().map(|(name, field)| (name.clone(), field.to_json())).collect();
        object([
            ("id", id.into()),
            ("version", self.version.as_str().into()),
            ("nodePack", self.node_pack.as_deref().unwrap_or(OWN_NODE_PACK).into()),
            ("label", self.label.as_str().into()),
            ("notes", self.notes.as_str().into()),
            ("type", self.node_type.as_str().into()),
            ("inputs", inputs.into()),
            ("dynamicInputTemplates", dynamic.into()),
            ("isOpen", self.is_open.into()),
            ("isIntermediate", self.is_intermediate.into()),
            ("useCache", self.use_cache.into()),
        ])
    }
}

impl FieldInstance {
    /// A field as on a new node.
    pub(super) fn new(name: &str, value: Option<Value>) -> Self {
        FieldInstance { name: name.to_owned(), label: String::new(), description: String::new(), value }
    }

    fn to_json(&self) -> Value {
        let mut field = object([
            ("name", self.name.as_str().into()),
            ("label", self.label.as_str().into()),
            ("description", self.description.as_str().into()),
        ]);
        if let (Some(value), Value::Object(members)) = (&self.value, &mut field) {
            members.insert("value".into(), value.clone());
        }
        field
    }
}

impl FieldIdentifier {
    pub(super) fn to_json(&self) -> Value {
        object([("nodeId", self.node_id.as_str().into()), ("fieldName", self.field_name.as_str().into())])
    }
}

impl Edge {
    fn to_json(&self) -> Value {
        let kind = if self.handles.is_some() { "default" } else { "collapsed" };
        let mut edge = object([
            ("id", self.id.as_str().into()),
            ("source", self.source.as_str().into()),
            ("target", self.target.as_str().into()),
            ("type", kind.into()),
        ]);
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
