//! How far a run is, as callers are told while it goes on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::record::{Record, State};
use crate::progress::{PreviewImage, SubmissionProgress};

/// What is known now of a run.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Shown {
    pub(in crate::serve) record: Arc<Record>,
    pub(super) state: State,
    pub(in crate::serve) progress: Value,
    pub(in crate::serve) preview: Option<PreviewImage>,
}

impl Shown {
    /// Of a run that nothing more is known of.
    pub(in crate::serve) fn new(record: Record) -> Self {
        Self { record: Arc::new(record), state: State::Pending, progress: Value::Null, preview: None }
    }

    pub(in crate::serve) fn is_ended(&self) -> bool {
        self.record.ended().is_some()
    }

    pub(in crate::serve) fn to_json(&self) -> Value {
        self.record.to_json(self.state, &self.progress)
    }

    /// Takes note of how far it is. One item stands for all if several run: they are told apart by nothing that a caller
    /// knows.
    pub(super) fn advance(&mut self, all: &SubmissionProgress) {
        let item = all.running.values().find(|item| item.node.is_some()).or_else(|| all.running.values().next());
        let has_begun = all.ended() > 0 || item.is_some_and(|item| item.node.is_some() || item.nodes_done > 0);
        if has_begun {
            self.state = State::Running;
        }
        self.progress = json!({
            "fraction": all.fraction(),
            "items": all.requested.max(all.enqueued),
            "items_ended": all.ended(),
            "node": item.and_then(|item| item.node.as_ref()).map(|node| node.name()),
            "node_fraction": item.and_then(|item| item.node_fraction),
            "message": item.and_then(|item| item.message.as_deref()),
        });
        if let Some(preview) = item.and_then(|item| item.preview.as_ref()) {
            self.preview = Some(preview.clone());
        }
    }
}
