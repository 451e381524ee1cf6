//! Looking at the jobs of a fleet, waiting for them, and changing many at once.

use std::{
    collections::BTreeMap,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{
    Fleet,
    job::{self, InputOf, Job},
    store::Entry,
};
use crate::{
    base::deadline,
    error::{Error, Result},
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};

/// How often to look while nothing is said of news.
const POLL: Duration = Duration::from_millis(500);

/// Where a job of a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobState {
    /// It waits for a worker, perhaps for another attempt.
    Waiting,
    /// A worker has it.
    Running,
    /// Its result is stored.
    Done,
    /// It was given up.
    Failed,
    /// Somebody canceled it.
    Canceled,
}

impl JobState {
    /// From the words of the engine.
    pub(super) fn of(status: &str) -> Self {
        match status {
            "Running" | "Queued" => Self::Running,
            "Done" => Self::Done,
            "Failed" | "Killed" => Self::Failed,
            "Canceled" => Self::Canceled,
            _ => Self::Waiting,
        }
    }

    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Canceled)
    }

    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A job of a fleet.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetJob {
    /// Names it.
    pub id: String,
    /// The submission that it is of.
    pub submission: String,
    /// Which row of the submission it is, counted from 0.
    pub place: u64,
    /// Where it is.
    pub state: JobState,
    /// How many attempts there were.
    pub attempts: u32,
    /// How many there may be.
    pub most_attempts: u32,
    /// Jobs with a higher one run first.
    pub priority: i64,
    /// Why it was given up, or why its last attempt failed.
    pub problem: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The workflow, by its hash, and the values of this job.
    #[serde(skip)]
    pub(super) workflow: String,
    #[serde(skip)]
    pub(super) inputs: Vec<InputOf>,
}

crate::base::debug::short_debug! {
    FleetJob { id, submission, place, state, attempts, most_attempts, priority, problem, labels; .. }
}

impl FleetJob {
    pub(super) fn of(entry: &Entry) -> Result<Self> {
        let job: Job = job::from_bytes(&entry.payload)?;
        let result: Option<serde_json::Value> =
            entry.last_result.as_deref().and_then(|result| serde_json::from_str(result).ok());
        let problem = result.as_ref().and_then(|result| result.get("Err")?.as_str()).map(str::to_owned);
        Ok(Self {
            id: entry.id.clone(),
            submission: job.submission,
            place: job.place,
            state: JobState::of(&entry.status),
            attempts: entry.attempts,
            most_attempts: entry.most_attempts,
            priority: entry.priority,
            problem,
            labels: job.labels,
            workflow: job.workflow,
            inputs: job.inputs,
        })
    }
}

/// Jobs of a fleet, from [`Fleet::jobs`]: `.await` lists them, oldest first, and there is more to do with them.
#[derive(Clone)]
#[must_use = "nothing happens unless awaited"]
pub struct Jobs {
    fleet: Fleet,
    submission: Option<String>,
    ids: Option<Vec<String>>,
    labels: BTreeMap<String, String>,
}

crate::base::debug::short_debug! { Jobs { fleet, submission, ids, labels } }

impl Fleet {
    /// The workflow of a job, with the values of the job and the nodes of this crate. Values that nodes of the server would
    /// have to know are as they were given.
    ///
    /// # Errors
    /// [`Error::Fleet`].
    pub async fn workflow(&self, job: &FleetJob) -> Result<Workflow> {
        let definition = job::from_bytes(&self.blobs.get(&job.workflow).await?)?;
        let mut workflow = Workflow::new(WorkflowDefinition::from_value(definition)?, NodeCatalog::embedded());
        for InputOf { node, field, value } in &job.inputs {
            workflow.place(&format!("{node}.{field}"), Some(value.clone()));
        }
        Ok(workflow)
    }

    /// What the file was called that an image input of a job names, without its ending; `None` if the value is not a file of
    /// the fleet.
    pub fn file_stem(value: &serde_json::Value) -> Option<&str> {
        job::stem_of(value.get("image_name")?.as_str()?)
    }

    /// All jobs of the fleet, or some of them.
    ///
    /// # Errors (when awaited)
    /// [`Error::Fleet`].
    pub fn jobs(&self) -> Jobs {
        Jobs { fleet: self.clone(), submission: None, ids: None, labels: BTreeMap::new() }
    }
}

impl Jobs {
    /// Only those of this submission.
    pub fn submission(mut self, id: impl Into<String>) -> Self {
        self.submission = Some(id.into());
        self
    }

    /// Only these, by their ids.
    pub fn ids(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ids = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Only those with this label. Can be called several times: then all must be there.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    async fn list(&self) -> Result<Vec<FleetJob>> {
        let entries = self.fleet.store.entries(self.submission.as_deref()).await?;
        let mut jobs = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| self.ids.as_ref().is_none_or(|ids| ids.contains(&entry.id))) {
            let job = FleetJob::of(entry)?;
            if self.labels.iter().all(|(name, value)| job.labels.get(name) == Some(value)) {
                jobs.push(job);
            }
        }
        Ok(jobs)
    }

    /// Cancels those that have not ended, and answers how many. What runs is canceled on its server by the worker that has
    /// it, within seconds.
    ///
    /// # Errors
    /// [`Error::Fleet`].
    pub async fn cancel(&self) -> Result<u64> {
        let mut canceled = 0;
        for job in self.list().await?.iter().filter(|job| !job.state.is_final()) {
            canceled += u64::from(self.fleet.store.cancel(&job.id).await?);
        }
        Ok(canceled)
    }

    /// Gives those that failed or were canceled as many attempts again as they had at first, and answers how many.
    ///
    /// # Errors
    /// [`Error::Fleet`].
    pub async fn retry(&self) -> Result<u64> {
        let mut again = 0;
        for job in self.list().await? {
            if matches!(job.state, JobState::Failed | JobState::Canceled) {
                again += u64::from(self.fleet.store.retry(&job.id, job.most_attempts.max(1)).await?);
            }
        }
        Ok(again)
    }

    /// Waits until all have ended, and gives them. There is no limit without [`WaitForJobs::timeout`].
    ///
    /// # Errors (when awaited)
    /// [`Error::WaitTimeout`]; [`Error::Fleet`].
    pub fn wait(self) -> WaitForJobs {
        WaitForJobs { jobs: self, timeout: None }
    }
}

impl IntoFuture for Jobs {
    type Output = Result<Vec<FleetJob>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.list().await })
    }
}

/// A wait under construction, from [`Jobs::wait`]. Await it.
#[derive(Clone)]
#[must_use = "a wait does nothing unless awaited"]
pub struct WaitForJobs {
    jobs: Jobs,
    timeout: Option<Duration>,
}

crate::base::debug::short_debug! { WaitForJobs { jobs, timeout } }

impl WaitForJobs {
    /// Waits at most this long.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    async fn run(self) -> Result<Vec<FleetJob>> {
        let end = self.timeout.map(deadline::after);
        loop {
            // Counting is cheap; a list is made when it is worth it.
            let counts = self.jobs.fleet.store.counts(self.jobs.submission.as_deref()).await?;
            let open: u64 = counts.iter().filter(|c| !JobState::of(&c.status).is_final()).map(|c| c.jobs).sum();
            let is_all = self.jobs.ids.is_none() && self.jobs.labels.is_empty();
            if open == 0 || !is_all {
                let jobs = self.jobs.list().await?;
                if jobs.iter().all(|job| job.state.is_final()) {
                    return Ok(jobs);
                }
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                let waiting_for = format!("{open} jobs of the fleet");
                return Err(Error::WaitTimeout { waiting_for, limit: self.timeout.unwrap_or_default() });
            }
            let next = Instant::now() + POLL;
            sleep_until(end.map_or(next, |end| end.min(next))).await;
        }
    }
}

impl IntoFuture for WaitForJobs {
    type Output = Result<Vec<FleetJob>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
