//! Reads templates from invocation schemas (`features/nodes/util/schema/` of the editor).

use super::field_type::{is_truthy, non_null_branches, ref_name};
use super::model::is_retired_ui_type;
use super::start_case::start_case;
use super::*;
use crate::json::borrowed::{Json, Members};
use serde_json::{Value, json};

/// Schemas of class `invocation` that are not nodes of the editor.
const NOT_NODES: [&str; 2] = ["graph", "linear_ui_output"];
/// Inputs and outputs of the batch engine.
const BATCH_INPUTS: [(&str, &str); 4] =
    [("image_batch", "images"), ("string_batch", "strings"), ("integer_batch", "integers"), ("float_batch", "floats")];
const BATCH_OUTPUTS: [(&str, &str); 4] = [
    ("image_generator", "images"),
    ("string_generator", "strings"),
    ("integer_generator", "integers"),
    ("float_generator", "floats"),
];

/// Reads one schema of class `invocation`; `None` for those that are not nodes. Fields that cannot be read are left out
/// and reported to `unreadable` as name and reason. `other` returns another schema of the document.
pub(super) fn read_node<'a>(
    schema: &Members<'_>,
    other: impl FnOnce(&str) -> Option<Json<'a>>,
    unreadable: &mut dyn FnMut(&str, String),
) -> Result<Option<NodeTemplate>, String> {
    let properties = schema.get("properties").and_then(Json::as_object).ok_or("no `properties`")?;
    let node_type = type_of(properties)?;
    if NOT_NODES.contains(&node_type) {
        return Ok(None);
    }
    let output_name = schema.get("output").and_then(Json::as_object).ok_or("no `output`").map(ref_name)??;
    let output = other(output_name);
    let output = output.as_ref().and_then(Json::as_object);
    let output = output.ok_or_else(|| format!("its output schema `{output_name}` is missing"))?;
    if output.get("class").is_none_or(|class| *class != *"output") {
        return Err(format!("its output schema `{output_name}` is not of class `output`"));
    }
    let output_properties =
        output.get("properties").and_then(Json::as_object).ok_or("its output schema has no `properties`")?;

    let text = |key: &str| schema.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let tags = schema.get("tags").and_then(Json::as_array).unwrap_or_default();
    let use_cache = properties.get("use_cache").and_then(|property| property.get("default")).and_then(Json::as_bool);
    Ok(Some(NodeTemplate {
        node_type: node_type.to_owned(),
        title: text("title").replacen("Invocation", "", 1),
        description: text("description"),
        category: schema.get("category").and_then(Json::as_str).map(str::to_owned),
        tags: tags.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        version: text("version"),
        node_pack: text("node_pack"),
        classification: text("classification"),
        use_cache: use_cache.unwrap_or(true),
        output_type: type_of(output_properties)?.to_owned(),
        inputs: read_fields(properties, unreadable, |name, property| read_input(node_type, name, property)),
        outputs: read_fields(output_properties, unreadable, |name, property| read_output(node_type, name, property)),
    }))
}

fn type_of<'s>(properties: &'s Members<'_>) -> Result<&'s str, String> {
    let default = properties.get("type").and_then(|property| property.get("default"));
    default.and_then(Json::as_str).ok_or_else(|| "no `properties.type.default`".into())
}

fn read_fields<T>(
    properties: &Members<'_>,
    unreadable: &mut dyn FnMut(&str, String),
    mut read: impl FnMut(&str, &Members<'_>) -> Result<Option<T>, String>,
) -> Fields<T> {
    let mut fields = Vec::new();
    for (name, property) in properties.iter() {
        // Only fields of the editor carry `field_kind`.
        let Some(property) = property.as_object().filter(|property| property.contains_key("field_kind")) else {
            continue;
        };
        match read(name, property) {
            Ok(Some(field)) => fields.push((name.to_owned(), field)),
            Ok(None) => {}
            Err(reason) => unreadable(name, reason),
        }
    }
    fields.into_iter().collect()
}

fn read_input(node_type: &str, name: &str, schema: &Members<'_>) -> Result<Option<InputTemplate>, String> {
    if matches!(name, "id" | "type" | "use_cache") || (node_type == "iterate" && name == "index") {
        return Ok(None);
    }
    let (mut field_type, original_type) = read_type(schema)?;
    if field_type.name == "IsIntermediate" {
        return Ok(None);
    }
    let stateful = field_type.is_stateful();
    let natural = original_type.as_ref().unwrap_or(&field_type);
    let options = if natural.name == "EnumField" { enum_options(schema) } else { Vec::new() };
    if field_type.name == "EnumField" && options.is_empty() {
        return Err("an enum without options".into());
    }
    let required = schema.get("orig_required").and_then(Json::as_bool).unwrap_or(false);
    let default = if stateful { default_value(schema, &field_type, required, &options) } else { None };
    let constraints = Constraints::shown(schema, &field_type);
    field_type.batch = BATCH_INPUTS.contains(&(node_type, name));
    Ok(Some(InputTemplate {
        name: name.to_owned(),
        title: title(name, schema),
        description: text(schema, "description"),
        required,
        nullable: takes_null(schema),
        input: match schema.get("input").and_then(Json::as_str) {
            _ if !stateful => InputKind::Connection,
            Some("direct") => InputKind::Direct,
            Some("connection") => InputKind::Connection,
            _ => InputKind::Any,
        },
        default,
        constraints,
        server_constraints: Constraints::enforced(schema),
        options,
        model_filter: ModelFilter::from_schema(schema),
        ui: ui_hints(schema),
        field_type,
        original_type: original_type.filter(|_| stateful),
    }))
}

fn takes_null(schema: &Members<'_>) -> bool {
    let branches = schema.get("anyOf").and_then(Json::as_array).unwrap_or_default();
    branches.iter().any(|branch| branch.get("type").is_some_and(|kind| *kind == *"null"))
}

fn read_output(node_type: &str, name: &str, schema: &Members<'_>) -> Result<Option<OutputTemplate>, String> {
    if name == "type" {
        return Ok(None);
    }
    let (mut field_type, original_type) = read_type(schema)?;
    let original_type = original_type.filter(|_| field_type.is_stateful());
    field_type.batch = BATCH_OUTPUTS.contains(&(node_type, name));
    Ok(Some(OutputTemplate {
        name: name.to_owned(),
        title: title(name, schema),
        description: text(schema, "description"),
        field_type,
        original_type,
    }))
}

/// The type of a property and, where a `ui_type` replaces another one, that one.
fn read_type(schema: &Members<'_>) -> Result<(FieldType, Option<FieldType>), String> {
    let natural = FieldType::from_schema(schema);
    let ui_type = schema.get("ui_type").and_then(Json::as_str).filter(|ui_type| !ui_type.is_empty());
    match ui_type.filter(|ui_type| !is_retired_ui_type(ui_type)) {
        Some(ui_type) => {
            let field_type = FieldType::from_ui_type(ui_type);
            let original = natural.ok().filter(|natural| *natural != field_type);
            Ok((field_type, original))
        }
        None => Ok((natural?, None)),
    }
}

fn text(schema: &Members<'_>, key: &str) -> String {
    schema.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn title(name: &str, schema: &Members<'_>) -> String {
    schema.get("title").and_then(Json::as_str).map_or_else(|| start_case(name), str::to_owned)
}

fn enum_options(schema: &Members<'_>) -> Vec<EnumOption> {
    let holder = match non_null_branches(schema).as_deref() {
        Some([only]) => only,
        Some(_) => return Vec::new(),
        None => schema,
    };
    let values = match (holder.get("const").filter(|value| is_truthy(value)), holder.get("enum")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(Json::Array(values))) => values.as_slice(),
        _ => &[],
    };
    let labels = schema.get("ui_choice_labels").and_then(Json::as_object);
    let option = |value: &Json<'_>| {
        let key = value.as_str().map_or_else(|| value.to_value().to_string(), str::to_owned);
        let label = labels.and_then(|labels| labels.get(key.as_str())).and_then(Json::as_str).map(str::to_owned);
        EnumOption { value: value.to_value(), label }
    };
    values.iter().map(option).collect()
}

/// The schema's default, or the fallback that the editor has for the type, even for optional fields.
fn default_value(
    schema: &Members<'_>,
    field_type: &FieldType,
    required: bool,
    options: &[EnumOption],
) -> Option<Value> {
    let name = field_type.name.as_str();
    match name {
        // The editor builds these itself and does not look at the schema.
        "FloatGeneratorField" => {
            return Some(json!({"type": "float_generator_arithmetic_sequence", "start": 0, "step": 0.1, "count": 10}));
        }
        "IntegerGeneratorField" => {
            return Some(json!({"type": "integer_generator_arithmetic_sequence", "start": 0, "step": 1, "count": 10}));
        }
        "StringGeneratorField" => {
            return Some(json!({"type": "string_generator_parse_string", "input": "foo,bar,baz,qux", "splitOn": ","}));
        }
        "ImageGeneratorField" => {
            return Some(json!({"type": "image_generator_images_from_board", "category": "images"}));
        }
        "LoRAMetadataField"
        | "ControlNetMetadataField"
        | "IPAdapterMetadataField"
        | "T2IAdapterMetadataField"
        | "MetadataExtraField" => return None,
        _ => {}
    }
    if let Some(declared) = schema.get("default").filter(|default| !default.is_null()) {
        return Some(declared.to_value());
    }
    let is_list = field_type.cardinality == Cardinality::Collection;
    match name {
        "ImageField" | "StringField" | "IntegerField" | "FloatField" if is_list => required.then(|| json!([])),
        "LoRAField" => Some(json!([])),
        "IntegerField" | "FloatField" => Some(json!(0)),
        "StringField" | "SavedWorkflowField" => Some(json!("")),
        "BooleanField" => Some(json!(false)),
        "EnumField" => options.first().map(|option| option.value.clone()),
        "BoardField" => Some(json!("auto")),
        "ColorField" => Some(json!({"r": 127, "g": 127, "b": 127, "a": 255})),
        "SchedulerField" => Some(json!("dpmpp_3m_k")),
        _ => None,
    }
}

fn ui_hints(schema: &Members<'_>) -> UiHints {
    let members = schema.iter().filter(|(key, value)| key.starts_with("ui_") && !value.is_null());
    UiHints {
        hidden: schema.get("ui_hidden").and_then(Json::as_bool).unwrap_or(false),
        order: schema.get("ui_order").and_then(Json::as_i64),
        component: schema.get("ui_component").and_then(Json::as_str).map(str::to_owned),
        members: members.map(|(key, value)| (key.to_owned(), value.to_value())).collect(),
    }
}
