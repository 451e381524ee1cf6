//! The way from a job back to its submission.

use std::sync::Arc;

use super::Submission;
use crate::job::Job;

impl Job {
    /// The submission that it belongs to.
    pub fn submission(&self) -> Submission {
        Submission { run: Arc::clone(self.run()) }
    }
}
