//! One attempt at a job: found on a server or sent to one, followed to its end, and its result brought home once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{Crew, host::Host, metrics};
use crate::{
    Client, FinishedJob, Submission, Ticket, Upload,
    error::{Error, Result},
    fleet::{
        identity,
        job::{self, Job},
        results::{JobResult, ResultFile, ResultValue},
        store::{Attempt, Ended, Standing, Taken},
    },
    media::FileKind,
    queue::DEFAULT_QUEUE,
};

/// How long to look for what an earlier attempt left on a server.
const LOOKING: Duration = Duration::from_secs(15);

/// How long a job is left to others that could do it, and how often at most.
const LEFT: Duration = Duration::from_secs(1);
const LEFT_TIMES: u32 = 30;

/// How long a server may be out of reach before a job is tried elsewhere.
const UNREACHABLE: Duration = Duration::from_secs(30);

/// How long to wait before a job that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What came of it.
enum Outcome {
    /// It gave this.
    Result(Box<JobResult>),
    /// There is a result already.
    IsThere,
    /// It failed on the server: that is an attempt.
    Failed(String),
    /// It failed before a server had anything to do with it: one of its files cannot be read, for example. An attempt, too.
    Spoiled(String),
    /// The server failed, before it had the job or while it did.
    Away { why: String, was_sent: bool },
    /// Others are to do it.
    Left(String),
    /// It can go well nowhere.
    Hopeless(String),
}

/// Carries out an attempt. Whatever happens, the store knows of it, or finds out after the lease.
pub(super) async fn work(crew: &Crew, host: &Arc<Host>, hosts: &[Arc<Host>], job: &Taken) {
    let outcome = tokio::select! {
        // Its end and its loss may be seen together: then it has ended.
        biased;
        outcome = attempt(crew, host, hosts, job) => outcome,
        standing = lost(crew, job) => return is_lost(host, job, standing),
    };
    let outcome = outcome.unwrap_or_else(|error| Outcome::Spoiled(error.to_string()));
    // What was canceled fails on its server, too, and the server cannot help that.
    if !matches!(outcome, Outcome::Result(_) | Outcome::IsThere)
        && let Ok(standing @ (Standing::Canceled | Standing::Lost)) =
            crew.patiently(|| crew.fleet.store.standing(job)).await
    {
        return is_lost(host, job, standing);
    }
    if let Err(error) = end(crew, host, job, outcome).await {
        tracing::error!(job = job.id, %error, "how the attempt ended cannot be recorded; the job is tried again");
        // It is an attempt, or it might go on like this for ever. If that cannot be recorded either, the place gives it back.
        let problem = format!("how the attempt ended cannot be recorded: {error}");
        let back = || crew.fleet.store.put_back(job, Some(&problem), AFTER_FAILURE, true);
        if let Err(error) = crew.patiently(back).await {
            crew.store_failed();
            tracing::error!(job = job.id, %error, "nor can that the job is given back");
        }
    }
    host.ended.notify_one();
}

/// The job is somebody else's or nobody's.
fn is_lost(host: &Host, job: &Taken, standing: Standing) {
    metrics::lost(host.address());
    tracing::info!(job = job.id, attempt = job.attempt, ?standing, "the job is not this worker's any more");
    host.ended.notify_one();
}

/// Waits until the job is somebody else's or nobody's.
async fn lost(crew: &Crew, job: &Taken) -> Standing {
    loop {
        sleep((crew.lease / 10).clamp(Duration::from_millis(500), Duration::from_secs(3))).await;
        match crew.fleet.store.standing(job).await {
            Ok(Standing::Held) => {}
            Ok(standing) => return standing,
            Err(error) => tracing::debug!(%error, "cannot see whether the job is still held"),
        }
    }
}

async fn end(crew: &Crew, host: &Host, job: &Taken, outcome: Outcome) -> Result<()> {
    let store = &crew.fleet.store;
    match outcome {
        Outcome::Result(result) => {
            let manifest = job::to_bytes(&*result)?;
            let manifest = crew.patiently(|| crew.fleet.blobs.put(manifest.clone().into())).await?;
            let stored = || store.finish(job, &result.server, &manifest);
            if crew.patiently(stored).await? {
                crew.report().done += 1;
                metrics::result(host.address());
                host.has_done();
            } else {
                tracing::info!(job = job.id, "a result came late and is thrown away");
                crew.report().late += 1;
                metrics::late(host.address());
            }
        }
        Outcome::IsThere => {
            let counted = job.attempt.saturating_add(1);
            crew.patiently(|| store.end(job, Ended::Done(counted))).await?;
        }
        Outcome::Failed(problem) => {
            tracing::warn!(job = job.id, attempt = job.attempt, server = host.address(), problem, "the attempt failed");
            host.has_failed(&job.id, &problem);
            count_failure(crew, host, job, &problem, AFTER_FAILURE).await?;
        }
        Outcome::Spoiled(problem) => {
            tracing::warn!(job = job.id, attempt = job.attempt, problem, "the attempt failed");
            count_failure(crew, host, job, &problem, AFTER_FAILURE).await?;
        }
        Outcome::Away { why, was_sent } => {
            host.is_away(&why);
            let why = format!("{}: {why}", host.address());
            if was_sent {
                count_failure(crew, host, job, &why, Duration::ZERO).await?;
            } else {
                // Nothing is to be looked for there, and what was uploaded stays recorded.
                crew.patiently(|| store.note_failure(&job.id, job.attempt, &why)).await?;
                crew.patiently(|| store.put_back(job, Some(&why), Duration::ZERO, false)).await?;
            }
        }
        Outcome::Left(why) => {
            tracing::debug!(job = job.id, why, "left to others");
            crew.patiently(|| store.note_failure(&job.id, job.attempt, &why)).await?;
            crew.patiently(|| store.put_back(job, None, LEFT, false)).await?;
        }
        Outcome::Hopeless(problem) => {
            crew.patiently(|| store.end(job, Ended::GivenUp(&problem))).await?;
        }
    }
    Ok(())
}

/// Records a failure, which is an attempt.
async fn count_failure(crew: &Crew, host: &Host, job: &Taken, problem: &str, pause: Duration) -> Result<()> {
    let store = &crew.fleet.store;
    crew.report().failed += 1;
    metrics::failure(host.address());
    crew.patiently(|| store.note_failure(&job.id, job.attempt, problem)).await?;
    crew.patiently(|| store.put_back(job, Some(problem), pause, true)).await?;
    Ok(())
}

async fn attempt(crew: &Crew, host: &Arc<Host>, hosts: &[Arc<Host>], taken: &Taken) -> Result<Outcome> {
    let store = &crew.fleet.store;
    let job: Job = match job::from_bytes(&taken.payload) {
        Ok(job) => job,
        Err(error) => return Ok(Outcome::Hopeless(error.to_string())),
    };
    // A worker may have died between storing a result and saying so.
    if crew.patiently(|| store.result_of(&taken.id)).await?.is_some() {
        return Ok(Outcome::IsThere);
    }
    // The engine counts the attempts of workers that died, and hands the job out all the same.
    if taken.attempt >= taken.most_attempts {
        let problem = format!("given up after {} attempts, the last of which ended with its worker", taken.attempt);
        return Ok(Outcome::Hopeless(problem));
    }
    let open = crew.patiently(|| store.open_attempts(&taken.id)).await?;
    if let Some(deadline) = job.deadline
        && taken.attempt == 0
        && open.is_empty()
        && crew.patiently(|| store.now()).await? > deadline
    {
        let mut problem = "its deadline passed before it was begun".to_owned();
        if let Some((_, why)) = crew.patiently(|| store.failures(&taken.id)).await?.first() {
            problem = format!("{problem}; before that: {why}");
        }
        return Ok(Outcome::Hopeless(problem));
    }
    for earlier in open {
        let own = hosts.iter().find(|host| host.names().contains(&&*earlier.server));
        let client = match (own, identity::address_from_here(&earlier.server)) {
            (Some(host), _) => host.client.clone(),
            // It needs no login, or another worker has to find what is there.
            (None, Some(address)) => Client::new(address)?,
            (None, None) => {
                let server = identity::address(&earlier.server);
                tracing::warn!(server, "an earlier attempt is on a server of another machine; running it again");
                continue;
            }
        };
        match timeout(LOOKING, found(&client, &earlier)).await {
            Ok(Ok(Some(submission))) => {
                tracing::info!(job = taken.id, batch = earlier.batch, "found what an earlier attempt sent");
                let attempt = Attempt { attempt: taken.attempt, ..earlier };
                crew.patiently(|| store.begin_attempt(&crew.name, &attempt)).await?;
                return follow(crew, &client, &attempt, submission).await;
            }
            Ok(Ok(None)) => {}
            // What cannot be looked for may be there: only its absence is a reason to run it again.
            unclear => {
                let why = match unclear {
                    Ok(Err(error)) => error.to_string(),
                    _ => format!("no answer about an earlier attempt within {LOOKING:?}"),
                };
                // Its own server comes back, or is given up on with the next attempt.
                if host.names().contains(&&*earlier.server) {
                    return Ok(Outcome::Away { why, was_sent: true });
                }
                tracing::warn!(server = earlier.server, why, "another server cannot be asked about an earlier attempt");
            }
        }
    }
    if let Some(other) = better(crew, host, hosts, taken).await?
        && host.leaves(&taken.id) <= LEFT_TIMES
    {
        return Ok(Outcome::Left(format!("it has failed here, and {other} could do it")));
    }
    send(crew, host, taken, &job).await
}

/// A server on which a job has not failed yet, if it has failed on this one.
async fn better(crew: &Crew, host: &Host, hosts: &[Arc<Host>], job: &Taken) -> Result<Option<String>> {
    if job.attempt == 0 {
        return Ok(None);
    }
    let failed = crew.patiently(|| crew.fleet.store.failures(&job.id)).await?;
    let is_new = |names: [&str; 2]| !failed.iter().any(|(server, _)| names.contains(&&**server));
    if is_new(host.names()) {
        return Ok(None);
    }
    if let Some(other) = hosts.iter().find(|other| is_new(other.names()) && other.takes(&job.queue)) {
        return Ok(Some(other.address().to_owned()));
    }
    let others = crew.patiently(|| crew.fleet.servers()).await?;
    let other = others.into_iter().find(|other| {
        let is_mine = hosts.iter().any(|host| host.identity() == other.identity);
        !is_mine && is_new([&other.identity, &other.server]) && other.takes(&job.queue)
    });
    Ok(other.map(|other| other.server))
}

/// The batch of an attempt, if the server has it.
#[tracing::instrument(level = "debug", skip_all)]
async fn found(client: &Client, attempt: &Attempt) -> Result<Option<Submission>> {
    let items = client.queue(&attempt.queue).batch_items(&attempt.batch).await?;
    // Children of called workflows are of the same batch.
    let item_ids: Vec<i64> =
        items.iter().filter(|item| item.parent_item_id.is_none()).map(|item| item.item_id).collect();
    if item_ids.is_empty() {
        return Ok(None);
    }
    let ticket = Ticket { queue_id: attempt.queue.clone(), batch_id: attempt.batch.clone(), item_ids };
    Submission::attach(client, &ticket).await.map(Some)
}

/// Sends the job to the server: recorded, then its files, then the batch.
#[tracing::instrument(level = "debug", skip_all)]
async fn send(crew: &Crew, host: &Host, taken: &Taken, job: &Job) -> Result<Outcome> {
    let (server, store) = (&host.client, &crew.fleet.store);
    let abilities = match host.abilities().await {
        Ok(abilities) => abilities,
        Err(error) => return Ok(Outcome::Away { why: error.to_string(), was_sent: false }),
    };
    let mut definition = crew.patiently(|| crew.workflow(&job.workflow)).await?;
    let mut inputs = job.inputs.clone();
    let mut files = Vec::new();
    job::files_in(&definition, &mut files);
    inputs.iter().for_each(|input| job::files_in(&input.value, &mut files));
    let mut attempt = Attempt {
        job: taken.id.clone(),
        attempt: taken.attempt,
        server: host.identity().to_owned(),
        queue: DEFAULT_QUEUE.to_owned(),
        batch: job::batch_id(&taken.id, taken.attempt),
        uploads: Vec::new(),
        unnamed: false,
    };
    let mut names = BTreeMap::new();
    if files.is_empty() {
        crew.patiently(|| store.begin_attempt(&crew.name, &attempt)).await?;
    } else if let Err(error) = upload(crew, host, &mut attempt, files, &mut names).await {
        return match error {
            Error::Fleet { .. } => Err(error),
            error => Ok(trouble(&error)),
        };
    }
    job::with_names(&mut definition, &names);
    inputs.iter_mut().for_each(|input| job::with_names(&mut input.value, &names));
    let workflow = match abilities.open(server, definition, &inputs).await {
        Ok(workflow) => workflow,
        Err(error) => return Ok(trouble(&error)),
    };
    // Whoever slept past the lease sends nothing: another has the job.
    if crew.patiently(|| store.standing(taken)).await? != Standing::Held {
        return std::future::pending().await;
    }
    match server.submit(&workflow).batch_id(&attempt.batch).await {
        Ok(submission) => follow(crew, server, &attempt, submission).await,
        Err(error) => Ok(trouble(&error)),
    }
}

/// Uploads the files of a job, and tells what the server calls them. Each is announced before it is sent, and carries the
/// batch as its session: so it is found if nobody lives to record its name.
#[tracing::instrument(level = "debug", skip_all)]
async fn upload(
    crew: &Crew,
    host: &Host,
    attempt: &mut Attempt,
    files: Vec<String>,
    names: &mut BTreeMap<String, String>,
) -> Result<()> {
    let store = &crew.fleet.store;
    let earlier = crew.patiently(|| store.attempt_on(&attempt.job, attempt.attempt, &attempt.server)).await?;
    let is_unclear = earlier.as_ref().is_some_and(|earlier| earlier.unnamed);
    attempt.uploads = earlier.map(|earlier| earlier.uploads).unwrap_or_default();
    attempt.unnamed = true;
    crew.patiently(|| store.begin_attempt(&crew.name, attempt)).await?;
    let last = files.len().saturating_sub(1);
    for (place, file) in files.into_iter().enumerate() {
        if let Some(hash) = job::file_of(&file) {
            let bytes = crew.patiently(|| crew.fleet.blobs.get(hash)).await?;
            let ending = file.rsplit_once('.').map_or("png", |(_, ending)| ending);
            let upload = Upload::bytes(format!("{hash}.{ending}"), bytes);
            let image = host.client.images().upload(upload).intermediate(true).session(&attempt.batch).await?;
            attempt.uploads.push(image.image_name.clone());
            names.insert(file, image.image_name);
        }
        attempt.unnamed = is_unclear || place < last;
        crew.patiently(|| store.begin_attempt(&crew.name, attempt)).await?;
    }
    Ok(())
}

/// What an error of a server means for the job.
fn trouble(error: &Error) -> Outcome {
    let why = error.to_string();
    match error {
        error if error.may_have_been_sent() => Outcome::Away { why, was_sent: true },
        Error::QueueFull { .. } => Outcome::Left(why),
        error if error.is_retryable() => Outcome::Away { why, was_sent: false },
        _ => Outcome::Failed(why),
    }
}

/// Waits for the end, and brings the results home.
#[tracing::instrument(level = "debug", skip_all)]
async fn follow(crew: &Crew, client: &Client, attempt: &Attempt, submission: Submission) -> Result<Outcome> {
    let job = submission.job()?;
    match job.wait().unreachable_limit(UNREACHABLE).await {
        Ok(finished) => fetch(crew, client, attempt, &finished).await,
        Err(error @ (Error::JobFailed(_) | Error::JobCanceled { .. } | Error::JobGone { .. })) => {
            Ok(Outcome::Failed(error.to_string()))
        }
        Err(error) => Ok(Outcome::Away { why: error.to_string(), was_sent: true }),
    }
}

/// Stores the files of an item, which come before the result: that names nothing that is not there.
#[tracing::instrument(level = "debug", skip_all)]
async fn fetch(crew: &Crew, client: &Client, attempt: &Attempt, finished: &FinishedJob) -> Result<Outcome> {
    let outputs = match finished.outputs().await {
        Ok(outputs) => outputs,
        Err(error) => return Ok(trouble_after(&error)),
    };
    let mut files = Vec::new();
    for file in outputs.final_images().into_iter().chain(outputs.final_videos()) {
        let download = match file.kind {
            FileKind::Video => client.video(&file.name).download(),
            _ => client.image(&file.name).download(),
        };
        let bytes = match download.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(trouble_after(&error)),
        };
        files.push(ResultFile {
            name: file.name.clone(),
            bytes: bytes.len() as u64,
            sha256: crew.patiently(|| crew.fleet.blobs.put(bytes.clone())).await?,
            node_id: file.node.id.clone(),
            node: file.node.name().to_owned(),
            field: file.field.clone(),
        });
    }
    let values = outputs.plain_values().into_iter().map(|value| ResultValue {
        node: value.node.name().to_owned(),
        node_id: value.node.id,
        field: value.field,
        value: value.value,
    });
    let kept = outputs.to_kept().map_err(|error| job::unwritten(&error))?;
    let outputs = crew.patiently(|| crew.fleet.blobs.put(kept.clone().into())).await?;
    Ok(Outcome::Result(Box::new(JobResult {
        job: attempt.job.clone(),
        attempt: attempt.attempt,
        server: identity::address(&attempt.server).to_owned(),
        batch_id: attempt.batch.clone(),
        item_id: finished.job().item_id(),
        files,
        values: values.collect(),
        outputs,
    })))
}

/// The item is done; what is missing is its result.
fn trouble_after(error: &Error) -> Outcome {
    let why = format!("the results cannot be fetched: {error}");
    if error.is_retryable() { Outcome::Away { why, was_sent: true } } else { Outcome::Failed(why) }
}
