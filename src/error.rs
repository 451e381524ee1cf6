//! What can go wrong between a program and an InvokeAI server.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    failure::JobFailure,
    workflow::{DefinitionError, EnqueueError, InputError, Problem},
};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Anything that can go wrong.
///
/// Answers of the server are sorted by meaning ([`NotFound`](Self::NotFound), [`Conflict`](Self::Conflict), …); each
/// carries the whole [`Refusal`]. No message ever holds a token or a whole body.
///
/// A message says why: what a connection or a file system gave as the reason is its last part. Reports keep errors and
/// programs print them one by one, where a cause that only [`source`](std::error::Error::source) knew would be lost. So
/// `source` gives nothing that the message has said already, and whoever prints a chain of causes prints none twice. The
/// cause itself is a member of its variant ([`Connect`](Self::Connect), [`Interrupted`](Self::Interrupted),
/// [`Io`](Self::Io)).
///
/// "Any error of a call", in the documentation of methods, means those that every call can have: no connection
/// ([`Connect`](Self::Connect), [`Interrupted`](Self::Interrupted), [`Timeout`](Self::Timeout)); an answer that is none
/// ([`NotTheApi`](Self::NotTheApi), [`Unsupported`](Self::Unsupported), [`Body`](Self::Body), [`Decode`](Self::Decode));
/// a refusal ([`Unauthorized`](Self::Unauthorized), [`Forbidden`](Self::Forbidden), [`NotAccepted`](Self::NotAccepted),
/// [`Conflict`](Self::Conflict), [`Server`](Self::Server), [`UnexpectedStatus`](Self::UnexpectedStatus)).
///
/// ```
/// # fn handle(error: invokeai_client::Error) {
/// use invokeai_client::Error;
/// match error {
///     Error::NotFound(refusal) => eprintln!("{} does not exist: {}", refusal.path, refusal.detail),
///     error if error.is_retryable() => eprintln!("try again: {error}"),
///     error => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The thing asked for does not exist (404).
    #[error("not found: {0}")]
    NotFound(Box<Refusal>),

    /// The server wants a login, or the token is not valid any more (401).
    #[error("not logged in: {0}")]
    Unauthorized(Box<Refusal>),

    /// The user may not do this (403).
    #[error("not allowed: {0}")]
    Forbidden(Box<Refusal>),

    /// The state of the server does not permit this now (409).
    #[error("conflict: {0}")]
    Conflict(Box<Refusal>),

    /// The server does not accept the values sent (400, 413, 415, 422).
    #[error("not accepted: {0}")]
    NotAccepted(Box<Refusal>),

    /// The server, or a proxy before it, failed or is busy (429, 5xx).
    #[error("server failure: {0}")]
    Server(Box<Refusal>),

    /// Any other status.
    #[error("unexpected answer: {0}")]
    UnexpectedStatus(Box<Refusal>),

    /// A value given to this crate cannot be sent.
    #[error("`{field}` {problem}")]
    InvalidInput {
        /// Which parameter or field.
        field: String,
        /// What is wrong with it and what would be accepted.
        problem: String,
    },

    /// The address of the server is no usable base URL.
    #[error("`{url}` is no usable server address: {problem}")]
    InvalidUrl {
        /// The address, without user name and password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The address answers, but not with InvokeAI's API.
    ///
    /// InvokeAI answers unknown paths with its web page and status 200, so a wrong address, a wrong path prefix or a
    /// server too old for an operation look like success otherwise.
    #[error(
        "{operation} ({method} {path}) got {content_type} instead of {expected}: is the address that of InvokeAI, with \
         the right path prefix, and does this version have the operation?"
    )]
    NotTheApi {
        /// Operation that was called.
        operation: &'static str,
        /// HTTP method.
        method: &'static str,
        /// Path template.
        path: &'static str,
        /// Content type that came.
        content_type: String,
        /// Content type that was expected.
        expected: &'static str,
    },

    /// The server's version has no such operation.
    #[error("operation `{operation}` is not part of {}", match .server_version {
        Some(version) => format!("InvokeAI {version}"),
        None => "the API document this crate was built with".to_owned(),
    })]
    Unsupported {
        /// Operation that was called.
        operation: &'static str,
        /// Version of the server, where it is known.
        server_version: Option<String>,
    },

    /// The server's version cannot run workflows in a way that loses nothing. Nothing was enqueued.
    #[error(
        "InvokeAI {server_version} is too old to run workflows: it does not tell which queue items a submission made; \
         {needed} or newer does"
    )]
    TooOld {
        /// Version of the server.
        server_version: String,
        /// The first that does.
        needed: &'static str,
    },

    /// No connection to the server could be made; nothing was sent.
    #[error("cannot connect to {url}: {}", reason(.cause))]
    Connect {
        /// Address without user name, password and query.
        url: String,
        /// Why.
        cause: Cause,
    },

    /// The connection broke while a call was under way. The server may have carried it out.
    #[error("the connection broke during {operation}: {}", reason(.cause))]
    Interrupted {
        /// Operation that was called.
        operation: &'static str,
        /// Why.
        cause: Cause,
    },

    /// Nothing came in time.
    #[error("no answer in time while {doing} (limit {} s)", .limit.as_secs_f32())]
    Timeout {
        /// What was waited for.
        doing: String,
        /// How long.
        limit: Duration,
        /// Whether the server may have received the request.
        sent: bool,
    },

    /// An answer was cut short or longer than the limit.
    #[error("the answer to {operation} {problem}")]
    Body {
        /// Operation that was called.
        operation: &'static str,
        /// What is wrong with the answer's length.
        problem: String,
    },

    /// An answer is not of the shape that was expected.
    #[error("cannot read the answer to {operation} at `{at}`: {problem}; it begins with: {excerpt}")]
    Decode {
        /// Operation that was called.
        operation: &'static str,
        /// Path of the member, `.` for the whole.
        at: String,
        /// What is wrong.
        problem: String,
        /// Beginning of the answer.
        excerpt: String,
    },

    /// A workflow has problems that keep it from running.
    #[error("the workflow is not ready: {}", problems(.0))]
    NotReady(Vec<Problem>),

    /// A workflow file cannot be read.
    #[error(transparent)]
    Definition(Arc<DefinitionError>),

    /// An input of a workflow does not exist, or does not take a value.
    #[error(transparent)]
    Input(Box<InputError>),

    /// No request can be made of a workflow.
    #[error(transparent)]
    Enqueue(Box<EnqueueError>),

    /// The server's queue has no room for all items. None is left on it.
    #[error("the queue took only {enqueued} of {requested} items; they were canceled")]
    QueueFull {
        /// How many items it took.
        enqueued: u64,
        /// How many were asked for.
        requested: u64,
    },

    /// A job failed.
    #[error(transparent)]
    JobFailed(Box<JobFailure>),

    /// A job was canceled: by somebody, or because the server was restarted while it ran.
    #[error("item {item_id} was canceled")]
    JobCanceled {
        /// The queue item.
        item_id: i64,
    },

    /// A queue item was deleted, pruned or cleared before its end was seen.
    #[error("item {item_id} is no longer on the server, and its end was not seen")]
    JobGone {
        /// The queue item.
        item_id: i64,
    },

    /// Another program uses the ledger. Nothing was sent.
    #[error("another program uses the ledger `{}`; one at a time can", .path.display())]
    LedgerInUse {
        /// The ledger.
        path: std::path::PathBuf,
    },

    /// A local file could not be read or written.
    #[error("cannot {action} `{path}`: {cause}")]
    Io {
        /// What was tried, for example "read".
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        cause: Arc<std::io::Error>,
    },
}

impl Error {
    /// The server's answer, where it refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::NotFound(refusal)
            | Self::Unauthorized(refusal)
            | Self::Forbidden(refusal)
            | Self::Conflict(refusal)
            | Self::NotAccepted(refusal)
            | Self::Server(refusal)
            | Self::UnexpectedStatus(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// HTTP status, where the server refused.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// What the server said, where it refused.
    pub fn detail(&self) -> Option<&Detail> {
        self.refusal().map(|refusal| &refusal.detail)
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Whether the server, or the document this crate was built with, lacks the operation: its answer is then a web
    /// page or 405.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::NotTheApi { .. }) || self.status() == Some(405)
    }

    /// Whether the same call may succeed later. Says nothing about whether repeating it is safe: see
    /// [`may_have_been_sent`](Self::may_have_been_sent).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Interrupted { .. } | Self::Timeout { .. } | Self::LedgerInUse { .. } => true,
            _ => matches!(self.status(), Some(408 | 429 | 502 | 503 | 504)),
        }
    }

    /// Whether the server may have received the request without this program knowing its answer.
    pub fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Interrupted { .. } | Self::Body { .. } | Self::Decode { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            // A gateway answers these while the server behind it may go on.
            _ => matches!(self.status(), Some(502 | 504)),
        }
    }

    pub(crate) fn unsupported(operation: &'static str, server_version: Option<String>) -> Self {
        Self::Unsupported { operation, server_version }
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidInput { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<std::path::PathBuf>, cause: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), cause: Arc::new(cause) }
    }
}

/// The first cause of an error in words: "Connection refused (os error 111)". Those between it and the error only say in
/// which layer of the HTTP client it arose.
pub(crate) fn reason(error: &(impl std::error::Error + ?Sized)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl From<DefinitionError> for Error {
    fn from(error: DefinitionError) -> Self {
        Self::Definition(Arc::new(error))
    }
}

impl From<InputError> for Error {
    fn from(error: InputError) -> Self {
        Self::Input(Box::new(error))
    }
}

impl From<EnqueueError> for Error {
    fn from(error: EnqueueError) -> Self {
        Self::Enqueue(Box::new(error))
    }
}

/// A call that the server answered with an error.
#[derive(Debug, Clone, PartialEq)]
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
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {}) answered {}: {}", self.operation, self.method, self.path, self.status, self.detail)
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

/// The body of an error answer. InvokeAI has four shapes of it.
#[derive(Debug, Clone, PartialEq)]
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

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// So many problems are told one by one.
        const TOLD: usize = 5;
        match self {
            Self::Text(text) | Self::Plain(text) if text.trim_end().is_empty() => f.write_str("(no text)"),
            Self::Text(text) | Self::Plain(text) => f.write_str(&excerpt(text)),
            Self::Fields(problems) => {
                for (i, problem) in problems.iter().take(TOLD).enumerate() {
                    write!(f, "{}{problem}", if i == 0 { "" } else { "; " })?;
                }
                match problems.len().saturating_sub(TOLD) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::Json(value) => f.write_str(&excerpt(&value.to_string())),
        }
    }
}

/// One entry of a validation error (FastAPI's `RequestValidationError`).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldProblem {
    /// Where, for example `body.batch.runs`.
    pub location: String,
    /// What is wrong, in the server's words.
    pub message: String,
    /// The server's name for the kind of problem, for example `greater_than_equal`.
    pub kind: String,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An unknown node type comes with a list of all known ones, and a place may be named by what was sent.
        write!(f, "{}: {}", excerpt(&self.location), excerpt(&self.message))
    }
}

impl Detail {
    /// Reads the body of an error answer.
    pub fn parse(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Self::Plain(excerpt(&String::from_utf8_lossy(body)));
        };
        match value.get("detail") {
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(Value::Array(problems)) if !problems.is_empty() && problems.iter().all(|p| p.get("msg").is_some()) => {
                Self::Fields(problems.iter().map(FieldProblem::parse).collect())
            }
            Some(other) => Self::Json(other.clone()),
            None => Self::Json(value),
        }
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

/// Members of answers whose values no message may show. The server repeats what it was given, access tokens included.
const SECRETS: &[&str] = &["access_token", "api_key", "current_password", "new_password", "password", "token"];

/// A text in which the values of secret JSON members are dots. It may be JSON, a piece of it, or none.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = text.to_owned();
    for name in SECRETS {
        let quoted = format!("\"{name}\"");
        let mut from = 0;
        while let Some(at) = shown.get(from..).and_then(|rest| rest.find(&quoted)) {
            from += at + quoted.len();
            let rest = &shown[from..];
            let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
            if let Some(value) = value.strip_prefix('"') {
                let begin = shown.len() - value.len();
                let end = end_of_string(value).map_or(shown.len(), |end| begin + end);
                shown.replace_range(begin..end, "…");
            }
        }
    }
    shown
}

/// Where the quote is that ends a JSON string; `None` if it is cut before.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices()
        .find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map(|(at, _)| at)
}

/// Cuts a text to a few hundred characters, at a character's end. Secrets in JSON are left out.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 300;
    let text = without_secrets(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod excerpts {
    use super::excerpt;

    #[test]
    fn secrets_are_left_out_of_json_whole_or_cut() {
        for (text, shown) in [
            (r#"{"token": "a\"b", "x": 1, "password":"p"}"#, r#"{"token": "…", "x": 1, "password":"…"}"#),
            (r#"{"source":{"access_token":"hush"#, r#"{"source":{"access_token":"…"#),
            (r#"{"access_token": null, "token_epoch": "0"}"#, r#"{"access_token": null, "token_epoch": "0"}"#),
            (r#"the "token" is "wrong""#, r#"the "token" is "wrong""#),
            ("\"token\"", "\"token\""),
            ("é", "é"),
        ] {
            assert_eq!(excerpt(text), shown);
        }
    }
}
