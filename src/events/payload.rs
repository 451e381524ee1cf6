//! Typed payloads of the server's events.

use serde_json::Value;

/// A payload that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}`: {detail}")]
#[non_exhaustive]
pub struct PayloadError {
    /// Name of the event.
    pub event: String,
    /// Where in the payload, and what was expected.
    pub detail: String,
}

/// x
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventPayload {
    /// x
    Unknown,
}
impl EventPayload {
    pub(super) fn decode(_n: &str, _d: &Value) -> Self {
        Self::Unknown
    }
}
