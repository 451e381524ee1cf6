//! What can go wrong between a program and an InvokeAI server.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

pub(crate) use crate::secrets::excerpt;
use crate::{
    failure::JobFailure,
    operation::Operation,
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

    /// The server, or a proxy before it, redirects the call to a place where it must not go.
    ///
    /// Only reads (GET, HEAD) follow a redirect, and only within the origin (scheme, host and port) of the server's
    /// address. Neither token nor password nor content goes anywhere else, and no answer is taken from there. Whoever
    /// redirects a write may have carried it out first.
    #[error("{operation} was redirected from {from} to {to}, {problem}")]
    Redirected {
        /// Operation that was called.
        operation: &'static str,
        /// Address that was asked, without user name, password and query.
        from: String,
        /// Address that the redirect leads to, without user name, password and query.
        to: String,
        /// Why it is not followed, and what to do.
        problem: String,
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

    /// Whether the same call may succeed later. Says nothing about whether repeating it is safe: a write that
    /// [may have been sent](Self::may_have_been_sent) may be there already.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Interrupted { .. } | Self::Timeout { .. } | Self::LedgerInUse { .. } => true,
            _ => matches!(self.status(), Some(408 | 429 | 502 | 503 | 504)),
        }
    }

    /// Whether the server may have carried out the call without this program knowing its answer.
    ///
    /// So it is unless the connection never opened, or the server refused before it did anything: 400, 401, 403, 404,
    /// 409, 413, 415, 422, 429, and 503 in InvokeAI's own form (`{"detail": …}`, not a proxy's page). Every other
    /// answer leaves it open, because it may come from somebody between, or from a server that failed too late: 408,
    /// all other 5xx, redirects, web pages, answers that are cut or of another shape.
    ///
    /// This one rule decides whether a lost enqueue is looked for, and whether an upload or a batch stays
    /// [recorded](crate::assets) for clean-up. Where nothing was to be changed, it does not matter.
    pub fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Interrupted { .. }
            | Self::Body { .. }
            | Self::Decode { .. }
            | Self::NotTheApi { .. }
            | Self::Redirected { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            Self::NotFound(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::Conflict(_)
            | Self::NotAccepted(_) => false,
            Self::Server(refusal) | Self::UnexpectedStatus(refusal) => match refusal.status {
                429 => false,
                503 => !refusal.is_own,
                _ => true,
            },
            // Found before anything was sent.
            Self::InvalidInput { .. }
            | Self::InvalidUrl { .. }
            | Self::Unsupported { .. }
            | Self::TooOld { .. }
            | Self::Connect { .. }
            | Self::NotReady(_)
            | Self::Definition(_)
            | Self::Input(_)
            | Self::Enqueue(_)
            | Self::LedgerInUse { .. }
            | Self::Io { .. } => false,
            // What became of it is known.
            Self::QueueFull { .. } | Self::JobFailed(_) | Self::JobCanceled { .. } | Self::JobGone { .. } => false,
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
    /// Whether the body is in InvokeAI's own form. A proxy has others.
    is_own: bool,
}

impl Refusal {
    /// A refusal with this body.
    pub(crate) fn new(operation: &Operation, status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let Operation { id, method, path, .. } = *operation;
        let (detail, is_own) = Detail::read(body);
        Self { operation: id, method, path, status, detail, retry_after, is_own }
    }
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
        Self::read(body).0
    }

    /// The same, and whether it has the form that InvokeAI gives to its refusals.
    fn read(body: &[u8]) -> (Self, bool) {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
            return (Self::Plain(excerpt(&String::from_utf8_lossy(body))), false);
        };
        let Some(detail) = value.get_mut("detail").map(Value::take) else { return (Self::Json(value), false) };
        let is_problem = |problem: &Value| problem.get("msg").is_some();
        let detail = match detail {
            Value::String(text) => Self::Text(text),
            Value::Array(problems) if !problems.is_empty() && problems.iter().all(is_problem) => {
                Self::Fields(problems.iter().map(FieldProblem::parse).collect())
            }
            other => Self::Json(other),
        };
        (detail, true)
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
