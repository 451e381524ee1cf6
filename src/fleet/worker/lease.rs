//! Saying that a worker lives, and giving back what dead ones had: when is here, how is the engine's.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{Crew, host::Host, metrics};
use crate::error::{Error, Result};

/// Says so three times in a lease, for as long as the worker runs.
pub(super) async fn keep(crew: Arc<Crew>, hosts: Vec<Arc<Host>>) {
    let pause = (crew.lease / 3).max(Duration::from_secs(1)).min(Duration::from_secs(10));
    let mut was_heard = false;
    loop {
        match beat(&crew, &hosts, was_heard).await {
            Ok(()) => was_heard = true,
            Err(error) => {
                metrics::store_error();
                tracing::warn!(%error, "the store does not hear that this worker lives");
                was_heard = false;
            }
        }
        sleep(pause).await;
    }
}

/// Nobody is taken for dead in the first beat after a failed one: while the store was away, nobody was heard.
async fn beat(crew: &Crew, hosts: &[Arc<Host>], was_heard: bool) -> Result<()> {
    let store = &crew.fleet.store;
    let limit = (crew.lease / 3).max(Duration::from_secs(1));
    // A connection that is cut off is not to cost the lease.
    let current = crew.names().current();
    let kept = timeout(limit, store.keep_alive(&current)).await;
    kept.unwrap_or(Err(Error::Timeout { doing: "telling the store that the worker lives".into(), limit, sent: true }))?;
    let former = crew.names().former();
    if !former.is_empty() && store.give_back(&former).await? > 0 {
        tracing::warn!("the store held jobs for this worker that nobody ran; they are given back");
    }
    if was_heard {
        let busy: HashSet<String> = store.busy().await?.into_iter().collect();
        crew.names().leave_all_but(&busy, crew.lease);
        for queue in busy {
            let given = store.give_back_of_dead(&queue, crew.lease).await?;
            if given > 0 {
                metrics::given_back(given);
                tracing::warn!(jobs = given, queue, "jobs of a worker that says nothing any more are given to others");
            }
        }
    }
    for host in hosts {
        let state = host.state();
        metrics::available(host.address(), state.problem.is_none());
        let said = serde_json::to_string(&state).unwrap_or_default();
        store.say(&crew.name, host.identity(), &said).await?;
    }
    Ok(())
}
