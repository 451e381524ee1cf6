//! One place on a server's queue: it takes a job, sees it through, and takes the next.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument as _;

use super::{AFTER_FAILURE, Crew, attempt, host::Host, metrics, place::Place};

/// How long to wait for news before looking anyway.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait for a server that has the models in memory to take what was left to it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Takes jobs for a server, one at a time, until no more are to be taken.
pub(super) async fn work(crew: Arc<Crew>, mut place: Place, host: Arc<Host>, hosts: Vec<Arc<Host>>) {
    take_turns(&crew, &mut place, &host, &hosts).await;
    place.closes();
}

async fn take_turns(crew: &Crew, place: &mut Place, host: &Arc<Host>, hosts: &[Arc<Host>]) {
    let mut news = crew.news.subscribe();
    while !crew.is_draining() {
        place.has_nothing();
        if let Some(until) = host.rests_until() {
            tokio::select! {
                () = crew.drained() => return,
                () = sleep_until(until) => {}
            }
            continue;
        }
        news.mark_unchanged();
        match host.next(crew, place, hosts).await {
            Ok(Some(job)) => {
                let began = Instant::now();
                host.begins(&job.id);
                let span =
                    tracing::info_span!("fleet_job", job = job.id, attempt = job.attempt, server = host.address());
                attempt::work(crew, host, hosts, &job).instrument(span).await;
                host.ends(&job.id);
                metrics::took(host.address(), began.elapsed());
            }
            Ok(None) => {
                let pause = if host.looks_again() { LOOK_AGAIN } else { LOOK };
                tokio::select! {
                    () = crew.drained() => return,
                    _ = timeout(pause, news.changed()) => {}
                }
            }
            Err(error) => {
                crew.store_failed();
                tracing::warn!(%error, "cannot take jobs");
                tokio::select! {
                    () = crew.drained() => return,
                    () = sleep(AFTER_FAILURE) => {}
                }
            }
        }
    }
}
