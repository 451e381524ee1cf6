//! Putting a batch on a queue, exactly once.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    Client, deadline,
    error::{Error, Result},
    queue::ItemSummary,
};

/// How often an enqueue whose answer was lost is looked for.
const PAUSE: Duration = Duration::from_millis(300);

/// What became of an enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enqueued {
    /// Ids of the new items, in the order in which they run.
    pub(crate) item_ids: Vec<i64>,
    /// How many items were asked for.
    pub(crate) requested: u64,
}

/// `EnqueueBatchResult`, as far as it is needed.
#[derive(Deserialize)]
struct Answer {
    enqueued: u64,
    requested: u64,
    /// Newest first, with the ids that the batch had before. Servers before 6.0 send none.
    item_ids: Option<Vec<i64>>,
}

/// Enqueues a body that names its batch id. `known` are the items that the batch has already, `requested` says how many
/// the body asks for.
///
/// The request is sent once. If its answer is lost, the batch is looked for by its id; if it cannot be found, the error
/// says that it may have been sent.
pub(crate) async fn enqueue(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    body: &Value,
    known: &[i64],
    requested: u64,
) -> Result<Enqueued> {
    match send(client, queue_id, body).await {
        Ok(Answer { enqueued, requested, item_ids: Some(mut item_ids) }) => {
            item_ids.truncate(usize::try_from(enqueued).unwrap_or(usize::MAX));
            item_ids.sort_unstable();
            Ok(Enqueued { item_ids, requested })
        }
        // Nothing was taken, so nothing is to be found.
        Ok(Answer { enqueued: 0, requested, item_ids: None }) => Ok(Enqueued { item_ids: Vec::new(), requested }),
        Ok(Answer { enqueued, requested, item_ids: None }) => {
            let found = find(client, queue_id, batch_id, known, requested, enqueued).await;
            found.ok_or_else(|| {
                let problem = format!("not there, and none of the {enqueued} items of batch {batch_id} can be found");
                Error::decode("enqueue_batch", "item_ids", problem, "")
            })
        }
        Err(error) if error.may_have_been_sent() => {
            tracing::warn!(batch_id, %error, "the answer to an enqueue was lost; looking for the batch");
            find(client, queue_id, batch_id, known, requested, 1).await.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

async fn send(client: &Client, queue_id: &str, body: &Value) -> Result<Answer> {
    let api = client.api();
    let call = api
        .enqueue_batch()
        .queue_id(queue_id)
        .body(
            serde_json::from_value::<crate::api::types::BodyEnqueueBatch>(body.clone())
                .map_err(|error| Error::invalid("batch", error.to_string()))?,
        )
        .send_as();
    call.await
}

/// Looks for what a lost answer would have told, until there are `least` items or patience ends. `None` if the server has
/// nothing of it, or cannot be asked.
async fn find(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    known: &[i64],
    requested: u64,
    least: u64,
) -> Option<Enqueued> {
    let queue = client.queue(queue_id);
    let deadline = deadline::after(client.transport().options().lost_answer_patience);
    let mut found: Option<Enqueued> = None;
    loop {
        // The server may be on its way up again, or still at work on the request.
        match queue.batch_items(batch_id).await {
            Ok(items) => {
                let new = |item: &&ItemSummary| item.parent_item_id.is_none() && !known.contains(&item.item_id);
                let item_ids: Vec<i64> = items.iter().filter(new).map(|item| item.item_id).collect();
                let enough = item_ids.len() as u64 >= least;
                // Somebody may prune what has ended already: what was seen stays seen.
                if found.as_ref().is_none_or(|found| item_ids.len() > found.item_ids.len()) && !item_ids.is_empty() {
                    found = Some(Enqueued { item_ids, requested });
                }
                if enough {
                    return found;
                }
            }
            Err(error) => tracing::debug!(batch_id, %error, "cannot look for the batch"),
        }
        if Instant::now() >= deadline {
            return found;
        }
        sleep(PAUSE).await;
    }
}
