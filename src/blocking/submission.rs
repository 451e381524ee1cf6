//! Submitting, and what was submitted.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

#[cfg(feature = "events")]
use super::EventStream;
use super::{
    Cleanup, Client, FinishedJob, Job, Queue,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    OutputBoard, Sweep, Ticket, WhenFull,
    error::{Error, Result},
    events::Event,
    progress::SubmissionProgress,
    queue::BatchStatus,
    submission::{self, Submittable},
};

mirror! {
    /// A submission under construction, from [`Client::submit`].
    #[must_use = "nothing is sent before `call`"]
    pub struct Submit<'a> = submission::Submit;

    /// Submits to this queue instead of `default`.
    set fn queue(self, queue_id: impl Into<String>) -> Self;
    /// Sends images whose node leaves the board open (`auto`) to this board.
    set fn board(self, board: impl Into<OutputBoard>) -> Self;
    /// Runs everything this many times, at least once. The runs do not vary: for that, see [`sweep`](Self::sweep).
    set fn runs(self, runs: u32) -> Self;
    /// Whether to run before the items that are already waiting. Off by default.
    set fn prepend(self, prepend: bool) -> Self;
    /// Sets where the batch comes from. The editor uses `workflows`.
    set fn origin(self, origin: impl Into<String>) -> Self;
    /// Sets what the batch is for. The editor uses `gallery`.
    set fn destination(self, destination: impl Into<String>) -> Self;
    /// Uses this batch id instead of a random one. It must be new: the server merges batches with equal ids.
    set fn batch_id(self, batch_id: impl Into<String>) -> Self;
    /// Varies inputs: one item for each combination.
    set fn sweep(self, sweep: Sweep) -> Self;
    /// Whether to refuse a workflow that has problems. On by default.
    set fn validate(self, validate: bool) -> Self;
    /// Whether to follow the items by events. On by default. Where events are off or unavailable, items are polled.
    set fn subscribe_events(self, events: bool) -> Self;
    /// What to do if the queue has no room for all items.
    set fn when_full(self, when_full: WhenFull) -> Self;
    /// Calls back when a node starts (event `invocation_started`).
    set fn on_invocation_started(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self;
    /// Calls back when a node reports progress (event `invocation_progress`).
    set fn on_invocation_progress(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self;
    /// Calls back when a node has finished (event `invocation_complete`).
    set fn on_invocation_complete(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self;
    /// Calls back when a node fails (event `invocation_error`).
    set fn on_invocation_error(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self;
    /// Calls back when an item changes its status (event `queue_item_status_changed`).
    set fn on_status_changed(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self;
    /// The request that this would send first, with its random seeds drawn. Only reads from the server: a board that
    /// would have to be created is left out.
    call fn body(&self) -> Result<Value>;
    /// Submits the workflow.
    finish_open fn call(self) -> Result<Submission>;
}

mirror! {
    /// A workflow that was submitted: one batch of one or more queue items.
    #[derive(Clone)]
    pub struct Submission = submission::Submission;

    /// Cleans up what this submission left, and those uploads of the client that it read.
    open fn cleanup(&self) -> Cleanup;
    /// The ticket with which another process can [attach](Self::attach) to this submission.
    get fn ticket(&self) -> Ticket;
    /// The client for the server it was submitted to.
    open fn client(&self) -> Client;
    /// Id of the queue.
    get fn queue_id(&self) -> &str;
    /// Id of the batch.
    get fn batch_id(&self) -> &str;
    /// The queue.
    open fn queue(&self) -> Queue;
    /// Ids of the items, in the order in which they run.
    get fn item_ids(&self) -> Vec<i64>;
    /// How many items were requested.
    get fn requested(&self) -> u64;
    /// How many items have been enqueued so far.
    get fn enqueued(&self) -> u64;
    /// Whether more items are still to be enqueued ([`WhenFull::Feed`]).
    get fn is_feeding(&self) -> bool;
    /// Why the rest of a large batch will not be enqueued ([`WhenFull::Feed`]), once that is certain. The items
    /// enqueued by then are followed to their ends.
    get fn feed_error(&self) -> Option<Error>;
    /// Whether the server has been asked about this submission for a minute, and has not answered.
    get fn is_silent(&self) -> bool;
    /// All jobs enqueued so far, in the order in which they run.
    open fn jobs(&self) -> Vec<Job>;
    /// The progress of all items, as far as it is known now.
    get fn progress(&self) -> SubmissionProgress;
    /// The only job of a submission of one item.
    open fn job(&self) -> Result<Job>;
    /// The server's events about this batch, from now on.
    #[cfg(feature = "events")]
    open fn events(&self) -> EventStream;
    /// Asks the server how many items of the batch have each status. Items of called workflows count, too.
    call fn status(&self) -> Result<BatchStatus>;
    /// Yields every item with its end, as soon as that is known. Ends after the last one.
    ///
    /// That is the order in which they end, except around a connection that is lost or not made yet: the end of a later
    /// item may arrive before the earlier ones have been read. Those that are read together come in the order in which
    /// they run.
    iter_open fn ends(&self) -> Iter<Result<(Job, Result<FinishedJob>)>>;
    /// Waits for all items, even after one has failed, or after the rest of a large batch could not be enqueued. See
    /// [`WaitAll`] for time limits and other settings.
    open fn wait_all(&self) -> WaitAll<'_>;
    /// Cancels all items that have not ended, and enqueues no more. Returns the number canceled.
    call fn cancel(&self) -> Result<u64>;
}

mirror! {
    /// A wait for all items under construction, from [`Submission::wait_all`].
    #[must_use = "nothing is waited for before `call`"]
    pub struct WaitAll<'a> = submission::WaitAll;

    /// Waits at most this long for all items together. Default: no limit while they can be read.
    set fn timeout(self, limit: Duration) -> Self;
    /// Whether to cancel the items that have not ended, and enqueue no more, when the time is up. Off by default. If
    /// canceling fails, or takes longer than 5 s, the error says so.
    set fn cancel_on_timeout(self, cancel: bool) -> Self;
    /// Gives up on an item that could not be read for this long, because the server is unreachable or cannot read the
    /// item itself; likewise on items that could not be enqueued for this long. A read that is still under way counts,
    /// but an answer may always take half a second. Default: 60 s.
    set fn unreachable_limit(self, limit: Duration) -> Self;
    /// Also reads the items this often. Default: twice a second while no events arrive, and every 15 s while they do.
    set fn poll_interval(self, interval: Duration) -> Self;
    /// Calls back with each change of progress, of all items together. Changes that follow each other quickly may be
    /// reported as one; the last one before the wait ends is never left out.
    set fn on_progress(self, call: impl FnMut(&SubmissionProgress) + Send + 'a) -> Self;
    /// Waits for all items to end.
    finish_open fn call(self) -> Result<Vec<FinishedJob>>;
}

impl Submission {
    /// Attaches to a submission of another process, or of an earlier run of this program.
    ///
    /// Blocking form of [`Submission::attach`](crate::Submission::attach), which lists its errors.
    pub fn attach(client: &Client, ticket: &Ticket) -> Result<Self> {
        let attached = client.runtime.block_on(submission::Submission::attach(&client.inner, ticket));
        attached.mirror(client.runtime)
    }
}

impl Client {
    /// Submits a workflow, or a generated struct, as it is now.
    ///
    /// Blocking form of [`Client::submit`](crate::Client::submit), which lists its errors.
    ///
    /// ```no_run
    /// # fn example(client: invokeai_client::blocking::Client, workflow: invokeai_client::workflow::Workflow)
    /// # -> invokeai_client::Result<()> {
    /// use std::time::Duration;
    ///
    /// let submission = client.submit(&workflow).call()?;
    /// let finished = submission.job()?.wait().timeout(Duration::from_secs(60)).call()?;
    /// println!("{:?}", finished.item()?.elapsed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit<'a>(&self, workflow: &'a (impl Submittable + ?Sized)) -> Submit<'a> {
        self.inner.submit(workflow).mirror(self.runtime)
    }
}
