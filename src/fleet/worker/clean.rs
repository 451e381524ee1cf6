//! Leaving servers as they were found.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::{Crew, host::Host};
use crate::{
    Client,
    cleanup::{KeptBecause, Undetermined, UndeterminedBecause, uploads_of_session},
    error::Result,
    fleet::store::{AT_A_TIME, Attempt},
};

/// How often to look for what attempts at jobs that have ended left on a server, and how long to leave alone what could not
/// be cleaned up.
const PAUSE: Duration = Duration::from_secs(5);

/// How many attempts are cleaned up at once: items may be shorter than cleaning up after one of them.
const AT_ONCE: usize = 4;

/// How long cleaning up goes on after the last job.
const AFTER_LAST: Duration = Duration::from_secs(60);

/// Cleans up after jobs that have ended, whoever ran them, until the worker ends.
///
/// What is to be cleaned up is in the store, so nothing depends on who does it.
pub(super) async fn sweep(crew: Arc<Crew>, host: Arc<Host>) {
    let mut later = Later::default();
    loop {
        let is_last = crew.is_draining();
        let swept = if is_last {
            timeout(AFTER_LAST, all(&crew, &host)).await.unwrap_or(Ok(()))
        } else {
            once(&crew, &host, &mut later, false).await.map(|_| ())
        };
        if let Err(error) = swept {
            tracing::debug!(%error, server = host.address(), "cannot clean up now");
        }
        if is_last && host.is_idle() {
            return;
        }
        if host.is_idle() && !is_last {
            host.look().await;
        }
        tokio::select! {
            () = tokio::time::sleep(if is_last { PAUSE / 20 } else { PAUSE }) => {}
            () = host.ended.notified() => {}
        }
    }
}

/// Batches that could not be cleaned up, and since when. A sweep follows every job that ends: without this, each would ask
/// the server again about all that the ones before it could not delete.
#[derive(Default)]
struct Later(HashMap<String, Instant>);

impl Later {
    /// Whether a batch is left alone for now.
    fn has(&self, batch: &str) -> bool {
        self.0.get(batch).is_some_and(|since| since.elapsed() < PAUSE)
    }

    fn add(&mut self, batch: String) {
        self.0.retain(|_, since| since.elapsed() < PAUSE);
        self.0.insert(batch, Instant::now());
    }
}

/// Cleans up as long as there is something that can be: what one attempt left may be kept by another's.
async fn all(crew: &Crew, host: &Host) -> Result<()> {
    while once(crew, host, &mut Later::default(), true).await? > 0 {}
    Ok(())
}

/// Cleans up after every attempt that does not rest, and answers how many left nothing. A worker that is to end meanwhile
/// ends this, too: the last time has a time limit.
async fn once(crew: &Crew, host: &Host, later: &mut Later, is_last: bool) -> Result<usize> {
    let mut clean = 0;
    let mut after = None;
    loop {
        let left = crew.fleet.store.left_on(host.address(), after.as_ref()).await?;
        let is_end = left.len() < AT_A_TIME;
        after = left.last().map(|(attempt, _)| attempt.clone());
        clean += some(crew, host, left, later).await?;
        if is_end || (crew.is_draining() && !is_last) {
            return Ok(clean);
        }
    }
}

/// Cleans up after those of the attempts that do not rest.
async fn some(crew: &Crew, host: &Host, mut left: Vec<(Attempt, i64)>, later: &mut Later) -> Result<usize> {
    left.retain(|(attempt, _)| !later.has(&attempt.batch));
    // The last comes first: cleaning up after one reads all items that came later, which may share its files.
    left.reverse();
    let cleaning = stream::iter(left).map(|(attempt, ago)| async move {
        let batch = attempt.batch.clone();
        (batch, clean(crew, &host.client, attempt, ago).await)
    });
    let mut cleaning = std::pin::pin!(cleaning.buffer_unordered(AT_ONCE));
    let mut clean = 0;
    while let Some((batch, cleaned)) = cleaning.next().await {
        match cleaned {
            Ok(true) => clean += 1,
            Ok(false) => later.add(batch),
            // The server or the store is away.
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, server = host.address(), "one attempt cannot be cleaned up");
                later.add(batch);
            }
        }
    }
    Ok(clean)
}

/// Deletes what an attempt left: its items, its results, its uploads. What is not gone for certain stays recorded. Answers
/// whether nothing is left.
async fn clean(crew: &Crew, client: &Client, mut attempt: Attempt, ago: i64) -> Result<bool> {
    let report = client.cleanup().batch(&attempt.batch).queue(&attempt.queue).uploads(false).outputs(true).await?;
    // Of a batch without items nothing arrived, or an earlier try has deleted it.
    let is_known = |one: &Undetermined| one.because == UndeterminedBecause::NoItems;
    let mut is_clean = report.failed.is_empty() && report.undetermined.iter().all(is_known);
    // Others of this fleet may go soon.
    is_clean &= !report.kept.iter().any(|kept| {
        matches!(
            kept.because,
            KeptBecause::SharedWith(_)
                | KeptBecause::NeededBy(_)
                | KeptBecause::NotEnded
                | KeptBecause::UnderWay
                | KeptBecause::Undecided
        )
    });
    if is_clean && attempt.unnamed {
        attempt.uploads.extend(uploads_of_session(client, &attempt.batch).await?);
    }
    if is_clean && !attempt.uploads.is_empty() {
        let deleted = client.images().delete(&attempt.uploads).await;
        is_clean = deleted.failed.is_empty();
    }
    // What was sent by a worker that died since may still be carried out.
    let patience = client.transport().options().lost_answer_patience;
    is_clean &= !attempt.unnamed || ago > i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    if is_clean {
        crew.fleet.store.close_attempt(&attempt).await?;
    } else {
        tracing::debug!(batch = attempt.batch, ?report, "not everything is cleaned up yet");
    }
    Ok(is_clean)
}
