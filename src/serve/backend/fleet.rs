//! Runs on a fleet: each is a submission of one job, known by the batch of the run.

use std::{
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::ended::{End, Outcome, Part};
use crate::{
    Client,
    base::deadline,
    error::{Error, Result},
    fleet::{Fleet, FleetJob, JobState},
    media::{FileKind, HEAD, Kind},
    serve::{
        offer::Offer,
        problem::Problem,
        state::{Output, Step},
        wording::without_places,
    },
};

/// How soon and how rarely a job is looked at: there are many, and nothing announces their ends.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How long a store that cannot be asked is asked again for what must be known at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job of the fleet.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Sent {
    fleet: Fleet,
    job: String,
    /// How it stands, by the last look.
    state: Arc<Mutex<JobState>>,
}

/// Submits a job for a workflow with these values, found by this id of its submission.
pub(super) async fn submit(fleet: &Fleet, offer: &Offer, values: &Map<String, Value>, id: &str) -> Result<Sent> {
    let mut submit = fleet.submit(&offer.workflow).known_as(id).label("workflow", &offer.name);
    for (name, value) in values {
        let input = offer.workflow.input(name)?;
        submit = submit.value(&*input.node_id, &*input.field_name, value.clone());
    }
    let submitted = submit.await;
    match submitted {
        // The job of an earlier try, whose answer was lost, is the one that counts.
        Ok(submission) => match submission.jobs.first() {
            Some(job) if fleet.job(job).await?.is_some() => Ok(Sent::new(fleet, job)),
            _ => found(fleet, id).await?.ok_or_else(|| Error::invalid("job", "was not stored")),
        },
        Err(error @ Error::Fleet { .. }) => {
            tracing::warn!(%error, "whether the fleet has this run is looked up");
            found(fleet, id).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// The job of an earlier life of this service. What is stored is stored whole, so one look tells.
pub(super) async fn find(fleet: &Fleet, id: &str) -> Result<Option<Sent>> {
    found(fleet, id).await
}

async fn found(fleet: &Fleet, id: &str) -> Result<Option<Sent>> {
    let end = Instant::now() + PATIENCE;
    loop {
        match fleet.jobs().submission(id).await {
            Ok(jobs) => return Ok(jobs.first().map(|job| Sent::new(fleet, &job.id))),
            Err(error) if error.is_retryable() && Instant::now() < end => sleep(LOOKS.1).await,
            Err(error) => return Err(error),
        }
    }
}

/// An image by its name, as the fleet takes it: one of the server that is asked is copied, as no other server has it.
pub(super) async fn brought(fleet: &Fleet, client: &Client, input: &str, value: Value) -> Result<Value, Problem> {
    let name = value.as_str().or_else(|| value.get("image_name")?.as_str()).map(str::to_owned);
    let Some(name) = name else { return Ok(value) };
    let known = fleet.file_named(&name).await;
    let bytes = match known {
        Ok(Some(_)) => return Ok(json!({ "image_name": name })),
        Ok(None) => client.image(&*name).download().bytes().await,
        Err(error) => Err(error),
    };
    let missing = || {
        let accepted = "a file, or the name of an image that this service gave or its server has";
        Problem::input(input, Some(Value::from(&*name).to_string()), accepted)
    };
    let bytes = bytes.map_err(|error| match error {
        Error::Fleet { passes: false, .. } => missing(),
        error if error.is_not_found() => missing(),
        error => Problem::of_error(&error),
    })?;
    let kind = Kind::of_bytes(bytes.get(..HEAD.min(bytes.len())).unwrap_or_default()).ok_or_else(missing)?;
    let name = fleet.put_image(bytes, kind.ending()).await.map_err(|error| Problem::of_error(&error))?;
    Ok(json!({ "image_name": name }))
}

impl Sent {
    fn new(fleet: &Fleet, job: &str) -> Self {
        Self { fleet: fleet.clone(), job: job.to_owned(), state: Arc::new(Mutex::new(JobState::Waiting)) }
    }

    pub(super) async fn cancel(&self) -> Result<()> {
        self.fleet.jobs().ids([&self.job]).cancel().await.map(|_| ())
    }

    pub(super) fn end(&self) -> End {
        match *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            JobState::Done => End::Completed(Part::Job(self.job.clone())),
            JobState::Canceled => End::Canceled,
            _ => End::Failed,
        }
    }

    /// Looks at the job until it has ended. A store that is away for a while is waited for.
    pub(super) async fn wait(&self, limit: Duration, tell: impl Fn(Step)) -> Outcome {
        let end = deadline::after(limit);
        let mut pause = LOOKS.0;
        loop {
            match self.fleet.job(&self.job).await {
                Ok(Some(job)) => {
                    *self.state.lock().unwrap_or_else(PoisonError::into_inner) = job.state;
                    if job.state.is_final() {
                        return Outcome::Ended(problem(&job));
                    }
                    tell(step(&job, self.fleet.has_workers().await.unwrap_or(true)));
                }
                Ok(None) => {
                    let detail = "the run was removed from the store of the fleet";
                    *self.state.lock().unwrap_or_else(PoisonError::into_inner) = JobState::Failed;
                    return Outcome::Ended(Some(Problem::new(StatusCode::GONE, "gone", detail)));
                }
                Err(error) => tracing::warn!(%error, "the fleet cannot be asked now; it is tried again"),
            }
            if Instant::now() >= end {
                if let Err(error) = self.cancel().await {
                    tracing::warn!(%error, "a run whose time is up cannot be canceled");
                }
                return Outcome::TooLong;
            }
            sleep(pause).await;
            pause = (pause * 5 / 4).min(LOOKS.1);
        }
    }

    /// What the job made.
    pub(super) async fn results(
        &self,
        job: &str,
        is_given: &(dyn Fn(&str, &str) -> bool + Sync),
    ) -> Result<Vec<Output>> {
        let Some(result) = self.fleet.result(job).await? else {
            let problem = "its result is not there".to_owned();
            return Err(Error::Fleet { doing: "read the result of a job", problem, passes: false });
        };
        let mut outputs = Vec::new();
        for file in &result.files {
            outputs.push(output(file.as_input(), file.node.clone(), &self.fleet.file(file).await?));
        }
        let given = result.values.into_iter().filter(|value| is_given(&value.node_id, &value.field));
        outputs.extend(given.map(|value| Output::of_value(&value.node, value.field, value.value)));
        Ok(outputs)
    }
}

fn output(name: String, node: String, bytes: &Bytes) -> Output {
    let kind = Kind::of_bytes(bytes.get(..HEAD.min(bytes.len())).unwrap_or_default());
    let is_video = kind.is_some_and(|kind| kind.label().starts_with("video/"));
    let size = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    let size = size.and_then(|picture| picture.into_dimensions().ok());
    Output::file(
        if is_video { FileKind::Video } else { FileKind::Image },
        name,
        node,
        size.map(|(width, _)| width.into()),
        size.map(|(_, height)| height.into()),
    )
}

/// All that a fleet knows of a job that has not ended: whether a worker has it, and which try it is.
fn step(job: &FleetJob, has_workers: bool) -> Step {
    let is_running = job.state == JobState::Running;
    let try_of = format!("try {} of {}", (job.attempts + 1).min(job.most_attempts.max(1)), job.most_attempts);
    let message = match (is_running, has_workers) {
        (true, _) if job.attempts == 0 => "a server of the fleet works on it".to_owned(),
        (true, _) => format!("a server of the fleet works on it, {try_of}"),
        (false, false) => "no worker of the fleet runs".to_owned(),
        (false, true) if job.attempts > 0 => format!("waits for {try_of}"),
        (false, true) => "waits for a server of the fleet".to_owned(),
    };
    Step::of_job(is_running, message)
}

/// Why a job did not end well.
fn problem(job: &FleetJob) -> Option<Problem> {
    match job.state {
        JobState::Done => None,
        JobState::Canceled => Some(Problem::new(StatusCode::CONFLICT, "canceled", "the run was canceled")),
        _ => {
            let said = job.problem.as_deref().unwrap_or("the fleet gave it up");
            let detail = format!("after {} attempts: {}", job.attempts, without_places(said));
            Some(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "run_failed", detail))
        }
    }
}
