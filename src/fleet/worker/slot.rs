//! One place on a server's queue: it takes a job, sees it through, and takes the next.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, sleep_until, timeout};
use tracing::Instrument as _;

use super::{AFTER_FAILURE, Crew, attempt, host::Host};

/// How long to wait for news before looking anyway.
const LOOK: Duration = Duration::from_secs(1);

/// Takes jobs for a server, one at a time, until no more are to be taken.
pub(super) async fn work(crew: Arc<Crew>, host: Arc<Host>, hosts: Vec<Arc<Host>>) {
    let mut news = crew.news.subscribe();
    while !crew.is_draining() {
        if let Some(until) = host.rests_until() {
            tokio::select! {
                () = crew.drained() => return,
                () = sleep_until(until) => {}
            }
            continue;
        }
        news.mark_unchanged();
        match host.next(&crew).await {
            Ok(Some(job)) => {
                host.begins(&job.id);
                let span =
                    tracing::info_span!("fleet_job", job = job.id, attempt = job.attempt, server = host.address());
                attempt::work(&crew, &host, &hosts, &job).instrument(span).await;
                host.ends(&job.id);
            }
            Ok(None) => {
                tokio::select! {
                    () = crew.drained() => return,
                    _ = timeout(LOOK, news.changed()) => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take jobs");
                tokio::select! {
                    () = crew.drained() => return,
                    () = sleep(AFTER_FAILURE) => {}
                }
            }
        }
    }
}
