//! What a later process needs to attach to a submission.

/// A small record of a submission, for [`Submission::attach`](super::Submission::attach) in another process.
///
/// Holds no secret and no address; store it as JSON.
///
/// ```
/// use invokeai_client::Ticket;
///
/// let json = r#"{"queue_id": "default", "batch_id": "8a1c", "item_ids": [7, 8]}"#;
/// let ticket: Ticket = serde_json::from_str(json).unwrap();
/// assert_eq!(ticket.item_ids, [7, 8]);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticket {
    /// Id of the queue.
    pub queue_id: String,
    /// Id of the batch.
    pub batch_id: String,
    /// Ids of the items, in the order in which they run.
    pub item_ids: Vec<i64>,
}

crate::json::record::record! { Ticket { 0 queue_id, 1 batch_id, 2 item_ids } }

crate::base::debug::short_debug! { Ticket { queue_id, batch_id, item_ids } }
