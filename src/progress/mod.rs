//! Progress of a queue item: a snapshot for progress bars, made from the server's events.

mod submission;

pub use submission::SubmissionProgress;

use std::collections::{HashMap, HashSet};

pub use crate::events::{PreviewError, PreviewImage};
pub use crate::queue::ItemStatus;
use crate::{error::failure::JobFailure, events::Event, schema::node_ref::NodeRef};

/// Progress of a queue item.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Status of the item.
    pub status: ItemStatus,
    /// How many nodes of the graph have finished at least once, or all of them once the item is completed.
    pub nodes_done: usize,
    /// How many nodes the graph has.
    pub nodes_total: usize,
    /// How many executions have finished. Exceeds `nodes_done` where nodes are iterated.
    pub executions_done: usize,
    /// The node that runs now.
    pub node: Option<NodeRef>,
    /// Progress of that node, from 0 to 1, if it reports any.
    pub node_fraction: Option<f64>,
    /// What that node says it is doing, such as `Denoising`.
    pub message: Option<String>,
    /// The last preview of the item.
    pub preview: Option<PreviewImage>,
    /// What went wrong, if the item failed.
    pub failure: Option<JobFailure>,
}

crate::base::debug::short_debug! {
    Progress {
        status, nodes_done, nodes_total, executions_done, node, node_fraction, message, preview, failure
    }
}

/// Folds events into a [`Progress`].
///
/// Events may come late, twice, or out of order: the result is the same as far as possible. Events of other items are
/// ignored. In particular the status never goes back, a node that has finished does not start again, and no node runs
/// once the item is completed, failed or canceled.
///
/// ```
/// use invokeai_client::events::Event;
/// use invokeai_client::progress::ProgressTracker;
/// use serde_json::json;
///
/// let mut tracker = ProgressTracker::new(7, [("n1", Some("Add")), ("n2", None)]);
/// let node = json!({"id": "prepared", "type": "add"});
/// tracker.apply(&Event::new(
///     "invocation_complete",
///     json!({"item_id": 7, "invocation_source_id": "n1", "invocation": node}),
/// ));
/// assert_eq!((tracker.progress().nodes_done, tracker.progress().nodes_total), (1, 2));
/// assert_eq!(tracker.progress().fraction(), 0.5);
/// ```
#[derive(Clone)]
pub struct ProgressTracker {
    item_id: i64,
    titles: HashMap<String, String>,
    sequence: Option<i64>,
    /// Prepared ids of finished executions.
    executed: HashSet<String>,
    /// Ids of the nodes they belong to.
    nodes: HashSet<String>,
    progress: Progress,
}

crate::base::debug::short_debug! { ProgressTracker { item_id, titles, sequence, executed, nodes, progress } }

impl Progress {
    /// Progress of the whole item, from 0 to 1. Every node counts the same, so it is only a rough guide: one node
    /// usually takes most of the time.
    pub fn fraction(&self) -> f64 {
        if self.status == ItemStatus::Completed {
            return 1.0;
        }
        let done = self.nodes_done as f64 + self.node_fraction.unwrap_or(0.0);
        if self.nodes_total == 0 { 0.0 } else { (done / self.nodes_total as f64).clamp(0.0, 1.0) }
    }

    /// Whether the item has ended: completed, failed or canceled.
    pub fn is_finished(&self) -> bool {
        self.status.is_final()
    }
}

impl ProgressTracker {
    /// Creates a tracker for this item, whose graph has these nodes: their ids, and their titles in the workflow.
    pub fn new<I, T>(item_id: i64, nodes: impl IntoIterator<Item = (I, Option<T>)>) -> Self
    where
        I: Into<String>,
        T: Into<String>,
    {
        let mut nodes_total = 0;
        let titled = nodes.into_iter().inspect(|_| nodes_total += 1);
        let titles = titled.filter_map(|(id, title)| Some((id.into(), title?.into()))).collect();
        Self {
            item_id,
            titles,
            sequence: None,
            executed: HashSet::new(),
            nodes: HashSet::new(),
            progress: Progress {
                status: ItemStatus::Pending,
                nodes_done: 0,
                nodes_total,
                executions_done: 0,
                node: None,
                node_fraction: None,
                message: None,
                preview: None,
                failure: None,
            },
        }
    }

    /// The state after all events so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Applies an event. Returns whether it changed anything.
    pub fn apply(&mut self, event: &Event) -> bool {
        event.any_item_id(|id| id == self.item_id) && self.apply_own(event)
    }

    /// Applies an event of this item.
    pub(crate) fn apply_own(&mut self, event: &Event) -> bool {
        match (event.name(), event.invocation()) {
            ("queue_item_status_changed", _) => self.status_event(event),
            ("queue_items_canceled", _) => self.set_status(ItemStatus::Canceled, None),
            ("invocation_error", Some(node)) => self.failed(event, node),
            ("invocation_complete", Some(node)) => self.completed(node),
            _ if self.progress.is_finished() => false,
            ("invocation_started", Some(node)) => self.started(node),
            ("invocation_progress", Some(node)) => self.progressed(event, node),
            _ => false,
        }
    }

    /// Applies a status that was read over HTTP, with its `status_sequence` if the server has one. Returns whether it
    /// changed anything.
    pub fn set_status(&mut self, status: ItemStatus, sequence: Option<i64>) -> bool {
        let stale = match (self.sequence, sequence) {
            (Some(known), Some(new)) => new <= known,
            _ => status == self.progress.status || status == ItemStatus::Pending,
        };
        if stale || self.progress.is_finished() {
            return false;
        }
        self.sequence = sequence.or(self.sequence);
        if status.is_final() {
            self.leave_node();
        }
        self.progress.status = status;
        self.progress.nodes_done = self.nodes_done();
        true
    }

    /// In a completed item all nodes are done, even those that did not need to run.
    fn nodes_done(&self) -> usize {
        match self.progress.status {
            ItemStatus::Completed => self.progress.nodes_total,
            _ => self.nodes.len(),
        }
    }

    fn status_event(&mut self, event: &Event) -> bool {
        let Some(status) = event.status() else { return false };
        let changed = self.set_status(status.into(), event.status_sequence());
        if changed && self.progress.status == ItemStatus::Failed && self.progress.failure.is_none() {
            self.progress.failure = self.failure(event, None);
        }
        changed
    }

    /// Comes after the item's status, so it counts even then.
    fn failed(&mut self, event: &Event, node: NodeRef) -> bool {
        let known = self.progress.failure.as_ref().is_some_and(|failure| failure.node.is_some());
        if known || (self.progress.is_finished() && self.progress.status != ItemStatus::Failed) {
            return false;
        }
        self.progress.failure = self.failure(event, Some(self.titled(node)));
        self.leave_node();
        true
    }

    fn started(&mut self, node: NodeRef) -> bool {
        !self.is_executed(&node) && self.enter_node(node)
    }

    fn progressed(&mut self, event: &Event, node: NodeRef) -> bool {
        if self.is_executed(&node) {
            return false;
        }
        self.enter_node(node);
        self.progress.node_fraction = event.percentage().map(|part| part.clamp(0.0, 1.0));
        self.progress.message = event.message();
        match event.preview() {
            Ok(Some(preview)) => self.progress.preview = Some(preview),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, item_id = self.item_id, "preview left out"),
        }
        true
    }

    fn completed(&mut self, node: NodeRef) -> bool {
        if self.is_executed(&node) {
            return false;
        }
        let is_running = self.progress.node.as_ref().is_some_and(|running| running.prepared_id == node.prepared_id);
        self.executed.extend(node.prepared_id);
        self.nodes.insert(node.id);
        self.progress.executions_done = self.executed.len();
        self.progress.nodes_total = self.progress.nodes_total.max(self.nodes.len());
        self.progress.nodes_done = self.nodes_done();
        if is_running {
            self.leave_node();
        }
        true
    }

    /// Makes a node the running one; returns whether that is a change.
    fn enter_node(&mut self, node: NodeRef) -> bool {
        if self.progress.status == ItemStatus::Pending {
            // Its status event is on the way.
            self.progress.status = ItemStatus::InProgress;
        }
        if self.progress.node.as_ref().is_some_and(|running| running.prepared_id == node.prepared_id) {
            return false;
        }
        self.leave_node();
        self.progress.node = Some(self.titled(node));
        true
    }

    fn leave_node(&mut self) {
        (self.progress.node, self.progress.node_fraction, self.progress.message) = (None, None, None);
    }

    fn is_executed(&self, node: &NodeRef) -> bool {
        node.prepared_id.as_ref().is_some_and(|id| self.executed.contains(id))
    }

    /// Events name nodes without their titles.
    fn titled(&self, node: NodeRef) -> NodeRef {
        NodeRef { title: self.titles.get(&node.id).cloned(), ..node }
    }

    fn failure(&self, event: &Event, node: Option<NodeRef>) -> Option<JobFailure> {
        let (error_type, message) = (event.text("error_type"), event.text("error_message"));
        if error_type.is_none() && message.is_none() && node.is_none() {
            return None;
        }
        Some(JobFailure {
            item_id: self.item_id,
            node,
            error_type: error_type.unwrap_or_else(|| "Error".into()),
            message: message.unwrap_or_else(|| "the server gave no reason".into()),
            traceback: event.text("error_traceback"),
        })
    }
}
