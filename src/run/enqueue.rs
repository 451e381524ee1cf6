//! Putting a batch on a queue, exactly once.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::{lost::Search, plan::Piece};
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
    /// Whether there are fewer than there should be, and they may be any.
    is_unclear: bool,
}

impl Enqueued {
    /// Why nothing may be added to the batch: it is not certain what it already holds.
    pub(crate) fn trouble(&self) -> Option<Error> {
        self.problem.as_ref().map(|problem| Error::decode("enqueue_batch", "item_ids", problem, ""))
    }

    /// The same, if not even the items found can be followed: others may be gone, so that it is not certain which of
    /// those that were asked for they are.
    pub(crate) fn doubt(&self) -> Option<Error> {
        self.trouble().filter(|_| self.is_unclear)
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

/// Enqueues a piece whose body names its batch id. `known` are the items that the batch already has.
///
/// The request is sent once. If its answer is lost, or names more or fewer items than it counts, the batch is looked for
/// by its id. If it cannot be found, the error says that it may have been sent.
///
/// Fewer items than were asked for may be all that the queue had room for, or what others have left of them: they prune
/// what has ended. The number alone does not tell. So the queue took just these only if they are the first by their
/// values, and none had begun when it was first seen: items begin in order, so no later one can have ended.
pub(crate) async fn enqueue(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    piece: &Piece<'_>,
    known: &[i64],
) -> Result<Enqueued> {
    let requested = piece.sessions;
    let search = Search::new(client, queue_id, batch_id, known, requested);
    let enqueued = match send(client, queue_id, &piece.body).await {
        Ok(answer) => {
            let (placed, named) = (answer.enqueued.min(requested), answer.new_ids(known));
            if named.len() as u64 == placed {
                return Ok(Enqueued { item_ids: named, placed, problem: None, is_unclear: false });
            }
            // Children of called workflows belong to the same batch, and are named, too.
            tracing::debug!(batch_id, placed, named = named.len(), "an enqueue names more or fewer items than counted");
            let found = search.run(placed, named).await;
            let count = found.item_ids.len() as u64;
            let problem = (count != placed).then(|| {
                format!("the queue says that it took {placed} items, but {count} of batch {batch_id} can be found")
            });
            let is_unclear = count < placed && !found.begins(piece);
            Enqueued { item_ids: found.item_ids, placed, problem, is_unclear }
        }
        Err(error) if error.may_have_been_sent() => {
            tracing::warn!(batch_id, %error, "the answer to an enqueue was lost; looking for the batch");
            let found = search.run(requested, Vec::new()).await;
            let placed = found.item_ids.len() as u64;
            if placed == 0 {
                return Err(error);
            }
            let is_unclear = placed < requested && !(found.is_all && found.none_had_begun() && found.begins(piece));
            let problem = is_unclear.then(|| {
                format!(
                    "it was lost ({error}), and {placed} items of batch {batch_id} can be found: it is not certain which of \
                     {requested} they are, and whether others have run already"
                )
            });
            Enqueued { item_ids: found.item_ids, placed, problem, is_unclear }
        }
        Err(error) => return Err(error),
    };
    match enqueued.trouble() {
        Some(error) if enqueued.item_ids.is_empty() => Err(error),
        // The caller reports what is wrong.
        _ => Ok(enqueued),
    }
}

async fn send(client: &Client, queue_id: &str, body: &impl Serialize) -> Result<Answer> {
    let api = client.api();
    api.enqueue_batch().queue_id(queue_id).send_json_as(body).await
}
