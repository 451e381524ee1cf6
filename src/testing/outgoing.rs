//! What is sent to sockets.

use serde_json::Value;

/// What is to happen to sockets.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Event(Announcement),
    /// The user's tokens are no longer good.
    Disconnect(String),
}

/// An event on its way to sockets.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) name: &'static str,
    pub(crate) data: Value,
    /// Sockets in any of these rooms receive it.
    pub(crate) rooms: Vec<String>,
    /// But not those in any of these.
    pub(crate) except: Vec<String>,
}
