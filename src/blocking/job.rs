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
    /// How far it is, as far as is known now.
    get fn progress(&self) -> Progress;
    /// How far it is, now and after each change, until the item ends. Changes that follow each other quickly may be
    /// told as one; the last one never is left out.
    iter fn progress_updates(&self) -> Iter<Progress>;
    /// The server's events about this item, from now on. Events that came before are not repeated.
    #[cfg(feature = "events")]
    open fn events(&self) -> EventStream;
    /// Waits for the end. See [`Wait`] for time limits and the like.
    open fn wait(&self) -> Wait<'_>;
    /// Cancels the item, and all that a called workflow connects with it. Nothing changes if it has ended.
    call fn cancel(&self) -> Result<ItemStatus>;
    /// Runs a failed or canceled item again, as a new item of the same batch.
    call_open fn retry(&self) -> Result<Job>;
    /// The queue item in full.
    call fn item(&self) -> Result<QueueItem>;
    /// Items that `call_saved_workflow` nodes of this item made, oldest first.
    call fn children(&self) -> Result<Vec<i64>>;
    /// What the nodes gave, once the item has ended. Of one that failed or was canceled: what was given until then.
    open fn outputs(&self) -> GetOutputs;
}

mirror! {
    /// A wait under construction, from [`Job::wait`].
    #[must_use = "nothing is sent before `call`"]
    pub struct Wait<'a> = job::Wait;

    /// Waits at most this long. Without it there is no limit while the item can be read.
    set fn timeout(self, limit: Duration) -> Self;
    /// Also reads the item this often. Without it, twice a second while no events arrive, and every 15 s while they
    /// do.
    set fn poll_interval(self, interval: Duration) -> Self;
    /// Cancels the item when the time is up. Off by default. The error says so if that fails; it is given up after 5 s.
    set fn cancel_on_timeout(self, cancel: bool) -> Self;
    /// Gives up when the item could not be read for this long, because the server is out of reach or cannot read it
    /// itself. Default: 60 s.
    set fn unreachable_limit(self, limit: Duration) -> Self;
    /// Calls back with each change of progress. Changes that follow each other quickly may be told as one.
    set fn on_progress(self, call: impl FnMut(&Progress) + Send + 'a) -> Self;
    /// Carries it out.
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
    /// What the nodes gave. See [`Job::outputs`].
    open fn outputs(&self) -> GetOutputs;
}
