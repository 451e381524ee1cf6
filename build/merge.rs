//! Adds to the document of another version what only the package's own document has, and marks it.
//!
//! Hand-written code is made for the package's own document. With these additions it compiles with any other: `rewrite`
//! turns what is marked into calls and setters that only this crate can reach, and that end in `Error::Unsupported`
//! before anything is sent.

use heck::ToSnakeCase as _;
use serde_json::{Map, Value, json};

use crate::{
    incompatible::incompatible,
    lower::{Fault, operations::FORM_FIELDS, schemas, walk},
};

const SCHEMAS: &str = "/components/schemas";

/// Marks operations, parameters and form fields that the document does not have.
pub(crate) const MISSING: &str = "x-missing";

/// Both documents are lowered.
pub(crate) fn merge(document: &mut Value, own: &Value) -> Result<(), Fault> {
    let incompatible = incompatible(document, own);
    rename(document, |id| incompatible.contains(id))?;
    let mut added = Vec::new();
    for (path, method, operation) in walk::each_operation(own) {
        match find(document, &operation["operationId"]) {
            Some(known) => {
                for member in ["parameters", FORM_FIELDS] {
                    added.extend(add_parameters(known, operation, member));
                }
            }
            None => added.push(add_operation(document, path, method, operation)?),
        }
    }
    add_schemas(document, own, &Value::Array(added))
}

/// An operation that shares only its name keeps its place in `crate::api`, under the name that FastAPI gives to a
/// function without an `operation_id`: with path and verb.
fn rename(document: &mut Value, which: impl Fn(&str) -> bool) -> Result<(), Fault> {
    walk::operations(document, &mut |pointer, path, operation| {
        if let Some(id) = operation.get("operationId").and_then(Value::as_str).filter(|id| which(id)) {
            let method = pointer.rsplit('/').next().unwrap_or_default();
            let name = format!("{id}_{path}_{method}").to_snake_case();
            operation.insert("operationId".into(), json!(name));
        }
        Ok(())
    })
}

fn find<'a>(document: &'a mut Value, id: &Value) -> Option<&'a mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let mut all = paths.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten().map(|(_, each)| each));
    all.find(|operation| operation["operationId"] == *id)
}

/// Nobody waits for an answer, so a JSON answer may be anything: its types are not needed.
fn add_operation(document: &mut Value, path: &str, method: &str, operation: &Value) -> Result<Value, Fault> {
    let mut operation = operation.clone();
    operation[MISSING] = json!(true);
    for answer in operation["responses"].as_object_mut().into_iter().flatten().map(|(_, answer)| answer) {
        if let Some(schema) = answer.pointer_mut("/content/application~1json/schema") {
            *schema = json!({});
        }
    }
    let paths = document["paths"].as_object_mut().ok_or_else(|| Fault::new("/paths", "missing"))?;
    // One path has one GET, and another operation may have taken it.
    let taken = paths.get(path).is_some_and(|item| item.get(method).is_some());
    let path = if taken { format!("{path}?{MISSING}") } else { path.to_owned() };
    let item = paths.entry(path).or_insert_with(|| json!({}));
    item[method] = operation.clone();
    Ok(operation)
}

/// Returns what was added.
fn add_parameters(known: &mut Value, own: &Value, member: &str) -> Vec<Value> {
    let has = |name: &Value| known[member].as_array().into_iter().flatten().any(|each| each["name"] == *name);
    let lacks = own[member].as_array().into_iter().flatten().filter(|each| !has(&each["name"]));
    let added: Vec<Value> = lacks
        .cloned()
        .map(|mut parameter| {
            parameter["required"] = json!(false);
            parameter[MISSING] = json!(true);
            parameter
        })
        .collect();
    if !added.is_empty() {
        let all = known[member].as_array().into_iter().flatten().chain(&added).cloned().collect();
        known[member] = Value::Array(all);
    }
    added
}

/// Adds the types that the additions mention and the document does not have.
fn add_schemas(document: &mut Value, own: &Value, added: &Value) -> Result<(), Fault> {
    let known = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut);
    let known: &mut Map<String, Value> = known.ok_or_else(|| Fault::new(SCHEMAS, "missing"))?;
    let mut waiting = schemas::references(added);
    while let Some(name) = waiting.pop() {
        let schema = own.pointer(&format!("{SCHEMAS}/{}", walk::segment(&name))).filter(|_| !known.contains_key(&name));
        if let Some(schema) = schema {
            waiting.extend(schemas::references(schema));
            known.insert(name, schema.clone());
        }
    }
    Ok(())
}
