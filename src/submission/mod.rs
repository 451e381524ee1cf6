//! Submissions: a workflow on its way through a queue, as one batch of one or more items.

mod board;
mod ends;
mod generators;
mod of_job;
mod submit;
mod ticket;
mod wait_all;

use std::sync::Arc;

use futures::Stream;

pub use crate::run::plan::WhenFull;
pub use board::OutputBoard;
pub use submit::{Submit, Submittable};
pub use ticket::Ticket;
pub use wait_all::WaitAll;

#[cfg(feature = "events")]
use crate::events::{EventFilter, EventStream};
use crate::{
    Client,
    error::{Error, Result},
    job::{FinishedJob, Job, wait::UNREACHABLE},
    progress::SubmissionProgress,
    queue::{BatchStatus, Queue},
    run::{Run, callbacks::Callbacks, follow::Events, state::State},
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
/// // All items, as they end.
/// let mut ends = submission.ends();
/// while let Some((job, end)) = ends.try_next().await? {
///     match end {
///         Ok(_) => println!("item {} is done", job.item_id()),
///         Err(error) => println!("{error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Submission {
    run: Arc<Run>,
}

crate::base::debug::short_debug! { Submission { run } }

impl Submission {
    /// Attaches to a submission of another process, or of an earlier run of this program.
    ///
    /// Only reads from the server. Items that ended meanwhile give the same results as if they had been waited for.
    /// Items that are no longer on the server give [`Error::JobGone`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the ticket has no items; any error of a call.
    pub async fn attach(client: &Client, ticket: &Ticket) -> Result<Self> {
        let Some(first) = ticket.item_ids.first() else {
            return Err(Error::invalid("ticket", "names no items"));
        };
        // The workflow travels with the item; its labels name nodes in progress and failures.
        let item = match client.queue(&ticket.queue_id).find_item(*first).await {
            // Titles are not worth losing the other items over one that the server cannot read.
            Err(error @ (Error::Server(_) | Error::Decode { .. } | Error::Body { .. })) => {
                tracing::warn!(item_id = first, %error, "the workflow of the batch cannot be read; nodes have no titles");
                None
            }
            other => other?,
        };
        // Where the server lost its database, another batch has the number, and its workflow is nobody's business here.
        let item = item.filter(|item| item.batch_id == ticket.batch_id);
        let labels = item.and_then(|item| item.workflow).map(|workflow| labels_of(&workflow));
        let state = State::new(ticket.item_ids.iter().copied(), labels.unwrap_or_default().into());
        // Subscribed before reading, so that nothing falls between.
        let events = Events::of_batch(client, &ticket.queue_id, &ticket.batch_id).await.joined_late();
        let requested = state.item_count() as u64;
        let Ticket { queue_id, batch_id, .. } = ticket;
        let run = Run::follow(client, queue_id, batch_id, requested, state, events, Callbacks::default());
        Ok(Self { run })
    }

    /// The ticket with which another process can [attach](Self::attach) to this submission.
    ///
    /// While a large batch is still being enqueued ([`WhenFull::Feed`]), it names the items enqueued so far.
    pub fn ticket(&self) -> Ticket {
        Ticket { queue_id: self.queue_id().to_owned(), batch_id: self.batch_id().to_owned(), item_ids: self.item_ids() }
    }

    /// The client for the server it was submitted to.
    pub fn client(&self) -> &Client {
        self.run.client()
    }

    /// Id of the queue.
    pub fn queue_id(&self) -> &str {
        self.run.queue_id()
    }

    /// Id of the batch.
    pub fn batch_id(&self) -> &str {
        self.run.batch_id()
    }

    /// The queue.
    pub fn queue(&self) -> Queue {
        self.run.queue()
    }

    /// Ids of the items, in the order in which they run.
    pub fn item_ids(&self) -> Vec<i64> {
        self.run.state().item_ids()
    }

    /// How many items were requested.
    pub fn requested(&self) -> u64 {
        self.run.requested()
    }

    /// How many items have been enqueued so far.
    pub fn enqueued(&self) -> u64 {
        self.run.state().item_count() as u64
    }

    /// Whether more items are still to be enqueued ([`WhenFull::Feed`]).
    pub fn is_feeding(&self) -> bool {
        self.run.state().is_feeding()
    }

    /// Why the rest of a large batch will not be enqueued ([`WhenFull::Feed`]), once that is certain. The items
    /// enqueued by then are followed to their ends. The same applies if the server's count of the items it took does
    /// not match those that can be found: then no more are added.
    pub fn feed_error(&self) -> Option<Error> {
        self.run.state().feed_error()
    }

    /// Whether the server has been asked about this submission for a minute, and has not answered. Whoever asks it for
    /// more may wait as long again.
    pub fn is_silent(&self) -> bool {
        self.run.state().time_for_reasons(UNREACHABLE).is_zero()
    }

    /// All jobs enqueued so far, in the order in which they run.
    pub fn jobs(&self) -> Vec<Job> {
        self.item_ids().into_iter().map(|id| Job::new(Arc::clone(&self.run), id)).collect()
    }

    /// The progress of all items, as far as it is known now.
    pub fn progress(&self) -> SubmissionProgress {
        self.run.state().progress_of_all(self.requested())
    }

    /// The only job of a submission of one item.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has several items, or none.
    pub fn job(&self) -> Result<Job> {
        match self.item_ids()[..] {
            [id] => Ok(Job::new(Arc::clone(&self.run), id)),
            ref ids => Err(Error::WrongState {
                what: "the submission".into(),
                state: format!("has {} items", ids.len()),
                needed: "`job` is for submissions of one",
                advice: "use `jobs`, which has all of them",
                passes: false,
            }),
        }
    }

    /// The server's events about this batch, from now on.
    #[cfg(feature = "events")]
    pub fn events(&self) -> EventStream {
        let filter = EventFilter::all().queue(self.queue_id()).batch(self.batch_id());
        self.client().event_hub().subscribe(filter)
    }

    /// Asks the server how many items of the batch have each status. Items of called workflows count, too.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn status(&self) -> Result<BatchStatus> {
        self.queue().batch_status(self.batch_id()).await
    }

    /// Yields every item with its end, as soon as that is known. Ends after the last one.
    ///
    /// That is the order in which they end, except around a connection that is lost or not made yet: the end of a later
    /// item may arrive before the earlier ones have been read. Those that are read together come in the order in which
    /// they run.
    ///
    /// An item that cannot be read for a minute is yielded with the error that says why. The last element is an error
    /// if the rest of a large batch could not be enqueued ([`feed_error`](Self::feed_error)).
    ///
    /// Dropping the stream stops the waiting and nothing else.
    pub fn ends(&self) -> impl Stream<Item = Result<(Job, Result<FinishedJob>)>> + Send + Unpin + use<> {
        Box::pin(ends::ends(self.clone(), UNREACHABLE))
    }

    /// Waits for all items, even after one has failed, or after the rest of a large batch could not be enqueued. See
    /// [`WaitAll`] for time limits and other settings.
    ///
    /// # Errors (when awaited)
    /// The error that kept the rest of a large batch from being enqueued; otherwise the first failure in the order in
    /// which the items run, as [`Job::wait`] returns it; [`Error::WaitTimeout`].
    pub fn wait_all(&self) -> WaitAll<'_> {
        WaitAll::new(self)
    }

    /// Cancels all items that have not ended, and enqueues no more. Returns the number canceled.
    ///
    /// If a part of the batch is on its way to the queue, this waits until it has arrived or is lost, and cancels it,
    /// too.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel(&self) -> Result<u64> {
        self.run.cancel().await
    }
}
