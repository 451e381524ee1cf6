//! Runs on one server: each is a batch of its queue.

use std::{
    future::IntoFuture as _,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{
    Client, Submission, Ticket,
    error::{Error, Result},
    queue::DEFAULT_QUEUE,
    serve::offer::Offer,
};

/// How long an enqueue without an answer may still arrive: as long as the library itself waits for one that was lost.
const LATE: Duration = Duration::from_secs(20);

/// Where the batch of a submission says it comes from.
const ORIGIN: &str = "invokeai-client serve";

/// Enqueues a workflow with these values as this batch.
pub(super) async fn submit(
    client: &Client,
    offer: &Offer,
    values: &Map<String, Value>,
    batch_id: &str,
) -> Result<Submission> {
    let workflow = offer.with_values(values)?;
    client.submit(&workflow).batch_id(batch_id).origin(ORIGIN).into_future().await
}

/// What was enqueued as this batch. One whose answer was not seen may still be on its way, so it is looked for until it
/// cannot arrive any more.
pub(super) async fn find(client: &Client, batch_id: &str) -> Result<Option<Submission>> {
    let end = Instant::now() + LATE;
    loop {
        let mut ids = match client.queue(DEFAULT_QUEUE).batch_item_ids(batch_id).await {
            Err(error) if error.is_not_found() => Vec::new(),
            ids => ids?,
        };
        if !ids.is_empty() {
            ids.sort_unstable();
            let ticket = json!({"queue_id": DEFAULT_QUEUE, "batch_id": batch_id, "item_ids": ids});
            let ticket: Ticket =
                serde_json::from_value(ticket).map_err(|error| Error::invalid("ticket", error.to_string()))?;
            return Submission::attach(client, &ticket).await.map(Some);
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
