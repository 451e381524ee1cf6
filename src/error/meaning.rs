//! What programs ask of an error before they decide what to do.

use super::{BodyFault, Detail, Error, Refusal};

impl Error {
    /// The server's answer, if it refused the call.
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

    /// HTTP status, if the server refused the call.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// What the server said, if it refused the call.
    pub fn detail(&self) -> Option<&Detail> {
        self.refusal().map(|refusal| &refusal.detail)
    }

    /// Whether the thing asked for does not exist on the server, by id or by name, or no longer exists.
    ///
    /// A 404 that is not [InvokeAI's own](Refusal::is_own) comes from something in between, such as a proxy whose server is
    /// being replaced. It is [`NotFound`](Self::NotFound) too, but does not mean that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound(refusal) => refusal.is_own,
            other => matches!(other, Self::NoSuch { .. } | Self::JobGone { .. }),
        }
    }

    /// Whether the server, or the document that this crate was built with, does not have the operation: the answer is
    /// then a web page or 405.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::NotTheApi { .. }) || self.status() == Some(405)
    }

    /// Whether the same call may succeed later, with nothing changed by the caller. This does not say whether repeating
    /// it is safe: a write that [may have been sent](Self::may_have_been_sent) may already be done.
    ///
    /// A wait that ran out of time ([`WaitTimeout`](Self::WaitTimeout)) is not retryable: its limit was the caller's.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Interrupted { .. }
            | Self::Timeout { .. }
            | Self::Body { fault: BodyFault::CutOff, .. }
            | Self::QueueFull { .. }
            | Self::LedgerInUse { .. } => true,
            Self::WrongState { passes, .. } | Self::Fleet { passes, .. } => *passes,
            // Whatever answers in place of the server may be gone soon.
            Self::NotFound(refusal) => !refusal.is_own,
            _ => matches!(self.status(), Some(408 | 429 | 502 | 503 | 504)),
        }
    }

    /// Whether the server may have carried out the call without this program knowing its answer.
    ///
    /// This is so unless the connection never opened, or the server refused before it did anything: 400, 401, 403, 404,
    /// 409, 413, 415, 422, 429 and 503, in [InvokeAI's own form](Refusal::is_own) (`{"detail": …}`, not a proxy's page).
    /// Every other answer leaves it open, because it may come from something in between, or from a server that failed too
    /// late: these statuses in another form, 408, all other 5xx, redirects, web pages, answers that are cut off or have
    /// another shape.
    ///
    /// Where a method makes several calls, this speaks of all of them: an error after one that was carried out, and
    /// not undone, is true here, whatever went wrong ([`Interrupted`](Self::Interrupted)).
    ///
    /// This one rule decides whether a lost enqueue is looked for, and whether an upload or a batch stays
    /// [recorded](crate::assets) for clean-up. For calls that change nothing, it does not matter.
    pub fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Interrupted { .. }
            | Self::Body { .. }
            | Self::Decode { .. }
            | Self::NotTheApi { .. }
            | Self::Redirected { .. }
            | Self::NotTakenBack { .. } => true,
            Self::Timeout { sent, .. } => *sent,
            Self::NotFound(refusal)
            | Self::Unauthorized(refusal)
            | Self::Forbidden(refusal)
            | Self::Conflict(refusal)
            | Self::NotAccepted(refusal) => !refusal.is_own,
            Self::Server(refusal) | Self::UnexpectedStatus(refusal) => {
                !(refusal.is_own && matches!(refusal.status, 429 | 503))
            }
            // Found before anything was sent.
            Self::NoSuch { .. }
            | Self::Ambiguous { .. }
            | Self::WrongState { .. }
            | Self::InvalidInput { .. }
            | Self::UnusableName { .. }
            | Self::UnusableLedger { .. }
            | Self::HttpClient { .. }
            | Self::InvalidUrl { .. }
            | Self::Unsupported { .. }
            | Self::TooOld { .. }
            | Self::Connect { .. }
            | Self::NotReady(_)
            | Self::NodesDiffer(_)
            | Self::Definition(_)
            | Self::Input(_)
            | Self::Enqueue(_)
            | Self::LedgerInUse { .. }
            | Self::Io { .. }
            // Not a call to a server.
            | Self::Fleet { .. } => false,
            // The outcome is known.
            Self::Refused { .. }
            | Self::QueueFull { .. }
            | Self::WaitTimeout { .. }
            | Self::JobFailed(_)
            | Self::JobCanceled { .. }
            | Self::JobGone { .. } => false,
        }
    }
}
