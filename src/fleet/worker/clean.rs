//! Leaving servers as they were found.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::time::timeout;

use super::{Crew, host::Host};
use crate::{
    Client,
    cleanup::{KeptBecause, uploads_of_session},
    error::Result,
    fleet::store::Attempt,
};

/// How often to look for what attempts at jobs that have ended left on a server.
const PAUSE: Duration = Duration::from_secs(5);

/// How many attempts are cleaned up at once: items may be shorter than cleaning up after one of them.
const AT_ONCE: usize = 4;

/// How long cleaning up goes on after the last job.
const AFTER_LAST: Duration = Duration::from_secs(60);

/// Cleans up after jobs that have ended, whoever ran them, until the worker ends.
///
/// What is to be cleaned up is in the store, so nothing depends on who does it.
pub(super) async fn sweep(crew: Arc<Crew>, host: Arc<Host>) {
    loop {
        let is_last = crew.is_draining();
        let swept = if is_last {
            timeout(AFTER_LAST, all(&crew, &host)).await.unwrap_or(Ok(()))
        } else {
            once(&crew, &host).await.map(|_| ())
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

/// Cleans up as long as there is something that can be: the store names some at a time.
async fn all(crew: &Crew, host: &Host) -> Result<()> {
    while once(crew, host).await? > 0 {}
    Ok(())
}

/// Cleans up after some attempts, and answers how many left nothing.
async fn once(crew: &Crew, host: &Host) -> Result<usize> {
    let left = crew.fleet.store.left_on(host.address()).await?;
    let cleaning = stream::iter(left).map(|(attempt, ago)| clean(crew, &host.client, attempt, ago));
    let mut cleaning = std::pin::pin!(cleaning.buffer_unordered(AT_ONCE));
    let mut clean = 0;
    while let Some(cleaned) = cleaning.next().await {
        match cleaned {
            Ok(is_clean) => clean += usize::from(is_clean),
            // The server or the store is away.
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => tracing::debug!(%error, server = host.address(), "one attempt cannot be cleaned up"),
        }
    }
    Ok(clean)
}

/// Deletes what an attempt left: its items, its results, its uploads. What is not gone for certain stays recorded. Answers
/// whether nothing is left.
async fn clean(crew: &Crew, client: &Client, mut attempt: Attempt, ago: i64) -> Result<bool> {
    let report = client.cleanup().batch(&attempt.batch).queue(&attempt.queue).uploads(false).outputs(true).await?;
    let mut is_clean = report.is_success();
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
