//! How far a run is, as callers see it while it goes on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::record::{Record, State};
use crate::{
    progress::{PreviewImage, SubmissionProgress},
    serve::wording::without_places,
};

/// What is known now of a run.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Shown {
    pub(in crate::serve) record: Arc<Record>,
    pub(in crate::serve) state: State,
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

    /// Takes note of how far it is.
    pub(in crate::serve) fn advance(&mut self, step: Step) {
        if let Some(state) = step.state {
            self.state = state;
        }
        self.progress = step.progress;
        if step.preview.is_some() {
            self.preview = step.preview;
        }
    }
}

/// How far a run is, whatever runs it.
pub(in crate::serve) struct Step {
    /// Where it stands, if this says so.
    state: Option<State>,
    progress: Value,
    preview: Option<PreviewImage>,
}

impl Step {
    /// As a server reports it. One item stands for all if several run: a caller knows nothing that distinguishes them.
    pub(in crate::serve) fn of(all: &SubmissionProgress) -> Self {
        let item = all.running.values().find(|item| item.node.is_some()).or_else(|| all.running.values().next());
        let has_begun = all.ended() > 0 || item.is_some_and(|item| item.node.is_some() || item.nodes_done > 0);
        Self {
            state: has_begun.then_some(State::Running),
            progress: json!({
                "fraction": all.fraction(),
                "items": all.requested.max(all.enqueued),
                "items_ended": all.ended(),
                "node": item.and_then(|item| item.node.as_ref()).map(|node| node.name()),
                "node_fraction": item.and_then(|item| item.node_fraction),
                "message": item.and_then(|item| item.message.as_deref()).map(without_places),
            }),
            preview: item.and_then(|item| item.preview.clone()),
        }
    }

    /// As a fleet tells it, which does not know how far its servers are.
    #[cfg(feature = "fleet")]
    pub(in crate::serve) fn of_job(has_begun: bool, message: String) -> Self {
        let progress = json!({
            "fraction": 0.0, "items": 1, "items_ended": 0, "node": null, "node_fraction": null, "message": message,
        });
        // What a worker gave up waits again.
        let state = if has_begun { State::Running } else { State::Pending };
        Self { state: Some(state), progress, preview: None }
    }
}
