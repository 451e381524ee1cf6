//! Runs on their way: sent if they were not, followed, and brought to their ends.

use std::{
    convert::Infallible,
    future::{Future, pending},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{Live, Resume, Runs};
use crate::serve::state::{Ended, Record, Stage, State, What, now};
use crate::{
    error::{Error, Result},
    serve::{
        backend::{End, Outcome, Sent},
        problem::Problem,
    },
};

/// The first pause before what failed is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A run that ends within this time is written twice only, as taken on and as ended.
const NOTED: Duration = Duration::from_secs(1);

/// How long the results of a run that has ended are asked for.
const RESULTS: Duration = Duration::from_secs(300);

impl Runs {
    /// Takes up a run of an earlier service, or one whose enqueue has no answer.
    pub(in crate::serve) async fn resume(&self, Resume { record, live, room }: Resume) {
        let found = match &record.stage {
            Stage::Ended(_) => return,
            Stage::Enqueued { ticket: Some(ticket) } => {
                again(self.inner.limits.run, || self.inner.backend.attach(ticket)).await
            }
            Stage::Enqueued { ticket: None } => {
                let found = again(self.inner.limits.run, || self.inner.backend.find(&record.batch_id)).await;
                let Some(found) = found.transpose() else {
                    let detail =
                        "InvokeAI took this run, and knows of it no more: it may have run, and is not sent again";
                    let problem = Problem::new(StatusCode::GONE, "unknown", detail);
                    return self.end(record, &live, Ended::without_results(State::Failed, &problem)).await;
                };
                found
            }
            Stage::Accepted => self.send_once(&record, &live).await,
        };
        match found {
            Ok(sent) => {
                self.taken(&record).await;
                self.enqueued(record, live, sent, room).await;
            }
            Err(error) => {
                tracing::warn!(%error, run = %record.id, "a run cannot be taken up");
                let problem = Problem::of_error(&error);
                let state = if matches!(error, Error::JobCanceled { .. }) { State::Canceled } else { State::Failed };
                self.end(record, &live, Ended::without_results(state, &problem)).await;
            }
        }
    }

    /// The batch of a run: what the server has of it, or what it takes now.
    async fn send_once(&self, record: &Record, live: &Live) -> Result<Sent> {
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
            match inner.backend.submit(offer, &record.values, &record.batch_id).await {
                Ok(sent) => return Ok(sent),
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
        sent: Sent,
        _room: Option<OwnedSemaphorePermit>,
    ) {
        let (ended, has_ended) = oneshot::channel::<()>();
        let is_new = match &record.stage {
            Stage::Accepted => true,
            Stage::Enqueued { ticket } => ticket.is_none() && sent.ticket().is_some(),
            Stage::Ended(_) => false,
        };
        let noting = is_new.then(|| {
            record.stage = Stage::Enqueued { ticket: sent.ticket() };
            let (kept, runs) = (record.clone(), self.clone());
            tokio::spawn(async move {
                let (mut has_ended, mut pause) = (has_ended, NOTED);
                // Without it the next start looks for the batch, which takes longer: no reason to stop.
                while timeout(pause, &mut has_ended).await.is_err() && runs.write(&kept, true).await.is_err() {
                    pause = (pause * 2).min(PAUSES.1);
                }
            })
        });
        let limit = self.inner.limits.run;
        let shown = live.shown.clone();
        let outcome = tokio::select! {
            outcome = sent.wait(limit, move |step| shown.send_modify(|shown| shown.advance(step))) => outcome,
            never = canceled(&live, &sent) => match never {},
        };
        drop(ended);
        if let Some(noting) = noting {
            // Not after the end, which would look as if it had not come. A panic was reported when it happened.
            _ = noting.await;
        }
        let ended = match outcome {
            Outcome::TooLong => {
                let detail = format!("the run took longer than {} s, and was canceled", limit.as_secs());
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "run_too_long", detail);
                Ended::without_results(State::Failed, &problem)
            }
            Outcome::Ended(problem) => gather(&sent, problem, &record.gives).await,
        };
        self.end(record, &live, ended).await;
    }
}

/// Cancels the run when that is asked for. Never ends: the end of the run is seen by whoever waits for it.
async fn canceled(live: &Live, sent: &Sent) -> Infallible {
    let mut asked = live.cancel.subscribe();
    if asked.wait_for(|asked| *asked).await.is_ok() {
        // What cannot be canceled for now may be in a moment; the limit of the run ends this.
        while let Err(error) = sent.cancel().await {
            tracing::warn!(%error, "a run cannot be canceled; it is tried again");
            sleep(PAUSES.0).await;
        }
    }
    pending().await
}

/// How all parts ended, and what they gave.
async fn gather(sent: &Sent, mut problem: Option<Problem>, gives: &[(String, String)]) -> Ended {
    let mut outputs = Vec::new();
    let mut state = State::Completed;
    for end in sent.ends() {
        match end {
            End::Completed(part) => match again(RESULTS, || sent.results(&part, gives)).await {
                Ok(made) => outputs.extend(made),
                Err(error) => {
                    tracing::warn!(%error, "the results of a run cannot be read");
                    state = State::Failed;
                    let detail = "the run has completed, but its results cannot be read";
                    problem.get_or_insert_with(|| Problem::new(StatusCode::BAD_GATEWAY, "no_results", detail));
                }
            },
            End::Canceled if state == State::Completed => state = State::Canceled,
            End::Canceled => {}
            End::Failed => state = State::Failed,
        }
    }
    if problem.is_some() && state == State::Completed {
        // It was about something else than a part: not all of them could be enqueued.
        state = State::Failed;
    }
    // Files first, so that those who want pictures find them in front.
    outputs.sort_by_key(|output| matches!(output.what, What::Value { .. }));
    Ended { state, at: now(), outputs, problem: problem.map(|problem| problem.to_json()) }
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
