//! Jobs, and waiting for them.

use std::time::Duration;

#[cfg(feature = "events")]
use super::EventStream;
use super::{
    GetOutputs, Submission,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    error::Result,
    job,
    progress::Progress,
    queue::{ItemStatus, QueueItem},
};

mirror! {
    /// One queue item of a [`Submission`].
    #[derive(Clone)]
    pub struct Job = job::Job;

    /// Id of the queue item.
    get fn item_id(&self) -> i64;
    /// The submission that it belongs to.
    open fn submission(&self) -> Submission;
    /// The last status known, without asking the server. `None` if the item is no longer on the server and its end
    /// was not seen.
    get fn status(&self) -> Option<ItemStatus>;
    /// Asks the server for the status.
    call fn refresh(&self) -> Result<ItemStatus>;
    /// The progress of the item, as far as it is known now.
    get fn progress(&self) -> Progress;
    /// The progress of the item, now and after each change, until it ends. Changes that follow each other quickly may
    /// be reported as one; the last one is never left out.
    iter fn progress_updates(&self) -> Iter<Progress>;
    /// The server's events about this item, from now on. Events that came before are not repeated.
    #[cfg(feature = "events")]
    open fn events(&self) -> EventStream;
    /// Waits for the item to end. See [`Wait`] for time limits and other settings.
    open fn wait(&self) -> Wait<'_>;
    /// Cancels the item, and all items connected with it by called workflows. Nothing changes if it has ended.
    call fn cancel(&self) -> Result<ItemStatus>;
    /// Runs a failed or canceled item again, as a new item of the same batch.
    call_open fn retry(&self) -> Result<Job>;
    /// The queue item in full.
    call fn item(&self) -> Result<QueueItem>;
    /// Ids of the items that `call_saved_workflow` nodes of this item created, oldest first.
    call fn children(&self) -> Result<Vec<i64>>;
    /// The outputs of the nodes, once the item has ended. For an item that failed or was canceled: the outputs until
    /// then.
    open fn outputs(&self) -> GetOutputs;
}

mirror! {
    /// A wait under construction, from [`Job::wait`].
    #[must_use = "nothing is sent before `call`"]
    pub struct Wait<'a> = job::Wait;

    /// Waits at most this long. Default: no limit while the item can be read.
    set fn timeout(self, limit: Duration) -> Self;
    /// Also reads the item this often. Default: twice a second while no events arrive, and every 15 s while they do.
    set fn poll_interval(self, interval: Duration) -> Self;
    /// Whether to cancel the item when the time is up. Off by default. If canceling fails, or takes longer than 5 s,
    /// the error says so.
    set fn cancel_on_timeout(self, cancel: bool) -> Self;
    /// Gives up when the item could not be read for this long, because the server is unreachable or cannot read the
    /// item itself. Default: 60 s.
    set fn unreachable_limit(self, limit: Duration) -> Self;
    /// Calls back with each change of progress. Changes that follow each other quickly may be reported as one.
    set fn on_progress(self, call: impl FnMut(&Progress) + Send + 'a) -> Self;
    /// Waits for the item to end.
    finish_open fn call(self) -> Result<FinishedJob>;
}

mirror! {
    /// A job that has completed.
    #[derive(Clone)]
    pub struct FinishedJob = job::FinishedJob;

    /// The job.
    open fn job(&self) -> Job;
    /// The queue item in full, with its results.
    call fn item(&self) -> Result<QueueItem>;
    /// The outputs of the nodes. See [`Job::outputs`].
    open fn outputs(&self) -> GetOutputs;
}
