//! Canceling what has not ended, before anything is looked for.

use std::collections::HashMap;

use tokio::time::{Instant, sleep, sleep_until};

use super::{BatchRef, Cleanup, CleanupReport, PATIENCE, PAUSE};
use crate::{
    Client,
    assets::{Asset, Assets},
    error::Result,
};

impl Cleanup {
    /// Waits for requests whose answers are not known, until they can no longer enqueue anything.
    pub(super) async fn wait_for_enqueues(&self, batches: &[BatchRef], assets: &Assets) {
        let patience = self.client.transport().options().lost_answer_patience;
        let unanswered = assets.batches.iter().filter(|batch| !batch.answered);
        let concerned = unanswered.filter(|batch| batches.iter().any(|one| one.batch_id == batch.batch_id));
        let until = concerned.filter_map(|batch| self.client.asset_log().may_arrive_until(&batch.batch_id, patience));
        if let Some(until) = until.max() {
            sleep_until(until).await;
        }
    }

    /// Cancels what has not ended, and waits until it has. Gives the number of items of each batch.
    pub(super) async fn cancel_all(&self, batches: &[BatchRef], report: &mut CleanupReport) -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        for batch in batches {
            match cancel_batch(&self.client, batch).await {
                Ok(count) => {
                    counts.insert(batch.batch_id.clone(), count);
                }
                Err(error) => report.fail(Asset::Batch(batch.batch_id.clone()), error),
            }
        }
        counts
    }
}

async fn cancel_batch(client: &Client, BatchRef { queue_id, batch_id }: &BatchRef) -> Result<u64> {
    let queue = client.queue(queue_id);
    let mut counts = queue.batch_status(batch_id).await?.counts;
    if counts.ended() != counts.total {
        queue.cancel_batches([batch_id]).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            counts = queue.batch_status(batch_id).await?.counts;
            if counts.ended() == counts.total || Instant::now() >= deadline {
                break;
            }
            sleep(PAUSE).await;
        }
    }
    Ok(counts.total)
}
