//! One server event: the raw payload, cheap views of the members every job needs, and the typed payload on demand.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::payload::EventPayload;
use super::preview::{PreviewError, PreviewImage};
use crate::lenient;

/// An event of the server, as it was received.
///
/// Cloning is cheap: all clones share one payload, and the typed form is decoded once, when it is first asked for.
///
/// The accessors read the raw payload, so they work for any server version and for events this crate has never heard
/// of. They answer `None` where the payload lacks the member or holds `null`.
///
/// ```
/// use invokeai_client::events::Event;
/// use serde_json::json;
///
/// let event = Event::new("queue_item_status_changed", json!({"item_id": 7, "status": "completed"}));
/// assert_eq!(event.item_id(), Some(7));
/// assert_eq!(event.status(), Some("completed"));
/// ```
#[derive(Clone)]
pub struct Event {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    data: Value,
    payload: OnceLock<EventPayload>,
}

/// The node an `invocation_*` event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvocationRef<'a> {
    /// Id of the node in the submitted graph (`invocation_source_id`), which is its id in the workflow. A node inside
    /// an iteration is executed several times under one source id.
    pub source_id: &'a str,
    /// Id of this execution (`invocation.id`), unique in the session.
    pub prepared_id: &'a str,
    /// The node's type, such as `denoise_latents` (`invocation.type`).
    pub node_type: &'a str,
}

impl Event {
    /// An event with this name and payload.
    pub fn new(name: impl Into<String>, data: Value) -> Self {
        let (name, payload) = (name.into(), OnceLock::new());
        Self { inner: Arc::new(Inner { name, data, payload }) }
    }

    /// The event's name, such as `invocation_complete`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The payload as the server sent it.
    pub fn data(&self) -> &Value {
        &self.inner.data
    }

    /// The typed payload. Names this crate does not know, and payloads that do not fit their type, are variants of
    /// their own: nothing is lost, because [`Event::data`] stays available.
    pub fn payload(&self) -> &EventPayload {
        self.inner.payload.get_or_init(|| EventPayload::decode(&self.inner.name, &self.inner.data))
    }

    /// When the server made the event, in seconds since the Unix epoch by the server's clock.
    pub fn timestamp(&self) -> Option<i64> {
        lenient::integer_at(self.data(), "timestamp")
    }

    /// The queue the event belongs to. Events about models, downloads and workflows have none.
    pub fn queue_id(&self) -> Option<&str> {
        self.text("queue_id")
    }

    /// The batch the event belongs to. A multi-user server sends `"redacted"` for other users' batches.
    pub fn batch_id(&self) -> Option<&str> {
        self.text("batch_id")
    }

    /// The queue item the event is about, if it is about exactly one.
    pub fn item_id(&self) -> Option<i64> {
        lenient::integer_at(self.data(), "item_id")
    }

    /// Every queue item the event names: its `item_id`, or the members of the list in `queue_items_canceled` and
    /// `queue_items_retried` (which names the *old* items).
    pub fn item_ids(&self) -> impl Iterator<Item = i64> {
        let list = ["canceled_item_ids", "retried_item_ids"].iter().find_map(|key| self.data().get(key)?.as_array());
        self.item_id().into_iter().chain(list.into_iter().flatten().filter_map(lenient::integer))
    }

    /// The session (one execution of a graph) the event belongs to.
    pub fn session_id(&self) -> Option<&str> {
        self.text("session_id")
    }

    /// The `origin` given when the batch was enqueued.
    pub fn origin(&self) -> Option<&str> {
        self.text("origin")
    }

    /// The `destination` given when the batch was enqueued.
    pub fn destination(&self) -> Option<&str> {
        self.text("destination")
    }

    /// The new status of a `queue_item_status_changed` event.
    pub fn status(&self) -> Option<&str> {
        self.text("status")
    }

    /// Counts an item's status changes from 0, so that a late event can be told from a new one. Servers before 6.10
    /// do not send it.
    pub fn status_sequence(&self) -> Option<i64> {
        lenient::integer_at(self.data(), "status_sequence")
    }

    /// The node an `invocation_*` event is about.
    pub fn invocation(&self) -> Option<InvocationRef<'_>> {
        let invocation = self.data().get("invocation")?;
        Some(InvocationRef {
            source_id: self.text("invocation_source_id")?,
            prepared_id: invocation.get("id")?.as_str()?,
            node_type: invocation.get("type")?.as_str()?,
        })
    }

    /// The preview in an `invocation_progress` event, decoded. `Ok(None)` if the event carries no image.
    ///
    /// # Errors
    ///
    /// When there is an image, but not in the form of a base64 data URL with a size.
    pub fn preview(&self) -> Result<Option<PreviewImage>, PreviewError> {
        match self.data().get("image") {
            None | Some(Value::Null) => Ok(None),
            Some(image) => PreviewImage::from_value(image).map(Some),
        }
    }

    /// Whether the event only reports progress: a later one of its kind makes it worthless.
    pub fn is_progress(&self) -> bool {
        self.name().ends_with("_progress")
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.data().get(key)?.as_str()
    }
}

/// Leaves the payload out: it may be a megabyte of preview image.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Event");
        out.field("name", &self.name());
        for (key, value) in ["queue_id", "batch_id", "status"].map(|key| (key, self.text(key))) {
            if let Some(value) = value {
                out.field(key, &value);
            }
        }
        if let Some(id) = self.item_id() {
            out.field("item_id", &id);
        }
        if let Some(node) = self.invocation() {
            out.field("node", &node.source_id);
        }
        out.finish_non_exhaustive()
    }
}
