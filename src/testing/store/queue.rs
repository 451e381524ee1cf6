//! Queue items.

use super::{Store, now};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The states of an item, in the order in which counts name them.
pub(crate) const STATES: [&str; 6] = ["pending", "in_progress", "waiting", "completed", "failed", "canceled"];

/// An item.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) queue_id: String,
    pub(crate) status: &'static str,
    pub(crate) status_sequence: i64,
    pub(crate) priority: i64,
    pub(crate) batch_id: String,
    pub(crate) origin: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) session_id: String,
    pub(crate) error: Option<ItemError>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) user_id: String,
    /// `null` where the batch had no data.
    pub(crate) field_values: Value,
    pub(crate) retried_from: Option<i64>,
    /// The graph, with the values of the batch in it.
    pub(crate) graph: Value,
    /// `GraphExecutionState`.
    pub(crate) session: Value,
    pub(crate) workflow: Value,
}

/// The error of a failed item.
#[derive(Debug, Clone)]
pub(crate) struct ItemError {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) traceback: String,
}

/// All queues: they share one processor.
#[derive(Default)]
pub(crate) struct Queues {
    pub(crate) items: BTreeMap<i64, Item>,
    last_id: i64,
    /// Whether the processor is paused.
    pub(crate) paused: bool,
    /// Who was served last, where users take turns.
    pub(crate) last_user: Option<String>,
    /// Rises when the server restarts: what ran before belongs to nobody.
    pub(crate) epoch: u64,
}

impl Item {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, "pending" | "in_progress" | "waiting")
    }

    /// Changes its status.
    pub(crate) fn set_status(&mut self, status: &'static str) {
        self.status = status;
        self.status_sequence += 1;
        self.updated_at = now();
        if status == "in_progress" {
            self.started_at = Some(self.updated_at.clone());
        } else if !self.is_open() {
            self.completed_at = Some(self.updated_at.clone());
        }
    }
}

impl Queues {
    /// Adds an item.
    pub(crate) fn add(&mut self, mut item: Item) -> i64 {
        // Ids are not used again.
        self.last_id += 1;
        item.id = self.last_id;
        self.items.insert(item.id, item);
        self.last_id
    }

    /// Items of a queue, in the order of creation.
    pub(crate) fn of<'a>(&'a self, queue_id: &'a str) -> impl DoubleEndedIterator<Item = &'a Item> {
        self.items.values().filter(move |item| item.queue_id == queue_id)
    }

    /// The item that runs next: the highest priority, then the oldest; users take turns.
    pub(crate) fn next(&self, queue_id: Option<&str>) -> Option<&Item> {
        let pending = |item: &&Item| item.status == "pending" && queue_id.is_none_or(|id| item.queue_id == id);
        let same_user = |item: &Item| self.last_user.as_ref() == Some(&item.user_id);
        self.items.values().filter(pending).min_by_key(|item| (-item.priority, same_user(item), item.id))
    }

    /// Counts of some items, each state and all together.
    pub(crate) fn counts<'a>(items: impl Iterator<Item = &'a Item>) -> Map<String, Value> {
        let mut counts = [0; STATES.len()];
        for item in items {
            if let Some(index) = STATES.iter().position(|state| *state == item.status) {
                counts[index] += 1;
            }
        }
        let total: i64 = counts.iter().sum();
        STATES.into_iter().zip(counts).chain([("total", total)]).map(|(name, n)| (name.into(), n.into())).collect()
    }

    /// `BatchStatus`, of the items of a user or of all.
    pub(crate) fn batch_status(&self, queue_id: &str, batch_id: &str, user_id: Option<&str>) -> Value {
        let mine = |item: &&Item| item.batch_id == batch_id && user_id.is_none_or(|user| item.user_id == user);
        let first = self.of(queue_id).find(mine);
        let mut status = Map::new();
        status.insert("queue_id".into(), queue_id.into());
        status.insert("batch_id".into(), batch_id.into());
        status.insert("origin".into(), first.and_then(|item| item.origin.clone()).into());
        status.insert("destination".into(), first.and_then(|item| item.destination.clone()).into());
        status.append(&mut Self::counts(self.of(queue_id).filter(mine)));
        status.into()
    }

    /// `SessionQueueStatus`, as this user sees it.
    pub(crate) fn status(&self, queue_id: &str, user_id: &str, sees_all: bool) -> Value {
        let current = self.of(queue_id).find(|item| item.status == "in_progress");
        let current = current.filter(|item| sees_all || item.user_id == user_id);
        let mut status = Map::new();
        status.insert("queue_id".into(), queue_id.into());
        status.insert("item_id".into(), current.map(|item| item.id).into());
        status.insert("batch_id".into(), current.map(|item| item.batch_id.clone()).into());
        status.insert("session_id".into(), current.map(|item| item.session_id.clone()).into());
        status.append(&mut Self::counts(self.of(queue_id)));
        for (name, state) in [("user_pending", "pending"), ("user_in_progress", "in_progress")] {
            let mine = |item: &&Item| item.user_id == user_id && item.status == state;
            status.insert(name.into(), self.of(queue_id).filter(mine).count().into());
        }
        status.into()
    }
}

impl Store {
    /// `SessionQueueItem`, with every null.
    pub(crate) fn item_dto(&self, item: &Item) -> Value {
        let (name, email) = self.item_owner(item);
        let (kind, message, traceback) = match &item.error {
            Some(error) => (Some(&error.kind), Some(&error.message), Some(&error.traceback)),
            None => (None, None, None),
        };
        json!({
            "item_id": item.id,
            "status": item.status,
            "status_sequence": item.status_sequence,
            "priority": item.priority,
            "batch_id": item.batch_id,
            "origin": item.origin,
            "destination": item.destination,
            "session_id": item.session_id,
            "error_type": kind,
            "error_message": message,
            "error_traceback": traceback,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "started_at": item.started_at,
            "completed_at": item.completed_at,
            "queue_id": item.queue_id,
            "user_id": item.user_id,
            "user_display_name": name,
            "user_email": email,
            "field_values": item.field_values,
            "retried_from_item_id": item.retried_from,
            "device": item.started_at.as_ref().map(|_| "cpu"),
            "workflow_call_id": null,
            "parent_item_id": null,
            "parent_session_id": null,
            "root_item_id": null,
            "workflow_call_depth": null,
            "session": item.session,
            "workflow": item.workflow,
        })
    }

    /// `SessionQueueItemSummary`.
    pub(crate) fn item_summary(&self, item: &Item) -> Value {
        let (name, email) = self.item_owner(item);
        json!({
            "item_id": item.id,
            "created_at": item.created_at,
            "status": item.status,
            "device": item.started_at.as_ref().map(|_| "cpu"),
            "started_at": item.started_at,
            "completed_at": item.completed_at,
            "origin": item.origin,
            "destination": item.destination,
            "batch_id": item.batch_id,
            "user_id": item.user_id,
            "user_display_name": name,
            "user_email": email,
            "field_values": item.field_values,
            "parent_item_id": null,
        })
    }

    fn item_owner(&self, item: &Item) -> (Option<String>, Option<String>) {
        match self.users.all.get(&item.user_id) {
            Some(user) => (user.display_name.clone(), Some(user.email.clone())),
            None if item.user_id == "system" => (Some("System".into()), Some("system@system.invokeai".into())),
            None => (None, None),
        }
    }
}

/// What somebody else's item or summary looks like to a user.
pub(crate) fn redact(dto: &mut Value) {
    let empty_session = json!({"id": "redacted", "graph": {"nodes": {}, "edges": []}});
    let replacements = [("user_id", json!("redacted")), ("batch_id", json!("redacted")), ("priority", json!(0))];
    let replacements = replacements.into_iter().chain([("session_id", json!("redacted")), ("session", empty_session)]);
    let nulls = [
        "user_display_name",
        "user_email",
        "origin",
        "destination",
        "field_values",
        "retried_from_item_id",
        "workflow_call_id",
        "parent_item_id",
        "parent_session_id",
        "root_item_id",
        "workflow_call_depth",
        "workflow",
        "error_type",
        "error_message",
        "error_traceback",
    ];
    for (name, value) in replacements.chain(nulls.map(|name| (name, Value::Null))) {
        if let Some(member) = dto.get_mut(name) {
            *member = value;
        }
    }
}

/// The same without its nulls, as one operation of the server sends it.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(elements) => elements.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
