//! Runs on their way: sent if they were not, followed, and brought to their ends.

use std::{
    future::{Future, IntoFuture as _, pending},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};

use super::{
    Live, Resume, Runs,
    record::{Ended, Output, Record, Stage, State, now},
};
use crate::{
    Job, Submission,
    error::{Error, Result},
    queue::ItemStatus,
    serve::{inputs::with_values, problem::Problem},
};

/// The first pause before what failed is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long the results of a run that has ended are asked for.
const RESULTS: Duration = Duration::from_secs(300);

impl Runs {
    /// Takes up a run of an earlier service, or one whose enqueue has no answer.
    pub(in crate::serve) async fn resume(&self, Resume { record, live, room }: Resume) {
        let found = match &record.stage {
            Stage::Ended(_) => return,
            Stage::Enqueued { ticket } => again(self.inner.limits.run, || self.inner.backend.attach(ticket)).await,
            Stage::Accepted => self.send_once(&record, &live).await,
        };
        match found {
            Ok(submission) => self.enqueued(record, live, submission, room).await,
            Err(error) => {
                tracing::warn!(%error, run = %record.id, "a run cannot be taken up");
                let problem = Problem::of_error(&error);
                let state = if matches!(error, Error::JobCanceled { .. }) { State::Canceled } else { State::Failed };
                self.end(record, &live, Ended::without_results(state, &problem)).await;
            }
        }
    }

    /// The batch of a run: what the server has of it, or what it takes now.
    async fn send_once(&self, record: &Record, live: &Live) -> Result<Submission> {
        let inner = &self.inner;
        let end = Instant::now() + crate::base::deadline::bounded(inner.limits.run);
        let mut pause = PAUSES.0;
        loop {
            if let Some(found) = again(inner.limits.run, || inner.backend.find(&record.batch_id)).await? {
                return Ok(found);
            }
            if *live.cancel.borrow() {
                return Err(Error::JobCanceled { item_id: 0 });
            }
            let offer = inner.offers.iter().find(|offer| offer.name == record.workflow);
            let offer = offer.ok_or_else(|| Error::invalid("workflow", "this service does not offer it any more"))?;
            let workflow =
                with_values(offer, &record.values).map_err(|problem| Error::invalid("inputs", problem.detail))?;
            match inner.backend.submit(&workflow, &record.batch_id).await {
                Ok(submission) => return Ok(submission),
                Err(error) if (passes(&error) || error.may_have_been_sent()) && Instant::now() < end => {
                    tracing::warn!(%error, run = %record.id, "InvokeAI does not take this run now; it is tried again");
                }
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Follows a run that is on the queue.
    pub(super) async fn enqueued(
        &self,
        mut record: Record,
        live: Live,
        submission: Submission,
        _room: Option<OwnedSemaphorePermit>,
    ) {
        if matches!(record.stage, Stage::Accepted) {
            record.stage = Stage::Enqueued { ticket: submission.ticket() };
            let kept = record.clone();
            // Without it the next start looks for the batch, which takes longer: no reason to stop.
            _ = self.on_disk(move |folder| folder.write(&kept, false)).await;
        }
        let limit = self.inner.limits.run;
        let outcome = {
            let shown = live.shown.clone();
            let waiting = submission
                .wait_all()
                .timeout(limit)
                .cancel_on_timeout(true)
                .unreachable_limit(limit)
                .on_progress(move |progress| shown.send_modify(|shown| shown.advance(progress)));
            tokio::select! {
                outcome = waiting.into_future() => outcome.err(),
                () = canceled(&live, &submission) => None,
            }
        };
        let ended = match outcome {
            Some(Error::WaitTimeout { .. }) => {
                let detail = format!("the run took longer than {} s, and was canceled", limit.as_secs());
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "run_too_long", detail);
                Ended::without_results(State::Failed, &problem)
            }
            outcome => gather(&submission, outcome.as_ref()).await,
        };
        self.end(record, &live, ended).await;
    }
}

/// Cancels the run when that is asked for. Never ends: the end of the run is seen by whoever waits for it.
async fn canceled(live: &Live, submission: &Submission) {
    let mut asked = live.cancel.subscribe();
    if asked.wait_for(|asked| *asked).await.is_ok() {
        // What cannot be canceled for now may be in a moment; the limit of the run ends this.
        while let Err(error) = submission.cancel().await {
            tracing::warn!(%error, "a run cannot be canceled; it is tried again");
            sleep(PAUSES.0).await;
        }
    }
    pending().await
}

/// How all items ended, and what they gave.
async fn gather(submission: &Submission, outcome: Option<&Error>) -> Ended {
    let mut outputs = Vec::new();
    let mut problem = outcome.map(Problem::of_error);
    let mut state = State::Completed;
    for job in submission.jobs() {
        match job.status() {
            Some(ItemStatus::Completed) => match again(RESULTS, || results(&job)).await {
                Ok(files) => outputs.extend(files),
                Err(error) => {
                    tracing::warn!(%error, item_id = job.item_id(), "the results of an item cannot be read");
                    state = State::Failed;
                    let detail = "the run has completed, but its results cannot be read";
                    problem.get_or_insert_with(|| Problem::new(StatusCode::BAD_GATEWAY, "no_results", detail));
                }
            },
            Some(ItemStatus::Canceled) if state == State::Completed => state = State::Canceled,
            Some(ItemStatus::Canceled) => {}
            _ => state = State::Failed,
        }
    }
    if problem.is_some() && state == State::Completed {
        // The error was about something else than an item: not all of them could be enqueued.
        state = State::Failed;
    }
    Ended { state, at: now(), outputs, problem: problem.map(|problem| problem.to_json()) }
}

/// The files that an item made for people.
async fn results(job: &Job) -> Result<Vec<Output>> {
    let outputs = job.outputs().await?;
    let files = outputs.final_images().into_iter().chain(outputs.final_videos());
    let output = |file: &crate::outputs::OutputFile| Output {
        kind: file.kind,
        name: file.name.clone(),
        node: file.node.name().to_owned(),
        width: file.width,
        height: file.height,
    };
    Ok(files.map(output).collect())
}

/// Whether a later try may go well.
fn passes(error: &Error) -> bool {
    error.is_retryable() || matches!(error, Error::QueueFull { .. } | Error::Connect { .. })
}

/// Reads something, and tries again for so long if the way there is at fault.
async fn again<T, F: Future<Output = Result<T>>>(limit: Duration, read: impl Fn() -> F) -> Result<T> {
    let end = Instant::now() + crate::base::deadline::bounded(limit);
    let mut pause = PAUSES.0;
    loop {
        match read().await {
            Err(error) if passes(&error) && Instant::now() < end => {
                tracing::warn!(%error, "InvokeAI cannot be asked now; it is tried again");
            }
            done => return done,
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
