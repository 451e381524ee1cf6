//! Looking at the jobs of a fleet, waiting for them, and changing many at once.

use std::{
    collections::BTreeMap,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout_at};

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
    /// How many attempts it was submitted with.
    #[serde(skip)]
    attempts_at_first: u32,
    #[serde(skip)]
    deadline: Option<i64>,
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
            attempts_at_first: job.attempts,
            deadline: job.deadline,
        })
    }
}

impl FleetJob {
    /// What the store has of it, without its deadline.
    fn without_deadline(&self) -> Result<Vec<u8>> {
        job::to_bytes(&Job {
            submission: self.submission.clone(),
            place: self.place,
            workflow: self.workflow.clone(),
            inputs: self.inputs.clone(),
            deadline: None,
            attempts: self.attempts_at_first,
            labels: self.labels.clone(),
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

    /// Gives those that failed or were canceled as many attempts again as they had at first, without a deadline, and answers
    /// how many. Of one that had been begun, the attempt that was canceled counts from then on.
    ///
    /// # Errors
    /// [`Error::Fleet`].
    pub async fn retry(&self) -> Result<u64> {
        let mut again = 0;
        for job in self.list().await? {
            if matches!(job.state, JobState::Failed | JobState::Canceled) {
                let without = job.deadline.is_some().then(|| job.without_deadline()).transpose()?;
                again += u64::from(self.fleet.store.retry(&job.id, job.attempts_at_first.max(1), without).await?);
            }
        }
        Ok(again)
    }

    /// Waits until all have ended, and gives them. There is no limit without [`WaitForJobs::timeout`].
    ///
    /// A store that is away for a while is waited for, with a warning in the log. Dropping the wait changes nothing.
    ///
    /// # Errors (when awaited)
    /// [`Error::WaitTimeout`]; [`Error::Fleet`] if the store fails for a reason that does not pass.
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
        let limit = self.timeout.unwrap_or_default();
        let end = self.timeout.map(deadline::after);
        // Whoever does not want to wait wants to know how it stands.
        let first = Instant::now() + POLL;
        let mut waiting_for = "jobs of the fleet".to_owned();
        let mut is_away = false;
        loop {
            let look = self.look();
            let looked = match end {
                Some(end) => timeout_at(end.max(first), look).await,
                None => Ok(look.await),
            };
            match looked {
                Ok(Ok(Look::Ended(jobs))) => return Ok(jobs),
                Ok(Ok(Look::Open(open))) => {
                    is_away = false;
                    waiting_for = format!("{open} jobs of the fleet");
                }
                Ok(Err(error @ Error::Fleet { passes: true, .. })) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "waiting for the store of the fleet");
                    }
                    waiting_for = format!("the store of the fleet: {error}");
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::WaitTimeout { waiting_for, limit }),
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                return Err(Error::WaitTimeout { waiting_for, limit });
            }
            let next = Instant::now() + POLL;
            sleep_until(end.map_or(next, |end| end.min(next))).await;
        }
    }

    /// Counting is cheap; a list is made when it is worth it.
    async fn look(&self) -> Result<Look> {
        let jobs = &self.jobs;
        if jobs.ids.is_none() && jobs.labels.is_empty() {
            let counts = jobs.fleet.store.counts(jobs.submission.as_deref()).await?;
            let open: u64 = counts.iter().filter(|c| !JobState::of(&c.status).is_final()).map(|c| c.jobs).sum();
            if open > 0 {
                return Ok(Look::Open(open));
            }
        }
        let jobs = jobs.list().await?;
        Ok(match jobs.iter().filter(|job| !job.state.is_final()).count() {
            0 => Look::Ended(jobs),
            open => Look::Open(open as u64),
        })
    }
}

/// What a wait found.
enum Look {
    Ended(Vec<FleetJob>),
    /// How many have not ended.
    Open(u64),
}

impl IntoFuture for WaitForJobs {
    type Output = Result<Vec<FleetJob>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            Fleet,
            job::{Job, Needs, to_bytes},
            store::{New, Store},
        },
        FleetJob, JobState,
    };

    async fn fail(store: &Store, queue: &str) {
        store.register("worker", queue).await.unwrap();
        let taken = store.take("worker", queue).await.unwrap().expect("a job");
        assert!(store.put_back(&taken, Some("no"), Duration::ZERO, true).await.unwrap());
    }

    #[tokio::test]
    async fn every_retry_gives_as_many_attempts_as_there_were_at_first() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = Fleet::open(format!("sqlite:{}", folder.path().join("fleet.sqlite").display())).await.unwrap();
        let (queue, id) = (Needs::queue("none"), ulid::Ulid::generate().to_string());
        let job = Job {
            submission: uuid::Uuid::new_v4().to_string(),
            place: 0,
            workflow: String::new(),
            inputs: Vec::new(),
            deadline: None,
            attempts: 2,
            labels: Default::default(),
        };
        let key = format!("{}/0", job.submission);
        let job = New { id, key, payload: to_bytes(&job).unwrap(), priority: 0, attempts: 2 };
        fleet.store.push(&queue, vec![job]).await.unwrap();
        for round in 1..=4 {
            fail(&fleet.store, &queue).await;
            fail(&fleet.store, &queue).await;
            let [FleetJob { state, attempts, most_attempts, .. }] = &fleet.jobs().await.unwrap()[..] else { panic!() };
            assert_eq!((*state, *attempts, *most_attempts), (JobState::Failed, 2 * round, 2 * round));
            assert_eq!(fleet.jobs().retry().await.unwrap(), 1);
        }
    }
}
