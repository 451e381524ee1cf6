//! The JSON of a document, member for member as the editor writes it. It is written straight from the document: a tree
//! of JSON between the two would take most of the time and of the memory.

use super::document::{
    CURRENT_VERSION, Document, Edge, FieldIdentifier, FieldInstance, Invocation, Node, NodeData, OWN_NODE_PACK,
    Position,
};
use super::form::{Element, ElementKind, Form, NodeField};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Writes an object of these members, in this order.
macro_rules! write_object {
    ($serializer:expr, { $($name:literal: $value:expr),* $(,)? }) => {{
        let mut object = $serializer.serialize_map(None)?;
        $(object.serialize_entry($name, $value)?;)*
        object.end()
    }};
}
pub(super) use write_object;

impl Document {
    /// As the library stores it.
    pub(super) fn to_json(&self) -> Value {
        let mut workflow = self.to_embedded();
        if let (Some(id), Value::Object(members)) = (&self.id, &mut workflow) {
            members.shift_insert(0, "id".into(), Value::from(id.as_str()));
        }
        workflow
    }

    /// As it is embedded into images: its id is for the library only.
    pub(super) fn to_embedded(&self) -> Value {
        // Texts, numbers and JSON always serialize.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// As it is embedded into images.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = &self.texts;
        write_object!(serializer, {
            "name": &texts.name,
            "author": &texts.author,
            "description": &texts.description,
            "version": &texts.version,
            "contact": &texts.contact,
            "tags": &texts.tags,
            "notes": &texts.notes,
            "nodes": &List(&self.nodes, |node| &**node),
            "edges": &*self.edges,
            "exposedFields": &*self.exposed_fields,
            "meta": &Meta(&self.category),
            "form": &*self.form,
        })
    }
}

/// A list whose items are reached through a function.
struct List<'a, T, U>(&'a [T], fn(&T) -> &U);

impl<T, U: Serialize> Serialize for List<'_, T, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

struct Meta<'a>(&'a str);

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_object!(serializer, { "category": self.0, "version": CURRENT_VERSION })
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self.data {
            NodeData::Invocation(_) => "invocation",
            NodeData::Notes { .. } => "notes",
            NodeData::Connector { .. } => "connector",
        };
        write_object!(serializer, {
            "id": &self.id,
            "type": kind,
            "data": &Data(self),
            "position": &self.position,
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_object!(serializer, { "x": &self.x, "y": &self.y })
    }
}

/// What a node holds.
struct Data<'a>(&'a Node);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = &self.0.data_id;
        match &self.0.data {
            NodeData::Invocation(invocation) => write_object!(serializer, {
                "id": id,
                "version": &invocation.version,
                "nodePack": invocation.node_pack.as_deref().unwrap_or(OWN_NODE_PACK),
                "label": &invocation.label,
                "notes": &invocation.notes,
                "type": &invocation.node_type,
                "inputs": &invocation.inputs,
                "dynamicInputTemplates": &DynamicInputs(invocation),
                "isOpen": &invocation.is_open,
                "isIntermediate": &invocation.is_intermediate,
                "useCache": &invocation.use_cache,
            }),
            NodeData::Notes { label, is_open, notes } => write_object!(serializer, {
                "id": id,
                "type": "notes",
                "label": label,
                "isOpen": is_open,
                "notes": notes,
            }),
            NodeData::Connector { label, is_open } => {
                write_object!(serializer, { "id": id, "type": "connector", "label": label, "isOpen": is_open })
            }
        }
    }
}

struct DynamicInputs<'a>(&'a Invocation);

impl Serialize for DynamicInputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.dynamic_inputs.iter().map(|(name, input)| (name, &input.json)))
    }
}

impl Serialize for FieldInstance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut field = serializer.serialize_map(None)?;
        field.serialize_entry("name", &self.name)?;
        field.serialize_entry("label", &self.label)?;
        field.serialize_entry("description", &self.description)?;
        if let Some(value) = &self.value {
            field.serialize_entry("value", value)?;
        }
        field.end()
    }
}

impl Serialize for FieldIdentifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_object!(serializer, { "nodeId": &self.node_id, "fieldName": &self.field_name })
    }
}

impl Serialize for Edge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut edge = serializer.serialize_map(None)?;
        edge.serialize_entry("id", &self.id)?;
        edge.serialize_entry("source", &self.source)?;
        edge.serialize_entry("target", &self.target)?;
        edge.serialize_entry("type", if self.handles.is_some() { "default" } else { "collapsed" })?;
        if let Some(handles) = &self.handles {
            edge.serialize_entry("sourceHandle", &handles.source)?;
            edge.serialize_entry("targetHandle", &handles.target)?;
            if let Some(hidden) = handles.hidden {
                edge.serialize_entry("hidden", &hidden)?;
            }
        }
        edge.end()
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_object!(serializer, { "elements": &self.elements, "rootElementId": &self.root })
    }
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut element = serializer.serialize_map(None)?;
        element.serialize_entry("id", &self.id)?;
        if let Some(parent) = &self.parent {
            element.serialize_entry("parentId", parent)?;
        }
        let kind = match &self.kind {
            ElementKind::Container { .. } => "container",
            ElementKind::NodeField(_) => "node-field",
            ElementKind::Heading(_) => "heading",
            ElementKind::Text(_) => "text",
            ElementKind::Divider => "divider",
            ElementKind::Other { kind, .. } => kind,
        };
        if !matches!(self.kind, ElementKind::Divider | ElementKind::Other { data: None, .. }) {
            element.serialize_entry("data", &self.kind)?;
        }
        element.serialize_entry("type", kind)?;
        element.end()
    }
}

/// The data of an element; a divider has none.
impl Serialize for ElementKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ElementKind::Container { layout, children } => {
                write_object!(serializer, { "layout": layout, "children": children })
            }
            ElementKind::NodeField(field) => field.serialize(serializer),
            ElementKind::Heading(content) | ElementKind::Text(content) => {
                write_object!(serializer, { "content": content })
            }
            ElementKind::Divider => serializer.serialize_unit(),
            // With those of its children that are left.
            ElementKind::Other { data, children, .. } => {
                let mut data = data.clone();
                if let Some(listed) = data.as_mut().and_then(|data| data.get_mut("children")?.as_array_mut()) {
                    listed.retain(|child| children.iter().any(|left| child == left.as_str()));
                }
                data.serialize(serializer)
            }
        }
    }
}

impl Serialize for NodeField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_map(None)?;
        data.serialize_entry("fieldIdentifier", &self.field)?;
        data.serialize_entry("showDescription", &self.show_description)?;
        if let Some(settings) = &self.settings {
            data.serialize_entry("settings", settings)?;
        }
        data.end()
    }
}
