//! Which jobs, and changing them: `invokeai-client fleet cancel` and `retry`.

use clap::Args;
use invokeai_client::fleet::{Fleet, FleetJob, Jobs};

use super::{Begun, StoreArgs};
use crate::{exit::Exit, failure::Failure, table::Output};

/// Which jobs: all of the fleet, if nothing is said.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChooseArgs {
    /// Only jobs of this submission
    #[arg(long, value_name = "ID")]
    submission: Option<String>,
    /// Only jobs with this label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Only these jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
}

impl ChooseArgs {
    pub(super) fn of(&self, fleet: &Fleet) -> Jobs {
        let mut jobs = fleet.jobs();
        if let Some(submission) = &self.submission {
            jobs = jobs.submission(submission);
        }
        for (name, value) in &self.labels {
            jobs = jobs.label(name, value);
        }
        if self.jobs.is_empty() { jobs } else { jobs.ids(&self.jobs) }
    }

    /// The same, if the fleet has all that is named: who misspells a job is not to take it for done.
    pub(super) async fn known(&self, fleet: &Fleet) -> Result<Jobs, Failure> {
        if !self.is_everything() {
            self.found(fleet).await?;
        }
        Ok(self.of(fleet))
    }

    /// The jobs as they stand.
    pub(super) async fn found(&self, fleet: &Fleet) -> Result<Vec<FleetJob>, Failure> {
        let found = self.of(fleet).await?;
        let mut lacking: Vec<&str> = self.jobs.iter().map(String::as_str).collect();
        lacking.retain(|id| !found.iter().any(|job| job.id == **id));
        if lacking.is_empty() && (!found.is_empty() || self.is_everything()) {
            return Ok(found);
        }
        let mut problem = format!("the fleet has no job {}", lacking.join(", ")).trim_end().to_owned();
        if let Some(submission) = &self.submission {
            problem += &format!(" of submission {submission}");
        }
        for (name, value) in &self.labels {
            problem += &format!(" with the label {name}={value}");
        }
        Err(Failure::other(problem))
    }

    fn is_everything(&self) -> bool {
        self.submission.is_none() && self.labels.is_empty() && self.jobs.is_empty()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    choose: ChooseArgs,
    /// All jobs of the fleet
    #[arg(long, conflicts_with_all = ["submission", "labels", "jobs"])]
    all: bool,
}

impl ChangeArgs {
    async fn jobs(&self) -> Result<Jobs, Failure> {
        if self.choose.is_everything() && !self.all {
            return Err(Failure::other("name jobs, --submission or --label, or --all for all jobs of the fleet"));
        }
        self.choose.known(&self.store.open_existing().await?).await
    }
}

pub(super) async fn cancel(args: &ChangeArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let jobs = args.jobs().await?;
    let begun = Begun::new("some of these jobs may be canceled by now; the same command cancels the others");
    let canceled = jobs.cancel().await?;
    output.done("canceled", &canceled.to_string())?;
    begun.told();
    Ok(Exit::Done)
}

pub(super) async fn retry(args: &ChangeArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let jobs = args.jobs().await?;
    let begun = Begun::new("some of these jobs may be tried again by now; the same command goes on with the others");
    let again = jobs.retry().await?;
    output.done("retried", &again.to_string())?;
    begun.told();
    Ok(Exit::Done)
}

/// `NAME=VALUE`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}
