//! Rules about names: inline enums get one, and all are written as in Rust.

use serde_json::{Value, json};

use super::{
    Fault,
    schemas::{enum_values, schema_name},
    walk,
    walk::Object,
};

pub(super) fn inline_enums(document: &mut Value) -> Result<usize, Fault> {
    let owners = operation_owners(document)?;
    let mut found: Vec<(String, Value)> = Vec::new();
    let touched = walk::schemas(document, &mut |pointer, schema| {
        let component = pointer.strip_prefix("/components/schemas/");
        if enum_values(schema).is_none() || component.is_some_and(|rest| !rest.contains('/')) {
            return Ok(0);
        }
        let in_operation = || {
            let (place, owner) = owners.iter().find(|(place, _)| pointer.starts_with(place.as_str()))?;
            Some(format!("{owner}{}", &pointer[place.len()..]))
        };
        let path = component.map(str::to_owned).or_else(in_operation);
        let name = enum_name(&path.ok_or_else(|| Fault::new(pointer, "an enum that nothing names"))?);
        let definition = json!({"type": "string", "enum": schema["enum"]});
        schema.remove("enum");
        schema.remove("type");
        schema.insert("$ref".into(), json!(format!("#/components/schemas/{name}")));
        match found.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != definition => {
                return Err(Fault::new(pointer, format!("two different enums would be called `{name}`")));
            }
            Some(_) => {}
            None => found.push((name, definition)),
        }
        Ok(1)
    })?;
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return Err(Fault::new("/components/schemas", "missing"));
    };
    for (name, definition) in found {
        if schemas.contains_key(&name) {
            return Err(Fault::new(format!("/components/schemas/{name}"), "the name of an inline enum is taken"));
        }
        schemas.insert(name, definition);
    }
    Ok(touched)
}

/// Where an operation's parameters, body and answers are, and what enums in them are named after.
fn operation_owners(document: &mut Value) -> Result<Vec<(String, String)>, Fault> {
    let mut owners = Vec::new();
    walk::operations(document, &mut |pointer, _, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let parameters = operation.get("parameters").and_then(Value::as_array);
        for (i, parameter) in parameters.into_iter().flatten().enumerate() {
            let name = parameter["name"].as_str().unwrap_or_default();
            owners.push((format!("{pointer}/parameters/{i}/schema"), format!("{id}_{name}")));
        }
        owners.push((format!("{pointer}/requestBody/content/application~1json/schema"), format!("{id}_body")));
        owners.push((format!("{pointer}/responses/"), format!("{id}_answer/")));
        Ok(())
    })?;
    Ok(owners)
}

/// `Owner/properties/status` is `OwnerStatus`; lists and unions on the way add nothing.
fn enum_name(path: &str) -> String {
    const SILENT: &[&str] = &["properties", "items", "anyOf", "allOf", "additionalProperties"];
    path.split('/')
        .filter(|part| !SILENT.contains(part) && part.parse::<usize>().is_err())
        .flat_map(|part| part.split('_'))
        .map(capitalize)
        .collect()
}

fn capitalize(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

pub(super) fn schema_names(document: &mut Value) -> Result<usize, Fault> {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return Err(Fault::new("/components/schemas", "missing"));
    };
    let mut renamed = Object::new();
    let mut touched = 0;
    for (name, schema) in std::mem::take(schemas) {
        let rust = heck::AsUpperCamelCase(&name).to_string();
        touched += usize::from(rust != name);
        if renamed.contains_key(&rust) {
            return Err(Fault::new(format!("/components/schemas/{name}"), format!("a second schema called `{rust}`")));
        }
        renamed.insert(rust, schema);
    }
    *schemas = renamed;
    walk::schemas(document, &mut |_, schema| {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).map(schema_name) {
            let rust = heck::AsUpperCamelCase(name).to_string();
            schema.insert("$ref".into(), json!(format!("#/components/schemas/{rust}")));
        }
        Ok(0)
    })?;
    Ok(touched)
}
