//! Generates the client with progenitor, and the event payloads with typify, from a lowered document.

use std::{collections::BTreeSet, error::Error};

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;
use serde_json::{Value, json};
use typify::{TypeSpace, TypeSpaceImpl, TypeSpaceSettings};

use crate::{
    enums,
    lower::{operations::FORM_FIELDS, overrides::EVENT_TYPES, schemas, walk},
    merge::MISSING,
    rewrite,
};

/// Rust source of everything generated.
pub(crate) struct Generated {
    /// Client, operation builders and the types they use.
    pub(crate) client: String,
    /// Types that only Socket.IO events use.
    pub(crate) events: String,
    /// String enums that a server may extend.
    pub(crate) enums: String,
}

/// One operation of the lowered document.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Fields of a multipart body.
    pub(crate) form: Vec<FormField>,
    /// Whether only the package's own document has it.
    pub(crate) missing: bool,
    /// Query parameters that only the package's own document has.
    pub(crate) missing_parameters: Vec<String>,
}

/// One field of a multipart body.
pub(crate) struct FormField {
    pub(crate) name: String,
    pub(crate) required: bool,
    /// Whether it is a file; otherwise it is a text.
    pub(crate) file: bool,
    pub(crate) description: String,
    /// Whether only the package's own document has it.
    pub(crate) missing: bool,
}

/// Generates from a document that is lowered, and to which everything that hand-written code needs has been added.
pub(crate) fn generate(document: &Value) -> Result<Generated, Box<dyn Error>> {
    let enums = enums::find(document);
    let (in_calls, in_events) = split(document)?;
    let operations = operations(document)?;
    let bodies = closure(document, request_bodies(document));

    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::transport::Transport))
        .with_map_type("::indexmap::IndexMap");
    for name in enums.keys() {
        let traits = [TypeImpl::Display, TypeImpl::FromStr];
        settings.with_replacement(name, format!("crate::api::enums::{name}"), traits.into_iter());
    }
    let tokens = Generator::new(&settings).generate_tokens(&serde_json::from_value(in_calls.clone())?)?;
    let client = rewrite::client(syn::parse2(tokens)?, &operations, &bodies)?;

    Ok(Generated {
        // The examples are sketches, not programs. They become text, so that no test run lists them as ignored.
        client: rewrite::prelude::shorten(prettyplease::unparse(&client)).replace("```ignore", "```text"),
        events: event_types(&in_calls, &in_events, enums.keys())?,
        enums: enums::source(&enums)?,
    })
}

/// Splits the schemas into those that calls need and those that only events need.
fn split(document: &Value) -> Result<(Value, walk::Object), Box<dyn Error>> {
    let reached = closure(document, schemas::references(&document["paths"]));
    let mut in_calls = document.clone();
    let all = in_calls.pointer_mut("/components/schemas").and_then(Value::as_object_mut).ok_or("no schemas")?;
    let (calls, events): (walk::Object, walk::Object) =
        std::mem::take(all).into_iter().partition(|(name, _)| reached.contains(name));
    *all = calls;
    Ok((in_calls, events))
}

/// Names of the schemas that the given ones reach, including themselves.
fn closure(document: &Value, mut waiting: Vec<String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        waiting.extend(
            document
                .pointer(&format!("/components/schemas/{}", walk::segment(&name)))
                .filter(|_| !reached.contains(&name))
                .map(schemas::references)
                .unwrap_or_default(),
        );
        reached.insert(name);
    }
    reached
}

fn request_bodies(document: &Value) -> Vec<String> {
    walk::each_operation(document)
        .flat_map(|(_, _, operation)| schemas::references(&operation["requestBody"]))
        .collect()
}

fn operations(document: &Value) -> Result<Vec<Operation>, Box<dyn Error>> {
    walk::each_operation(document)
        .map(|(path, method, operation)| {
            let id = operation["operationId"].as_str().ok_or_else(|| format!("{method} {path} has no operationId"))?;
            let fields = operation[FORM_FIELDS].as_array().into_iter().flatten();
            let form: Vec<_> = fields
                .map(|field| FormField {
                    name: field["name"].as_str().unwrap_or_default().into(),
                    required: field["required"] == true,
                    file: field["file"] == true,
                    description: field["description"].as_str().unwrap_or_default().into(),
                    missing: field[MISSING] == true,
                })
                .collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let missing = parameters.filter(|parameter| parameter[MISSING] == true);
            Ok(Operation {
                id: id.into(),
                method: method.to_uppercase(),
                path: path.clone(),
                form,
                missing: operation[MISSING] == true,
                missing_parameters: missing.filter_map(|each| Some(each["name"].as_str()?.into())).collect(),
            })
        })
        .collect()
}

/// The schemas of Socket.IO payloads, which no path reaches. Types that calls use too are not generated twice.
fn event_types<'a>(
    in_calls: &Value,
    in_events: &walk::Object,
    enums: impl Iterator<Item = &'a String>,
) -> Result<String, Box<dyn Error>> {
    let mut settings = TypeSpaceSettings::default();
    settings.with_type_mod("events").with_map_type("::indexmap::IndexMap");
    let shared = in_calls.pointer("/components/schemas").and_then(Value::as_object).ok_or("no schemas")?;
    for name in shared.keys() {
        settings.with_replacement(name, format!("crate::api::types::{name}"), std::iter::empty());
    }
    for name in enums {
        let traits = [TypeSpaceImpl::Display, TypeSpaceImpl::FromStr];
        settings.with_replacement(name, format!("crate::api::enums::{name}"), traits.into_iter());
    }
    let mut space = TypeSpace::new(&settings);
    let schemas = shared
        .iter()
        .chain(in_events)
        .map(|(name, schema)| Ok((name.clone(), serde_json::from_value(to_json_schema(schema))?)))
        .collect::<Result<Vec<_>, serde_json::Error>>()?;
    space.add_ref_types(schemas)?;
    let types = rewrite::types(syn::parse2(space.to_stream())?);
    let mut source = rewrite::prelude::shorten(prettyplease::unparse(&types));
    for name in EVENT_TYPES.iter().filter(|name| !in_events.contains_key(**name)) {
        source +=
            &format!("///Not in this document.\npub type {name} = ::serde_json::Map<String, ::serde_json::Value>;\n");
    }
    Ok(source)
}

/// OpenAPI 3.0 to plain JSON Schema: references and `nullable`.
fn to_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut copy: walk::Object = object
                .iter()
                .map(|(key, value)| match value.as_str() {
                    Some(target) if key == "$ref" => {
                        (key.clone(), json!(format!("#/definitions/{}", schemas::schema_name(target))))
                    }
                    _ => (key.clone(), to_json_schema(value)),
                })
                .collect();
            if copy.remove("nullable").is_some() {
                return json!({"oneOf": [copy, {"type": "null"}]});
            }
            Value::Object(copy)
        }
        Value::Array(items) => items.iter().map(to_json_schema).collect(),
        other => other.clone(),
    }
}
