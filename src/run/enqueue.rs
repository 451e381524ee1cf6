//! Putting a batch on a queue, exactly once.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::lost::{Found, Search};
use crate::{
    Client,
    error::{Error, Result},
};

/// What became of an enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enqueued {
    /// Ids of the new items, in the order in which they run.
    pub(crate) item_ids: Vec<i64>,
    /// How many items the queue took.
    pub(crate) placed: u64,
    /// What in the server's answer does not add up, so that there may be more items.
    problem: Option<String>,
}

impl Enqueued {
    /// Why nothing may be added to the batch: it is not certain what it already holds.
    pub(crate) fn trouble(&self) -> Option<Error> {
        self.problem.as_ref().map(|problem| Error::decode("enqueue_batch", "item_ids", problem, ""))
    }
}

/// `EnqueueBatchResult`, as far as it is needed.
struct Answer {
    enqueued: u64,
    /// Newest first, with the ids that the batch had before. Servers before 6.0 send none.
    item_ids: Option<Vec<i64>>,
}

crate::json::record::readable! { Answer { 0 enqueued, 1 item_ids default } }

impl Answer {
    /// The items that it names, without those `known` before, oldest first. SQLite counts from 1.
    fn new_ids(&self, known: &[i64]) -> Vec<i64> {
        let known: HashSet<&i64> = known.iter().collect();
        let named = self.item_ids.iter().flatten();
        BTreeSet::from_iter(named.filter(|id| **id > 0 && !known.contains(id)).copied()).into_iter().collect()
    }
}

/// Enqueues a body that names its batch id. `known` are the items that the batch already has, `requested` is how many
/// the body asks for.
///
/// The request is sent once. If its answer is lost, or names more or fewer items than it counts, the batch is looked for
/// by its id. If it cannot be found, the error says that it may have been sent.
pub(crate) async fn enqueue(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    body: &impl Serialize,
    known: &[i64],
    requested: u64,
) -> Result<Enqueued> {
    let search = Search::new(client, queue_id, batch_id, known, requested);
    let enqueued = match send(client, queue_id, body).await {
        Ok(answer) => {
            let (placed, named) = (answer.enqueued.min(requested), answer.new_ids(known));
            if named.len() as u64 == placed {
                return Ok(Enqueued { item_ids: named, placed, problem: None });
            }
            // Children of called workflows belong to the same batch, and are named, too.
            tracing::debug!(batch_id, placed, named = named.len(), "an enqueue names more or fewer items than counted");
            let Found { item_ids, .. } = search.run(placed, named).await;
            let found = item_ids.len();
            let problem = (found as u64 != placed).then(|| {
                format!("the queue says that it took {placed} items, but {found} of batch {batch_id} can be found")
            });
            Enqueued { item_ids, placed, problem }
        }
        Err(error) if error.may_have_been_sent() => {
            tracing::warn!(batch_id, %error, "the answer to an enqueue was lost; looking for the batch");
            let Found { item_ids, is_all } = search.run(requested, Vec::new()).await;
            if item_ids.is_empty() {
                return Err(error);
            }
            let problem = (!is_all).then(|| {
                format!(
                    "it was lost ({error}), and not all items of batch {batch_id} that the queue counts can be found"
                )
            });
            Enqueued { placed: item_ids.len() as u64, item_ids, problem }
        }
        Err(error) => return Err(error),
    };
    match enqueued.trouble() {
        Some(error) if enqueued.item_ids.is_empty() => Err(error),
        // The items found are followed; the caller reports what is wrong.
        _ => Ok(enqueued),
    }
}

async fn send(client: &Client, queue_id: &str, body: &impl Serialize) -> Result<Answer> {
    let api = client.api();
    api.enqueue_batch().queue_id(queue_id).send_json_as(body).await
}
