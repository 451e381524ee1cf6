//! The ends of all items, one after another.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::Stream;
use tokio::sync::watch;

use super::Submission;
use crate::{
    error::{Error, Result},
    job::{FinishedJob, Job, wait::until},
    run::state::News,
};

/// Yields every item of a submission once, with its end or the error that lasted longer than `unreachable`; then the
/// error that kept others from being enqueued.
pub(super) fn ends(
    submission: Submission,
    unreachable: Duration,
) -> impl Stream<Item = Result<(Job, Result<FinishedJob>)>> + Send + use<> {
    let changes = submission.run.state().changes();
    let (ready, given_up) = (VecDeque::new(), BTreeSet::new());
    let ends = Ends { submission, unreachable, changes, known: 0, given_up, ready, is_over: false };
    futures::stream::unfold(ends, async |mut ends| ends.next().await.map(|end| (end, ends)))
}

struct Ends {
    submission: Submission,
    unreachable: Duration,
    changes: watch::Receiver<u64>,
    /// How many ends are known.
    known: usize,
    /// Items whose trouble was reported. Their ends are not.
    given_up: BTreeSet<i64>,
    /// Ends that are known, but not reported yet.
    ready: VecDeque<(i64, Option<Error>)>,
    is_over: bool,
}

impl Ends {
    async fn next(&mut self) -> Option<Result<(Job, Result<FinishedJob>)>> {
        loop {
            if let Some((id, trouble)) = self.ready.pop_front() {
                let job = Job::new(Arc::clone(&self.submission.run), id);
                let end = match trouble {
                    Some(error) => Err(error),
                    None => job.wait().unreachable_limit(self.unreachable).await,
                };
                return Some(Ok((job, end)));
            }
            if self.is_over {
                return None;
            }
            self.changes.mark_unchanged();
            self.submission.run.keep_following();
            let state = self.submission.run.state();
            let News { known, closed, given_up, next_limit, over } =
                state.news(self.known, &self.given_up, self.unreachable);
            self.known = known;
            self.given_up.extend(given_up.iter().map(|(id, _)| *id));
            self.ready.extend(closed.into_iter().map(|id| (id, None)));
            self.ready.extend(given_up.into_iter().map(|(id, error)| (id, Some(error))));
            if let Some(outcome) = over {
                self.is_over = true;
                return outcome.err().map(Err);
            }
            if self.ready.is_empty() {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = until(next_limit) => {}
                }
            }
        }
    }
}
