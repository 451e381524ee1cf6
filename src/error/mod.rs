//! What can go wrong between a program and an InvokeAI server.

pub(crate) mod failure;
mod hint;
mod meaning;
mod message;
pub(crate) mod operation;
mod refusal;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    base::secrets::excerpt,
    error::failure::JobFailure,
    json::lenient::Misfit,
    workflow::{DefinitionError, Difference, EnqueueError, InputError, Problem},
};

pub use refusal::{Detail, FieldProblem, Refusal};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Anything that can go wrong.
///
/// Answers of the server are sorted by meaning ([`NotFound`](Self::NotFound), [`Conflict`](Self::Conflict), …); each
/// carries the whole [`Refusal`]. No message ever holds a token or a whole body.
///
/// A message says why: it ends with the reason that a connection or a file system gave. Programs keep errors in reports
/// and print them one by one, where a cause that only [`source`](std::error::Error::source) has would be lost. So
/// `source` returns nothing that the message already says, and printing a chain of causes repeats none. The cause
/// itself is a field of its variant ([`Connect`](Self::Connect), [`Interrupted`](Self::Interrupted), [`Io`](Self::Io)).
///
/// In the documentation of methods, "any error of a call" means the errors that every call can have: no connection
/// ([`Connect`](Self::Connect), [`Interrupted`](Self::Interrupted), [`Timeout`](Self::Timeout)); an unusable answer
/// ([`NotTheApi`](Self::NotTheApi), [`Unsupported`](Self::Unsupported), [`Body`](Self::Body),
/// [`Decode`](Self::Decode)); a refusal ([`Unauthorized`](Self::Unauthorized), [`Forbidden`](Self::Forbidden),
/// [`NotAccepted`](Self::NotAccepted), [`Conflict`](Self::Conflict), [`Server`](Self::Server),
/// [`UnexpectedStatus`](Self::UnexpectedStatus)).
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
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// The thing asked for does not exist (404), if the answer is [the server's own](Refusal::is_own).
    NotFound(Box<Refusal>),

    /// The server wants a login, or the token is no longer valid (401).
    Unauthorized(Box<Refusal>),

    /// The user may not do this (403).
    Forbidden(Box<Refusal>),

    /// The state of the server does not permit this now (409).
    Conflict(Box<Refusal>),

    /// The server does not accept the values sent (400, 413, 415, 422).
    NotAccepted(Box<Refusal>),

    /// The server, or a proxy in front of it, failed or is busy (429, 5xx).
    Server(Box<Refusal>),

    /// Any other status.
    UnexpectedStatus(Box<Refusal>),

    /// Nothing on the server has this name.
    #[non_exhaustive]
    NoSuch {
        /// What was looked for: `board`, `image`, `workflow`.
        what: &'static str,
        /// Names that do not exist; one, unless several were asked for at once.
        names: Vec<String>,
        /// Existing names that are similar, if any.
        suggestions: Vec<String>,
    },

    /// Several things on the server have this name.
    #[non_exhaustive]
    Ambiguous {
        /// What was looked for: `board`, `workflow`.
        what: &'static str,
        /// The name.
        name: String,
        /// Their ids.
        ids: Vec<String>,
    },

    /// The server carried out the call, but reported that it did not do this part of it.
    #[non_exhaustive]
    Refused {
        /// What it refused, for example `to delete image x.png`.
        what: String,
        /// Why, in the server's words; `None` if it gave no reason.
        reason: Option<String>,
    },

    /// This cannot be done in the current state. Nothing was changed.
    #[non_exhaustive]
    WrongState {
        /// The thing concerned, for example `item 7`.
        what: String,
        /// Its state, for example `is in_progress`.
        state: String,
        /// What it would have to be.
        needed: &'static str,
        /// What to do.
        advice: &'static str,
        /// Whether the state ends by itself, as that of a running job does.
        passes: bool,
    },

    /// A value given to this crate cannot be used. Nothing was sent.
    #[non_exhaustive]
    InvalidInput {
        /// Which parameter or field.
        field: String,
        /// What is wrong with it and what would be accepted.
        problem: String,
    },

    /// The server's name for a file is not safe as the name of a local file. Nothing was written.
    #[non_exhaustive]
    UnusableName {
        /// The name, with invisible characters escaped.
        name: String,
        /// What is wrong with it and what would be accepted.
        problem: String,
    },

    /// A file is not a ledger for this server. It was left as it is.
    #[non_exhaustive]
    UnusableLedger {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },

    /// The HTTP client cannot be set up on this system, for example because its TLS library cannot be.
    #[non_exhaustive]
    HttpClient {
        /// Why.
        cause: Cause,
    },

    /// The address of the server is not a usable base URL.
    #[non_exhaustive]
    InvalidUrl {
        /// The address, without user name and password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The address answers, but not with InvokeAI's API.
    ///
    /// InvokeAI answers unknown paths with its web page and status 200, so a wrong address, a wrong path prefix or a
    /// server too old for an operation would otherwise look like success.
    #[non_exhaustive]
    NotTheApi {
        /// Operation that was called.
        operation: &'static str,
        /// HTTP method.
        method: &'static str,
        /// Path template.
        path: &'static str,
        /// Content type of the answer.
        content_type: String,
        /// Content type that was expected.
        expected: &'static str,
    },

    /// The server, or a proxy in front of it, redirects the call to a place where it must not go.
    ///
    /// Only reads (GET, HEAD) follow a redirect, and only within the origin (scheme, host and port) of the server's
    /// address. No token, password or content is sent anywhere else, and no answer is accepted from there. Whoever
    /// redirects a write may have carried it out first.
    #[non_exhaustive]
    Redirected {
        /// Operation that was called.
        operation: &'static str,
        /// Address that was called, without user name, password and query.
        from: String,
        /// Address that the redirect leads to, without user name, password and query.
        to: String,
        /// Why it is not followed, and what to do.
        problem: String,
    },

    /// The server's version has no such operation.
    #[non_exhaustive]
    Unsupported {
        /// Operation that was called.
        operation: &'static str,
        /// Version of the server, where it is known.
        server_version: Option<String>,
    },

    /// The server's version cannot run workflows in a way that loses nothing. Nothing was enqueued.
    #[non_exhaustive]
    TooOld {
        /// Version of the server.
        server_version: String,
        /// The first version that can.
        needed: &'static str,
    },

    /// No connection to the server could be made; nothing was sent.
    #[non_exhaustive]
    Connect {
        /// Address without user name, password and query.
        url: String,
        /// Why.
        cause: Cause,
    },

    /// The connection broke while a call was under way, or a call that has several steps failed after one that changes
    /// something. The server may have carried it out.
    #[non_exhaustive]
    Interrupted {
        /// Operation that was called.
        operation: &'static str,
        /// Why.
        cause: Cause,
    },

    /// No answer came in time.
    #[non_exhaustive]
    Timeout {
        /// What was waited for.
        doing: String,
        /// How long.
        limit: Duration,
        /// Whether the server may have received the request.
        sent: bool,
    },

    /// The time limit of a wait ran out. What was waited for goes on, unless the wait was set to cancel it.
    #[non_exhaustive]
    WaitTimeout {
        /// What was waited for, and its state.
        waiting_for: String,
        /// How long.
        limit: Duration,
    },

    /// An answer was cut short, is longer than the limit, or is not the kind of file that was asked for.
    #[non_exhaustive]
    Body {
        /// Operation that was called.
        operation: &'static str,
        /// What kind of fault it is.
        fault: BodyFault,
        /// What is wrong with it, in words.
        problem: String,
    },

    /// An answer does not have the expected shape.
    #[non_exhaustive]
    Decode {
        /// Operation that was called.
        operation: &'static str,
        /// Path of the member; `.` is the whole answer.
        at: String,
        /// What is wrong.
        problem: String,
        /// Beginning of the answer; empty where it adds nothing, or must not be shown.
        excerpt: String,
    },

    /// A workflow has problems that keep it from running.
    NotReady(Vec<Problem>),

    /// The server's nodes are not those that the workflow was opened with, or that the code of a generated struct was
    /// made for. Nothing was sent. Holds every difference, including those that would do no harm alone.
    NodesDiffer(Vec<Difference>),

    /// A workflow file cannot be read.
    Definition(Arc<DefinitionError>),

    /// An input of a workflow does not exist, or does not take a value.
    Input(Box<InputError>),

    /// No request can be built from a workflow.
    Enqueue(Box<EnqueueError>),

    /// The server's queue has no room for all items. None of them is left in it.
    #[non_exhaustive]
    QueueFull {
        /// How many items it took.
        enqueued: u64,
        /// How many were asked for.
        requested: u64,
    },

    /// The server's queue has no room for all items, and those that it took could not be canceled. They may run.
    #[non_exhaustive]
    NotTakenBack {
        /// How many items it took.
        enqueued: u64,
        /// How many were asked for.
        requested: u64,
        /// Why they could not be canceled.
        cause: Box<Error>,
    },

    /// A job failed.
    JobFailed(Box<JobFailure>),

    /// A job was canceled: by somebody, or because the server was restarted while it ran.
    #[non_exhaustive]
    JobCanceled {
        /// The queue item.
        item_id: i64,
    },

    /// A queue item was deleted, pruned or cleared before its end was seen.
    #[non_exhaustive]
    JobGone {
        /// The queue item.
        item_id: i64,
    },

    /// Another program uses the ledger. Nothing was sent.
    #[non_exhaustive]
    LedgerInUse {
        /// The ledger.
        path: PathBuf,
    },

    /// A local file could not be read or written.
    #[non_exhaustive]
    Io {
        /// What was tried, for example "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: Arc<std::io::Error>,
    },

    /// The store of a fleet, or its store of files, failed to do what was asked (feature `fleet`).
    #[non_exhaustive]
    Fleet {
        /// What was tried, for example "take a job".
        doing: &'static str,
        /// Why it failed.
        problem: String,
        /// Whether it may work later: a database is being started, or a disk is full.
        passes: bool,
    },
}

crate::base::debug::short_debug! {
    enum Error {
        NotFound(value),
        Unauthorized(value),
        Forbidden(value),
        Conflict(value),
        NotAccepted(value),
        Server(value),
        UnexpectedStatus(value),
        NoSuch { what, names, suggestions },
        Ambiguous { what, name, ids },
        Refused { what, reason },
        WrongState { what, state, needed, advice, passes },
        InvalidInput { field, problem },
        UnusableName { name, problem },
        UnusableLedger { path, problem },
        HttpClient { cause },
        InvalidUrl { url, problem },
        NotTheApi { operation, method, path, content_type, expected },
        Redirected { operation, from, to, problem },
        Unsupported { operation, server_version },
        TooOld { server_version, needed },
        Connect { url, cause },
        Interrupted { operation, cause },
        Timeout { doing, limit, sent },
        WaitTimeout { waiting_for, limit },
        Body { operation, fault, problem },
        Decode { operation, at, problem, excerpt },
        NotReady(value),
        NodesDiffer(value),
        Definition(value),
        Input(value),
        Enqueue(value),
        QueueFull { enqueued, requested },
        NotTakenBack { enqueued, requested, cause },
        JobFailed(value),
        JobCanceled { item_id },
        JobGone { item_id },
        LedgerInUse { path },
        Io { action, path, cause },
        Fleet { doing, problem, passes },
    }
}

/// What is wrong with the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyFault {
    /// It ended too early.
    CutOff,
    /// It is longer, or would take more memory, than allowed.
    TooLarge,
    /// It is not a file of the kind that was asked for.
    WrongKind,
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Definition(error) => error.source(),
            Self::Input(error) => error.source(),
            Self::Enqueue(error) => error.source(),
            // The message includes the cause.
            _ => None,
        }
    }
}

impl Error {
    pub(crate) fn unsupported(operation: &'static str, server_version: Option<String>) -> Self {
        Self::Unsupported { operation, server_version }
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidInput { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn no_such(what: &'static str, name: impl Into<String>, suggestions: Vec<String>) -> Self {
        Self::NoSuch { what, names: vec![name.into()], suggestions }
    }

    pub(crate) fn refused(what: impl Into<String>, reason: Option<String>) -> Self {
        Self::Refused { what: what.into(), reason }
    }

    /// An answer that is not what was expected. `answer` is its text, or empty where that must not be shown.
    pub(crate) fn decode(
        operation: &'static str,
        at: impl Into<String>,
        problem: impl Into<String>,
        answer: &str,
    ) -> Self {
        Self::Decode { operation, at: at.into(), problem: problem.into(), excerpt: excerpt(answer) }
    }

    /// The same, for an answer that differs from its type. `place` is where the answer has the value in question.
    pub(crate) fn misfit(operation: &'static str, place: &str, misfit: &Misfit, answer: &str) -> Self {
        Self::decode(operation, format!("{place}{}", misfit.path()), misfit.problem(), answer)
    }

    pub(crate) fn body(operation: &'static str, fault: BodyFault, problem: impl Into<String>) -> Self {
        Self::Body { operation, fault, problem: problem.into() }
    }

    /// The error of a step after one that the server has carried out, or may have. Whatever it says of itself, the
    /// whole must not pass for something that was not sent: see [`may_have_been_sent`](Self::may_have_been_sent).
    pub(crate) fn after(self, operation: &'static str) -> Self {
        match self.may_have_been_sent() {
            true => self,
            false => Self::Interrupted { operation, cause: Arc::new(self) },
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, cause: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), cause: Arc::new(cause) }
    }
}

/// The root cause of an error in words: "Connection refused (os error 111)". The causes in between only say in which
/// layer of the HTTP client it arose.
pub(crate) fn reason(error: &(impl std::error::Error + ?Sized)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
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
