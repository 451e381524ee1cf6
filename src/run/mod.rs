//! A running batch: what is known about it, and the tasks that find out more, or enqueue more.
//!
//! [`Submission`](crate::Submission) and [`Job`](crate::Job) are views of it: of the whole, and of one item.

pub(crate) mod callbacks;
pub(crate) mod enqueue;
pub(crate) mod feed;
pub(crate) mod follow;
mod lost;
pub(crate) mod plan;
mod read;
pub(crate) mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Client, assets::UnderWay, error::Result, queue::Queue};

use callbacks::Callbacks;
use feed::Feeder;
use follow::{Events, Follower, follow};
use plan::Plan;
use state::State;

/// One batch of one or more items.
///
/// It is followed in the background until its last item has ended or nobody holds it any more. Dropping it changes
/// nothing on the server.
#[derive(Debug)]
pub(crate) struct Run {
    client: Client,
    queue_id: String,
    batch_id: String,
    requested: u64,
    state: Arc<State>,
    callbacks: Callbacks,
    /// Ends with the run.
    follower: Mutex<Option<Follower>>,
    feeder: Mutex<Option<Feeder>>,
}

impl Run {
    pub(crate) fn follow(
        client: &Client,
        queue_id: &str,
        batch_id: &str,
        requested: u64,
        state: Arc<State>,
        events: Events,
        callbacks: Callbacks,
    ) -> Arc<Self> {
        let this = Self {
            client: client.clone(),
            queue_id: queue_id.to_owned(),
            batch_id: batch_id.to_owned(),
            requested,
            state,
            callbacks,
            follower: Mutex::new(None),
            feeder: Mutex::new(None),
        };
        this.follow_by(|| events);
        Arc::new(this)
    }

    /// Follows, if nobody does although items are open.
    fn follow_by(&self, events: impl FnOnce() -> Events) {
        let Self { client, queue_id, batch_id, state, callbacks, follower, .. } = self;
        if state.take_following() {
            let fresh = follow(client, queue_id, batch_id, Arc::clone(state), events(), callbacks.clone());
            *lock(follower) = Some(fresh);
        }
    }

    /// Follows again if the task that did is gone: a runtime that was shut down took it along. Those who wait see to it.
    pub(crate) fn keep_following(&self) {
        #[cfg(feature = "events")]
        self.follow_by(|| {
            let filter = crate::events::EventFilter::all().queue(&self.queue_id).batch(&self.batch_id);
            Events::FromNow(self.client.event_hub().subscribe(filter))
        });
        #[cfg(not(feature = "events"))]
        self.follow_by(|| Events::None);
    }

    /// Enqueues the rest of a plan in the background.
    pub(crate) fn feed(&self, plan: Plan, placed: u64, under_way: UnderWay) {
        let Self { client, queue_id, batch_id, state, .. } = self;
        let (client, state) = (client.clone(), Arc::clone(state));
        let feeder = feed::feed(client, queue_id.clone(), batch_id.clone(), plan, placed, state, under_way);
        *lock(&self.feeder) = Some(feeder);
    }

    /// The same batch with other items: those of a retry.
    pub(crate) async fn continued_by(&self, item_ids: Vec<i64>) -> Arc<Self> {
        let Self { client, queue_id, batch_id, state, .. } = self;
        let requested = item_ids.len() as u64;
        let state = State::new(item_ids, state.labels());
        let events = Events::of_batch(client, queue_id, batch_id).await.joined_late();
        Self::follow(client, queue_id, batch_id, requested, state, events, Callbacks::default())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn queue_id(&self) -> &str {
        &self.queue_id
    }

    pub(crate) fn queue(&self) -> Queue {
        self.client.queue(&self.queue_id)
    }

    pub(crate) fn batch_id(&self) -> &str {
        &self.batch_id
    }

    /// How many items were requested.
    pub(crate) fn requested(&self) -> u64 {
        self.requested
    }

    /// What is known about the items.
    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Cancels all items that have not ended, and enqueues no more. Returns the number canceled.
    pub(crate) async fn cancel(&self) -> Result<u64> {
        let feeding = lock(&self.feeder).as_ref().is_some_and(Feeder::stop);
        let mut canceled = self.queue().cancel_batches([&self.batch_id]).await?;
        if feeding {
            // What is on its way arrives after this, even if its sender goes away.
            let mut changes = self.state.changes();
            while self.state.is_feeding() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
            let rest = self.queue().cancel_batches([&self.batch_id]).await;
            canceled = canceled.saturating_add(rest.map_err(|error| error.after("cancel_by_batch_ids"))?);
        }
        self.state.poke.notify_one();
        Ok(canceled)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
