//! Inputs of `call_saved_workflow` nodes: the public inputs of the workflow they call
//! (`callSavedWorkflowFormUtils.ts`). Their templates are stored in the node, in the editor's own notation.

use super::document::{Document, DynamicInput, FieldIdentifier, FieldInstance, Invocation, Node};
use super::json::{At, Fit, Misfit};
use super::table::{Map as Table, Ordered, Set};
use super::text::Text;
use crate::schema::{
    Cardinality, Constraints, EnumOption, FieldType, InputKind, InputTemplate, ModelFilter, NodeCatalog, UiHints,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How the names of dynamic inputs start; the node id and field name of the callee follow.
pub(super) const PREFIX: &str = "saved_workflow_input::";

/// Whether an input of this name belongs to a called workflow.
pub(crate) fn is_of_called_workflow(name: &str) -> bool {
    name.starts_with(PREFIX)
}

const MAX_CALLEE_FIELDS: usize = 10_000;

/// Reads `dynamicInputTemplates`.
pub(super) fn parse(at: Option<At<'_>>) -> Fit<Ordered<Text, DynamicInput>> {
    let Some(at) = at else { return Ok(Ordered::default()) };
    let templates = at.members()?.map(|(name, at)| {
        Ok((name.into(), DynamicInput { template: parse_template(&at)?.into(), json: at.value.clone() }))
    });
    templates.collect::<Result<_, Misfit>>()
}

fn parse_template(at: &At<'_>) -> Fit<InputTemplate> {
    one_of(at, "fieldKind", &["input"])?;
    let type_at = at.need("type")?;
    let field_type = parse_type(&type_at)?;
    let original_type = type_at.get("originalType")?.map(|at| parse_type(&at)).transpose()?;
    let input = match one_of(at, "input", &["any", "direct", "connection"])? {
        "any" => InputKind::Any,
        "direct" => InputKind::Direct,
        _ => InputKind::Connection,
    };
    if !field_type.is_stateful() && input != InputKind::Connection {
        return at.need("input")?.expected("\"connection\" for a type without direct values");
    }
    let members = at.object()?;
    let constraints = Constraints::declared(members);
    let labels = members.get("ui_choice_labels").and_then(Value::as_object);
    let options = members.get("options").and_then(Value::as_array).into_iter().flatten().map(|value| {
        let label = labels.and_then(|labels| labels.get(value.as_str()?)?.as_str()).map(str::to_owned);
        EnumOption { value: value.clone(), label }
    });
    Ok(InputTemplate {
        name: at.need("name")?.filled()?.to_string(),
        title: at.need("title")?.filled()?.to_string(),
        description: at.get("description")?.and_then(|at| at.string().ok()).unwrap_or_default().to_owned(),
        field_type,
        original_type,
        required: at.need_boolean("required")?,
        nullable: false,
        input,
        default: members.get("default").filter(|value| !value.is_null()).cloned(),
        server_constraints: constraints.clone(),
        constraints,
        options: options.collect(),
        model_filter: model_filter(members),
        ui: UiHints {
            hidden: at.need_boolean("ui_hidden")?,
            order: members.get("ui_order").and_then(Value::as_i64),
            component: members.get("ui_component").and_then(Value::as_str).map(str::to_owned),
            members: members
                .iter()
                .filter(|(name, _)| name.starts_with("ui_"))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        },
    })
}

fn parse_type(at: &At<'_>) -> Fit<FieldType> {
    let cardinality = match one_of(at, "cardinality", &["SINGLE", "COLLECTION", "SINGLE_OR_COLLECTION"])? {
        "SINGLE" => Cardinality::Single,
        "COLLECTION" => Cardinality::Collection,
        _ => Cardinality::SingleOrCollection,
    };
    Ok(FieldType { name: at.need("name")?.filled()?.to_string(), cardinality, batch: at.need_boolean("batch")? })
}

fn one_of<'a>(at: &'a At<'a>, name: &'a str, words: &[&str]) -> Fit<&'a str> {
    let found = at.need(name)?;
    let word = found.string()?;
    if words.contains(&word) { Ok(word) } else { found.expected(&format!("one of {}", words.join(", "))) }
}

fn model_filter(members: &Map<String, Value>) -> ModelFilter {
    let list = |name: &str| {
        let list = members.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    ModelFilter {
        base: list("ui_model_base"),
        model_type: list("ui_model_type"),
        variant: list("ui_model_variant"),
        format: list("ui_model_format"),
        provider_id: list("ui_model_provider_id"),
    }
}

/// The template as the editor stores it.
fn to_json(template: &InputTemplate) -> Value {
    let field_type = |t: &FieldType| json!({"name": t.name, "cardinality": t.cardinality.as_str(), "batch": t.batch});
    let mut type_json = field_type(&template.field_type);
    if let (Some(original), Value::Object(members)) = (&template.original_type, &mut type_json) {
        members.insert("originalType".into(), field_type(original));
    }
    let mut stored = template.ui.members.clone();
    stored.shift_remove("ui_type");
    let own = json!({
        "name": template.name,
        "title": template.title,
        "description": template.description,
        "fieldKind": "input",
        "input": template.input.as_str(),
        "required": template.required,
        "ui_hidden": template.ui.hidden,
        "ui_order": template.ui.order,
        "type": type_json,
    });
    if let Value::Object(own) = own {
        stored.extend(own);
    }
    stored.extend(template.constraints.to_json());
    if let Some(default) = &template.default {
        stored.insert("default".into(), default.clone());
    }
    if !template.options.is_empty() {
        stored.insert("options".into(), template.options.iter().map(|option| option.value.clone()).collect());
    }
    Value::Object(stored)
}

/// A public input of a callee.
struct CalleeInput {
    name: Text,
    template: Arc<InputTemplate>,
    label: Text,
    description: Text,
    value: Option<Value>,
    in_form: bool,
}

/// Replaces the node's dynamic inputs with those of the callee. Values of inputs whose type stayed the same are kept.
pub(super) fn refresh(node: &mut Invocation, callee: &Document, catalog: &NodeCatalog) {
    let mut inputs = callee_inputs(callee, catalog);
    // The server takes values for exposed fields only if the form has none (`workflow_graph_builder.py`). The editor
    // adds the others all the same, and the run fails; what a file already has is not taken away.
    if inputs.iter().any(|input| input.in_form) {
        inputs.retain(|input| input.in_form || node.inputs.contains_key(&*input.name));
    }
    let names: Set<&str> = inputs.iter().map(|input| &*input.name).collect();
    let stale = |name: &str| name.starts_with(PREFIX) && !names.contains(name);
    node.inputs.retain(|name, _| !stale(name));
    node.dynamic_inputs.retain(|name, _| !stale(name));
    for CalleeInput { name, template, label, description, value, .. } in inputs {
        let field_type = template.field_type.clone();
        let dynamic = DynamicInput { json: to_json(&template), template };
        let before = node.dynamic_inputs.insert(name.clone(), dynamic);
        let same_type = before.is_some_and(|before| before.template.field_type == field_type);
        match node.inputs.get_mut(&*name) {
            Some(field) if same_type => {
                field.label = label;
                field.description = description;
            }
            _ => {
                let field = FieldInstance { name: name.clone(), label, description, value };
                node.inputs.insert(name, field);
            }
        }
    }
}

/// The callee's form fields in order, then exposed fields that are not in the form; only types with direct values.
fn callee_inputs(callee: &Document, catalog: &NodeCatalog) -> Vec<CalleeInput> {
    let form_fields = callee.form.fields(MAX_CALLEE_FIELDS).unwrap_or_default();
    let in_form: Vec<&FieldIdentifier> = form_fields.into_iter().map(|field| &field.field).collect();
    let listed: Set<&FieldIdentifier> = in_form.iter().copied().collect();
    let exposed = callee.exposed_fields.iter().filter(|field| !listed.contains(field));
    let mut nodes: Table<&str, &Arc<Node>> = Table::default();
    for node in &callee.nodes {
        nodes.entry(&*node.data_id).or_insert(node);
    }
    let mut inputs = Vec::new();
    for identifier in in_form.iter().copied().chain(exposed) {
        let node = nodes.get(&*identifier.node_id).and_then(|node| node.invocation());
        let Some(node) = node else { continue };
        let template = catalog.get(&node.node_type).and_then(|t| t.inputs.get(&identifier.field_name));
        let (Some(field), Some(template)) = (node.inputs.get(&*identifier.field_name), template) else { continue };
        if !template.field_type.is_stateful() {
            continue;
        }
        let or = |text: &Text, fallback: &str| if text.is_empty() { fallback.into() } else { text.clone() };
        let name: Text = format!("{PREFIX}{}::{}", identifier.node_id, identifier.field_name).into();
        let label = or(&field.label, &template.title);
        let description = or(&field.description, &template.description);
        let mut template = InputTemplate::clone(template);
        template.name = name.to_string();
        template.title = label.to_string();
        template.description = description.to_string();
        template.ui.order = i64::try_from(inputs.len()).ok();
        template.ui.hidden = false;
        template.input = InputKind::Any;
        let template = Arc::new(template);
        let (value, in_form) = (field.value.clone(), listed.contains(identifier));
        inputs.push(CalleeInput { name, template, label, description, value, in_form });
    }
    inputs
}
