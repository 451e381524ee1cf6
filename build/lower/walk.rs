//! Visits every schema of a document, knowing what is a schema and what is a property that merely has a keyword's name.

use serde_json::{Map, Value};

use super::Fault;

pub(crate) type Object = Map<String, Value>;

/// Escapes one segment of a JSON pointer.
pub(crate) fn segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Calls `visit` on every schema, children before parents. Returns the sum of what the visits touched.
pub(crate) fn schemas(
    document: &mut Value,
    visit: &mut dyn FnMut(&str, &mut Object) -> Result<usize, Fault>,
) -> Result<usize, Fault> {
    let mut touched = 0;
    if let Some(all) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in all {
            touched += one(&format!("/components/schemas/{}", segment(name)), schema, visit)?;
        }
    }
    operations(document, &mut |pointer, _, operation| {
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            for (i, parameter) in parameters.iter_mut().enumerate() {
                if let Some(schema) = parameter.get_mut("schema") {
                    touched += one(&format!("{pointer}/parameters/{i}/schema"), schema, visit)?;
                }
            }
        }
        let bodies = operation.get_mut("requestBody").map(|body| ("requestBody".to_owned(), body));
        if let Some((name, body)) = bodies {
            touched += content(&format!("{pointer}/{name}"), body, visit)?;
        }
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for (code, response) in responses {
                touched += content(&format!("{pointer}/responses/{code}"), response, visit)?;
            }
        }
        Ok(())
    })?;
    Ok(touched)
}

/// Calls `visit` on every operation with its pointer and path.
pub(crate) fn operations(
    document: &mut Value,
    visit: &mut dyn FnMut(&str, &str, &mut Object) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return Err(Fault::new("/paths", "missing: this is not an OpenAPI document"));
    };
    for (path, item) in paths {
        let pointer = format!("/paths/{}", segment(path));
        let Some(item) = item.as_object_mut() else {
            return Err(Fault::new(pointer, "a path item that is not an object"));
        };
        for (method, operation) in item {
            let pointer = format!("{pointer}/{method}");
            match operation.as_object_mut() {
                Some(operation) if METHODS.contains(&method.as_str()) => visit(&pointer, path, operation)?,
                _ => return Err(Fault::new(pointer, "not an operation")),
            }
        }
    }
    Ok(())
}

/// Path, method and operation of every operation.
pub(crate) fn each_operation(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    })
}

pub(crate) const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn content(
    pointer: &str,
    holder: &mut Value,
    visit: &mut dyn FnMut(&str, &mut Object) -> Result<usize, Fault>,
) -> Result<usize, Fault> {
    let mut touched = 0;
    if let Some(kinds) = holder.get_mut("content").and_then(Value::as_object_mut) {
        for (kind, media) in kinds {
            if let Some(schema) = media.get_mut("schema") {
                touched += one(&format!("{pointer}/content/{}/schema", segment(kind)), schema, visit)?;
            }
        }
    }
    Ok(touched)
}

fn one(
    pointer: &str,
    schema: &mut Value,
    visit: &mut dyn FnMut(&str, &mut Object) -> Result<usize, Fault>,
) -> Result<usize, Fault> {
    let Some(schema) = schema.as_object_mut() else {
        // A boolean, such as `additionalProperties: true`.
        return if schema.is_boolean() { Ok(0) } else { Err(Fault::new(pointer, "a schema that is not an object")) };
    };
    let mut touched = 0;
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            touched += one(&format!("{pointer}/properties/{}", segment(name)), property, visit)?;
        }
    }
    for keyword in ["items", "additionalProperties", "not"] {
        if let Some(child) = schema.get_mut(keyword) {
            touched += one(&format!("{pointer}/{keyword}"), child, visit)?;
        }
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(members) = schema.get_mut(keyword).and_then(Value::as_array_mut) {
            for (i, member) in members.iter_mut().enumerate() {
                touched += one(&format!("{pointer}/{keyword}/{i}"), member, visit)?;
            }
        }
    }
    Ok(touched + visit(pointer, schema)?)
}
