//! Submissions: a workflow on its way through a queue, as one batch of one or more items.

mod board;
mod enqueue;
mod feed;
mod generators;
mod submit;
mod ticket;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt as _};

pub use board::OutputBoard;
pub(crate) use submit::labels_of;
pub use submit::{Submit, WhenFull};
pub use ticket::Ticket;

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
    },
    queue::{BatchStatus, Queue},
};

/// A workflow that was submitted: one batch of one or more queue items.
///
/// Cheap to clone. It is followed in the background until its last item has ended or its last clone is dropped.
/// Dropping it changes nothing on the server.
///
/// ```no_run
/// # async fn example(submission: invokeai_client::Submission) -> invokeai_client::Result<()> {
/// use futures::StreamExt as _;
///
/// // All items, in the order in which they end.
/// let mut ends = std::pin::pin!(submission.ends());
/// while let Some((job, end)) = ends.next().await {
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
    /// Ends with the submission.
    _follower: Follower,
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
        let follower = follow(client, queue_id, batch_id, Arc::clone(&state), events, callbacks);
        let shared = Shared {
            client: client.clone(),
            queue_id: queue_id.to_owned(),
            batch_id: batch_id.to_owned(),
            requested,
            state,
            _follower: follower,
            feeder: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Enqueues the rest of a plan in the background.
    fn feed(&self, plan: feed::Plan, placed: u64, under_way: UnderWay) {
        let Shared { client, queue_id, batch_id, state, .. } = &*self.shared;
        let (client, state) = (client.clone(), Arc::clone(state));
        let feeder = feed::feed(client, queue_id.clone(), batch_id.clone(), plan, placed, state, under_way);
        *self.shared.feeder.lock().unwrap_or_else(PoisonError::into_inner) = Some(feeder);
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
        let item = client.queue(&ticket.queue_id).find_item(*first).await?;
        let labels = item.and_then(|item| item.workflow).map(|workflow| submit::labels_of(&workflow));
        let state = State::new(ticket.item_ids.iter().copied(), labels.unwrap_or_default().into());
        // Subscribed before reading, so that nothing falls between.
        let events = Events::of_batch(client, &ticket.queue_id, &ticket.batch_id).await.joined_late();
        let requested = ticket.item_ids.len() as u64;
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
    /// Dropping the stream stops the waiting and nothing else.
    pub fn ends(&self) -> impl Stream<Item = (Job, Result<Finished>)> + Send + use<> {
        let state = Arc::clone(&self.shared.state);
        let changes = state.changes();
        let start = (self.clone(), changes, 0, Vec::new().into_iter());
        futures::stream::unfold(start, async |(submission, mut changes, mut known, mut ready)| {
            loop {
                if let Some(id) = ready.next() {
                    return Some((id, (submission, changes, known, ready)));
                }
                changes.mark_unchanged();
                let state = &submission.shared.state;
                let done = state.is_done();
                ready = state.closed_items(known).into_iter();
                known += ready.len();
                if ready.len() == 0 {
                    if done {
                        return None;
                    }
                    changes.changed().await.ok()?;
                }
            }
        })
        .then({
            let submission = self.clone();
            move |id| {
                let job = Job::new(submission.clone(), id);
                async move {
                    let end = job.wait().await;
                    (job, end)
                }
            }
        })
    }

    /// Waits for all items. All are waited for, also after one has failed.
    ///
    /// # Errors
    /// The first failure in the order in which the items run; what kept the rest of a large batch from being enqueued.
    pub async fn wait_all(&self) -> Result<Vec<Finished>> {
        let mut ends: Vec<_> = self.ends().collect().await;
        if let Some(error) = self.shared.state.feed_error() {
            return Err(error);
        }
        ends.sort_by_key(|(job, _)| job.item_id());
        ends.into_iter().map(|(_, end)| end).collect()
    }

    /// Cancels all items that have not ended, and enqueues no more of them. Says how many were canceled.
    ///
    /// Where a piece of the batch is on its way to the queue, this waits until it is there or lost, and cancels it, too.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel(&self) -> Result<u64> {
        let feeding =
            self.shared.feeder.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Feeder::stop);
        let mut canceled = self.queue().cancel_batches([self.batch_id()]).await?;
        if feeding {
            // What is on its way arrives after this, even if its sender goes away.
            let mut changes = self.shared.state.changes();
            while self.shared.state.is_feeding() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
            canceled += self.queue().cancel_batches([self.batch_id()]).await?;
        }
        self.shared.state.poke.notify_one();
        Ok(canceled)
    }
}
