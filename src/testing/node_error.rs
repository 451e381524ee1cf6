//! How nodes fail.

/// The exception that a node raised, in Python's terms: `invocation_error` events and failed queue items show both
/// members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeError {
    /// The exception's class, for example `ImageRecordNotFoundException`.
    pub(crate) error_type: String,
    /// The exception's text.
    pub(crate) message: String,
}

const CANCELED: &str = "CanceledException";

impl NodeError {
    pub(crate) fn new(error_type: &str, message: impl Into<String>) -> Self {
        NodeError { error_type: error_type.to_owned(), message: message.into() }
    }

    /// The node stopped because the item was canceled: not an error of the session.
    pub(crate) fn canceled() -> Self {
        NodeError::new(CANCELED, "")
    }

    /// Whether this is [`canceled`](Self::canceled).
    pub(crate) fn is_canceled(&self) -> bool {
        self.error_type == CANCELED
    }
}
