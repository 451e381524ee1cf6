//! Waiting for the ends of all items.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use futures::StreamExt as _;
use tokio::time::timeout_at;

use super::{Submission, ends::ends};
use crate::{
    base::deadline,
    error::{Error, Result},
    job::{
        FinishedJob,
        wait::{UNREACHABLE, out_of_time, until},
    },
    progress::SubmissionProgress,
};

type OnProgress<'a> = Box<dyn FnMut(&SubmissionProgress) + Send + 'a>;

/// A wait for all items under construction, from [`Submission::wait_all`]. Await it.
///
/// Dropping it stops the waiting and nothing else: the items go on. Cancel safe.
///
/// ```no_run
/// # async fn example(submission: invokeai_client::Submission) -> invokeai_client::Result<()> {
/// use std::time::Duration;
///
/// let all = submission
///     .wait_all()
///     .timeout(Duration::from_secs(3600))
///     .cancel_on_timeout(true)
///     .on_progress(|all| println!("{} of {}, {:.0} %", all.ended(), all.requested, all.fraction() * 100.0))
///     .await?;
/// println!("{} results", all.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "a wait does nothing unless awaited"]
pub struct WaitAll<'a> {
    submission: &'a Submission,
    timeout: Option<Duration>,
    cancel_on_timeout: bool,
    unreachable: Duration,
    poll_interval: Option<Duration>,
    on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for WaitAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("WaitAll")
                .field("batch_id", &self.submission.batch_id())
                .field("timeout", &self.timeout)
                .finish_non_exhaustive()
        })
    }
}

impl<'a> WaitAll<'a> {
    pub(super) fn new(submission: &'a Submission) -> Self {
        Self {
            submission,
            timeout: None,
            cancel_on_timeout: false,
            unreachable: UNREACHABLE,
            poll_interval: None,
            on_progress: None,
        }
    }

    /// Waits at most this long for all items together. Default: no limit while they can be read.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Whether to cancel the items that have not ended, and enqueue no more, when the time is up. Off by default. If
    /// canceling fails, or takes longer than 5 s, the error says so.
    pub fn cancel_on_timeout(mut self, cancel: bool) -> Self {
        self.cancel_on_timeout = cancel;
        self
    }

    /// Gives up on an item that could not be read for this long, because the server is unreachable or cannot read the
    /// item itself; likewise on items that could not be enqueued for this long. A read that is still under way counts,
    /// but an answer may always take half a second. Default: 60 s.
    ///
    /// Why items failed is asked for as long, at most 60 s for all of them together until the server answers.
    pub fn unreachable_limit(mut self, limit: Duration) -> Self {
        self.unreachable = limit;
        self
    }

    /// Also reads the items this often. Default: twice a second while no events arrive, and every 15 s while they do.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Calls back with each change of progress, of all items together. Changes that follow each other quickly may be
    /// reported as one; the last one before the wait ends is never left out.
    pub fn on_progress(mut self, call: impl FnMut(&SubmissionProgress) + Send + 'a) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    async fn run(self) -> Result<Vec<FinishedJob>> {
        let Self { submission, timeout, cancel_on_timeout, unreachable, poll_interval, on_progress } = self;
        let limit = timeout.unwrap_or(Duration::MAX);
        let all = async {
            let (mut done, mut failed) = (Vec::new(), None::<(i64, Error)>);
            let mut ends = std::pin::pin!(ends(submission.clone(), unreachable));
            while let Some(end) = ends.next().await {
                match end? {
                    (_, Ok(finished)) => done.push(finished),
                    // Others are not kept: their reasons are as long as the server likes.
                    (job, Err(error)) if failed.as_ref().is_none_or(|(first, _)| job.item_id() < *first) => {
                        failed = Some((job.item_id(), error));
                    }
                    _ => {}
                }
            }
            done.sort_by_key(|finished: &FinishedJob| finished.job().item_id());
            failed.map_or(Ok(done), |(_, error)| Err(error))
        };
        let mut watch = Watch { submission, told: None, call: on_progress };
        let waiting = async {
            tokio::select! {
                outcome = all => outcome,
                never = watch.go_on(poll_interval) => match never {},
            }
        };
        let outcome = timeout_at(deadline::after(limit), waiting).await;
        watch.tell();
        if let Ok(outcome) = outcome {
            return outcome;
        }
        let (all, open) = submission.run.state().count_open();
        let waiting_for = format!("{open} of {all} items");
        let canceling = async { submission.cancel().await.map(|_| ()) };
        Err(out_of_time(waiting_for, limit, cancel_on_timeout.then_some(canceling)).await)
    }
}

/// Reports progress.
struct Watch<'a> {
    submission: &'a Submission,
    told: Option<SubmissionProgress>,
    call: Option<OnProgress<'a>>,
}

impl Watch<'_> {
    /// Calls back if something has changed.
    fn tell(&mut self) {
        if let Some(call) = &mut self.call {
            let progress = self.submission.progress();
            if self.told.as_ref() != Some(&progress) {
                call(&progress);
                self.told = Some(progress);
            }
        }
    }

    /// Calls back after each change, and has the items read at each interval.
    async fn go_on(&mut self, poll_interval: Option<Duration>) -> Infallible {
        let state = self.submission.run.state();
        let mut changes = state.changes();
        let mut next_poll = poll_interval.map(deadline::after);
        loop {
            changes.mark_unchanged();
            self.tell();
            tokio::select! {
                biased;
                () = until(next_poll) => {
                    state.poke.notify_one();
                    next_poll = poll_interval.map(deadline::after);
                }
                // The state lives as long as the submission.
                _ = changes.changed() => {}
            }
        }
    }
}

impl<'a> IntoFuture for WaitAll<'a> {
    type Output = Result<Vec<FinishedJob>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
