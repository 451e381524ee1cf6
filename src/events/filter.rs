//! Which events a subscriber wants.

use std::collections::{BTreeSet, HashSet};

use super::Event;

/// A server-side room. InvokeAI sends some events only to sockets that joined one (`invokeai/app/api/sockets.py`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Room {
    Queue(String),
    BulkDownload,
}

/// Selects events by queue, batch and item.
///
/// An event passes when its queue is one of the named ones (or none is named), *and* it belongs to one of the named
/// batches or items (or neither is named). Events that touch a whole queue, such as `queue_cleared`, pass with every
/// batch and item of that queue, and so does `queue_items_canceled` with every batch, because it names no batch.
///
/// The server joins a subscriber to the queues the filter names, or to the queue `default` if it names none.
///
/// ```
/// use invokeai_client::events::{Event, EventFilter};
/// use serde_json::json;
///
/// let filter = EventFilter::all().queue("default").item(7);
/// assert!(filter.matches(&Event::new("invocation_started", json!({"queue_id": "default", "item_id": 7}))));
/// assert!(!filter.matches(&Event::new("invocation_started", json!({"queue_id": "default", "item_id": 8}))));
/// assert!(filter.matches(&Event::new("queue_cleared", json!({"queue_id": "default"}))));
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct EventFilter {
    queues: BTreeSet<String>,
    batches: HashSet<String>,
    items: HashSet<i64>,
}

crate::base::debug::short_debug! { EventFilter { queues, batches, items } }

impl EventFilter {
    /// Everything: all queues, and the events about models, downloads, workflows and bulk downloads.
    pub fn all() -> Self {
        Self::default()
    }

    /// Also lets events of this queue pass.
    pub fn queue(mut self, queue_id: impl Into<String>) -> Self {
        self.queues.insert(queue_id.into());
        self
    }

    /// Also lets events of this batch pass.
    pub fn batch(mut self, batch_id: impl Into<String>) -> Self {
        self.batches.insert(batch_id.into());
        self
    }

    /// Also lets events of this queue item pass.
    pub fn item(mut self, item_id: i64) -> Self {
        self.items.insert(item_id);
        self
    }

    /// Also lets events of these queue items pass.
    pub fn items(mut self, item_ids: impl IntoIterator<Item = i64>) -> Self {
        self.items.extend(item_ids);
        self
    }

    /// Whether this event passes.
    pub fn matches(&self, event: &Event) -> bool {
        if !self.queues.is_empty() && !event.queue_id().is_some_and(|queue| self.queues.contains(queue)) {
            return false;
        }
        if self.batches.is_empty() && self.items.is_empty() {
            return true;
        }
        let batch = event.batch_id();
        if batch.is_none() && !event.any_item_id(|_| true) {
            return event.queue_id().is_some();
        }
        batch.is_some_and(|batch| self.batches.contains(batch))
            || event.any_item_id(|id| self.items.contains(&id))
            || (batch.is_none() && !self.batches.is_empty())
    }

    pub(crate) fn rooms(&self) -> BTreeSet<Room> {
        if self.queues.is_empty() {
            return BTreeSet::from([Room::Queue("default".to_owned()), Room::BulkDownload]);
        }
        self.queues.iter().cloned().map(Room::Queue).collect()
    }
}
