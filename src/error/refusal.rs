//! Answers with which the server refuses a call.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use serde_json::Value;

use super::Error;
use crate::{
    base::{one_line::OneLine, secrets::excerpt},
    error::operation::Operation,
};

/// A call that the server answered with an error.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Operation that was called.
    pub operation: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path template, without the values.
    pub path: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What the server said.
    pub detail: Detail,
    /// How long to wait before trying again, if the server said so.
    pub retry_after: Option<Duration>,
    /// Whether the body has InvokeAI's own form. A proxy's body does not.
    pub(crate) is_own: bool,
}

crate::base::debug::short_debug! { Refusal { operation, method, path, status, detail, retry_after, is_own } }

impl Refusal {
    /// A refusal with this body.
    pub(crate) fn new(operation: &Operation, status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let Operation { id, method, path, .. } = *operation;
        let (detail, is_own) = Detail::read(body);
        Self { operation: id, method, path, status, detail, retry_after, is_own }
    }

    /// Whether the answer has the form of InvokeAI's own refusals, `{"detail": …}` and nothing else. Any other comes from
    /// something in between, such as a proxy whose server is being replaced, or from another program at this address: it
    /// says nothing about what the server has, and nothing about what the server did.
    pub fn is_own(&self) -> bool {
        self.is_own
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, method, path, status, detail, .. } = self;
        write!(OneLine(f), "{operation} ({method} {path}) answered {status}: {detail}")
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let refusal = Box::new(refusal);
        match refusal.status {
            401 => Self::Unauthorized(refusal),
            403 => Self::Forbidden(refusal),
            404 => Self::NotFound(refusal),
            409 => Self::Conflict(refusal),
            400 | 413 | 415 | 422 => Self::NotAccepted(refusal),
            429 | 500..=599 => Self::Server(refusal),
            _ => Self::UnexpectedStatus(refusal),
        }
    }
}

/// The body of an error answer. InvokeAI has four shapes for it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Detail {
    /// `{"detail": "text"}`: most errors.
    Text(String),
    /// `{"detail": [{"loc", "msg", …}]}`: validation of the request.
    Fields(Vec<FieldProblem>),
    /// `{"detail": {…}}` and any other JSON.
    Json(Value),
    /// Plain text, an error page of a proxy, or nothing; cut to a few hundred characters.
    Plain(String),
}

crate::base::debug::short_debug! { enum Detail { Text(value), Fields(value), Json(value), Plain(value) } }

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The most problems that are listed one by one.
        const LISTED: usize = 5;
        match self {
            Self::Text(text) | Self::Plain(text) if text.trim_end().is_empty() => f.write_str("(no text)"),
            Self::Text(text) | Self::Plain(text) => OneLine(f).write_str(&excerpt(text)),
            Self::Fields(problems) => {
                for (i, problem) in problems.iter().take(LISTED).enumerate() {
                    write!(f, "{}{problem}", if i == 0 { "" } else { "; " })?;
                }
                match problems.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::Json(value) => f.write_str(&excerpt(&value.to_string())),
        }
    }
}

/// One entry of a validation error (FastAPI's `RequestValidationError`).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldProblem {
    /// Where, for example `body.batch.runs`.
    pub location: String,
    /// What is wrong, in the server's words.
    pub message: String,
    /// The server's name for the kind of problem, for example `greater_than_equal`.
    pub kind: String,
}

crate::base::debug::short_debug! { FieldProblem { location, message, kind } }

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An unknown node type comes with a list of all known ones, and a location may contain what was sent.
        write!(OneLine(f), "{}: {}", excerpt(&self.location), excerpt(&self.message))
    }
}

impl Detail {
    /// Reads the body of an error answer.
    pub fn parse(body: &[u8]) -> Self {
        Self::read(body).0
    }

    /// The same, and whether it has the form of InvokeAI's own refusals.
    fn read(body: &[u8]) -> (Self, bool) {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
            return (Self::Plain(excerpt(&String::from_utf8_lossy(body))), false);
        };
        // The problem reports of other programs (RFC 9457) have a `detail` among other members.
        let is_own = value.as_object().is_some_and(|members| members.len() == 1);
        let Some(detail) = value.get_mut("detail").map(Value::take) else { return (Self::Json(value), false) };
        let is_problem = |problem: &Value| problem.get("msg").is_some();
        let detail = match detail {
            Value::String(text) => Self::Text(text),
            Value::Array(problems) if !problems.is_empty() && problems.iter().all(is_problem) => {
                Self::Fields(problems.iter().map(FieldProblem::parse).collect())
            }
            other => Self::Json(other),
        };
        (detail, is_own)
    }
}

impl FieldProblem {
    fn parse(problem: &Value) -> Self {
        let part = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let location = problem.get("loc").and_then(Value::as_array);
        let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            location: location.into_iter().flatten().map(part).collect::<Vec<_>>().join("."),
            message: text("msg"),
            kind: text("type"),
        }
    }
}
