//! A server of a worker: whether it can be used, and which jobs it takes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{Crew, metrics, place::Place};
use crate::{
    Client,
    error::Result,
    fleet::{
        identity,
        job::{self, Needs},
        matching::{Abilities, models_of_parts},
        status::ServerState,
        store::{Taken, Waiting},
    },
};

/// After how many failures of different jobs in a row a server is benched, and for how long at first and at most.
const FAILURES: usize = 3;
const BENCH: Duration = Duration::from_secs(10);
const LONGEST_BENCH: Duration = Duration::from_secs(600);

/// How long to leave a server alone that cannot be reached, at first and at most.
const AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(30);

/// Why a server takes nothing that was not asked yet.
const NEW: &str = "it has not said yet what it has";

/// How long to believe that a server cannot do something: models are installed meanwhile.
const BELIEVED: Duration = Duration::from_secs(30);

/// How long a server may take to say what it has.
const ASKING: Duration = Duration::from_secs(60);

/// How long a server may take to say what is in its memory.
const LOOKING: Duration = Duration::from_secs(5);

/// How long jobs are left to a server that has their models in memory.
const WARM: Duration = Duration::from_secs(1);

/// How many queues to know before those are forgotten that nothing waits in.
const KNOWN: usize = 500;

pub(super) struct Host {
    pub(super) client: Client,
    address: String,
    /// Names it for all workers.
    identity: String,
    inner: Mutex<Inner>,
    /// Rings when a job is not on it any more.
    pub(super) ended: Notify,
    /// One asks what the server can do, the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    abilities: Option<Arc<Abilities>>,
    /// Verdicts by queue: when, and why not.
    verdicts: HashMap<String, (Instant, Vec<String>)>,
    /// Why it takes nothing, and until when. The reason stands until it has answered.
    rest: Option<(String, Instant)>,
    away: Option<Duration>,
    bench: Option<Duration>,
    /// Jobs that failed since the last one went well, or since it was benched.
    failed: HashSet<String>,
    running: BTreeSet<String>,
    done: u64,
    /// From which queue the last job came, and the models that are in its memory.
    last: Option<String>,
    loaded: HashSet<String>,
    /// The models that jobs of a queue use on this server.
    models: HashMap<String, HashSet<String>>,
    /// Since when jobs of a queue are left to another server of this worker that has their models in memory.
    left_warm: HashMap<String, Instant>,
    /// How often a job was left to another server.
    left: HashMap<String, u32>,
}

impl Inner {
    /// Why it takes nothing now. While it is asked again, what it said last is still the reason.
    fn problem(&self) -> Option<String> {
        match &self.rest {
            Some((why, until)) if self.abilities.is_none() || *until > Instant::now() => Some(why.clone()),
            _ => None,
        }
    }

    /// Forgets what is known of queues that nothing waits in: a fleet may have one for every job.
    fn forget_all_but(&mut self, waiting: &[Waiting]) {
        let is_long = self.models.len().max(self.verdicts.len()) > KNOWN;
        if self.left_warm.is_empty() && !is_long {
            return;
        }
        let waiting: HashSet<&str> = waiting.iter().map(|waiting| waiting.queue.as_str()).collect();
        self.left_warm.retain(|queue, _| waiting.contains(queue.as_str()));
        if is_long {
            self.verdicts.retain(|queue, _| waiting.contains(queue.as_str()));
            self.models.retain(|queue, _| waiting.contains(queue.as_str()));
        }
    }
}

impl Host {
    pub(super) fn new(client: Client) -> Self {
        let address = client.base_url().to_string();
        let inner = Inner { rest: Some((NEW.to_owned(), Instant::now())), ..Inner::default() };
        let (identity, inner) = (identity::of(&address), Mutex::new(inner));
        Self { client, address, identity, inner, ended: Notify::new(), asking: tokio::sync::Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What all workers of the fleet name it by.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// What attempts on it are recorded under: older versions named it by its address alone.
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.identity, &self.address]
    }

    /// What to say of it.
    pub(super) fn state(&self) -> ServerState {
        let inner = self.inner();
        let cannot = inner.verdicts.iter().filter(|(_, (_, why))| !why.is_empty());
        ServerState::new(
            inner.abilities.as_ref().map(|abilities| abilities.version.clone()),
            inner.problem(),
            inner.running.iter().cloned().collect(),
            inner.done,
            cannot.map(|(queue, (_, why))| (queue.clone(), why.clone())).collect(),
        )
    }

    /// Until when it takes nothing.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.inner().rest.as_ref().map(|(_, until)| *until).filter(|until| *until > Instant::now())
    }

    /// Whether it would take a job of a queue, by what is known.
    pub(super) fn takes(&self, queue: &str) -> bool {
        !self.refuses(queue) && self.inner().abilities.is_some()
    }

    /// Whether it is known that it takes no job of a queue now.
    fn refuses(&self, queue: &str) -> bool {
        let inner = self.inner();
        let rests = inner.rest.as_ref().is_some_and(|(_, until)| *until > Instant::now());
        rests || inner.verdicts.get(queue).is_some_and(|(_, why)| !why.is_empty())
    }

    /// Leaves it alone for a while: it cannot be reached.
    pub(super) fn is_away(&self, why: &str) {
        let mut inner = self.inner();
        let pause = inner.away.map_or(AWAY, |pause| (pause * 2).min(LONGEST_AWAY));
        inner.away = Some(pause);
        inner.rest = Some((format!("cannot be used: {why}"), Instant::now() + pause));
        inner.abilities = None;
        inner.last = None;
        inner.loaded.clear();
    }

    /// A job failed on it. One that fails again and again says nothing of the server.
    pub(super) fn has_failed(&self, job: &str, why: &str) {
        let mut inner = self.inner();
        inner.failed.insert(job.to_owned());
        // One more failure after the bench is enough.
        if inner.failed.len() >= FAILURES || inner.bench.is_some() {
            let pause = inner.bench.map_or(BENCH, |pause| (pause * 2).min(LONGEST_BENCH));
            inner.bench = Some(pause);
            inner.failed.clear();
            let said = format!("benched for {} s after failures in a row, the last: {why}", pause.as_secs());
            tracing::warn!(server = self.address, "{said}");
            inner.rest = Some((said, Instant::now() + pause));
        }
    }

    /// A job has gone well on it.
    pub(super) fn has_done(&self) {
        let mut inner = self.inner();
        (inner.bench, inner.away) = (None, None);
        inner.failed.clear();
        inner.done += 1;
    }

    /// A job came to it.
    pub(super) fn begins(&self, job: &str) {
        let mut inner = self.inner();
        inner.running.insert(job.to_owned());
        metrics::running(&self.address, inner.running.len());
    }

    /// A job is not on it any more.
    pub(super) fn ends(&self, job: &str) {
        let mut inner = self.inner();
        inner.running.remove(job);
        metrics::running(&self.address, inner.running.len());
    }

    /// Whether it has no job.
    pub(super) fn is_idle(&self) -> bool {
        self.inner().running.is_empty()
    }

    /// How often a job was left to others, this time included.
    pub(super) fn leaves(&self, job: &str) -> u32 {
        let mut inner = self.inner();
        if inner.left.len() > 10_000 {
            inner.left.clear();
        }
        let times = inner.left.entry(job.to_owned()).or_default();
        *times += 1;
        *times
    }

    /// What it has, asked if need be.
    pub(super) async fn abilities(&self) -> Result<Arc<Abilities>> {
        let _one = self.asking.lock().await;
        if let Some(abilities) = &self.inner().abilities {
            return Ok(Arc::clone(abilities));
        }
        let asked = timeout(ASKING, Abilities::of(&self.client)).await;
        let abilities = Arc::new(asked.unwrap_or_else(|_| {
            Err(crate::Error::Timeout { doing: "asking what the server has".into(), limit: ASKING, sent: true })
        })?);
        let mut inner = self.inner();
        inner.abilities = Some(Arc::clone(&abilities));
        inner.verdicts.clear();
        // A bench goes on, and so do the pauses: who says what it has may still refuse all jobs.
        // Only a job that goes well ends both.
        inner.rest.take_if(|(_, until)| *until <= Instant::now());
        Ok(abilities)
    }

    /// Whether it can do jobs of a queue. An error is one of the server, or of the store of files.
    async fn can(&self, crew: &Crew, queue: &str) -> Result<bool> {
        {
            let mut inner = self.inner();
            match inner.verdicts.get(queue) {
                Some((_, why)) if why.is_empty() => return Ok(true),
                Some((when, _)) if when.elapsed() < BELIEVED => return Ok(false),
                // Models are asked for again.
                Some(_) => inner.abilities = None,
                None => {}
            }
        }
        let abilities = self.abilities().await?;
        let needs: Needs = job::from_bytes(&crew.fleet.blobs.get(Needs::hash_of_queue(queue)).await?)?;
        let (reasons, models) = abilities.reasons(&self.client, &crew.fleet.blobs, &needs).await?;
        let can = reasons.is_empty();
        if !can {
            tracing::info!(server = self.address, queue, ?reasons, "the server cannot do these jobs");
        }
        let mut inner = self.inner();
        inner.verdicts.insert(queue.to_owned(), (Instant::now(), reasons));
        inner.models.insert(queue.to_owned(), models);
        Ok(can)
    }

    /// Asks what it has, before there is a job for it; and which models its memory has had of late: others use it, too, and
    /// it may have been started again.
    pub(super) async fn look(&self) {
        if self.rests_until().is_some() {
            return;
        }
        if let Err(error) = self.abilities().await {
            return self.is_away(&error.to_string());
        }
        let stats = match timeout(LOOKING, self.client.models().cache_stats()).await {
            Ok(Ok(stats)) => stats,
            // It is a matter of speed only; what is wrong with it is found out by its jobs.
            _ => return,
        };
        let sizes = stats.map(|stats| stats.loaded_model_sizes).unwrap_or_default();
        self.inner().loaded = models_of_parts(sizes.keys().map(String::as_str));
    }

    /// The models that jobs of a queue use here, by what is known.
    fn models_of(&self, queue: &str) -> HashSet<String> {
        self.inner().models.get(queue).cloned().unwrap_or_default()
    }

    /// Which part of these models of a queue's jobs is in memory, by what is known, in percent; more if it ran them last.
    fn warmth(&self, queue: &str, models: &HashSet<String>) -> usize {
        let inner = self.inner();
        if inner.last.as_deref() == Some(queue) {
            return 101;
        }
        100 * models.intersection(&inner.loaded).count() / models.len().max(1)
    }

    /// Whether it has left jobs to a server that has their models in memory, and has to look soon whether that took them.
    pub(super) fn looks_again(&self) -> bool {
        !self.inner().left_warm.is_empty()
    }

    /// Whether jobs of a queue are better left to another server of this worker: one that has nothing to do, and more of their
    /// models in memory. Not for long: it may have reasons of its own not to take them.
    fn leaves_to_warmer(&self, hosts: &[Arc<Self>], queue: &str) -> bool {
        // On most servers they are called the same, and the other may not have looked at this queue yet.
        let models = self.models_of(queue);
        let own = self.warmth(queue, &models);
        let is_better =
            |other: &&Arc<Self>| other.is_idle() && !other.refuses(queue) && other.warmth(queue, &models) > own;
        let is_left = hosts.iter().any(|other| other.address != self.address && is_better(&other));
        let mut inner = self.inner();
        if !is_left {
            inner.left_warm.remove(queue);
            return false;
        }
        inner.left_warm.entry(queue.to_owned()).or_insert_with(Instant::now).elapsed() < WARM
    }

    /// The next job for it. The highest priority comes first; of the same, that of which most models are in memory.
    pub(super) async fn next(&self, crew: &Crew, place: &Place, hosts: &[Arc<Self>]) -> Result<Option<Taken>> {
        let mut waiting = crew.fleet.store.waiting().await?;
        self.inner().forget_all_but(&waiting);
        waiting.sort_by_cached_key(|queue| {
            let warmth = self.warmth(&queue.queue, &self.models_of(&queue.queue));
            (-queue.priority, std::cmp::Reverse(warmth))
        });
        for queue in waiting {
            match self.can(crew, &queue.queue).await {
                Ok(true) => {}
                Ok(false) => continue,
                // One kind of job that lacks its workflow is not to hold up all others.
                Err(error @ crate::Error::Fleet { passes: false, .. }) => {
                    tracing::warn!(%error, queue = queue.queue, "nobody can do these jobs");
                    self.inner().verdicts.insert(queue.queue, (Instant::now(), vec![error.to_string()]));
                    continue;
                }
                Err(error @ crate::Error::Fleet { .. }) => return Err(error),
                Err(error) => {
                    self.is_away(&error.to_string());
                    return Ok(None);
                }
            }
            if self.leaves_to_warmer(hosts, &queue.queue) {
                continue;
            }
            let holder = place.join(&queue.queue).await?;
            if let Some(job) = crew.fleet.store.take(&holder, &queue.queue).await? {
                let mut inner = self.inner();
                let models = inner.models.get(&queue.queue).cloned().unwrap_or_default();
                inner.loaded.extend(models);
                inner.last = Some(queue.queue);
                return Ok(Some(job));
            }
        }
        Ok(None)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::TestServer;

    #[test]
    fn servers_are_benched_for_failures_of_different_jobs() {
        let host = Host::new(Client::new("http://127.0.0.1:9").unwrap());
        for job in ["a", "a", "a", "a", "b"] {
            host.has_failed(job, "no");
        }
        assert_eq!(host.rests_until(), None, "that may be the fault of the jobs");
        host.has_failed("c", "no");
        assert!(host.rests_until().is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_answers_and_takes_no_job_is_asked_less_and_less() {
        let server = TestServer::start().unwrap();
        let host = Host::new(Client::new(server.url()).unwrap());
        let mut pause = Duration::ZERO;
        for _ in 0..4 {
            host.is_away("it takes nothing");
            pause = host.rests_until().unwrap() - Instant::now();
            host.abilities().await.unwrap();
        }
        assert!(pause > AWAY * 6, "{pause:?}");
        host.has_done();
        host.is_away("it takes nothing");
        assert!(host.rests_until().unwrap() - Instant::now() <= AWAY);
    }
}
