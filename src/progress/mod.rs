//! Progress of a queue item: a snapshot for progress bars, made from the server's events.

mod submission;

pub use submission::SubmissionProgress;

use std::{collections::HashSet, hash::BuildHasher as _, sync::Arc};

pub use crate::events::{PreviewError, PreviewImage};
pub use crate::queue::ItemStatus;
use crate::{error::failure::JobFailure, events::Event, schema::node_ref::NodeRef};

/// Node ids of a graph, with the titles that the workflow gives them.
pub(crate) type Labels = Arc<Vec<(String, Option<String>)>>;

/// Most executions and nodes of an item that are remembered. An execution beyond that counts each time it is reported.
const REMEMBERED: usize = 10_000;

/// The longest id, type or status that is believed, in bytes. Those of InvokeAI have up to 50.
const LONGEST_NAME: usize = 1024;

/// How much is kept of a message, and of a traceback, in bytes.
const MESSAGE: usize = 8 * 1024;
const TRACEBACK: usize = 16 * 1024;

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
    /// What that node says it is doing, such as `Denoising`. At most 8 KiB of it.
    pub message: Option<String>,
    /// The last preview of the item. In a batch, the last eight items that sent one keep theirs.
    pub preview: Option<PreviewImage>,
    /// What went wrong, if the item failed. At most 8 KiB of the message and 16 KiB of the traceback.
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
    labels: Labels,
    sequence: Option<i64>,
    /// `None` if nothing more is counted.
    seen: Option<Box<Seen>>,
    progress: Progress,
}

crate::base::debug::short_debug! { ProgressTracker { item_id, labels, sequence, seen, progress } }

/// What has finished, so that it counts once. Hashes of ids, which are as long as the server likes.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// By the prepared ids.
    executions: HashSet<u64>,
    /// The nodes they belong to.
    nodes: HashSet<u64>,
}

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
        let labels = nodes.into_iter().map(|(id, title)| (id.into(), title.map(Into::into)));
        Self::sharing(item_id, Arc::new(labels.collect()))
    }

    /// The same, for many items of one graph.
    pub(crate) fn sharing(item_id: i64, labels: Labels) -> Self {
        let nodes_total = labels.len();
        Self {
            item_id,
            labels,
            sequence: None,
            seen: Some(Box::default()),
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

    /// Counts no more. What is left is small, but for the preview.
    pub(crate) fn rest(&mut self) {
        self.seen = None;
        self.leave_node();
    }

    pub(crate) fn forget_preview(&mut self) {
        self.progress.preview = None;
    }

    /// Applies an event. Returns whether it changed anything.
    pub fn apply(&mut self, event: &Event) -> bool {
        event.any_item_id(|id| id == self.item_id) && self.apply_own(event)
    }

    /// Applies an event of this item.
    pub(crate) fn apply_own(&mut self, event: &Event) -> bool {
        let is_absurd = |name: &str| name.len() > LONGEST_NAME;
        let absurd = |node: &NodeRef| {
            is_absurd(&node.id) || is_absurd(&node.node_type) || node.prepared_id.as_deref().is_some_and(is_absurd)
        };
        match (event.name(), event.invocation().filter(|node| !absurd(node))) {
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
        if stale || self.progress.is_finished() || status.as_str().len() > LONGEST_NAME {
            return false;
        }
        self.sequence = sequence.or(self.sequence);
        if status.is_final() {
            self.leave_node();
        }
        self.progress.status = status;
        self.count_nodes();
        true
    }

    /// In a completed item all nodes are done, even those that did not need to run.
    fn count_nodes(&mut self) {
        let Progress { status, nodes_done, nodes_total, .. } = &mut self.progress;
        let seen = self.seen.as_ref().map_or(*nodes_done, |seen| seen.nodes.len());
        *nodes_total = (*nodes_total).max(seen);
        *nodes_done = if *status == ItemStatus::Completed { *nodes_total } else { seen };
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
        self.progress.message = event.message().map(|text| beginning(text, MESSAGE));
        match event.preview() {
            Ok(Some(preview)) => self.progress.preview = Some(preview),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, item_id = self.item_id, "preview left out"),
        }
        true
    }

    fn completed(&mut self, node: NodeRef) -> bool {
        let most_nodes = REMEMBERED.max(self.labels.len());
        let Some(seen) = self.seen.as_mut().filter(|seen| !seen.has(&node)) else { return false };
        remember(&mut seen.executions, node.prepared_id.as_deref(), REMEMBERED);
        remember(&mut seen.nodes, Some(&node.id), most_nodes);
        self.progress.executions_done = self.progress.executions_done.saturating_add(1);
        self.count_nodes();
        if self.progress.node.as_ref().is_some_and(|running| running.prepared_id == node.prepared_id) {
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
        self.seen.as_ref().is_some_and(|seen| seen.has(node))
    }

    /// Events name nodes without their titles.
    fn titled(&self, node: NodeRef) -> NodeRef {
        let label = self.labels.iter().find(|(id, _)| *id == node.id);
        NodeRef { title: label.and_then(|(_, title)| title.clone()), ..node }
    }

    fn failure(&self, event: &Event, node: Option<NodeRef>) -> Option<JobFailure> {
        let text = |name, most| event.text(name).map(|text| beginning(text, most));
        let (error_type, message) = (text("error_type", LONGEST_NAME), text("error_message", MESSAGE));
        if error_type.is_none() && message.is_none() && node.is_none() {
            return None;
        }
        Some(JobFailure {
            item_id: self.item_id,
            node,
            error_type: error_type.unwrap_or_else(|| "Error".into()),
            message: message.unwrap_or_else(|| "the server gave no reason".into()),
            traceback: text("error_traceback", TRACEBACK),
        })
    }
}

impl Seen {
    fn has(&self, node: &NodeRef) -> bool {
        let Self { executions, .. } = self;
        node.prepared_id.as_ref().is_some_and(|id| executions.contains(&executions.hasher().hash_one(id.as_str())))
    }
}

fn remember(hashes: &mut HashSet<u64>, id: Option<&str>, most: usize) {
    if hashes.len() < most {
        let hash = id.map(|id| hashes.hasher().hash_one(id));
        hashes.extend(hash);
    }
}

/// As much of a text as is kept.
fn beginning(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, id: &str, more: &str) -> Event {
        let node = json!({"id": id, "type": "add"});
        Event::new(name, json!({"item_id": 7, "invocation_source_id": "n", "invocation": node, "message": more}))
    }

    #[test]
    fn what_a_server_sends_does_not_pile_up() {
        let mut tracker = ProgressTracker::new(7, [("n", None::<&str>)]);
        let long = "ä".repeat(100_000);
        for name in ["invocation_started", "invocation_progress", "invocation_complete", "invocation_error"] {
            assert!(!tracker.apply(&event(name, &long, "")), "an id that is too long");
        }
        let status = json!({"item_id": 7, "status": long});
        assert!(!tracker.apply(&Event::new("queue_item_status_changed", status)));
        assert!(tracker.apply(&event("invocation_progress", "p", &long)));
        assert_eq!(tracker.progress().message.as_ref().map(String::len), Some(MESSAGE + "…".len()));
        for id in 0..REMEMBERED + 10 {
            assert!(tracker.apply(&event("invocation_complete", &id.to_string(), "")));
        }
        assert!(!tracker.apply(&event("invocation_complete", "0", "")));
        let progress = tracker.progress();
        assert_eq!((progress.nodes_done, progress.executions_done), (1, REMEMBERED + 10));
        let seen = tracker.seen.as_ref().unwrap();
        assert_eq!((seen.executions.len(), seen.nodes.len()), (REMEMBERED, 1));
        tracker.rest();
        assert!(!tracker.apply(&event("invocation_complete", "late", "")));
        assert_eq!(tracker.progress().executions_done, REMEMBERED + 10);
    }
}
