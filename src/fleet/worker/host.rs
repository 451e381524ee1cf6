//! A server of a worker: whether it can be used, and which jobs it takes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::Crew;
use crate::{
    Client,
    error::Result,
    fleet::{
        job::{self, Needs},
        matching::Abilities,
        status::ServerState,
        store::Taken,
    },
};

/// After how many failures of different jobs in a row a server is benched, and for how long at first and at most.
const FAILURES: u32 = 3;
const BENCH: Duration = Duration::from_secs(10);
const LONGEST_BENCH: Duration = Duration::from_secs(600);

/// How long to leave a server alone that cannot be reached, at first and at most.
const AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(30);

/// How long to believe that a server cannot do something: models are installed meanwhile.
const BELIEVED: Duration = Duration::from_secs(30);

/// How long a server may take to say what it has.
const ASKING: Duration = Duration::from_secs(60);

pub(super) struct Host {
    pub(super) client: Client,
    address: String,
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
    /// Why it takes nothing, until when, and for how long the next time.
    rest: Option<(String, Instant)>,
    away: Option<Duration>,
    bench: Option<Duration>,
    failures: u32,
    running: BTreeMap<String, Instant>,
    done: u64,
    /// From which queue the last job came: its models are in memory.
    last: Option<String>,
    /// How often a job was left to another server.
    left: HashMap<String, u32>,
}

impl Host {
    pub(super) fn new(client: Client) -> Self {
        let address = client.base_url().to_string();
        Self { client, address, inner: Mutex::default(), ended: Notify::new(), asking: tokio::sync::Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What to say of it.
    pub(super) fn state(&self) -> ServerState {
        let inner = self.inner();
        let cannot = inner.verdicts.iter().filter(|(_, (_, why))| !why.is_empty());
        ServerState::new(
            inner.abilities.as_ref().map(|abilities| abilities.version.clone()),
            inner.rest.as_ref().filter(|(_, until)| *until > Instant::now()).map(|(why, _)| why.clone()),
            inner.running.keys().cloned().collect(),
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
        let inner = self.inner();
        let rests = inner.rest.as_ref().is_some_and(|(_, until)| *until > Instant::now());
        !rests && inner.abilities.is_some() && inner.verdicts.get(queue).is_none_or(|(_, why)| why.is_empty())
    }

    /// Leaves it alone for a while: it cannot be reached.
    pub(super) fn is_away(&self, why: &str) {
        let mut inner = self.inner();
        let pause = inner.away.map_or(AWAY, |pause| (pause * 2).min(LONGEST_AWAY));
        inner.away = Some(pause);
        inner.rest = Some((format!("cannot be used: {why}"), Instant::now() + pause));
        inner.abilities = None;
    }

    /// A job failed on it.
    pub(super) fn has_failed(&self, why: &str) {
        let mut inner = self.inner();
        inner.failures += 1;
        if inner.failures >= FAILURES {
            let pause = inner.bench.map_or(BENCH, |pause| (pause * 2).min(LONGEST_BENCH));
            inner.bench = Some(pause);
            // One more failure after the bench is enough.
            inner.failures = FAILURES - 1;
            let said = format!("benched for {} s after failures in a row, the last: {why}", pause.as_secs());
            tracing::warn!(server = self.address, "{said}");
            inner.rest = Some((said, Instant::now() + pause));
        }
    }

    /// A job has gone well on it.
    pub(super) fn has_done(&self) {
        let mut inner = self.inner();
        (inner.failures, inner.bench, inner.away) = (0, None, None);
        inner.done += 1;
    }

    /// A job came to it.
    pub(super) fn begins(&self, job: &str) {
        self.inner().running.insert(job.to_owned(), Instant::now());
    }

    /// A job is not on it any more.
    pub(super) fn ends(&self, job: &str) {
        self.inner().running.remove(job);
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
        inner.away = None;
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
        let reasons = abilities.reasons(&self.client, &crew.fleet.blobs, &needs).await?;
        let can = reasons.is_empty();
        if !can {
            tracing::info!(server = self.address, queue, ?reasons, "the server cannot do these jobs");
        }
        self.inner().verdicts.insert(queue.to_owned(), (Instant::now(), reasons));
        Ok(can)
    }

    /// The next job for it. The highest priority comes first; of the same, what needs what the last job needed.
    pub(super) async fn next(&self, crew: &Crew) -> Result<Option<Taken>> {
        let mut waiting = crew.fleet.store.waiting().await?;
        let last = self.inner().last.clone();
        waiting.sort_by_key(|queue| (-queue.priority, Some(&queue.queue) != last.as_ref()));
        for queue in waiting {
            match self.can(crew, &queue.queue).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error @ crate::Error::Fleet { .. }) => return Err(error),
                Err(error) => {
                    self.is_away(&error.to_string());
                    return Ok(None);
                }
            }
            crew.join(&queue.queue).await?;
            if let Some(job) = crew.fleet.store.take(&crew.name, &queue.queue).await? {
                self.inner().last = Some(queue.queue);
                return Ok(Some(job));
            }
        }
        Ok(None)
    }
}
