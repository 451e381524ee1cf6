//! What InvokeAI offers: its OpenAPI document, read into a table of operations.

use super::{http::Method, openapi};
use serde_json::{Map, Value};
use std::{collections::HashSet, sync::LazyLock};

/// The document, and what is read from it.
pub(crate) struct Document {
    operations: Vec<Operation>,
}

/// One method of one path.
pub(crate) struct Operation {
    /// `operationId`.
    pub(crate) id: String,
    method: Method,
    segments: Vec<Segment>,
    /// Whether it needs a user where the server has several.
    pub(crate) secured: bool,
    /// Query and path parameters, in the order in which the server checks them.
    pub(crate) parameters: Vec<Parameter>,
    /// The body it accepts.
    pub(crate) body: Option<BodySchema>,
}

enum Segment {
    Fixed(String),
    Named(String),
}

/// A query or path parameter.
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `query` or `path`.
    pub(crate) place: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

/// A request body.
pub(crate) struct BodySchema {
    pub(crate) schema: Value,
    pub(crate) required: bool,
    /// Whether it is `multipart/form-data`.
    pub(crate) form: bool,
    /// Whether each member is a parameter of its own to the server; it names them one by one in its complaints.
    pub(crate) embedded: bool,
}

impl Document {
    /// The document that is part of this crate.
    pub(crate) fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Document> =
            LazyLock::new(|| Document { operations: read_operations(openapi::document()) });
        &EMBEDDED
    }

    /// The operation of this request, with the arguments in its path.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<(&Operation, Map<String, Value>)> {
        let parts: Vec<&str> = path.split('/').collect();
        // The first that fits, in the order of the document, which is the order in which the server registers them.
        self.operations.iter().find_map(|operation| {
            let arguments = operation.arguments(&parts).filter(|_| operation.method == *method)?;
            Some((operation, arguments))
        })
    }

    /// Whether there is an operation of this id, or one on this path.
    pub(crate) fn knows(&self, target: &str) -> bool {
        let parts: Vec<&str> = target.split('/').collect();
        self.operations.iter().any(|operation| operation.id == target || operation.arguments(&parts).is_some())
    }

    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.operations.iter().map(|operation| operation.id.as_str())
    }
}

impl Operation {
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The arguments in the path, if it is a path of this operation.
    fn arguments(&self, parts: &[&str]) -> Option<Map<String, Value>> {
        // The beginnings of all paths are the same, so it is their ends that are compared first.
        let fits = parts.len() == self.segments.len()
            && parts.iter().zip(&self.segments).rev().all(|(part, segment)| match segment {
                Segment::Fixed(text) => text == part,
                Segment::Named(_) => !part.is_empty(),
            });
        if !fits {
            return None;
        }
        let named = parts.iter().zip(&self.segments).filter_map(|(part, segment)| match segment {
            Segment::Fixed(_) => None,
            Segment::Named(name) => Some((name.clone(), percent_decoded(part).into())),
        });
        Some(named.collect())
    }
}

/// The text that a part of a URL stands for. Invalid UTF-8 becomes a replacement character.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or_default() * 16 + hex(*low).unwrap_or_default());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_operations(document: &Value) -> Vec<Operation> {
    let no_paths = Map::new();
    let paths = document.get("paths").and_then(Value::as_object).unwrap_or(&no_paths);
    let mut operations = Vec::new();
    for (path, item) in paths {
        let named: HashSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Ok(method) = method.to_uppercase().parse() else { continue };
            let mut parameters: Vec<_> =
                operation["parameters"].as_array().into_iter().flatten().filter_map(read_parameter).collect();
            // One path of InvokeAI does not declare its parameter.
            for name in &named {
                if parameters.iter().any(|known| known.name == *name) {
                    continue;
                }
                let schema = serde_json::json!({"type": "string"});
                parameters.push(Parameter { name: (*name).into(), place: "path".into(), required: true, schema });
            }
            // The server checks paths before queries.
            parameters.sort_by_key(|parameter| parameter.place != "path");
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap_or_default().into(),
                method,
                segments: path.split('/').map(segment).collect(),
                secured: operation.get("security").is_some(),
                parameters,
                body: operation.get("requestBody").and_then(read_body),
            });
        }
    }
    operations
}

fn segment(part: &str) -> Segment {
    match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => Segment::Named(name.into()),
        None => Segment::Fixed(part.into()),
    }
}

fn read_parameter(parameter: &Value) -> Option<Parameter> {
    let place = parameter["in"].as_str().filter(|place| matches!(*place, "path" | "query"))?;
    Some(Parameter {
        name: parameter["name"].as_str()?.into(),
        place: place.into(),
        required: parameter["required"].as_bool().unwrap_or_default(),
        schema: parameter.get("schema").cloned().unwrap_or_default(),
    })
}

fn read_body(body: &Value) -> Option<BodySchema> {
    let (content_type, media) = body["content"].as_object()?.iter().next()?;
    let schema = media.get("schema").cloned().unwrap_or_default();
    let name = schema["$ref"].as_str().unwrap_or_default();
    Some(BodySchema {
        required: body["required"].as_bool().unwrap_or_default(),
        form: content_type == "multipart/form-data",
        embedded: name.contains("/Body_") || schema.get("$ref").is_none() && schema.get("properties").is_some(),
        schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_read_whole() {
        let document = Document::embedded();
        assert_eq!(document.ids().count(), 191);
        let (operation, arguments) = document.find(&Method::GET, "/api/v1/images/i/a%20b.png/full").expect("one");
        assert_eq!((operation.id.as_str(), &arguments["image_name"]), ("get_image_full", &Value::from("a b.png")));
        assert!(document.find(&Method::GET, "/api/v1/boards").is_none(), "a slash is missing");
        assert!(document.find(&Method::POST, "/api/v1/app/version").is_none());
    }

    #[test]
    fn percent_signs_that_stand_for_nothing_stay() {
        assert_eq!(percent_decoded("100%25%2fa%zz%"), "100%/a%zz%");
        assert_eq!(percent_decoded("%ff"), "\u{fffd}");
    }
}
