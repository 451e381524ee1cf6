//! The parameters of an operation, according to the OpenAPI document.

use std::sync::LazyLock;

use invokeai_client::api::{OPERATIONS, Operation};
use serde_json::Value;

use crate::{failure::Failure, near::near};

/// The document that this program was built with. Only `api` reads it, so it costs other commands nothing.
static DOCUMENT: LazyLock<serde_json::Result<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/openapi.json"))));

/// An operation to call.
pub(super) struct Described {
    /// Name in the document; `None` for a path that the document does not have.
    id: Option<&'static str>,
    pub(super) method: String,
    /// With parameters in braces, or as it was given.
    pub(super) path: String,
    /// The query that came with the path.
    pub(super) query: Vec<(String, String)>,
    /// The document's parameters: the name and where it goes.
    parameters: Vec<(String, Place)>,
    has_body: bool,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    /// A member of a JSON body.
    Body {
        is_text: bool,
    },
    FormText,
    File,
}

/// How to ask an operation for its next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// By `offset`.
    Offset,
    /// By `page`, from 0.
    Number,
}

impl Described {
    pub(super) fn of(operation: &'static Operation) -> Result<Self, Failure> {
        Self::read(operation, operation.path)
    }

    /// A path as it is called, with its values filled in, and perhaps with a query.
    pub(super) fn by_path(method: &str, path: &str) -> Result<Self, Failure> {
        let fits = |operation: &&Operation| operation.method == method && fits(operation.path, path);
        let found = OPERATIONS.iter().filter(fits).min_by_key(|operation| operation.path.matches('{').count());
        if let Some(operation) = found {
            return Self::read(operation, path);
        }
        let (path, query) = split(path);
        Ok(Self { id: None, method: method.to_owned(), path, query, parameters: Vec::new(), has_body: false })
    }

    fn read(operation: &'static Operation, path: &str) -> Result<Self, Failure> {
        let document = DOCUMENT.as_ref().map_err(Failure::other)?;
        let (template, _) = split(operation.path);
        let method = operation.method.to_ascii_lowercase();
        let described = &document["paths"][&template][&method];
        let mut parameters = Vec::new();
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let place = match parameter["in"].as_str() {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                // Cookies are for browsers.
                _ => continue,
            };
            parameters.push((parameter["name"].as_str().unwrap_or_default().to_owned(), place));
        }
        // The document may forget to declare a parameter.
        for name in template.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            if !parameters.iter().any(|(known, _)| known == name) {
                parameters.push((name.to_owned(), Place::Path));
            }
        }
        let content = &described["requestBody"]["content"];
        for (kind, is_form) in [("application/json", false), ("multipart/form-data", true)] {
            let schema = resolved(document, &content[kind]["schema"]);
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let place = match is_form {
                    true if is_file(property) => Place::File,
                    true => Place::FormText,
                    false => Place::Body { is_text: is_text(document, property) },
                };
                parameters.push((name.clone(), place));
            }
        }
        let has_body = content["application/json"].is_object();
        let (path, query) = split(path);
        Ok(Self { id: Some(operation.id), method: operation.method.to_owned(), path, query, parameters, has_body })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        self.id.map_or_else(|| format!("{} {}", self.method, self.path), str::to_owned)
    }

    /// Where the parameter of this name goes.
    pub(super) fn place(&self, name: &str) -> Result<Place, Failure> {
        if self.id.is_none() {
            let reads = matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE");
            return Ok(if reads { Place::Query } else { Place::Body { is_text: true } });
        }
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, place)| *place).ok_or_else(|| {
            let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
            let taken = match names.is_empty() {
                true => "it takes none".to_owned(),
                false => format!("it takes {}", names.join(", ")),
            };
            let near = near(name, names.iter().copied());
            Failure::other(format!("`{}` has no parameter `{name}`{near}; {taken}", self.name()))
        })
    }

    /// Whether the body is an object without required members.
    pub(super) fn needs_object(&self) -> bool {
        self.has_body && self.parameters.iter().any(|(_, place)| matches!(place, Place::Body { .. }))
    }

    pub(super) fn pages(&self) -> Option<Pages> {
        let takes = |name: &str| self.parameters.iter().any(|(known, place)| known == name && *place == Place::Query);
        match () {
            () if takes("offset") => Some(Pages::Offset),
            () if takes("page") => Some(Pages::Number),
            () => None,
        }
    }
}

impl Pages {
    fn name(self) -> &'static str {
        match self {
            Self::Offset => "offset",
            Self::Number => "page",
        }
    }

    /// Where to begin: at the beginning, unless the query says otherwise.
    pub(super) fn first(self, query: &[(String, String)]) -> Result<u64, String> {
        match query.iter().find(|(name, _)| name == self.name()) {
            None => Ok(0),
            Some((name, value)) => value.parse().map_err(|error| format!("-f {name}={value}: {error}")),
        }
    }

    pub(super) fn set(self, query: &mut Vec<(String, String)>, begin: u64) {
        query.retain(|(name, _)| name != self.name());
        query.push((self.name().to_owned(), begin.to_string()));
        // `GET /boards/` returns pages only if asked for one.
        if self == Self::Offset && !query.iter().any(|(name, _)| name == "limit") {
            query.push(("limit".to_owned(), "100".to_owned()));
        }
    }

    /// Where the next page begins, after this one; `None` after the last.
    pub(super) fn next(self, begin: u64, page: &Value) -> Option<u64> {
        let count = page["items"].as_array().map_or(0, |items| items.len() as u64);
        let number = |name: &str| page[name].as_u64().unwrap_or(0);
        let next = match self {
            Self::Offset => begin.saturating_add(count),
            Self::Number => begin.saturating_add(1),
        };
        let end = if self == Self::Offset { number("total") } else { number("pages") };
        (count > 0 && next < end).then_some(next)
    }
}

/// Whether a path matches this template.
fn fits(template: &str, path: &str) -> bool {
    let parts = |path: &str| split(path).0.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (template, path) = (parts(template), parts(path));
    let same = |(own, given): (&String, &String)| own == given || (own.starts_with('{') && !given.is_empty());
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

/// The path, and the parameters of its query.
fn split(path: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    (path.to_owned(), pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|target| document.pointer(target.strip_prefix('#')?)) {
        Some(target) => target,
        None => schema,
    }
}

fn is_file(property: &Value) -> bool {
    let binary = |schema: &Value| schema["format"] == "binary" || schema.get("contentMediaType").is_some();
    binary(property) || property["anyOf"].as_array().is_some_and(|kinds| kinds.iter().any(binary))
}

/// Whether a type takes strings and nothing else.
fn is_text(document: &Value, property: &Value) -> bool {
    let schema = resolved(document, property);
    match schema["anyOf"].as_array() {
        Some(kinds) => kinds.iter().filter(|kind| kind["type"] != "null").all(|kind| is_text(document, kind)),
        None => schema["type"] == "string",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_in_the_document_with_all_parameters_of_its_path() {
        let mut names = BTreeSet::new();
        for operation in OPERATIONS {
            let described = Described::of(operation).unwrap();
            for name in described.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert_eq!(described.place(name).unwrap(), Place::Path, "{}", operation.id);
            }
            names.insert(operation.id);
        }
        assert!(names.len() >= 191, "{}", names.len());
    }

    #[test]
    fn values_go_where_they_belong() {
        for (operation, name, place) in [
            ("list_image_dtos", "limit", Place::Query),
            ("get_image_dto", "image_name", Place::Path),
            ("upload_image", "file", Place::File),
            ("update_board", "board_name", Place::Body { is_text: true }),
            ("update_board", "archived", Place::Body { is_text: false }),
            ("login", "email", Place::Body { is_text: true }),
            ("login", "remember_me", Place::Body { is_text: false }),
        ] {
            let operation = OPERATIONS.iter().find(|each| each.id == operation).unwrap();
            assert_eq!(Described::of(operation).unwrap().place(name).unwrap(), place, "{}.{name}", operation.id);
        }
        let by_path = Described::by_path("GET", "/api/v1/images/i/a.png?x=1").unwrap();
        assert_eq!((by_path.id, by_path.query.len()), (Some("get_image_dto"), 1));
        let error = by_path.place("imagename").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`image_name`"), "{error}");
    }

    #[test]
    fn pages_end() {
        let page = serde_json::json!({ "items": [1, 2], "total": 5, "pages": 3 });
        assert_eq!(Pages::Offset.next(2, &page), Some(4));
        assert_eq!(Pages::Offset.next(3, &page), None);
        assert_eq!(Pages::Number.next(1, &page), Some(2));
        assert_eq!(Pages::Number.next(2, &page), None);
        assert_eq!(Pages::Offset.next(0, &serde_json::json!({ "items": [], "total": 5 })), None);
    }
}
