//! Loading a workflow for work, in the editor's order (`features/nodes/util/workflow/validateWorkflow.ts`): values,
//! dynamic inputs, edges, node versions, renamed fields, the form.

use super::connection::EdgeJudge;
use super::definition::WorkflowDefinition;
use super::document::{Document, Node, OWN_NODE_PACK};
use super::form::Form;
use super::value::{self, Loaded, accepts_extra_inputs};
use super::wiring::Wiring;
use super::{dynamic_inputs, json, update};
use crate::schema::NodeCatalogue;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Something that was changed or could not be done while a workflow was loaded. The workflow is usable all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What happened.
    pub kind: WarningKind,
    /// The node concerned, if there is one.
    pub node_id: Option<String>,
    /// The field of the node, if there is one.
    pub field: Option<String>,
    /// What happened, in words.
    pub message: String,
}

/// Kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// An edge broke a rule and was removed.
    EdgeRemoved,
    /// The server does not know the type of a node.
    UnknownNodeType,
    /// A node is of another major version than the server's; it was kept as it is.
    NodeNotUpdated,
    /// A node has an input that its type does not have.
    UnknownField,
    /// A stored value has no shape that a field can hold; the field is unset.
    ValueDropped,
    /// A stored object has no shape that a field can hold, such as a model of InvokeAI 3; the field is unset. The
    /// editor makes a float generator of it, and the run fails.
    ObjectDropped,
    /// A form field refers to a node or an input that does not exist; it was removed from the form.
    FormFieldRemoved,
    /// The workflow that a `call_saved_workflow` node calls was not supplied; its inputs are those of the last save.
    CalledWorkflowUnknown,
    /// An image, board, video or model is not on the server; the field is unset.
    ReferenceDropped,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Warning {
    pub(super) fn new(kind: WarningKind, node: &str, field: Option<&str>, message: String) -> Self {
        Warning { kind, node_id: Some(node.to_owned()), field: field.map(str::to_owned), message }
    }
}

/// A document as the editor has it after loading, and what it warns of.
pub(super) fn load(
    definition: &WorkflowDefinition,
    catalogue: &NodeCatalogue,
    saved_workflows: &HashMap<String, WorkflowDefinition>,
) -> (Document, Vec<Warning>) {
    let mut document = definition.document().clone();
    let mut warnings = Vec::new();
    load_values(&mut document.nodes, catalogue, &mut warnings);
    load_dynamic_inputs(&mut document.nodes, catalogue, saved_workflows, &mut warnings);
    drop_bad_edges(&mut document, catalogue, &mut warnings);
    update_nodes(&mut document, catalogue, &mut warnings);
    fix_form(&mut document, catalogue, &mut warnings);
    (document, warnings)
}

fn load_values(nodes: &mut [Node], catalogue: &NodeCatalogue, warnings: &mut Vec<Warning>) {
    for node in nodes {
        let id = node.id.clone();
        let Some(invocation) = node.invocation_mut() else { continue };
        let template = catalogue.get(&invocation.node_type);
        if invocation.node_pack.is_none() {
            // The word the editor's migration uses for nodes it does not know.
            let pack = template.map_or("Unknown", |template| template.node_pack.as_str());
            invocation.node_pack = Some(if pack.is_empty() { OWN_NODE_PACK } else { pack }.to_owned());
        }
        let mut inputs = std::mem::take(&mut invocation.inputs);
        for (name, field) in &mut inputs {
            let Some(stored) = &field.value else { continue };
            let field_type = template.and_then(|t| invocation.template_of(t, name)).map(|input| &input.field_type);
            let (value, dropped) = match value::load(stored, &invocation.node_type, field_type) {
                Loaded::Value(value) => (Some(value), None),
                Loaded::Unset => (None, None),
                Loaded::Dropped => (None, Some(WarningKind::ValueDropped)),
                Loaded::ObjectDropped => (None, Some(WarningKind::ObjectDropped)),
            };
            if let Some(kind) = dropped {
                let message = format!(
                    "{} -> {name}: the stored value ({}) is none that a field can hold; the field is unset",
                    invocation.title(template),
                    json::describe(stored)
                );
                warnings.push(Warning::new(kind, &id, Some(name), message));
            }
            field.value = value;
        }
        invocation.inputs = inputs;
    }
}

fn load_dynamic_inputs(
    nodes: &mut [Node],
    catalogue: &NodeCatalogue,
    saved_workflows: &HashMap<String, WorkflowDefinition>,
    warnings: &mut Vec<Warning>,
) {
    for node in nodes {
        let id = node.id.clone();
        let Some(invocation) = node.invocation_mut().filter(|node| node.node_type == "call_saved_workflow") else {
            continue;
        };
        let called = invocation.inputs.get("workflow_id").and_then(|field| field.value.as_ref()?.as_str());
        let Some(called) = called.filter(|called| !called.is_empty()) else { continue };
        match saved_workflows.get(called) {
            Some(callee) => dynamic_inputs::refresh(invocation, callee.document(), catalogue),
            None => {
                let message = format!("the called workflow {called} was not supplied; its inputs are those last saved");
                warnings.push(Warning::new(WarningKind::CalledWorkflowUnknown, &id, Some("workflow_id"), message));
            }
        }
    }
}

fn drop_bad_edges(document: &mut Document, catalogue: &NodeCatalogue, warnings: &mut Vec<Warning>) {
    let mut keep = Vec::with_capacity(document.edges.len());
    let mut judge = EdgeJudge::new(catalogue, Wiring::new(&document.nodes), &document.edges);
    for edge in &document.edges {
        let verdict = judge.judge(edge);
        if let Err(refusal) = verdict {
            let message = format!("the edge {} was removed: {}", edge.describe(), refusal.message());
            let field = edge.handles.as_ref().map(|handles| handles.target.as_str());
            warnings.push(Warning::new(WarningKind::EdgeRemoved, &edge.target, field, message));
        }
        keep.push(verdict.is_ok());
    }
    let mut keep = keep.into_iter();
    document.edges.retain(|_| keep.next().unwrap_or(true));
}

fn update_nodes(document: &mut Document, catalogue: &NodeCatalogue, warnings: &mut Vec<Warning>) {
    let connected: HashSet<(&str, &str)> = document
        .edges
        .iter()
        .filter_map(|edge| Some((edge.target.as_str(), edge.handles.as_ref()?.target.as_str())))
        .collect();
    for node in &mut document.nodes {
        let id = node.id.clone();
        let Some(invocation) = node.invocation_mut() else { continue };
        let Some(template) = catalogue.get(&invocation.node_type) else {
            let message = format!("node {id}: this server has no node type {}", invocation.node_type);
            warnings.push(Warning::new(WarningKind::UnknownNodeType, &id, None, message));
            continue;
        };
        if update::needs_update(invocation, template)
            && update::update(invocation, template, |field| connected.contains(&(id.as_str(), field))).is_err()
        {
            let message = format!(
                "{}: version {} cannot be brought to the server's version {}",
                invocation.title(Some(template)),
                invocation.version,
                template.version
            );
            warnings.push(Warning::new(WarningKind::NodeNotUpdated, &id, None, message));
            continue;
        }
        if accepts_extra_inputs(&invocation.node_type) {
            continue;
        }
        for name in invocation.inputs.keys().filter(|name| invocation.template_of(template, name).is_none()) {
            let message = format!("{}: the node type has no input {name}", invocation.title(Some(template)));
            warnings.push(Warning::new(WarningKind::UnknownField, &id, Some(name), message));
        }
    }
}

fn fix_form(document: &mut Document, catalogue: &NodeCatalogue, warnings: &mut Vec<Warning>) {
    let Document { nodes, exposed_fields, form, .. } = document;
    let mut by_id = HashMap::with_capacity(nodes.len());
    for node in nodes.iter() {
        if let Some(invocation) = node.invocation() {
            by_id.entry(node.id.as_str()).or_insert(invocation);
        }
    }
    let identifiers = exposed_fields.iter_mut().chain(form.node_fields_mut().map(|field| &mut field.field));
    for identifier in identifiers {
        if let Some(node) = by_id.get(identifier.node_id.as_str()) {
            let renamed = update::renamed_field(node, &identifier.field_name);
            if renamed != identifier.field_name {
                identifier.field_name = renamed.to_owned();
            }
        }
    }
    if form.is_empty() && !exposed_fields.is_empty() {
        *form = Form::empty();
        for identifier in exposed_fields.iter() {
            let node = by_id.get(identifier.node_id.as_str());
            let template =
                node.and_then(|node| node.template_of(catalogue.get(&node.node_type)?, &identifier.field_name));
            if let Some(template) = template {
                form.push_field(identifier.clone(), &template.field_type);
            }
        }
    }
    let exists = |identifier: &super::document::FieldIdentifier| {
        by_id.get(identifier.node_id.as_str()).is_some_and(|node| node.inputs.contains_key(&identifier.field_name))
    };
    for gone in form.remove_fields(exists) {
        let message = format!("the form field {}.{} does not exist and was removed", gone.node_id, gone.field_name);
        warnings.push(Warning::new(WarningKind::FormFieldRemoved, &gone.node_id, Some(&gone.field_name), message));
    }
}
