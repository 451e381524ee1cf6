//! A run that was sent, whoever runs it.

use std::time::Duration;

use super::ended::{End, Outcome, Part};
use crate::{
    Job, Submission, Ticket,
    error::{Error, Result},
    queue::ItemStatus,
    serve::{
        problem::Problem,
        state::{Output, Step},
    },
};

/// A run that was sent.
pub(in crate::serve) enum Sent {
    Server(Submission),
    #[cfg(feature = "fleet")]
    Fleet(super::fleet::Sent),
}

impl Sent {
    /// By which the next service finds it at once. Jobs of a fleet are found by their batch.
    pub(in crate::serve) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Server(submission) => Some(submission.ticket()),
            #[cfg(feature = "fleet")]
            Self::Fleet(_) => None,
        }
    }

    pub(in crate::serve) async fn cancel(&self) -> Result<()> {
        match self {
            Self::Server(submission) => submission.cancel().await.map(|_| ()),
            #[cfg(feature = "fleet")]
            Self::Fleet(sent) => sent.cancel().await,
        }
    }

    /// Waits for its end, and tells how far it is.
    pub(in crate::serve) async fn wait(&self, limit: Duration, tell: impl Fn(Step) + Send + Sync + 'static) -> Outcome {
        let waited = match self {
            Self::Server(submission) => {
                let waiting = submission.wait_all().timeout(limit).cancel_on_timeout(true).unreachable_limit(limit);
                waiting.on_progress(move |progress| tell(Step::of(progress))).await
            }
            #[cfg(feature = "fleet")]
            Self::Fleet(sent) => return sent.wait(limit, tell).await,
        };
        match waited {
            Ok(_) => Outcome::Ended(None),
            Err(Error::WaitTimeout { .. }) => Outcome::TooLong,
            Err(error) => Outcome::Ended(Some(Problem::of_error(&error))),
        }
    }

    /// How each part of it ended.
    pub(in crate::serve) fn ends(&self) -> Vec<End> {
        match self {
            Self::Server(submission) => {
                let end = |job: Job| match job.status() {
                    Some(ItemStatus::Completed) => End::Completed(Part::Item(job)),
                    Some(ItemStatus::Canceled) => End::Canceled,
                    _ => End::Failed,
                };
                submission.jobs().into_iter().map(end).collect()
            }
            #[cfg(feature = "fleet")]
            Self::Fleet(sent) => vec![sent.end()],
        }
    }

    /// What a part of it made for people: files, then texts and numbers.
    /// Values are those of these nodes and fields.
    pub(in crate::serve) async fn results(&self, part: &Part, gives: &[(String, String)]) -> Result<Vec<Output>> {
        let is_given = |node: &str, field: &str| gives.iter().any(|(id, name)| id == node && name == field);
        match (self, part) {
            (_, Part::Item(job)) => {
                let outputs = job.outputs().await?;
                let files = outputs.final_images().into_iter().chain(outputs.final_videos()).map(Output::of_file);
                let values = outputs.plain_values().into_iter().filter(|value| is_given(&value.node.id, &value.field));
                Ok(files
                    .chain(values.map(|value| Output::of_value(value.node.name(), value.field, value.value)))
                    .collect())
            }
            #[cfg(feature = "fleet")]
            (Self::Fleet(sent), Part::Job(job)) => sent.results(job, &is_given).await,
            #[cfg(feature = "fleet")]
            (Self::Server(_), Part::Job(_)) => Ok(Vec::new()),
        }
    }
}
