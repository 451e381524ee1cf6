//! Waiting for the end of a job.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{Finished, Job, state::Standing};
use crate::{
    deadline,
    error::{Error, Result},
    progress::Progress,
    queue::ItemStatus,
};

/// So long a server may be unreachable before a wait gives up.
const UNREACHABLE: Duration = Duration::from_secs(60);

type OnProgress<'a> = Box<dyn FnMut(&Progress) + Send + 'a>;

/// A wait under construction, from [`Job::wait`]. Await it.
///
/// Dropping it stops the waiting and nothing else: the job goes on. Cancel safe.
#[must_use = "a wait does nothing unless awaited"]
pub struct Wait<'a> {
    job: &'a Job,
    timeout: Option<Duration>,
    poll_interval: Option<Duration>,
    cancel_on_timeout: bool,
    unreachable: Duration,
    on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("item_id", &self.job.item_id()).field("timeout", &self.timeout).finish()
    }
}

impl<'a> Wait<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        Self {
            job,
            timeout: None,
            poll_interval: None,
            cancel_on_timeout: false,
            unreachable: UNREACHABLE,
            on_progress: None,
        }
    }

    /// Waits at most this long. Without it there is no limit while the server can be reached.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Also reads the item this often. Without it, twice a second while no events arrive, and every 15 s while they do.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Cancels the item when the time is up. Off by default.
    pub fn cancel_on_timeout(mut self, cancel: bool) -> Self {
        self.cancel_on_timeout = cancel;
        self
    }

    /// Gives up when the server has been unreachable for so long. 60 s.
    pub fn unreachable_limit(mut self, limit: Duration) -> Self {
        self.unreachable = limit;
        self
    }

    /// Calls back with each change of progress. Changes that follow each other quickly may be told as one.
    pub fn on_progress(mut self, call: impl FnMut(&Progress) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    async fn run(mut self) -> Result<Finished> {
        let deadline = self.timeout.map(deadline::after);
        let state = &self.job.submission.shared.state;
        let mut changes = state.changes();
        let mut told: Option<Progress> = None;
        loop {
            changes.mark_unchanged();
            if let Some(call) = &mut self.on_progress {
                let progress = self.job.progress();
                if told.as_ref() != Some(&progress) {
                    call(&progress);
                    told = Some(progress);
                }
            }
            match state.standing(self.job.item_id()) {
                Standing::Ended(status) => return self.job.ended(status).await,
                Standing::Gone => return Err(Error::JobGone { item_id: self.job.item_id() }),
                Standing::Running(_) => {}
            }
            if let Some((since, error)) = state.trouble()
                && since.elapsed() >= self.unreachable
            {
                return Err(error);
            }
            let poll = self.poll_interval.map(deadline::after);
            tokio::select! {
                biased;
                // The state lives as long as this job.
                _ = changes.changed() => {}
                () = until(deadline) => return self.timed_out().await,
                () = until(poll) => state.poke.notify_one(),
            }
        }
    }

    async fn timed_out(self) -> Result<Finished> {
        let status = match self.job.submission.shared.state.standing(self.job.item_id()) {
            Standing::Running(status) | Standing::Ended(status) => status,
            Standing::Gone => ItemStatus::Unknown("gone".into()),
        };
        let limit = self.timeout.unwrap_or_default();
        let doing = format!("waiting for item {}, which is {status}", self.job.item_id());
        if self.cancel_on_timeout {
            self.job.cancel().await?;
        }
        Err(Error::Timeout { doing, limit, sent: true })
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl<'a> IntoFuture for Wait<'a> {
    type Output = Result<Finished>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
