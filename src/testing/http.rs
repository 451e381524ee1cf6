//! Requests and answers, as routes see them.

pub(crate) use axum::http::{HeaderMap, Method, StatusCode};

use super::{operations::Operation, world::World};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, header},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    pub(crate) is_admin: bool,
    /// The token, where the server has users.
    pub(crate) token: Option<String>,
}

impl Caller {
    /// The caller of every request on a server without users.
    pub(crate) fn system() -> Self {
        Self { user_id: "system".into(), is_admin: true, token: None }
    }
}

/// A part of a form.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// A checked request to an operation.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) operation: &'a Operation,
    pub(crate) caller: Caller,
    /// Arguments of path and query, with their types and defaults.
    pub(crate) arguments: Map<String, Value>,
    /// `null` where there is none.
    pub(crate) body: Value,
    pub(crate) form: Vec<Part>,
}

static NOTHING: LazyLock<Value> = LazyLock::new(Value::default);

impl Call<'_> {
    /// A string of path or query; empty if it was not given.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// A string of path or query, if it was given.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.arguments.get(name)?.as_str()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.arguments.get(name)?.as_bool()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.arguments.get(name)?.as_i64()
    }

    /// A list of the query; `None` if it was not given.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.arguments.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// A member of the body; `null` where it is absent.
    pub(crate) fn member(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&NOTHING)
    }

    /// The strings of a list in the body, each once, in their order.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for given in self.member(name).as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !names.iter().any(|known| known == given) {
                names.push(given.into());
            }
        }
        names
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.form.iter().find(|part| part.name == name)
    }

    /// A text of the form.
    pub(crate) fn form_text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.part(name)?.bytes).into_owned())
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Boxed, since refusals are errors, and errors should be small.
    pub(crate) headers: Box<HeaderMap>,
    pub(crate) body: Bytes,
}

/// An answer, or a refusal.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers: Box::new(headers), body: body.into() }
    }

    pub(crate) fn json(value: impl Into<Value>) -> Self {
        Self::json_with(200, value)
    }

    pub(crate) fn json_with(status: u16, value: impl Into<Value>) -> Self {
        Self::new(status, "application/json", value.into().to_string())
    }

    /// `{"detail": …}`.
    pub(crate) fn refusal(status: u16, detail: impl Into<Value>) -> Self {
        Self::json_with(status, json!({"detail": detail.into()}))
    }

    /// The answer to an error that InvokeAI does not catch.
    pub(crate) fn crash() -> Self {
        Self::new(500, "text/plain; charset=utf-8", "Internal Server Error")
    }

    pub(crate) fn empty(status: u16) -> Self {
        let mut answer = Self::new(status, "text/plain", Bytes::new());
        answer.headers.clear();
        answer
    }

    pub(crate) fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self::new(200, content_type, bytes)
    }

    /// Adds a header; values that cannot be in a header are left out.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The answer, but the connection ends in the middle of it.
    pub(crate) fn into_cut_response(self) -> Response<Body> {
        let half = self.body.slice(..self.body.len() / 2);
        let length = self.body.len().to_string();
        let cut = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let body = Body::from_stream(futures::stream::iter([Ok(half), cut]));
        let mut response = self.with_header(header::CONTENT_LENGTH, &length).into_response();
        *response.body_mut() = body;
        response
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        response
    }
}
