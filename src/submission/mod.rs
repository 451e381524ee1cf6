//! Submissions: a workflow on its way through a queue, as one batch of one or more items.

mod board;
mod ends;
mod enqueue;
mod feed;
mod generators;
mod submit;
mod ticket;
mod wait_all;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;

pub use board::OutputBoard;
pub use submit::{Submit, WhenFull};
pub use ticket::Ticket;
pub use wait_all::WaitAll;

#[cfg(feature = "events")]
use crate::events::{EventFilter, EventStream};
use feed::Feeder;

use crate::{
    Client,
    assets::UnderWay,
    error::{Error, Result},
    job::{
        Finished, Job,
        callbacks::Callbacks,
        follow::{Events, Follower, follow},
        state::State,
        wait::UNREACHABLE,
    },
    queue::{BatchStatus, Queue},
    workflow::labels_of,
};

/// A workflow that was submitted: one batch of one or more queue items.
///
/// Cheap to clone. It is followed in the background until its last item has ended or its last clone is dropped.
/// Dropping it changes nothing on the server.
///
/// ```no_run
/// # async fn example(submission: invokeai_client::Submission) -> invokeai_client::Result<()> {
/// use futures::TryStreamExt as _;
///
/// // All items, in the order in which they end.
/// let mut ends = std::pin::pin!(submission.ends());
/// while let Some((job, end)) = ends.try_next().await? {
///     match end {
///         Ok(_) => println!("item {} is done", job.item_id()),
///         Err(error) => println!("{error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Submission {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    client: Client,
    queue_id: String,
    batch_id: String,
    requested: u64,
    pub(crate) state: Arc<State>,
    callbacks: Callbacks,
    /// Ends with the submission.
    follower: Mutex<Option<Follower>>,
    feeder: Mutex<Option<Feeder>>,
}

impl Submission {
    fn follow(
        client: &Client,
        queue_id: &str,
        batch_id: &str,
        requested: u64,
        state: Arc<State>,
        events: Events,
        callbacks: Callbacks,
    ) -> Self {
        let shared = Shared {
            client: client.clone(),
            queue_id: queue_id.to_owned(),
            batch_id: batch_id.to_owned(),
            requested,
            state,
            callbacks,
            follower: Mutex::new(None),
            feeder: Mutex::new(None),
        };
        let this = Self { shared: Arc::new(shared) };
        this.follow_by(|| events);
        this
    }

    /// Follows, if nobody does although items are open.
    fn follow_by(&self, events: impl FnOnce() -> Events) {
        let Shared { client, queue_id, batch_id, state, callbacks, follower, .. } = &*self.shared;
        if state.take_following() {
            let fresh = follow(client, queue_id, batch_id, Arc::clone(state), events(), callbacks.clone());
            *lock(follower) = Some(fresh);
        }
    }

    /// Follows again if the task that did is gone: a runtime that was shut down took it along. Those who wait see to it.
    pub(crate) fn keep_following(&self) {
        #[cfg(feature = "events")]
        self.follow_by(|| Events::FromNow(self.events()));
        #[cfg(not(feature = "events"))]
        self.follow_by(|| Events::None);
    }

    /// Enqueues the rest of a plan in the background.
    fn feed(&self, plan: feed::Plan, placed: u64, under_way: UnderWay) {
        let Shared { client, queue_id, batch_id, state, .. } = &*self.shared;
        let (client, state) = (client.clone(), Arc::clone(state));
        let feeder = feed::feed(client, queue_id.clone(), batch_id.clone(), plan, placed, state, under_way);
        *lock(&self.shared.feeder) = Some(feeder);
    }

    /// Takes up a submission of another process, or of an earlier life of this one.
    ///
    /// Sends nothing but reads. Items that ended meanwhile give the same results as if they had been waited for. Items
    /// that are no longer on the server give [`Error::JobGone`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the ticket has no items; any error of a call.
    pub async fn attach(client: &Client, ticket: &Ticket) -> Result<Self> {
        let Some(first) = ticket.item_ids.first() else {
            return Err(Error::invalid("ticket", "names no items"));
        };
        // The workflow travels with the item; its labels name nodes in progress and failures.
        let item = match client.queue(&ticket.queue_id).find_item(*first).await {
            // Names are not worth losing the others for one that the server cannot read.
            Err(error @ (Error::Server(_) | Error::Decode { .. } | Error::Body { .. })) => {
                tracing::warn!(item_id = first, %error, "the workflow of the batch cannot be read; nodes have no titles");
                None
            }
            other => other?,
        };
        let labels = item.and_then(|item| item.workflow).map(|workflow| labels_of(&workflow));
        let state = State::new(ticket.item_ids.iter().copied(), labels.unwrap_or_default().into());
        // Subscribed before reading, so that nothing falls between.
        let events = Events::of_batch(client, &ticket.queue_id, &ticket.batch_id).await.joined_late();
        let requested = state.item_count() as u64;
        let Ticket { queue_id, batch_id, .. } = ticket;
        Ok(Self::follow(client, queue_id, batch_id, requested, state, events, Callbacks::default()))
    }

    /// The same batch with other items: those of a retry.
    pub(crate) async fn continued_by(&self, item_ids: Vec<i64>) -> Self {
        let Shared { client, queue_id, batch_id, state, .. } = &*self.shared;
        let requested = item_ids.len() as u64;
        let state = State::new(item_ids, state.labels());
        let events = Events::of_batch(client, queue_id, batch_id).await.joined_late();
        Self::follow(client, queue_id, batch_id, requested, state, events, Callbacks::default())
    }

    /// What another process needs to take this up: see [`attach`](Self::attach).
    ///
    /// While a large batch is still being enqueued ([`WhenFull::Feed`]), it names the items enqueued so far.
    pub fn ticket(&self) -> Ticket {
        Ticket {
            queue_id: self.shared.queue_id.clone(),
            batch_id: self.shared.batch_id.clone(),
            item_ids: self.item_ids(),
        }
    }

    /// The server it was submitted to.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Id of the queue.
    pub fn queue_id(&self) -> &str {
        &self.shared.queue_id
    }

    /// Id of the batch.
    pub fn batch_id(&self) -> &str {
        &self.shared.batch_id
    }

    /// The queue.
    pub fn queue(&self) -> Queue {
        self.shared.client.queue(&self.shared.queue_id)
    }

    /// Ids of the items, in the order in which they run.
    pub fn item_ids(&self) -> Vec<i64> {
        self.shared.state.item_ids()
    }

    /// How many items were asked for.
    pub fn requested(&self) -> u64 {
        self.shared.requested
    }

    /// How many items are on the queue, or have been.
    pub fn enqueued(&self) -> u64 {
        self.shared.state.item_count() as u64
    }

    /// Whether more items are still to be enqueued ([`WhenFull::Feed`]).
    pub fn is_feeding(&self) -> bool {
        self.shared.state.is_feeding()
    }

    /// Why the rest of a large batch will not be enqueued ([`WhenFull::Feed`]), once that is certain: no more items come
    /// than there are. Those that are there are followed to their ends.
    pub fn feed_error(&self) -> Option<Error> {
        self.shared.state.feed_error()
    }

    /// All jobs enqueued so far, in the order in which they run.
    pub fn jobs(&self) -> Vec<Job> {
        self.item_ids().into_iter().map(|id| Job::new(self.clone(), id)).collect()
    }

    /// The one job of a submission of one item.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it has several items, or none.
    pub fn job(&self) -> Result<Job> {
        match self.item_ids()[..] {
            [id] => Ok(Job::new(self.clone(), id)),
            ref ids => Err(Error::invalid("submission", format!("has {} items, not one: use `jobs`", ids.len()))),
        }
    }

    /// The server's events about this batch, from now on.
    #[cfg(feature = "events")]
    pub fn events(&self) -> EventStream {
        let filter = EventFilter::all().queue(self.queue_id()).batch(self.batch_id());
        self.client().event_hub().subscribe(filter)
    }

    /// Asks the server how many items are where. Children of called workflows count.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn status(&self) -> Result<BatchStatus> {
        self.queue().batch_status(self.batch_id()).await
    }

    /// Every item with its end, in the order in which they end (items that end together: in the order in which they
    /// run). Ends itself after the last.
    ///
    /// An item that cannot be read for a minute ends with the error of that. The last element is an error if the rest of a
    /// large batch could not be enqueued ([`feed_error`](Self::feed_error)).
    ///
    /// Dropping the stream stops the waiting and nothing else.
    pub fn ends(&self) -> impl Stream<Item = Result<(Job, Result<Finished>)>> + Send + use<> {
        ends::ends(self.clone(), UNREACHABLE)
    }

    /// Waits for all items. All are waited for, also after one has failed, or after the rest of a large batch could not be
    /// enqueued. See [`WaitAll`] for time limits and the like.
    ///
    /// # Errors (when awaited)
    /// What kept the rest of a large batch from being enqueued; else the first failure in the order in which the items
    /// run. Each is what [`Job::wait`] gives. [`Error::Timeout`].
    pub fn wait_all(&self) -> WaitAll<'_> {
        WaitAll::new(self)
    }

    /// Cancels all items that have not ended, and enqueues no more of them. Says how many were canceled.
    ///
    /// Where a piece of the batch is on its way to the queue, this waits until it is there or lost, and cancels it, too.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel(&self) -> Result<u64> {
        let feeding = lock(&self.shared.feeder).as_ref().is_some_and(Feeder::stop);
        let mut canceled = self.queue().cancel_batches([self.batch_id()]).await?;
        if feeding {
            // What is on its way arrives after this, even if its sender goes away.
            let mut changes = self.shared.state.changes();
            while self.shared.state.is_feeding() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
            canceled = canceled.saturating_add(self.queue().cancel_batches([self.batch_id()]).await?);
        }
        self.shared.state.poke.notify_one();
        Ok(canceled)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
