//! How a fleet is.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Fleet, identity, jobs::JobState};
use crate::error::Result;

/// A worker that said nothing for so long is not counted.
const SILENT: i64 = 30;

/// Over which time the rate is taken.
const RATE_OVER: i64 = 60;

/// How a fleet is, from [`Fleet::status`].
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetStatus {
    /// How many jobs are where.
    pub jobs: FleetCounts,
    /// Servers, by what their workers say.
    pub servers: Vec<ServerState>,
    /// Jobs that no server takes, and why.
    pub waiting: Vec<WaitingJobs>,
    /// Results in the last minute.
    pub per_minute: u64,
    /// How long the rest takes at that rate, where there is one.
    pub left: Option<Duration>,
}

crate::base::debug::short_debug! { FleetStatus { jobs, servers, waiting, per_minute, left } }

/// How many jobs are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetCounts {
    /// For a worker, perhaps for another attempt.
    pub waiting: u64,
    /// With a worker.
    pub running: u64,
    /// With a result.
    pub done: u64,
    /// Given up.
    pub failed: u64,
    /// Canceled.
    pub canceled: u64,
}

/// A server, by what a worker says of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerState {
    /// Address.
    #[serde(default)]
    pub server: String,
    /// Which server that is, if other machines have another one there.
    #[serde(skip)]
    pub(super) identity: String,
    /// The worker that serves it. Several may.
    #[serde(default)]
    pub worker: String,
    /// Version, once it is known.
    pub version: Option<String>,
    /// Why it takes nothing now: it cannot be reached, or is benched after failures.
    pub problem: Option<String>,
    /// Ids of the jobs that it has.
    pub running: Vec<String>,
    /// How many results it gave to this worker.
    pub done: u64,
    /// Why it does not take jobs, by the queue that they are in.
    #[serde(default)]
    cannot: BTreeMap<String, Vec<String>>,
    /// How many seconds ago the worker said so.
    #[serde(default)]
    pub seconds_ago: i64,
}

crate::base::debug::short_debug! { ServerState { server, worker, version, problem, running, done; .. } }

impl ServerState {
    pub(super) fn new(
        version: Option<String>,
        problem: Option<String>,
        running: Vec<String>,
        done: u64,
        cannot: BTreeMap<String, Vec<String>>,
    ) -> Self {
        let (server, identity, worker) = (String::new(), String::new(), String::new());
        Self { server, identity, worker, version, problem, running, done, cannot, seconds_ago: 0 }
    }

    /// Whether it would take a job of a queue, by what is known.
    pub(super) fn takes(&self, queue: &str) -> bool {
        self.problem.is_none() && !self.cannot.contains_key(queue)
    }
}

/// Jobs with the same needs, which no server takes.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitingJobs {
    /// How many.
    pub jobs: u64,
    /// Why, by server.
    pub reasons: Vec<String>,
}

crate::base::debug::short_debug! { WaitingJobs { jobs, reasons } }

impl Fleet {
    /// How many jobs are where, how the servers are, and why what waits.
    ///
    /// # Errors
    /// [`Error::Fleet`](crate::Error::Fleet).
    pub async fn status(&self) -> Result<FleetStatus> {
        let (mut jobs, mut waiting) = (FleetCounts::default(), BTreeMap::<String, u64>::new());
        for count in self.store.counts(None).await? {
            let place = match JobState::of(&count.status) {
                JobState::Waiting => {
                    *waiting.entry(count.queue).or_default() += count.jobs;
                    &mut jobs.waiting
                }
                JobState::Running => &mut jobs.running,
                JobState::Done => &mut jobs.done,
                JobState::Failed => &mut jobs.failed,
                JobState::Canceled => &mut jobs.canceled,
            };
            *place += count.jobs;
        }
        let servers = self.servers().await?;
        let waiting = waiting.into_iter().filter_map(|(queue, jobs)| {
            let reasons = reasons(&servers, &queue)?;
            Some(WaitingJobs { jobs, reasons })
        });
        let waiting = waiting.collect();
        let per_minute = self.store.stored_within(RATE_OVER).await?;
        let open = jobs.waiting + jobs.running;
        let left = (per_minute > 0).then(|| Duration::from_secs(open.saturating_mul(60) / per_minute));
        Ok(FleetStatus { jobs, servers, waiting, per_minute, left })
    }

    pub(super) async fn servers(&self) -> Result<Vec<ServerState>> {
        let said = self.store.said(SILENT).await?;
        // What a newer version says otherwise is left out, as if nothing were said.
        let states = said.into_iter().filter_map(|said| {
            let state: ServerState = serde_json::from_str(&said.said).ok()?;
            let server = identity::address(&said.server).to_owned();
            let (identity, worker, seconds_ago) = (said.server, said.worker, said.ago);
            Some(ServerState { server, identity, worker, seconds_ago, ..state })
        });
        Ok(states.collect())
    }
}

/// Why no server takes the jobs of a queue; `None` if one does.
fn reasons(servers: &[ServerState], queue: &str) -> Option<Vec<String>> {
    if servers.is_empty() {
        return Some(vec!["no worker runs".to_owned()]);
    }
    let mut reasons = Vec::new();
    for state in servers {
        if state.takes(queue) {
            return None;
        }
        let why = match state.cannot.get(queue) {
            Some(reasons) => reasons.join("; "),
            None => state.problem.clone().unwrap_or_default(),
        };
        reasons.push(format!("{}: {why}", state.server));
    }
    reasons.dedup();
    Some(reasons)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(server: &str, problem: Option<&str>, cannot: &[(&str, &str)]) -> ServerState {
        let cannot = cannot.iter().map(|(queue, why)| ((*queue).to_owned(), vec![(*why).to_owned()])).collect();
        let state = ServerState::new(None, problem.map(str::to_owned), Vec::new(), 0, cannot);
        ServerState { server: server.to_owned(), ..state }
    }

    #[test]
    fn what_waits_has_a_reason_only_if_no_server_takes_it() {
        assert_eq!(reasons(&[], "q"), Some(vec!["no worker runs".to_owned()]));
        let (able, unable) = (state("a", None, &[]), state("b", None, &[("q", "no model x")]));
        assert_eq!(reasons(&[unable.clone(), able], "q"), None);
        assert_eq!(reasons(std::slice::from_ref(&unable), "other"), None);
        let away = state("c", Some("cannot connect"), &[]);
        let told = ["b: no model x", "c: cannot connect"].map(str::to_owned);
        assert_eq!(reasons(&[unable, away], "q"), Some(told.into()));
    }
}
