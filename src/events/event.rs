//! One server event: the raw payload, cheap views of the members every job needs, and the typed payload on demand.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::head::{self, Head};
use super::payload::EventPayload;
use super::preview::{PreviewError, PreviewImage};
use crate::schema::node_ref::NodeRef;

/// An event of the server, as it was received.
///
/// Cloning is cheap: all clones share one payload. It is kept as text; the [tree](Self::data) and the [typed
/// form](Self::payload) are built once, when they are first asked for.
///
/// The accessors read the raw payload, so they work for any server version and for events this crate has never heard
/// of. They return `None` if the payload lacks the member or holds `null`.
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
    json: Box<str>,
    head: Head,
    data: OnceLock<Value>,
    payload: OnceLock<EventPayload>,
}

impl Event {
    /// Creates an event with this name and payload.
    pub fn new(name: impl Into<String>, data: Value) -> Self {
        let json = data.to_string();
        // A payload that is nested deeper than any server's answer may be has no members that matter.
        let head = Head::read(&json).unwrap_or_default();
        let (json, data, payload) = (json.into(), OnceLock::from(data), OnceLock::new());
        Self { inner: Arc::new(Inner { name: name.into(), json, head, data, payload }) }
    }

    /// Creates an event with this name and payload, if the payload is JSON.
    #[cfg(feature = "events")]
    pub(super) fn of_text(name: String, json: &str) -> serde_json::Result<Self> {
        let head = Head::read(json)?;
        let (json, data, payload) = (json.into(), OnceLock::new(), OnceLock::new());
        Ok(Self { inner: Arc::new(Inner { name, json, head, data, payload }) })
    }

    /// The event's name, such as `invocation_complete`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The payload as the server sent it, as a tree. The tree of a large payload may take 50 times the memory of its
    /// [text](Self::json), so it is built when this is first called.
    pub fn data(&self) -> &Value {
        // The text was read before, as strictly as this reads it.
        self.inner.data.get_or_init(|| serde_json::from_str(&self.inner.json).unwrap_or_default())
    }

    /// The payload as the server sent it, as JSON text.
    pub fn json(&self) -> &str {
        &self.inner.json
    }

    /// The typed payload. Names this crate does not know, and payloads that do not fit their type, are variants of
    /// their own: nothing is lost, because [`Event::data`] stays available.
    pub fn payload(&self) -> &EventPayload {
        self.inner.payload.get_or_init(|| EventPayload::decode(&self.inner.name, &self.inner.json))
    }

    /// When the server made the event, in seconds since the Unix epoch by the server's clock.
    pub fn timestamp(&self) -> Option<i64> {
        self.inner.head.timestamp
    }

    /// The queue the event belongs to. Events about models, downloads and workflows have none.
    pub fn queue_id(&self) -> Option<&str> {
        self.inner.head.queue_id.as_deref()
    }

    /// The batch the event belongs to. A multi-user server sends `"redacted"` for other users' batches.
    pub fn batch_id(&self) -> Option<&str> {
        self.inner.head.batch_id.as_deref()
    }

    /// The queue item the event is about, if it is about exactly one.
    pub fn item_id(&self) -> Option<i64> {
        self.inner.head.item_id
    }

    /// Every queue item the event names: its `item_id`, or the members of the list in `queue_items_canceled` and
    /// `queue_items_retried` (which names the *old* items).
    pub fn item_ids(&self) -> impl Iterator<Item = i64> {
        let mut ids = Vec::new();
        self.any_item_id(|id| {
            ids.push(id);
            false
        });
        ids.into_iter()
    }

    /// Whether one of the [items](Self::item_ids) is `wanted`. A list of them is not collected.
    pub(crate) fn any_item_id(&self, mut wanted: impl FnMut(i64) -> bool) -> bool {
        if self.item_id().is_some_and(&mut wanted) {
            return true;
        }
        let mut found = false;
        if let Some(list) = self.inner.head.items.and_then(|list| head::member(self.json(), list)) {
            head::integers(list, |id| {
                found = wanted(id);
                if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
        found
    }

    /// The session (one execution of a graph) the event belongs to.
    pub fn session_id(&self) -> Option<&str> {
        self.inner.head.session_id.as_deref()
    }

    /// The `origin` given when the batch was enqueued.
    pub fn origin(&self) -> Option<&str> {
        self.inner.head.origin.as_deref()
    }

    /// The `destination` given when the batch was enqueued.
    pub fn destination(&self) -> Option<&str> {
        self.inner.head.destination.as_deref()
    }

    /// The new status of a `queue_item_status_changed` event.
    pub fn status(&self) -> Option<&str> {
        self.inner.head.status.as_deref()
    }

    /// Counts an item's status changes from 0, so that a late event can be distinguished from a new one. Servers before
    /// 6.10 do not send it.
    pub fn status_sequence(&self) -> Option<i64> {
        self.inner.head.status_sequence
    }

    /// The node an `invocation_*` event is about, by its id in the submitted graph (`invocation_source_id`), which is
    /// also its id in the workflow, and the id of its execution (`invocation.id`). Events do not include titles.
    pub fn invocation(&self) -> Option<NodeRef> {
        let Head { source_id, invocation: (id, kind), .. } = &self.inner.head;
        Some(NodeRef::new(source_id.as_deref()?, kind.as_deref()?, None).prepared(id.as_deref()?))
    }

    /// Progress of the node or task, from 0 to 1, in an event about progress.
    pub fn percentage(&self) -> Option<f64> {
        self.inner.head.percentage
    }

    /// What the node or task says it is doing, in an event about progress.
    pub fn message(&self) -> Option<String> {
        self.text("message")
    }

    /// The preview in an `invocation_progress` event, decoded. `Ok(None)` if the event carries no image.
    ///
    /// # Errors
    ///
    /// When there is an image, but not in the form of a base64 data URL with a size.
    pub fn preview(&self) -> Result<Option<PreviewImage>, PreviewError> {
        match head::member(self.json(), "image") {
            None | Some("null") => Ok(None),
            Some(image) => {
                let size = |name| head::integer(image, name);
                PreviewImage::of_parts(head::text(image, "dataURL").as_deref(), size).map(Some)
            }
        }
    }

    /// Whether the event only reports progress: a later one of its kind supersedes it.
    pub fn is_progress(&self) -> bool {
        self.name().ends_with("_progress")
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        head::text(self.json(), name)
    }
}

/// Leaves the payload out: it may be a megabyte of preview image.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let mut out = f.debug_struct("Event");
            out.field("name", &self.name());
            let Head { queue_id, batch_id, status, .. } = &self.inner.head;
            for (key, value) in [("queue_id", queue_id), ("batch_id", batch_id), ("status", status)] {
                if let Some(value) = value {
                    out.field(key, &value);
                }
            }
            if let Some(id) = self.item_id() {
                out.field("item_id", &id);
            }
            if let Some(node) = self.invocation() {
                out.field("node", &node.id);
            }
            out.finish_non_exhaustive()
        })
    }
}
