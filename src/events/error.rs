//! What can go wrong with the event connection.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{base::one_line::one_line, error::reason, transport::redirect::Redirect};

/// Why events do not arrive. Cheap to clone: every subscriber gets the same one. Messages include the cause, as those
/// of [`Error`](crate::Error) do.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The base URL cannot be used.
    #[error("`{url}` is not a usable server address: {reason}; expected for example `http://127.0.0.1:9090`")]
    InvalidUrl {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server could not be reached, or the connection broke during the HTTP part of the handshake.
    #[error("cannot reach the event socket at {url}: {}", one_line(&reason(.cause)))]
    Connect {
        /// The socket's address.
        url: String,
        /// The cause.
        cause: Cause,
    },
    /// Something answered, but not with a websocket. Usually the base URL lacks a path prefix (InvokeAI answers
    /// unknown paths with its web page and status 200), or a proxy does not pass websockets on.
    #[error(
        "no event socket at {url}: the answer was HTTP {status}{}; check the address, its path prefix, and that proxies pass websockets on",
        .content_type.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default()
    )]
    NotWebSocket {
        /// The socket's address.
        url: String,
        /// HTTP status of the answer.
        status: u16,
        /// Content type of the answer, if it had one.
        content_type: Option<String>,
    },
    /// The server, or a proxy before it, redirects the websocket to another origin (scheme, host or port). It is not
    /// followed there, and the token was not sent.
    #[error("the event socket was redirected from {from} to {to}, {problem}")]
    Redirected {
        /// The socket's address, without the query.
        from: String,
        /// Where the redirect leads, without user name, password and query.
        to: String,
        /// Why it is not followed, and what to do.
        problem: String,
    },
    /// The server refused this client: the token is missing, wrong or expired.
    #[error("the server refused the event connection: {}", one_line(.message))]
    Refused {
        /// The server's message.
        message: String,
    },
    /// The server took too long.
    #[error("timed out after {after:?} waiting for {what}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long it waited.
        after: Duration,
    },
    /// The server closed the connection.
    #[error("the server closed the event connection{}", .reason.as_ref().map(|text| format!(": {}", one_line(text))).unwrap_or_default())]
    Closed {
        /// The close code and text, or what else is known.
        reason: Option<String>,
    },
    /// The server broke the protocol.
    #[error("the server broke the event protocol: {}", one_line(.detail))]
    Protocol {
        /// How it broke the protocol.
        detail: String,
    },
    /// The connection broke.
    #[error("the event connection broke: {}", one_line(&reason(.cause)))]
    Broken {
        /// The cause.
        cause: Cause,
    },
    /// Events need a running Tokio runtime: there was none at the subscription, or it was shut down.
    #[error("no running Tokio runtime for the event connection")]
    NoRuntime,
}

crate::base::debug::short_debug! {
    enum EventError {
        InvalidUrl { url, reason },
        Connect { url, cause },
        NotWebSocket { url, status, content_type },
        Redirected { from, to, problem },
        Refused { message },
        Timeout { what, after },
        Closed { reason },
        Protocol { detail },
        Broken { cause },
        NoRuntime,
    }
}

impl EventError {
    /// Whether trying again is pointless until someone changes something: the address is wrong, the websocket is
    /// blocked or redirected to another server, or the token is refused.
    ///
    /// An HTTP answer counts as permanent, except 408, 425, 429, and 502 and above, which are transient. InvokeAI
    /// itself answers 500 to a websocket at a path it does not know.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::InvalidUrl { .. } | Self::Redirected { .. } | Self::Refused { .. } | Self::NoRuntime => true,
            Self::NotWebSocket { status, .. } => *status < 502 && !matches!(status, 408 | 425 | 429),
            _ => false,
        }
    }

    pub(super) fn redirected(redirect: Redirect) -> Self {
        let Redirect { from, to, problem } = redirect;
        Self::Redirected { from, to, problem }
    }

    pub(super) fn protocol(detail: impl fmt::Display) -> Self {
        Self::Protocol { detail: detail.to_string() }
    }
}

/// The foreign error beneath an [`EventError`], shared by its clones.
type Cause = Arc<dyn Error + Send + Sync>;
