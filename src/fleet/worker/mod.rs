//! Workers: they take jobs that their servers can do, and bring the results home.

mod attempt;
mod clean;
mod host;
mod lease;
mod metrics;
mod place;
mod slot;

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

use host::Host;
use place::{Names, Place};

use super::Fleet;
use crate::{
    Client,
    error::{Error, Result},
};

/// How long a worker may say nothing before others take its jobs.
const LEASE: Duration = Duration::from_secs(30);

/// How many items of a worker are on a server's queue: one runs, and the next is there when it ends.
const AT_ONCE: usize = 2;

/// How long to pause after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How many workflows are kept in memory.
const KEPT: usize = 32;

/// A worker under construction, from [`Fleet::worker`].
#[derive(Clone)]
#[must_use = "a worker does nothing before it runs"]
pub struct Worker {
    fleet: Fleet,
    name: String,
    servers: Vec<Client>,
    lease: Duration,
    at_once: usize,
}

crate::base::debug::short_debug! { Worker { fleet, name, servers, lease, at_once } }

/// What a worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerReport {
    /// How many results it stored.
    pub done: u64,
    /// How many attempts failed.
    pub failed: u64,
    /// How many results it threw away, because there was one already.
    pub late: u64,
}

impl Fleet {
    /// A worker for this fleet.
    pub fn worker(&self) -> Worker {
        Worker {
            fleet: self.clone(),
            name: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()),
            servers: Vec::new(),
            lease: LEASE,
            at_once: AT_ONCE,
        }
    }
}

impl Worker {
    /// Serves this server, too. Of its queue, only items of the worker are ever touched.
    pub fn server(mut self, client: Client) -> Self {
        self.servers.push(client);
        self
    }

    /// How long the worker may say nothing, because it died or its machine stands still, before its jobs are given to
    /// others; in seconds, at least 3. Default: 30 s. It is the same for all workers, or jobs change hands needlessly.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(3));
        self
    }

    /// How many items are on a server's queue at once, at least one. Two without: one runs, and one is there when it ends.
    pub fn at_once(mut self, items: usize) -> Self {
        self.at_once = items.max(1);
        self
    }

    /// Works until `stop` is ready; then it takes no more jobs, and ends when those that it has are done.
    ///
    /// Dropped before that, it leaves its jobs on their servers, where whoever gets them after the lease finds them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] without a server; [`Error::Fleet`] if the store cannot be used at all. What fails later is
    /// tried again.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<WorkerReport> {
        if self.servers.is_empty() {
            return Err(Error::invalid("server", "must be given at least once"));
        }
        metrics::describe();
        let news = watch::channel(0_u64).0;
        let draining = watch::channel(false).0;
        let crew = Arc::new(Crew {
            fleet: self.fleet,
            name: self.name,
            lease: self.lease,
            names: Mutex::default(),
            failures: AtomicU64::new(0),
            workflows: Mutex::default(),
            report: Mutex::default(),
            news,
            draining,
        });
        let hosts: Vec<Arc<Host>> = self.servers.into_iter().map(|client| Arc::new(Host::new(client))).collect();
        // What hears of jobs, and what keeps the lease, goes on until the last job is done.
        let mut beside = tokio::task::JoinSet::new();
        beside.spawn(lease::keep(Arc::clone(&crew), hosts.clone()));
        beside.spawn(listen(Arc::clone(&crew)));
        let mut working = tokio::task::JoinSet::new();
        let mut places = 0..;
        for host in &hosts {
            for number in places.by_ref().take(self.at_once) {
                let place = Place::new(Arc::clone(&crew), number);
                working.spawn(slot::work(Arc::clone(&crew), place, Arc::clone(host), hosts.clone()));
            }
            working.spawn(clean::sweep(Arc::clone(&crew), Arc::clone(host)));
        }
        let all = async { while working.join_next().await.is_some() {} };
        let mut all = std::pin::pin!(all);
        tokio::select! {
            () = stop => {
                crew.draining.send_replace(true);
                all.await;
            }
            () = &mut all => {}
        }
        beside.shutdown().await;
        // Nothing runs any more. What cannot be said now, the lease says.
        let store = &crew.fleet.store;
        let former = crew.names().former();
        if let Err(error) = store.give_back(&former).await.and(store.leave(&crew.name).await) {
            tracing::warn!(%error, "the store does not hear that this worker ends");
        }
        Ok(*crew.report())
    }
}

/// What the tasks of a worker share.
struct Crew {
    fleet: Fleet,
    name: String,
    lease: Duration,
    /// Under which names the store knows it.
    names: Mutex<Names>,
    /// How many calls of the store failed.
    failures: AtomicU64,
    /// Workflows by hash.
    workflows: Mutex<HashMap<String, Bytes>>,
    report: Mutex<WorkerReport>,
    /// Counts up when there may be something new.
    news: watch::Sender<u64>,
    draining: watch::Sender<bool>,
}

impl Crew {
    fn report(&self) -> MutexGuard<'_, WorkerReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until no more jobs are to be taken.
    async fn drained(&self) {
        // The sender is this.
        _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of the store failed: it is not known whether the store did what it was asked to do.
    fn store_failed(&self) {
        metrics::store_error();
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A workflow by its hash.
    async fn workflow(&self, hash: &str) -> Result<serde_json::Value> {
        let kept = self.workflows.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned();
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let bytes = self.fleet.blobs.get(hash).await?;
                let mut kept = self.workflows.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() >= KEPT {
                    kept.clear();
                }
                kept.insert(hash.to_owned(), bytes.clone());
                bytes
            }
        };
        super::job::from_bytes(&bytes)
    }

    /// Tries until it works, or fails for a reason that does not pass. The store may be on its way up again.
    async fn patiently<T, F: Future<Output = Result<T>>>(&self, mut what: impl FnMut() -> F) -> Result<T> {
        let mut pause = Duration::from_millis(200);
        loop {
            match what().await {
                Err(error @ Error::Fleet { passes: true, .. }) => {
                    self.store_failed();
                    tracing::warn!(%error, "trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                other => return other,
            }
        }
    }
}

/// Tells the others when there may be new jobs.
async fn listen(crew: Arc<Crew>) {
    loop {
        let heard: Result<()> = async {
            let mut watch = crew.fleet.store.watch().await?;
            loop {
                watch.changed().await?;
                crew.news.send_modify(|news| *news = news.wrapping_add(1));
            }
        }
        .await;
        if let Err(error) = heard {
            tracing::warn!(%error, "not listening for jobs; they are looked for");
        }
        tokio::time::sleep(AFTER_FAILURE).await;
        crew.news.send_modify(|news| *news = news.wrapping_add(1));
    }
}
