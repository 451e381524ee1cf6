//! What the server says about queue items.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{open_enum::open_enum, timestamp::Timestamp};

open_enum! {
    /// Status of a queue item (`session_queue_common.py`).
    ItemStatus {
        /// Waiting for its turn.
        Pending = "pending",
        /// Running.
        InProgress = "in_progress",
        /// Suspended until a saved workflow that it called has run. Not a final status.
        Waiting = "waiting",
        /// Ended successfully.
        Completed = "completed",
        /// Ended with an error.
        Failed = "failed",
        /// Ended by request, or because the server was restarted while it ran.
        Canceled = "canceled",
    }
}

impl ItemStatus {
    /// Whether the item has ended. An ended item never changes again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

/// One queue item in full: `GET /api/v1/queue/{queue_id}/i/{item_id}`.
///
/// The server leaves out members that are null. Servers before 6.13 lack some.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct QueueItem {
    /// Id of the item. Ids rise with each item that the server creates.
    pub item_id: i64,
    /// Its status.
    pub status: ItemStatus,
    /// Rises with each change of status. Since 6.13.
    pub status_sequence: Option<i64>,
    /// Its batch. Children of a `call_saved_workflow` node have the batch of their parent.
    pub batch_id: String,
    /// Its queue.
    pub queue_id: String,
    /// Its session, one execution of a graph.
    pub session_id: String,
    /// Origin that its batch was enqueued with.
    pub origin: Option<String>,
    /// Destination that its batch was enqueued with.
    pub destination: Option<String>,
    /// Higher goes first.
    pub priority: i64,
    /// Class of the exception, if it failed.
    pub error_type: Option<String>,
    /// Text of the exception, if it failed.
    pub error_message: Option<String>,
    /// Python traceback with paths of the server, if it failed.
    pub error_traceback: Option<String>,
    /// When it was enqueued.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended, whatever the outcome.
    pub completed_at: Option<Timestamp>,
    /// Values that the batch put into the graph for this item.
    pub field_values: Option<Vec<FieldValue>>,
    /// The item it was retried from.
    pub retried_from_item_id: Option<i64>,
    /// The item whose `call_saved_workflow` node created it.
    pub parent_item_id: Option<i64>,
    /// The execution: graph, results, errors. The results are empty while it runs.
    pub session: Value,
    /// The workflow sent along, if any.
    pub workflow: Option<Value>,
}

crate::json::record::record! {
    QueueItem {
        0 item_id, 1 status, 2 status_sequence default, 3 batch_id, 4 queue_id default, 5 session_id default,
        6 origin default, 7 destination default, 8 priority default, 9 error_type default, 10 error_message default,
        11 error_traceback default, 12 created_at default, 13 updated_at default, 14 started_at default,
        15 completed_at default, 16 field_values default, 17 retried_from_item_id default, 18 parent_item_id default,
        19 session default, 20 workflow default,
    }
}

crate::base::debug::short_debug! { QueueItem { item_id, status, status_sequence, batch_id, queue_id, session_id, origin, destination, priority, error_type, error_message, created_at, updated_at, started_at, completed_at, field_values, retried_from_item_id, parent_item_id; .. } }

impl QueueItem {
    /// Time from start to end, by the server's clock. Includes the pause of about half a second that InvokeAI takes
    /// before each item.
    pub fn elapsed(&self) -> Option<Duration> {
        let (started, ended) = (self.started_at.as_ref()?, self.completed_at.as_ref()?);
        ended.to_system_time()?.duration_since(started.to_system_time()?).ok()
    }
}

/// A queue item without its session.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ItemSummary {
    /// Id of the item.
    pub item_id: i64,
    /// Its status.
    pub status: ItemStatus,
    /// Its batch.
    pub batch_id: String,
    /// Origin that its batch was enqueued with.
    pub origin: Option<String>,
    /// Destination that its batch was enqueued with.
    pub destination: Option<String>,
    /// When it was enqueued.
    pub created_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended, whatever the outcome.
    pub completed_at: Option<Timestamp>,
    /// Values that the batch put into the graph for this item.
    pub field_values: Option<Vec<FieldValue>>,
    /// The item whose `call_saved_workflow` node created it.
    pub parent_item_id: Option<i64>,
}

crate::json::record::record! {
    ItemSummary {
        0 item_id, 1 status, 2 batch_id, 3 origin default, 4 destination default, 5 created_at default,
        6 started_at default, 7 completed_at default, 8 field_values default, 9 parent_item_id default,
    }
}

crate::base::debug::short_debug! {
    ItemSummary {
        item_id, status, batch_id, origin, destination, created_at, started_at, completed_at, field_values,
        parent_item_id
    }
}

/// One value that a batch put into the graph.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldValue {
    /// The node.
    pub node_path: String,
    /// The field of the node.
    pub field_name: String,
    /// The value.
    pub value: Value,
}

crate::json::record::record! { FieldValue { 0 node_path, 1 field_name, 2 value default } }

crate::base::debug::short_debug! { FieldValue { node_path, field_name, value; .. } }

/// Number of items with each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting for their turn.
    pub pending: u64,
    /// Running.
    pub in_progress: u64,
    /// Suspended for a called workflow. Since 6.14.
    pub waiting: u64,
    /// Ended successfully.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Canceled.
    pub canceled: u64,
    /// All of them.
    pub total: u64,
}

crate::json::record::record! {
    Counts {
        0 pending default, 1 in_progress default, 2 waiting default, 3 completed default, 4 failed default,
        5 canceled default, 6 total default,
    }
}

impl Counts {
    /// Number of items that have ended.
    pub fn ended(&self) -> u64 {
        self.completed.saturating_add(self.failed).saturating_add(self.canceled)
    }

    /// Number of items that wait or run.
    pub fn left(&self) -> u64 {
        self.pending.saturating_add(self.waiting).saturating_add(self.in_progress)
    }
}

/// State of a queue: `GET /api/v1/queue/{queue_id}/status`.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct QueueStatus {
    /// The queue's items.
    pub queue: QueueCounts,
    /// The processor that runs all queues.
    pub processor: ProcessorStatus,
}

crate::json::record::record! { QueueStatus { 0 queue, 1 processor } }

crate::base::debug::short_debug! { QueueStatus { queue, processor } }

/// Counts of a queue, and what runs in it.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
#[serde(from = "SentQueueCounts")]
pub struct QueueCounts {
    /// Id of the queue.
    pub queue_id: String,
    /// The item that runs, if any.
    pub item_id: Option<i64>,
    /// The batch of the item that runs.
    pub batch_id: Option<String>,
    /// Number of items with each status.
    #[serde(flatten)]
    pub counts: Counts,
}

crate::base::debug::short_debug! { QueueCounts { queue_id, item_id, batch_id, counts } }

/// State of the one processor that serves all queues of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorStatus {
    /// False while paused.
    pub is_started: bool,
    /// Whether an item runs now.
    pub is_processing: bool,
}

crate::json::record::record! { ProcessorStatus { 0 is_started, 1 is_processing } }

/// State of a batch: `GET /api/v1/queue/{queue_id}/b/{batch_id}/status`.
///
/// A batch that never existed, or whose items were pruned, has counts of zero.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
#[serde(from = "SentBatchStatus")]
pub struct BatchStatus {
    /// Id of the batch.
    pub batch_id: String,
    /// Origin that it was enqueued with.
    pub origin: Option<String>,
    /// Destination that it was enqueued with.
    pub destination: Option<String>,
    /// Number of items with each status.
    #[serde(flatten)]
    pub counts: Counts,
}

crate::base::debug::short_debug! { BatchStatus { batch_id, origin, destination, counts } }

/// Defines the form that is sent, with counts beside the other members. `flatten` would read them from a buffer, where
/// an error cannot name its place.
macro_rules! with_counts {
    ($sent:ident => $read:ident { $($place:literal $member:ident $($word:ident)?: $kind:ty,)* }) => {
        struct $sent {
            $($member: $kind,)*
            pending: u64,
            in_progress: u64,
            waiting: u64,
            completed: u64,
            failed: u64,
            canceled: u64,
            total: u64,
        }

        crate::json::record::readable! {
            $sent {
                $($place $member $($word)?,)*
                3 pending default, 4 in_progress default, 5 waiting default, 6 completed default, 7 failed default,
                8 canceled default, 9 total default,
            }
        }

        impl From<$sent> for $read {
            fn from(sent: $sent) -> Self {
                let $sent { $($member,)* pending, in_progress, waiting, completed, failed, canceled, total } = sent;
                let counts = Counts { pending, in_progress, waiting, completed, failed, canceled, total };
                Self { $($member,)* counts }
            }
        }
    };
}

with_counts!(SentQueueCounts => QueueCounts {
    0 queue_id: String,
    1 item_id nullable: Option<i64>,
    2 batch_id nullable: Option<String>,
});
with_counts!(SentBatchStatus => BatchStatus {
    0 batch_id: String,
    1 origin nullable: Option<String>,
    2 destination nullable: Option<String>,
});
