//! Reading from a queue item why it failed.

use serde_json::Value;

use crate::{
    failure::{FailedNode, JobFailure},
    progress::NodeFailure,
    queue::QueueItem,
    run::state::Labels,
};

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
            Some(FailedNode { id: id.to_owned(), title, node_type })
        });
        Self {
            item_id: item.item_id,
            node,
            error_type: item.error_type.clone().unwrap_or_else(|| "Error".into()),
            message: item.error_message.clone().unwrap_or_else(|| "the server gave no reason".into()),
            traceback: item.error_traceback.clone(),
        }
    }

    /// What the events said, where the item cannot be read any more.
    pub(super) fn seen(item_id: i64, seen: Option<NodeFailure>, unreadable: String) -> Self {
        let (node, error_type, message) = match seen {
            Some(NodeFailure { node, error_type, message }) => (node, error_type, message),
            None => (None, String::new(), unreadable),
        };
        let node = node.map(|node| FailedNode { id: node.id, title: node.title, node_type: node.node_type });
        let error_type = if error_type.is_empty() { "Error".into() } else { error_type };
        Self { item_id, node, error_type, message, traceback: None }
    }
}
