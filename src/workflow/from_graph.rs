//! Workflows from images and videos that a server made: `GET /api/v1/images/i/{name}/workflow`, and the same for
//! videos.

use super::definition::{DefinitionError, WorkflowDefinition};
use super::document::{Document, Edge, FieldInstance, Handles, Invocation, Node, NodeData, Position, Texts};
use super::form::Form;
use super::table::Ordered;
use super::text::Text;
use super::value::accepts_extra_inputs;
use super::warning::{Warning, WarningKind};
use crate::schema::NodeCatalog;
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl WorkflowDefinition {
    /// Reads the answer to `GET /api/v1/images/i/{name}/workflow`: `{workflow, graph}`, each a JSON text or `null`. The
    /// workflow is preferred; without one the graph is turned into a workflow, which needs the catalog.
    ///
    /// # Errors
    /// If the answer has neither, or what it has cannot be read.
    pub fn from_image_answer(answer: &Value, catalog: &NodeCatalog) -> Result<Self, DefinitionError> {
        if let Some(workflow) = answer.get("workflow").filter(|part| !part.is_null()) {
            return Self::from_value(embedded_json(workflow)?);
        }
        match answer.get("graph").filter(|part| !part.is_null()) {
            Some(graph) => Self::from_graph(&embedded_json(graph)?, catalog),
            None => Err(DefinitionError::NoWorkflowInImage { message: "it carries neither workflow nor graph".into() }),
        }
    }

    /// Turns a graph into a workflow, as the editor does (`features/nodes/util/workflow/graphToWorkflow.ts`): one node
    /// for each node whose type is in the catalog, with the inputs that it has, all in a row, and no form. `null`
    /// means unset. The [warnings](super::Workflow::warnings) of the workflow name the nodes that are left out.
    ///
    /// # Errors
    /// If the JSON is not a graph.
    pub fn from_graph(graph: &Value, catalog: &NodeCatalog) -> Result<Self, DefinitionError> {
        let invalid =
            |path: &str, message: &str| DefinitionError::Invalid { path: path.into(), message: message.into() };
        let nodes =
            graph.get("nodes").and_then(Value::as_object).ok_or_else(|| invalid("nodes", "must be an object"))?;
        let edges = graph.get("edges").and_then(Value::as_array).ok_or_else(|| invalid("edges", "must be a list"))?;
        let mut left_out = Vec::new();
        let mut converted: Vec<Node> = Vec::new();
        for (key, node) in nodes {
            let id = node.get("id").and_then(Value::as_str).unwrap_or(key);
            match convert_node(node, catalog) {
                Some(node) => converted.push(node),
                None => left_out.push(Warning::new(WarningKind::NodeLeftOut, id, None, why_left_out(id, node))),
            }
        }
        for (place, node) in converted.iter_mut().enumerate() {
            // Fifty apart, so that none hides another.
            node.position = Position { x: (place * 50).into(), y: (place * 50).into() };
        }
        let document = Document {
            id: None,
            texts: Texts::default().into(),
            category: Text::fixed("user"),
            nodes: converted.into_iter().map(Arc::new).collect(),
            edges: Arc::new(edges.iter().filter_map(convert_edge).collect()),
            exposed_fields: Arc::default(),
            form: Form::empty().into(),
        };
        Ok(Self::from_value(document.to_embedded())?.without(left_out))
    }
}

fn why_left_out(id: &str, node: &Value) -> String {
    match node.get("type").and_then(Value::as_str) {
        Some(kind) if node.get("id").is_some_and(Value::is_string) => {
            format!("node {id} of the graph was left out: this server has no node type {kind}")
        }
        _ => format!("node {id} of the graph was left out: it is not a node with `id` and `type`"),
    }
}

/// A part of the answer: JSON text, or JSON as some clients pass it on.
fn embedded_json(part: &Value) -> Result<Value, DefinitionError> {
    match part.as_str() {
        Some(text) => super::json::read(text),
        None => Ok(part.clone()),
    }
}

fn convert_node(node: &Value, catalog: &NodeCatalog) -> Option<Node> {
    let members: &Map<String, Value> = node.as_object()?;
    let id = members.get("id")?.as_str()?;
    let template = catalog.get(members.get("type")?.as_str()?)?;
    let flag = |name: &str, otherwise| members.get(name).and_then(Value::as_bool).unwrap_or(otherwise);
    let mut inputs = Ordered::default();
    for (name, value) in members {
        let own = matches!(name.as_str(), "id" | "type" | "is_intermediate" | "use_cache");
        let known = template.inputs.contains_key(name) || accepts_extra_inputs(&template.node_type);
        if !own && known {
            let value = Some(value.clone()).filter(|value| !value.is_null());
            let name = Text::from(name.as_str());
            inputs.insert(name.clone(), FieldInstance::new(&name, value));
        }
    }
    if template.node_type == "image_collection" {
        split_images(&mut inputs);
    }
    let invocation = Invocation {
        node_type: template.node_type.as_str().into(),
        version: template.version.as_str().into(),
        node_pack: Some(template.node_pack.as_str().into()),
        label: Text::default(),
        notes: Text::default(),
        inputs,
        dynamic_inputs: Ordered::default(),
        is_open: true,
        is_intermediate: flag("is_intermediate", false),
        use_cache: flag("use_cache", true),
    };
    let data = NodeData::Invocation(invocation);
    let id = Text::from(id);
    Some(Node { id: id.clone(), data_id: id, data, position: Position::default() })
}

/// In graphs of older servers, the direct list of an `image_collection` is in an input that now takes edges only.
fn split_images(inputs: &mut Ordered<Text, FieldInstance>) {
    let list = |name: &str| inputs.get(name).and_then(|field| field.value.as_ref()?.as_array()).cloned();
    let taken = list("images").is_some_and(|images| !images.is_empty());
    let Some(collection) = list("collection").filter(|_| !taken) else { return };
    for (name, list) in [("images", Value::Array(collection)), ("collection", json!([]))] {
        let name = Text::fixed(name);
        inputs.insert(name.clone(), FieldInstance::new(&name, Some(list)));
    }
}

fn convert_edge(edge: &Value) -> Option<Edge> {
    let text = |end: &str, name: &str| Some(Text::from(edge.get(end)?.get(name)?.as_str()?));
    Some(Edge {
        id: uuid::Uuid::new_v4().to_string().into(),
        source: text("source", "node_id")?,
        target: text("destination", "node_id")?,
        handles: Some(Handles {
            source: text("source", "field")?,
            target: text("destination", "field")?,
            hidden: None,
        }),
    })
}
