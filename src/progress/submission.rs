//! Progress of all items of a submission.

use std::collections::BTreeMap;

use super::{ItemStatus, Progress};

/// Progress of all items of a submission, from [`Submission::progress`](crate::Submission::progress) and
/// [`WaitAll::on_progress`](crate::WaitAll::on_progress).
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct SubmissionProgress {
    /// How many items were requested.
    pub requested: u64,
    /// How many of them have been enqueued so far.
    pub enqueued: u64,
    /// Items that completed.
    pub completed: u64,
    /// Items that failed.
    pub failed: u64,
    /// Items that were canceled.
    pub canceled: u64,
    /// Items that were deleted, pruned or cleared before their end was seen.
    pub gone: u64,
    /// Items that run now, by id.
    pub running: BTreeMap<i64, Progress>,
}

crate::base::debug::short_debug! { SubmissionProgress { requested, enqueued, completed, failed, canceled, gone, running } }

impl SubmissionProgress {
    /// How many items have ended, in whatever way.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.canceled + self.gone
    }

    /// Progress of all items together, from 0 to 1. Every item counts the same.
    pub fn fraction(&self) -> f64 {
        let all = self.requested.max(self.enqueued);
        let running: f64 = self.running.values().map(Progress::fraction).sum();
        if all == 0 { 1.0 } else { ((self.ended() as f64 + running) / all as f64).clamp(0.0, 1.0) }
    }

    /// Whether every item that was requested has ended.
    pub fn is_finished(&self) -> bool {
        self.ended() >= self.requested.max(self.enqueued)
    }

    /// Counts an item that has ended. Unknown statuses of newer servers do not count as ends.
    pub(crate) fn count(&mut self, end: &ItemStatus) {
        match end {
            ItemStatus::Completed => self.completed += 1,
            ItemStatus::Failed => self.failed += 1,
            ItemStatus::Canceled => self.canceled += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_run_count_in_part() {
        let mut progress = SubmissionProgress { requested: 4, enqueued: 2, ..SubmissionProgress::default() };
        assert_eq!((progress.fraction(), progress.is_finished()), (0.0, false));
        progress.count(&ItemStatus::Failed);
        let mut half = super::super::ProgressTracker::new(7, [("a", None::<&str>), ("b", None)]).progress().clone();
        half.nodes_done = 1;
        progress.running.insert(7, half);
        assert_eq!((progress.ended(), progress.fraction()), (1, 0.375));
        (progress.gone, progress.canceled, progress.completed) = (1, 1, 1);
        assert!(progress.is_finished() && progress.fraction() == 1.0);
        assert_eq!(SubmissionProgress::default().fraction(), 1.0);
    }
}
