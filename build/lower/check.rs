//! Refuses whatever is left after the rules that the generator would not understand, or would misunderstand.

use serde_json::Value;

use super::{Fault, walk};

/// The only keywords a lowered schema may have.
const UNDERSTOOD: &[&str] = &[
    "$ref",
    "additionalProperties",
    "allOf",
    "description",
    "enum",
    "format",
    "items",
    "nullable",
    "properties",
    "required",
    "type",
];

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];

pub(crate) fn check(document: &mut Value) -> Result<(), Fault> {
    walk::schemas(document, &mut |pointer, schema| {
        if let Some(keyword) = schema.keys().find(|keyword| !UNDERSTOOD.contains(&keyword.as_str())) {
            return Err(Fault::new(format!("{pointer}/{keyword}"), "no lowering rule understands this keyword"));
        }
        if let Some(kind) = schema.get("type")
            && !kind.as_str().is_some_and(|kind| TYPES.contains(&kind))
        {
            return Err(Fault::new(format!("{pointer}/type"), format!("unexpected type {kind}")));
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array)
            && !values.iter().all(Value::is_string)
        {
            return Err(Fault::new(format!("{pointer}/enum"), "an enum of something other than strings"));
        }
        if schema.get("type").is_some_and(|kind| kind == "array") && !schema.contains_key("items") {
            return Err(Fault::new(pointer, "an array without items"));
        }
        Ok(0)
    })?;
    walk::operations(document, &mut |pointer, _, operation| {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        for (i, parameter) in parameters.into_iter().flatten().enumerate() {
            if !matches!(parameter["in"].as_str(), Some("path" | "query" | "header")) {
                return Err(Fault::new(format!("{pointer}/parameters/{i}"), "a parameter in an unexpected place"));
            }
        }
        let body = operation.get("requestBody").and_then(|body| body.pointer("/content")).and_then(Value::as_object);
        if let Some(content) = body
            && (content.len() != 1 || !content.contains_key("application/json"))
        {
            return Err(Fault::new(format!("{pointer}/requestBody"), "a body that is not JSON alone"));
        }
        Ok(())
    })
}
