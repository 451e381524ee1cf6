//! Waiting for the end of a job.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{FinishedJob, Job, JobFailure};
use crate::{
    base::deadline,
    error::{Error, Result},
    progress::Progress,
    queue::ItemStatus,
    run::state::{MOMENT, Standing},
};

/// How long a server may be unreachable before a wait gives up.
pub(crate) const UNREACHABLE: Duration = Duration::from_secs(60);

/// How long a cancellation may take after the time of a wait is up.
pub(crate) const CANCELLATION: Duration = Duration::from_secs(5);

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
        crate::base::debug::whole(f, |f| {
            f.debug_struct("Wait").field("item_id", &self.job.item_id()).field("timeout", &self.timeout).finish()
        })
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

    /// Waits at most this long. Default: no limit while the item can be read.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Also reads the item this often. Default: twice a second while no events arrive, and every 15 s while they do.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Whether to cancel the item when the time is up. Off by default. If canceling fails, or takes longer than 5 s,
    /// the error says so.
    pub fn cancel_on_timeout(mut self, cancel: bool) -> Self {
        self.cancel_on_timeout = cancel;
        self
    }

    /// Gives up when the item could not be read for this long, because the server is unreachable or cannot read the
    /// item itself. A read that is still under way counts, but an answer may always take half a second. Default: 60 s.
    ///
    /// Of an item that failed, the reason is asked for as long, at most 60 s. All items of a submission share that time
    /// until the server answers: the rest is known from events only.
    pub fn unreachable_limit(mut self, limit: Duration) -> Self {
        self.unreachable = limit;
        self
    }

    /// Calls back with each change of progress. Changes that follow each other quickly may be reported as one.
    pub fn on_progress(mut self, call: impl FnMut(&Progress) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    async fn run(mut self) -> Result<FinishedJob> {
        let end = self.timeout.map(deadline::after);
        let run = &self.job.run;
        let (state, item_id) = (run.state(), self.job.item_id());
        let mut changes = state.changes();
        let mut told: Option<Progress> = None;
        let mut next_poll = self.poll_interval.map(deadline::after);
        loop {
            changes.mark_unchanged();
            if let Some(call) = &mut self.on_progress {
                let progress = self.job.progress();
                if told.as_ref() != Some(&progress) {
                    call(&progress);
                    told = Some(progress);
                }
            }
            match state.standing(item_id) {
                Standing::Ended(status) => return self.job.ended(status, end, self.unreachable).await,
                Standing::Gone => return Err(Error::JobGone { item_id }),
                Standing::Running(_) => run.keep_following(),
            }
            let give_up = state.patience(item_id, self.unreachable)?;
            tokio::select! {
                // Changes may come without a pause: they come last.
                biased;
                () = until(end) => return self.timed_out().await,
                () = until(next_poll) => {
                    state.poke.notify_one();
                    next_poll = self.poll_interval.map(deadline::after);
                }
                () = sleep_until(give_up) => {}
                // The state lives as long as this job.
                _ = changes.changed() => {}
            }
        }
    }

    async fn timed_out(self) -> Result<FinishedJob> {
        let status = match self.job.run.state().standing(self.job.item_id()) {
            Standing::Running(status) | Standing::Ended(status) => status,
            Standing::Gone => ItemStatus::Unknown("gone".into()),
        };
        let waiting_for = format!("item {}, which is {status}", self.job.item_id());
        let canceling = async { self.job.cancel().await.map(|_| ()) };
        Err(out_of_time(waiting_for, self.timeout.unwrap_or_default(), self.cancel_on_timeout.then_some(canceling))
            .await)
    }
}

/// What a wait returns when its time is up. A server that does not even cancel must not prolong it for long.
pub(crate) async fn out_of_time(
    mut waiting_for: String,
    limit: Duration,
    canceling: Option<impl Future<Output = Result<()>>>,
) -> Error {
    if let Some(canceling) = canceling {
        match timeout(CANCELLATION, canceling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => waiting_for += &format!(" and cannot be canceled ({error})"),
            Err(_) => waiting_for += &format!(" and was not canceled within {} s", CANCELLATION.as_secs()),
        }
    }
    Error::WaitTimeout { waiting_for, limit }
}

pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Job {
    /// What an end means for those who wait until `end`, and up to `limit` for a server that does not answer.
    async fn ended(&self, status: ItemStatus, end: Option<Instant>, limit: Duration) -> Result<FinishedJob> {
        match status {
            ItemStatus::Completed => Ok(FinishedJob { job: self.clone() }),
            ItemStatus::Canceled => Err(Error::JobCanceled { item_id: self.item_id }),
            _ => Err(Error::JobFailed(Box::new(self.failure(end, limit).await))),
        }
    }

    /// Why the job failed. The item names the node; the event of the failure does not. That it failed is certain, so if
    /// the item can no longer be read, this returns what is known without it.
    async fn failure(&self, end: Option<Instant>, limit: Duration) -> JobFailure {
        let (state, began, limit) = (self.run.state(), Instant::now(), limit.clamp(MOMENT, UNREACHABLE));
        let latest = began + state.time_for_reasons(limit);
        let latest = end.map_or(latest, |end| end.min(latest));
        let mut asked = None;
        if latest > began {
            asked = timeout_at(latest, self.queue().find_item(self.item_id)).await.ok();
            let is_answered = match &asked {
                Some(Err(error)) => !error.is_retryable(),
                asked => asked.is_some(),
            };
            state.asked_for_reason(limit, began.elapsed(), is_answered);
        }
        let unknown = match asked {
            Some(Ok(Some(item))) if item.batch_id == self.run.batch_id() => {
                return JobFailure::of(&item, &state.labels());
            }
            Some(Ok(_)) => "the item is no longer on the server".to_owned(),
            Some(Err(error)) => format!("the item cannot be read: {error}"),
            None => "the item could not be read in time".to_owned(),
        };
        tracing::warn!(item_id = self.item_id, reason = unknown, "why the item failed is known from events only");
        JobFailure::seen(self.item_id, self.progress().failure, unknown)
    }
}

impl<'a> IntoFuture for Wait<'a> {
    type Output = Result<FinishedJob>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
