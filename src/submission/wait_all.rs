//! Waiting for the ends of all items.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use futures::StreamExt as _;
use tokio::time::timeout_at;

use super::{Submission, ends::ends};
use crate::{
    deadline,
    error::Result,
    job::{
        Finished, Job,
        wait::{UNREACHABLE, out_of_time},
    },
};

/// A wait for all items under construction, from [`Submission::wait_all`]. Await it.
///
/// Dropping it stops the waiting and nothing else: the items go on. Cancel safe.
#[derive(Debug, Clone)]
#[must_use = "a wait does nothing unless awaited"]
pub struct WaitAll<'a> {
    submission: &'a Submission,
    timeout: Option<Duration>,
    cancel_on_timeout: bool,
    unreachable: Duration,
}

impl<'a> WaitAll<'a> {
    pub(super) fn new(submission: &'a Submission) -> Self {
        Self { submission, timeout: None, cancel_on_timeout: false, unreachable: UNREACHABLE }
    }

    /// Waits at most this long for all of them together. Without it there is no limit while they can be read.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Cancels what has not ended, and enqueues no more, when the time is up. Off by default. The error says so if that
    /// fails; it is given up after 5 s.
    pub fn cancel_on_timeout(mut self, cancel: bool) -> Self {
        self.cancel_on_timeout = cancel;
        self
    }

    /// Gives up on an item that could not be read for this long, because the server is out of reach or cannot read it
    /// itself; likewise on items that could not be enqueued for this long. Default: 60 s.
    pub fn unreachable_limit(mut self, limit: Duration) -> Self {
        self.unreachable = limit;
        self
    }

    async fn run(self) -> Result<Vec<Finished>> {
        let Self { submission, timeout, cancel_on_timeout, unreachable } = self;
        let limit = timeout.unwrap_or(Duration::MAX);
        let all = async {
            let mut told: Vec<(Job, Result<Finished>)> = Vec::new();
            let mut ends = std::pin::pin!(ends(submission.clone(), unreachable));
            while let Some(end) = ends.next().await {
                told.push(end?);
            }
            told.sort_by_key(|(job, _)| job.item_id());
            told.into_iter().map(|(_, end)| end).collect()
        };
        if let Ok(outcome) = timeout_at(deadline::after(limit), all).await {
            return outcome;
        }
        let (all, open) = submission.run.state().count_open();
        let waiting_for = format!("{open} of {all} items");
        let canceling = async { submission.cancel().await.map(|_| ()) };
        Err(out_of_time(waiting_for, limit, cancel_on_timeout.then_some(canceling)).await)
    }
}

impl<'a> IntoFuture for WaitAll<'a> {
    type Output = Result<Vec<Finished>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
