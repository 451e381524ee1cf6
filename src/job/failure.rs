//! Reading from a queue item why it failed.

use serde_json::Value;

use crate::{error::failure::JobFailure, queue::QueueItem, run::state::Labels, schema::node_ref::NodeRef};

impl JobFailure {
    /// Reads it from a failed item. The session says which execution failed, and of which node.
    pub(super) fn of(item: &QueueItem, labels: &Labels) -> Self {
        let member = |name: &str| item.session.get(name);
        let prepared = member("errors").and_then(Value::as_object).and_then(|errors| errors.keys().next());
        let node = prepared.and_then(|prepared| {
            let id = member("prepared_source_mapping")?.get(prepared)?.as_str()?;
            let nodes = member("graph")?.get("nodes")?;
            let node_type = nodes.get(id)?.get("type")?.as_str()?.to_owned();
            let title = labels.iter().find(|(known, _)| known == id).and_then(|(_, title)| title.clone());
            Some(NodeRef::new(id, node_type, title).prepared(prepared))
        });
        Self {
            item_id: item.item_id,
            node,
            error_type: item.error_type.clone().unwrap_or_else(|| "Error".into()),
            message: item.error_message.clone().unwrap_or_else(|| "the server gave no reason".into()),
            traceback: item.error_traceback.clone(),
        }
    }

    /// What the events reported, for an item that can no longer be read.
    pub(super) fn seen(item_id: i64, seen: Option<Self>, unreadable: String) -> Self {
        let unknown = || Self { item_id, node: None, error_type: "Error".into(), message: unreadable, traceback: None };
        seen.unwrap_or_else(unknown)
    }
}
