//! Refuses a document that is not InvokeAI's, before anything is generated from it.

use serde_json::{Map, Value};

use crate::fault::Fault;

/// Operations without which nothing can be run; every document since 5.0 has them. Others may be missing: calling them
/// is an error at run time.
const OPERATIONS: [&str; 2] = ["enqueue_batch", "get_queue_item"];

/// Types that hand-written code names.
const SCHEMAS: [&str; 4] = ["BaseModelType", "Body_enqueue_batch", "ImageCategory", "WorkflowCategory"];

pub(crate) fn check(document: &Value) -> Result<(), Fault> {
    if !document.is_object() {
        return Err(Fault::new("", "not an object: this is not an OpenAPI document"));
    }
    if !document["openapi"].is_string() {
        return Err(Fault::new("/openapi", "missing: this is not an OpenAPI 3 document"));
    }
    let paths = object(document, "/paths")?;
    let ids: Vec<&str> = paths
        .values()
        .flat_map(|item| item.as_object().into_iter().flat_map(Map::values))
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    if let Some(name) = OPERATIONS.into_iter().find(|name| !ids.contains(name)) {
        return Err(Fault::new("/paths", format!("no operation `{name}`: this is not a document of InvokeAI")));
    }
    let schemas = object(document, "/components/schemas")?;
    if !schemas.values().any(|schema| schema["class"] == "invocation") {
        return Err(Fault::new("/components/schemas", "no schema has \"class\": \"invocation\": there are no nodes"));
    }
    match SCHEMAS.into_iter().find(|name| !schemas.contains_key(*name)) {
        Some(name) => Err(Fault::new(format!("/components/schemas/{name}"), "missing, and this crate needs it")),
        None => Ok(()),
    }
}

fn object<'a>(document: &'a Value, pointer: &str) -> Result<&'a Map<String, Value>, Fault> {
    let found = document.pointer(pointer).and_then(Value::as_object);
    found.ok_or_else(|| Fault::new(pointer, "missing, or not an object: this is not an OpenAPI document"))
}
