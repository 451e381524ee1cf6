//! Saying that a worker lives, and giving back what dead ones had: when is here, how is the engine's.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Crew, host::Host, metrics};
use crate::error::Result;

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
    for queue in crew.queues() {
        store.keep_alive(&crew.name, &queue).await?;
    }
    if was_heard {
        let busy: HashSet<String> = store.busy().await?.into_iter().collect();
        crew.leave_all_but(&busy);
        for queue in busy {
            let given = store.give_back_of_dead(&crew.name, &queue, crew.lease).await?;
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
        store.say(&crew.name, host.address(), &said).await?;
    }
    Ok(())
}
