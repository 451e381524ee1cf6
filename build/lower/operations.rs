//! Rules about operations: paths, parameters, bodies, answers.

use serde_json::{Value, json};

use super::{Fault, Rule, overrides, walk};

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "openapi_3_0", why: "progenitor reads OpenAPI 3.0 only", apply: openapi_3_0 },
    Rule { name: "security", why: "the transport adds the bearer token to every call", apply: security },
    Rule {
        name: "operation_ids",
        why: "FastAPI's automatic ids repeat path and verb; the function's name is enough",
        apply: operation_ids,
    },
    Rule {
        name: "multipart",
        why: "the generator has no multipart: the fields are set aside, and the builders get them by `rewrite`",
        apply: multipart,
    },
    Rule {
        name: "cookie_parameters",
        why: "the generator has no cookies, and a bearer token works everywhere; headers are the transport's",
        apply: cookie_parameters,
    },
    Rule {
        name: "undeclared_path_parameters",
        why: "a `{name}` in the path that no parameter declares",
        apply: undeclared_path_parameters,
    },
    Rule {
        name: "error_answers",
        why: "declared errors are incomplete; every error body is read by one hand-written decoder",
        apply: error_answers,
    },
    Rule {
        name: "success_codes",
        why: "several success codes are declared where the server sends one",
        apply: success_codes,
    },
    Rule {
        name: "content_types",
        why: "several content types are declared where the server sends one",
        apply: content_types,
    },
    Rule {
        name: "binary_answers",
        why: "files, some of them declared as JSON, become byte streams",
        apply: binary_answers,
    },
    Rule { name: "null_answers", why: "JSON `null` carries nothing", apply: null_answers },
    Rule {
        name: "boards_page_or_list",
        why: "`list_boards` answers with a page or a list, depending on its query; two operations have one type each",
        apply: boards_page_or_list,
    },
];

fn openapi_3_0(document: &mut Value) -> Result<usize, Fault> {
    match document.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.1.") => {
            document["openapi"] = json!("3.0.3");
            Ok(1)
        }
        Some(version) if version.starts_with("3.0.") => Ok(0),
        other => Err(Fault::new("/openapi", format!("expected version 3.0 or 3.1, found {other:?}"))),
    }
}

fn security(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        touched += usize::from(components.remove("securitySchemes").is_some());
    }
    walk::operations(document, &mut |_, _, operation| {
        touched += usize::from(operation.remove("security").is_some());
        Ok(())
    })?;
    Ok(touched)
}

fn operation_ids(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    let mut seen = std::collections::BTreeSet::new();
    walk::operations(document, &mut |pointer, _, operation| {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else {
            return Err(Fault::new(pointer, "an operation without operationId"));
        };
        // Spelled as the generator spells names: FastAPI writes `…_brand_new__get` for a path that ends in a slash.
        let spelled = |name: &str| heck::AsSnakeCase(name).to_string();
        let short = spelled(id.split_once("_api_v").map_or(id, |(function, _)| function));
        // The first of two functions with the same name gets the short one; the other keeps path and verb.
        let short = if seen.contains(&short) { spelled(id) } else { short };
        if !seen.insert(short.clone()) {
            return Err(Fault::new(pointer, format!("two operations are called `{short}`")));
        }
        if short != id {
            operation.insert("operationId".into(), json!(short));
            touched += 1;
        }
        Ok(())
    })?;
    Ok(touched)
}

/// Where the fields of a multipart body are set aside, in the order of the document.
pub(crate) const FORM_FIELDS: &str = "x-form-fields";

fn multipart(document: &mut Value) -> Result<usize, Fault> {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let mut touched = 0;
    walk::operations(document, &mut |pointer, _, operation| {
        let content = "/content/multipart~1form-data/schema";
        let Some(schema) = operation.get("requestBody").and_then(|body| body.pointer(content)) else { return Ok(()) };
        let form = match &super::schemas::references(schema)[..] {
            [] => schema,
            [name] => &schemas[name],
            _ => return Err(Fault::new(pointer, "a multipart body that is not one schema")),
        };
        let Some(properties) = form["properties"].as_object() else {
            return Err(Fault::new(pointer, "a multipart body without properties"));
        };
        let mut fields = Vec::new();
        for (name, property) in properties {
            let required = form["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
            let description = property["description"].as_str().unwrap_or_default();
            fields.push(json!({
                "name": name, "required": required, "file": is_file(property), "description": description,
            }));
        }
        operation.remove("requestBody");
        operation.insert(FORM_FIELDS.into(), Value::Array(fields));
        touched += 1;
        Ok(())
    })?;
    Ok(touched)
}

/// A file part is a binary string, or one of several choices that is (`anyOf` with null).
fn is_file(property: &Value) -> bool {
    let binary = property["format"] == "binary" || !property["contentMediaType"].is_null();
    binary || property["anyOf"].as_array().is_some_and(|members| members.iter().any(is_file))
}

fn cookie_parameters(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    walk::operations(document, &mut |_, _, operation| {
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            let before = parameters.len();
            parameters.retain(|parameter| parameter["in"] != "cookie" && parameter["in"] != "header");
            touched += before - parameters.len();
        }
        Ok(())
    })?;
    Ok(touched)
}

fn undeclared_path_parameters(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    walk::operations(document, &mut |pointer, path, operation| {
        for name in path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name) {
            let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
            let Some(parameters) = parameters.as_array_mut() else {
                return Err(Fault::new(pointer, "parameters that are not a list"));
            };
            if !parameters.iter().any(|parameter| parameter["in"] == "path" && parameter["name"] == name) {
                parameters.push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
                touched += 1;
            }
        }
        Ok(())
    })?;
    Ok(touched)
}

fn error_answers(document: &mut Value) -> Result<usize, Fault> {
    each_responses(document, |_, _, responses| {
        let before = responses.len();
        responses.retain(|code, _| code.starts_with('2'));
        Ok(before - responses.len())
    })
}

fn success_codes(document: &mut Value) -> Result<usize, Fault> {
    each_responses(document, |pointer, id, responses| {
        let chosen = match (responses.len(), look_up(overrides::SUCCESS_CODE, id)) {
            (0, _) => return Err(Fault::new(pointer, "no success answer is declared")),
            (1, _) => return Ok(0),
            (_, Some(code)) if responses.contains_key(code) => code.to_owned(),
            _ => only_typed_answer(responses).ok_or_else(|| {
                Fault::new(pointer, "answers of several types: say in overrides which one the server sends")
            })?,
        };
        responses.retain(|declared, _| *declared == chosen);
        Ok(1)
    })
}

/// The transport accepts any success code, so only the answer's type matters: this is a code whose answer has a type,
/// unless two such answers differ.
fn only_typed_answer(responses: &walk::Object) -> Option<String> {
    let content = |response: &Value| response.get("content").cloned().unwrap_or(json!({}));
    let says_nothing = |response: &Value| {
        let content = content(response);
        let schemas = content.as_object().into_iter().flatten().map(|(_, media)| media.get("schema"));
        schemas.flatten().all(|schema| schema.as_object().is_some_and(|schema| schema.keys().all(|key| key == "title")))
    };
    let (silent, typed): (Vec<_>, Vec<_>) = responses.iter().partition(|(_, response)| says_nothing(response));
    match typed.split_first() {
        Some(((code, first), rest)) => {
            rest.iter().all(|(_, other)| content(other) == content(first)).then(|| (*code).clone())
        }
        // The one without content, if there is one: an empty answer must not be read as JSON.
        None => {
            let empty = silent.iter().find(|(_, response)| response.get("content").is_none());
            empty.or(silent.first()).map(|(code, _)| (*code).clone())
        }
    }
}

fn content_types(document: &mut Value) -> Result<usize, Fault> {
    each_content(document, |pointer, id, content| {
        if content.len() < 2 {
            return Ok(0);
        }
        match look_up(overrides::CONTENT_TYPE, id) {
            Some(kind) if content.contains_key(kind) => {
                content.retain(|declared, _| declared == kind);
                Ok(1)
            }
            // FastAPI adds JSON without a schema to whatever a function declares.
            _ if content.len() == 2 && content.get("application/json").is_some_and(says_nothing) => {
                content.remove("application/json");
                Ok(1)
            }
            _ => Err(Fault::new(pointer, "several content types: say in overrides which one the server sends")),
        }
    })
}

/// A media type whose schema allows anything.
fn says_nothing(media: &Value) -> bool {
    media
        .get("schema")
        .is_none_or(|schema| schema.as_object().is_some_and(|schema| schema.keys().all(|key| key == "title")))
}

fn binary_answers(document: &mut Value) -> Result<usize, Fault> {
    each_content(document, |_, id, content| {
        let json = content.contains_key("application/json");
        if content.is_empty() || (json && !overrides::BINARY_ANSWERS.contains(&id)) {
            return Ok(0);
        }
        content.clear();
        let file = json!({"schema": {"type": "string", "format": "binary"}});
        content.insert("application/octet-stream".into(), file);
        Ok(1)
    })
}

fn null_answers(document: &mut Value) -> Result<usize, Fault> {
    each_content(document, |_, id, content| {
        let null = overrides::NULL_ANSWERS.contains(&id) && !content.is_empty();
        if null {
            content.clear();
        }
        Ok(usize::from(null))
    })
}

fn boards_page_or_list(document: &mut Value) -> Result<usize, Fault> {
    const PATH: &str = "/api/v1/boards/";
    let Some(page) = document.pointer("/paths/~1api~1v1~1boards~1/get").cloned() else {
        return Ok(0);
    };
    let pointer = format!("/paths/{}/get", walk::segment(PATH));
    let schema = "/responses/200/content/application~1json/schema";
    let members = page.pointer(schema).and_then(|s| s.get("anyOf")).and_then(Value::as_array);
    let Some([list, one_page]) = members.and_then(|members| <&[Value; 2]>::try_from(members.as_slice()).ok()) else {
        return Ok(0);
    };
    let (mut list, mut one_page) = (list.clone(), one_page.clone());
    if list["type"] != "array" {
        std::mem::swap(&mut list, &mut one_page);
    }
    let without = |names: &[&str], answer: &Value, id: &str| -> Result<Value, Fault> {
        let mut operation = page.clone();
        let fault = || Fault::new(pointer.clone(), "list_boards no longer has parameters or an answer");
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut).ok_or_else(fault)?;
        parameters.retain(|p| !names.iter().any(|name| p["name"] == *name));
        *operation.pointer_mut(schema).ok_or_else(fault)? = answer.clone();
        operation["operationId"] = json!(id);
        Ok(operation)
    };
    let paged = without(&["all"], &one_page, "list_boards")?;
    let all = without(&["all", "offset", "limit"], &list, "list_all_boards")?;
    document["paths"][PATH]["get"] = paged;
    // A second path item, because one path has one GET. The query in it is sent as it is.
    document["paths"][format!("{PATH}?all=true")] = json!({"get": all});
    Ok(1)
}

fn look_up<'a>(table: &[(&str, &'a str)], id: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| *name == id).map(|(_, value)| *value)
}

fn each_responses(
    document: &mut Value,
    change: impl Fn(&str, &str, &mut walk::Object) -> Result<usize, Fault>,
) -> Result<usize, Fault> {
    let mut touched = 0;
    walk::operations(document, &mut |pointer, _, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        match operation.get_mut("responses").and_then(Value::as_object_mut) {
            Some(responses) => touched += change(&format!("{pointer}/responses"), &id, responses)?,
            None => return Err(Fault::new(pointer, "no responses")),
        }
        Ok(())
    })?;
    Ok(touched)
}

fn each_content(
    document: &mut Value,
    change: impl Fn(&str, &str, &mut walk::Object) -> Result<usize, Fault>,
) -> Result<usize, Fault> {
    each_responses(document, |pointer, id, responses| {
        let mut touched = 0;
        for (code, response) in responses {
            let pointer = format!("{pointer}/{code}");
            let Some(response) = response.as_object_mut() else {
                return Err(Fault::new(pointer, "an answer that is not an object"));
            };
            if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
                touched += change(&format!("{pointer}/content"), id, content)?;
            }
            // An answer with an empty `content` is an answer without a body.
            if response.get("content").is_some_and(|content| content.as_object().is_some_and(|c| c.is_empty())) {
                response.remove("content");
            }
        }
        Ok(touched)
    })
}
