//! From an HTTP request to its operation: routing, users, faults, checks of its content.

use super::{
    connection::ConnectionHandle,
    faults::Fault,
    http::{Answer, Call, Caller, Part, StatusCode},
    openapi,
    operations::{BodySchema, Document, Operation, Parameter, percent_decoded},
    routes,
    validate::Validator,
    world::{TokenProblem, World},
};
use axum::{
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, Multipart},
    http::{HeaderMap, Method, Request, Response, header, request::Parts},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The largest request body.
const MAX_BODY: usize = 1 << 30;

/// Operations that only logged-in people may call, even on a server without users.
const NEED_LOGIN: [&str; 9] = [
    "logout_api_v1_auth_logout_post",
    "get_current_user_info_api_v1_auth_me_get",
    "generate_password_api_v1_auth_generate_password_get",
    "list_users_api_v1_auth_users_get",
    "create_user_api_v1_auth_users_post",
    "get_user_api_v1_auth_users__user_id__get",
    "update_user_api_v1_auth_users__user_id__patch",
    "delete_user_api_v1_auth_users__user_id__delete",
    "update_current_user_api_v1_auth_me_patch",
];

/// Operations that also accept a browser's cookie.
const TAKE_COOKIE: [&str; 3] = ["get_image_full", "get_image_full_head", "get_image_thumbnail"];

/// Answers one request.
pub(crate) async fn answer(
    world: Arc<World>,
    connection: Option<ConnectInfo<ConnectionHandle>>,
    request: Request<Body>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path == "/openapi.json" {
        return Answer::bytes("application/json", openapi::TEXT).into_response();
    }
    let Some((operation, named)) = Document::embedded().find(request.method(), &path) else {
        return unknown(request.method()).into_response();
    };
    let fault = world.faults.next(&operation.id, &path);
    match &fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Status { status, retry_after }) => {
            let answer = Answer::refusal(*status, "a scripted fault");
            let answer = match retry_after {
                Some(time) => answer.with_header(header::RETRY_AFTER, &time.as_secs().to_string()),
                None => answer,
            };
            return answer.into_response();
        }
        Some(Fault::Reset) => {
            cut(connection);
            return Answer::crash().into_response();
        }
        Some(Fault::LostAnswer | Fault::CutAnswer) | None => {}
    }
    let outcome = serve(world, operation, named, request).await;
    match fault {
        Some(Fault::LostAnswer) => cut(connection),
        Some(Fault::CutAnswer) => return outcome.into_cut_response(),
        _ => {}
    }
    outcome.into_response()
}

fn cut(connection: Option<ConnectInfo<ConnectionHandle>>) {
    if let Some(ConnectInfo(connection)) = connection {
        connection.cut();
    }
}

/// The answer for a path that no operation has: the web interface takes what it can.
fn unknown(method: &Method) -> Answer {
    if *method == Method::GET || *method == Method::HEAD {
        let page = "<!DOCTYPE html>\n<html lang=\"en\">\n<title>InvokeAI</title>\n\
            <p>This is the embedded test server of invokeai-client. It has no web interface.</p>\n</html>\n";
        let page = if *method == Method::HEAD { "" } else { page };
        return Answer::bytes("text/html; charset=utf-8", page);
    }
    Answer::refusal(405, "Method Not Allowed")
}

async fn serve(world: Arc<World>, operation: &Operation, named: Map<String, Value>, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let caller = match caller(&world, operation, &parts.headers) {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    if !caller.is_admin && routes::ADMIN_ONLY.contains(&operation.id.as_str()) {
        return Answer::refusal(403, "Admin privileges required");
    }
    let mut errors = Vec::new();
    let arguments = arguments(operation, &named, parts.uri.query().unwrap_or_default(), &mut errors);
    let (body, form) = match &operation.body {
        Some(schema) => match read_body(schema, parts, body, &mut errors).await {
            Ok(read) => read,
            Err(refusal) => return refusal,
        },
        None => (Value::Null, Vec::new()),
    };
    if !errors.is_empty() {
        return Answer::refusal(422, errors);
    }
    let changes = !matches!(operation.method(), &Method::GET | &Method::HEAD);
    let token = caller.token.clone().filter(|_| changes);
    let call = Call { world: &world, operation, caller, arguments, body, form };
    let answer = match routes::call(&call) {
        Some(Ok(answer) | Err(answer)) => answer,
        None => Answer::refusal(501, format!("the embedded test server does not support {}", operation.id)),
    };
    match token.filter(|_| answer.status.is_success() && !answer.headers.contains_key("x-refreshed-token")) {
        Some(token) => refreshed(&world, &token, answer),
        None => answer,
    }
}

/// Adds a token that lasts longer.
fn refreshed(world: &World, token: &str, answer: Answer) -> Answer {
    let Ok((user_id, _, grant)) = world.user_of(token) else { return answer };
    match world.store().users.issue_token(&user_id, grant.remember_me) {
        Some(token) => answer.with_header(header::HeaderName::from_static("x-refreshed-token"), &token),
        None => answer,
    }
}

/// Who asks, or why the request is refused.
fn caller(world: &World, operation: &Operation, headers: &HeaderMap) -> Result<Caller, Answer> {
    let id = operation.id.as_str();
    let strict = NEED_LOGIN.contains(&id);
    if !strict && (!world.settings.multiuser || !operation.secured) {
        return Ok(Caller::system());
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let cookie = || {
        let mut cookies = text(header::COOKIE)?.split(';');
        cookies.find_map(|cookie| cookie.trim().strip_prefix("invokeai_media_token="))
    };
    let token = bearer.or_else(|| TAKE_COOKIE.contains(&id).then(cookie).flatten());
    let refusal = |loose: &str, firm: &str| {
        let answer = Answer::refusal(401, if strict { firm } else { loose });
        if strict { answer.with_header(header::WWW_AUTHENTICATE, "Bearer") } else { answer }
    };
    let Some(token) = token else {
        return Err(refusal("Authentication required", "Missing authentication credentials"));
    };
    match world.user_of(token) {
        Ok((user_id, is_admin, _)) => Ok(Caller { user_id, is_admin, token: Some(token.to_owned()) }),
        Err(TokenProblem::Unknown) => {
            Err(refusal("Invalid or expired token", "Invalid or expired authentication token"))
        }
        Err(TokenProblem::Ended) => {
            Err(refusal("User not found or inactive", "User account is inactive or does not exist"))
        }
    }
}

/// Arguments of path and query, checked, with defaults.
fn arguments(
    operation: &Operation,
    named: &Map<String, Value>,
    query: &str,
    errors: &mut Vec<Value>,
) -> Map<String, Value> {
    let given: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(&name.replace('+', " ")), percent_decoded(&value.replace('+', " ")))
        })
        .collect();
    let mut checked = Map::new();
    for Parameter { name, place, required, schema } in &operation.parameters {
        let mut values = given.iter().filter(|(given, _)| given == name).map(|(_, value)| Value::from(value.as_str()));
        let value = if place == "path" {
            named.get(name).cloned()
        } else if is_list(schema) {
            Some(values.collect::<Vec<_>>()).filter(|values| !values.is_empty()).map(Value::from)
        } else {
            values.next_back()
        };
        let mut validator = Validator::default();
        let place = [Value::from(place.as_str()), name.as_str().into()];
        match value {
            Some(value) => _ = checked.insert(name.clone(), validator.check(schema, &value, &place)),
            None if *required => validator.missing(&place, &Value::Null),
            None => _ = checked.insert(name.clone(), schema.get("default").cloned().unwrap_or_default()),
        }
        errors.append(&mut validator.errors);
    }
    checked
}

fn is_list(schema: &Value) -> bool {
    schema["type"] == "array" || schema["anyOf"].as_array().is_some_and(|members| members.iter().any(is_list))
}

/// The body in the form that its operation expects.
async fn read_body(
    schema: &BodySchema,
    parts: Parts,
    body: Body,
    errors: &mut Vec<Value>,
) -> Result<(Value, Vec<Part>), Answer> {
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if schema.form {
        let form = if content_type.starts_with("multipart/form-data") {
            read_form(Request::from_parts(parts, body)).await?
        } else {
            Vec::new()
        };
        check_form(schema, &form, errors);
        return Ok((Value::Null, form));
    }
    let is_json = content_type.starts_with("application/json") || content_type.contains("+json");
    let bytes = axum::body::to_bytes(body, MAX_BODY).await;
    let bytes = bytes.map_err(|_| Answer::refusal(400, "There was an error parsing the body"))?;
    Ok((check_json(schema, &bytes, is_json, errors), Vec::new()))
}

fn check_json(schema: &BodySchema, bytes: &Bytes, is_json: bool, errors: &mut Vec<Value>) -> Value {
    let place = [Value::from("body")];
    let mut validator = Validator::default();
    let given = if bytes.is_empty() {
        None
    } else if is_json {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                errors.push(bad_json(bytes, &error));
                return Value::Null;
            }
        }
    } else {
        Some(String::from_utf8_lossy(bytes).into_owned().into())
    };
    let given = match given {
        Some(Value::Null) | None => None,
        Some(value) => Some(value),
    };
    let checked = match given {
        None if !schema.required => Value::Null,
        // Each member counts as a parameter of its own.
        given if schema.embedded && !given.as_ref().is_some_and(Value::is_object) => {
            let names = embedded_members(schema);
            for name in names {
                validator.missing(&[place[0].clone(), name.into()], &Value::Null);
            }
            Value::Null
        }
        None => {
            validator.missing(&place, &Value::Null);
            Value::Null
        }
        Some(value) => {
            let checked = validator.check(&schema.schema, &value, &place);
            if schema.embedded {
                let top = |error: &&mut Value| {
                    error["type"] == "missing" && error["loc"].as_array().is_some_and(|loc| loc.len() == 2)
                };
                validator.errors.iter_mut().filter(top).for_each(|error| error["input"] = Value::Null);
            }
            checked
        }
    };
    errors.append(&mut validator.errors);
    checked
}

/// The complaint about a text that is not JSON, as close to Python's words as possible.
fn bad_json(bytes: &Bytes, error: &serde_json::Error) -> Value {
    let said = error.to_string();
    let words = [
        ("string", "Unterminated string starting at"),
        ("trailing characters", "Extra data"),
        ("key must be a string", "Expecting property name enclosed in double quotes"),
        ("expected `:`", "Expecting ':' delimiter"),
        ("expected `,`", "Expecting ',' delimiter"),
    ];
    let word = words.into_iter().find(|(part, _)| said.contains(part)).map_or("Expecting value", |(_, word)| word);
    // It counts from the beginning.
    let before = bytes.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let position = if error.is_eof() {
        bytes.len()
    } else {
        before.map(|line| line.len() + 1).sum::<usize>() + error.column().saturating_sub(1)
    };
    json!({"type": "json_invalid", "loc": ["body", position], "msg": "JSON decode error", "input": {},
        "ctx": {"error": word}})
}

/// The members that a body of several parameters must have.
fn embedded_members(body: &BodySchema) -> Vec<String> {
    let name = body.schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    let schema = name.and_then(|name| openapi::schemas().get(name)).unwrap_or(&body.schema);
    let required = schema["required"].as_array().into_iter().flatten();
    required.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn check_form(schema: &BodySchema, form: &[Part], errors: &mut Vec<Value>) {
    let mut validator = Validator::default();
    for name in embedded_members(schema) {
        if !form.iter().any(|part| part.name == name) {
            validator.missing(&["body".into(), name.into()], &Value::Null);
        }
    }
    errors.append(&mut validator.errors);
}

async fn read_form(request: Request<Body>) -> Result<Vec<Part>, Answer> {
    let unreadable = |_| Answer::refusal(400, "There was an error parsing the body");
    let refused = |rejection: axum::extract::multipart::MultipartRejection| {
        let status = StatusCode::as_u16(&rejection.status());
        Answer::refusal(status, "There was an error parsing the body")
    };
    // InvokeAI takes files of any size.
    let mut request = request;
    DefaultBodyLimit::disable().apply(&mut request);
    let mut multipart = Multipart::from_request(request, &()).await.map_err(refused)?;
    let mut form = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(unreadable)? {
        form.push(Part {
            name: field.name().unwrap_or_default().into(),
            content_type: field.content_type().map(str::to_owned),
            bytes: field.bytes().await.map_err(unreadable)?,
        });
    }
    Ok(form)
}
