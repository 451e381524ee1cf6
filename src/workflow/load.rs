//! Loading a workflow for work, in the editor's order (`features/nodes/util/workflow/validateWorkflow.ts`): values,
//! dynamic inputs, edges, node versions, renamed fields, the form.

use super::connection::EdgeJudge;
use super::definition::WorkflowDefinition;
use super::document::{Document, FieldIdentifier, Node, OWN_NODE_PACK};
use super::form::Form;
use super::input::{self, ById, Input, connected_inputs};
use super::options::WorkflowOptions;
use super::text::Text;
use super::value::{self, Loaded, accepts_extra_inputs};
use super::warning::{Warning, WarningKind};
use super::{dynamic_inputs, renamed, update};
use crate::schema::{NodeCatalog, NodeTemplate};
use std::collections::HashMap;
use std::sync::Arc;

/// A document as the editor has it after loading, its inputs, and the warnings.
pub(super) fn load(
    definition: &WorkflowDefinition,
    catalog: &NodeCatalog,
    options: &WorkflowOptions,
) -> (Document, Vec<Input>, Vec<Warning>) {
    let mut document = definition.document().clone();
    let mut warnings = definition.left_out().to_vec();
    let template = |node: &Arc<Node>| catalog.get(&node.invocation()?.node_type);
    let templates: Vec<Option<&NodeTemplate>> = document.nodes.iter().map(template).collect();
    renamed::rename(&mut document, &templates);
    load_values(&mut document.nodes, &templates, &mut warnings);
    load_dynamic_inputs(&mut document.nodes, catalog, &options.saved_workflows, &mut warnings);
    drop_bad_edges(&mut document, &templates, &mut warnings);
    update_nodes(&mut document, &templates, options.update_nodes, &mut warnings);
    let Document { nodes, edges, exposed_fields, form, .. } = &mut document;
    let by_id = invocations_by_id(nodes, &templates);
    fix_form(&by_id, exposed_fields, form, &mut warnings);
    let inputs = input::list(&by_id, edges, form);
    (document, inputs, warnings)
}

fn load_values(nodes: &mut [Arc<Node>], templates: &[Option<&NodeTemplate>], warnings: &mut Vec<Warning>) {
    for (node, template) in nodes.iter_mut().zip(templates) {
        let Some(invocation) = node.invocation() else { continue };
        let template = *template;
        let mut changes = Vec::new();
        for (place, (name, field)) in invocation.inputs.iter().enumerate() {
            let Some(stored) = &field.value else { continue };
            let input = template.and_then(|t| invocation.template_of(t, name));
            if let Some(option) = input.and_then(|input| value::spelled_option(stored, &input.options)) {
                changes.push((place, Some(option)));
                continue;
            }
            let field_type = input.map(|input| &input.field_type);
            let dropped = match value::load(stored, &invocation.node_type, field_type) {
                Loaded::Kept => continue,
                Loaded::Value(value) => {
                    changes.push((place, Some(value)));
                    continue;
                }
                Loaded::Unset => None,
                Loaded::Dropped => Some(WarningKind::ValueDropped),
                Loaded::ObjectDropped => Some(WarningKind::ObjectDropped),
            };
            changes.push((place, None));
            if let Some(kind) = dropped {
                let message = format!(
                    "{} -> {name}: no field can hold the stored value ({}); the field is unset",
                    invocation.title(template),
                    crate::base::secrets::excerpt(&stored.to_string())
                );
                warnings.push(Warning::new(kind, &node.id, Some(name), message));
            }
        }
        if changes.is_empty() && invocation.node_pack.is_some() {
            continue;
        }
        // The word the editor's migration uses for nodes it does not know.
        let pack = template.map_or("Unknown", |template| template.node_pack.as_str());
        let Some(invocation) = Arc::make_mut(node).invocation_mut() else { continue };
        invocation.node_pack.get_or_insert_with(|| if pack.is_empty() { OWN_NODE_PACK } else { pack }.into());
        for (place, value) in changes {
            if let Some((_, field)) = invocation.inputs.get_index_mut(place) {
                field.value = value;
            }
        }
    }
}

fn load_dynamic_inputs(
    nodes: &mut [Arc<Node>],
    catalog: &NodeCatalog,
    saved_workflows: &HashMap<String, WorkflowDefinition>,
    warnings: &mut Vec<Warning>,
) {
    for node in nodes {
        let Some(invocation) = node.invocation().filter(|node| node.node_type == "call_saved_workflow") else {
            continue;
        };
        let called = invocation.inputs.get("workflow_id").and_then(|field| field.value.as_ref()?.as_str());
        let Some(called) = called.filter(|called| !called.is_empty()) else { continue };
        match saved_workflows.get(called) {
            Some(callee) => {
                if let Some(invocation) = Arc::make_mut(node).invocation_mut() {
                    dynamic_inputs::refresh(invocation, callee.document(), catalog);
                }
            }
            None => {
                let message = format!("the called workflow {called} was not supplied; its inputs are those last saved");
                warnings.push(Warning::new(WarningKind::CalledWorkflowUnknown, &node.id, Some("workflow_id"), message));
            }
        }
    }
}

fn drop_bad_edges(document: &mut Document, templates: &[Option<&NodeTemplate>], warnings: &mut Vec<Warning>) {
    let refused = EdgeJudge::judge(templates, &document.nodes, &document.edges);
    for (place, refusal) in &refused {
        let Some(edge) = document.edges.get(*place) else { continue };
        let message = format!("the edge {} was removed: {}", edge.describe(), refusal.message());
        let field = edge.handles.as_ref().map(|handles| handles.target.as_str());
        warnings.push(Warning::new(WarningKind::EdgeRemoved, &edge.target, field, message));
    }
    if !refused.is_empty() {
        let mut refused = refused.into_iter().map(|(place, _)| place).peekable();
        let mut place = 0..;
        Arc::make_mut(&mut document.edges).retain(|_| refused.next_if_eq(&place.next().unwrap_or_default()).is_none());
    }
}

fn update_nodes(
    document: &mut Document,
    templates: &[Option<&NodeTemplate>],
    any_version: bool,
    warnings: &mut Vec<Warning>,
) {
    let edges = document.edges.clone();
    let mut connected = None;
    for (node, template) in document.nodes.iter_mut().zip(templates) {
        let Some(invocation) = node.invocation() else { continue };
        let Some(template) = *template else {
            let message = format!("node {}: this server has no node type {}", node.id, invocation.node_type);
            warnings.push(Warning::new(WarningKind::UnknownNodeType, &node.id, None, message));
            continue;
        };
        if update::needs_update(invocation, template) {
            let is_minor = update::is_minor(invocation, template);
            let (title, version) = (invocation.title(Some(template)).to_owned(), invocation.version.clone());
            if !is_minor && !any_version {
                let message = format!(
                    "{title}: version {version} cannot be brought to the server's version {}",
                    template.version
                );
                warnings.push(Warning::new(WarningKind::NodeNotUpdated, &node.id, None, message));
                continue;
            }
            let connected = connected.get_or_insert_with(|| connected_inputs(&edges));
            let id = node.id.clone();
            let is_connected = |field: &str| connected.contains(&(&*id, field));
            let had: Vec<Text> = invocation.inputs.keys().cloned().collect();
            let Some(invocation) = Arc::make_mut(node).invocation_mut() else { continue };
            let gone = update::update(invocation, template, is_connected);
            if !is_minor {
                let message = describe_update(&title, &version, template, &had);
                warnings.push(Warning::new(WarningKind::NodeUpdated, &id, None, message));
            }
            for (name, field) in gone {
                let Some(value) = field.value.filter(|value| !matches!(value.as_str(), Some("")) && !value.is_null())
                else {
                    continue;
                };
                let value = crate::base::secrets::excerpt(&value.to_string());
                let message = format!("{title}: the server's version has no input {name}; its value is lost: {value}");
                warnings.push(Warning::new(WarningKind::ValueLost, &id, Some(&name), message));
            }
        }
        let Some(invocation) = node.invocation().filter(|node| !accepts_extra_inputs(&node.node_type)) else {
            continue;
        };
        for name in invocation.inputs.keys().filter(|name| invocation.template_of(template, name).is_none()) {
            let message = format!("{}: the node type has no input {name}", invocation.title(Some(template)));
            warnings.push(Warning::new(WarningKind::UnknownField, &node.id, Some(name), message));
        }
    }
}

/// What an update to another major version changed. `had` has the inputs from before.
fn describe_update(title: &str, from: &str, template: &NodeTemplate, had: &[Text]) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let has = |name: &str| had.iter().any(|old| old.as_str() == name);
    let new = template.inputs.keys().filter(|name| !has(name)).collect();
    let gone = had.iter().map(Text::as_str).filter(|name| !template.inputs.contains_key(name)).collect();
    let (new, gone) = (list(new), list(gone));
    format!("{title}: updated from version {from} to {}; new inputs: {new}; removed inputs: {gone}", template.version)
}

fn fix_form(
    by_id: &ById<'_>,
    exposed_fields: &mut Arc<Vec<FieldIdentifier>>,
    form: &mut Arc<Form>,
    warnings: &mut Vec<Warning>,
) {
    let renamed = |identifier: &FieldIdentifier| {
        let (node, _) = by_id.get(&*identifier.node_id)?;
        update::renamed_field(node, &identifier.field_name)
    };
    let identifiers = exposed_fields.iter().chain(form.node_fields().map(|field| &field.field));
    if identifiers.into_iter().any(|identifier| renamed(identifier).is_some()) {
        let in_form = Arc::make_mut(form).node_fields_mut().map(|field| &mut field.field);
        for identifier in Arc::make_mut(exposed_fields).iter_mut().chain(in_form) {
            if let Some(name) = renamed(identifier) {
                identifier.field_name = Text::fixed(name);
            }
        }
    }
    if form.is_empty() && !exposed_fields.is_empty() {
        let mut made = Form::empty();
        for identifier in exposed_fields.iter() {
            let node = by_id.get(&*identifier.node_id);
            let template = node.and_then(|(node, template)| node.template_of((*template)?, &identifier.field_name));
            match (template, node) {
                (Some(template), _) => made.push_field(identifier.clone(), &template.field_type),
                (None, Some((node, None))) => {
                    let FieldIdentifier { node_id, field_name } = identifier;
                    let node_type = &node.node_type;
                    let message = format!(
                        "the exposed field {node_id}.{field_name} was left out: the server has no node type {node_type}"
                    );
                    warnings.push(Warning::new(WarningKind::FormFieldRemoved, node_id, Some(field_name), message));
                }
                (None, _) => {
                    let FieldIdentifier { node_id, field_name } = identifier;
                    let message = format!("the exposed field {node_id}.{field_name} does not exist and was left out");
                    warnings.push(Warning::new(WarningKind::FormFieldRemoved, node_id, Some(field_name), message));
                }
            }
        }
        *form = made.into();
    }
    for (id, kind) in form.unknown_elements() {
        let message = format!("the form element {id} is of the unknown kind {kind}; it shows nothing");
        let kind = WarningKind::FormElementUnknown;
        warnings.push(Warning { kind, node_id: None, field: None, message });
    }
    let exists = |identifier: &FieldIdentifier| {
        by_id.get(&*identifier.node_id).is_some_and(|(node, _)| node.inputs.contains_key(&*identifier.field_name))
    };
    if form.node_fields().all(|field| exists(&field.field)) {
        return;
    }
    for gone in Arc::make_mut(form).remove_fields(exists) {
        let message = format!("the form field {}.{} does not exist and was removed", gone.node_id, gone.field_name);
        warnings.push(Warning::new(WarningKind::FormFieldRemoved, &gone.node_id, Some(&gone.field_name), message));
    }
}

/// If several nodes have the same id, the first counts.
fn invocations_by_id<'a>(nodes: &'a [Arc<Node>], templates: &[Option<&'a NodeTemplate>]) -> ById<'a> {
    let mut by_id = ById::with_capacity_and_hasher(nodes.len(), Default::default());
    for (node, template) in nodes.iter().zip(templates) {
        if let Some(invocation) = node.invocation() {
            by_id.entry(&*node.id).or_insert((invocation, *template));
        }
    }
    by_id
}
