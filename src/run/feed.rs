//! Enqueueing the pieces of a batch, one after another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep},
};

use super::{
    enqueue::{self, Enqueued},
    plan::Plan,
    state::State,
};
use crate::{
    Client,
    assets::UnderWay,
    error::{Error, Result},
};

/// How often to look whether there is room again.
const PAUSE: Duration = Duration::from_millis(500);

/// The task that enqueues the rest. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Feeder {
    task: AbortHandle,
    stop: Arc<Stop>,
}

#[derive(Debug, Default)]
struct Stop {
    wanted: AtomicBool,
    told: Notify,
}

impl Feeder {
    /// Sends nothing more. Returns whether a piece may be on its way: the state shows when that has ended.
    pub(crate) fn stop(&self) -> bool {
        self.stop.wanted.store(true, Ordering::Release);
        self.stop.told.notify_one();
        !self.task.is_finished()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Enqueues what is left of a plan, as room becomes available.
pub(crate) fn feed(
    client: Client,
    queue_id: String,
    batch_id: String,
    plan: Plan,
    placed: u64,
    state: Arc<State>,
    under_way: UnderWay,
) -> Feeder {
    state.set_feeding(true);
    let stop = Arc::new(Stop::default());
    let stopped = Arc::clone(&stop);
    let feeding = Feeding { client, queue_id, batch_id, plan, state, outcome: None };
    let task = tokio::spawn(async move {
        let mut under_way = under_way;
        let outcome = feeding.run(placed, &stopped, &mut under_way).await;
        // Whoever learns that it has ended may clean up.
        drop(under_way);
        feeding.end(outcome);
    });
    Feeder { task: task.abort_handle(), stop }
}

struct Feeding {
    client: Client,
    queue_id: String,
    batch_id: String,
    plan: Plan,
    state: Arc<State>,
    /// How it ended; `None` until it has.
    outcome: Option<Result<()>>,
}

/// However the task ends, those who wait for the rest learn of it.
impl Drop for Feeding {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            let cause: Box<Cause> = "the runtime was shut down before all items were enqueued".into();
            Err(Error::Interrupted { operation: "enqueue_batch", cause: cause.into() })
        });
        if let Err(error) = outcome {
            tracing::error!(batch_id = self.batch_id, %error, "cannot enqueue the rest");
            self.state.set_feed_error(error);
        }
        self.state.set_feeding(false);
    }
}

type Cause = dyn std::error::Error + Send + Sync;

impl Feeding {
    /// Enqueues what comes after the first `placed` items, as room becomes available.
    async fn run(&self, mut placed: u64, stop: &Stop, under_way: &mut UnderWay) -> Result<()> {
        while placed < self.plan.requested() && !stop.wanted.load(Ordering::Acquire) {
            let began = Instant::now();
            match self.place(placed, under_way).await {
                Ok(done) => {
                    self.state.set_feed_trouble(None);
                    if let Some(error) = done.trouble() {
                        return Err(error);
                    }
                    placed = placed.saturating_add(done.placed);
                    if done.placed > 0 {
                        continue;
                    }
                }
                // What may have arrived is not sent again.
                Err(error) if error.is_retryable() && !error.may_have_been_sent() => {
                    tracing::warn!(batch_id = self.batch_id, %error, "cannot enqueue the rest yet");
                    self.state.set_feed_trouble(Some((began, error)));
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = stop.told.notified() => {}
            }
        }
        Ok(())
    }

    fn end(mut self, outcome: Result<()>) {
        self.outcome = Some(outcome);
    }

    /// Enqueues what comes after the first `placed` items, and follows what the queue took of it.
    async fn place(&self, placed: u64, under_way: &mut UnderWay) -> Result<Enqueued> {
        let piece = self.plan.piece(usize::try_from(placed).unwrap_or(usize::MAX));
        let known = self.state.item_ids();
        let Self { client, queue_id, batch_id, .. } = self;
        let send = enqueue::enqueue(client, queue_id, batch_id, &piece, &known);
        let log = client.asset_log();
        let done = log.enqueue(queue_id, batch_id, under_way, send, |done| done.item_ids.clone()).await?;
        // Which rows they are is not known, so nobody could tell whose results they give.
        if let Some(error) = done.doubt() {
            return Err(error);
        }
        if !done.item_ids.is_empty() {
            self.state.add_items(&done.item_ids);
        }
        Ok(done)
    }
}
