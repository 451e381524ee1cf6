//! Under which names the store knows a worker: each place on a server's queue has names of its own.
//!
//! The answer to taking a job may be lost after the store did it. Then the store holds a job for somebody who lives and does
//! not run it. Nobody can tell such a job by itself from one whose answer is on its way; but a place takes jobs one by one, and
//! knows when it has none. So a place that has none, and met an error of the store since it last chose names, chooses new
//! ones. Whatever the store holds for a former name, now or when a delayed statement gets there, nobody runs.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::Crew;
use crate::error::Result;

/// How long former names are remembered. No connection outlives a cut network for longer. After that, the store holds jobs of
/// a former name as it does those of the dead: for a lease.
const FORMER: Duration = Duration::from_secs(15 * 60);

/// A place on a server's queue.
pub(super) struct Place {
    crew: Arc<Crew>,
    number: usize,
    /// How often it has chosen new names.
    generation: u64,
    /// How many calls of the store had failed by then.
    failures: u64,
}

impl Place {
    pub(super) fn new(crew: Arc<Crew>, number: usize) -> Self {
        let failures = crew.failures();
        Self { crew, number, generation: 0, failures }
    }

    /// What its names begin with.
    fn prefix(&self) -> String {
        format!("{}.{}.{}/", self.crew.name, self.number, self.generation)
    }

    /// The name under which it takes a job from a queue, which the store knows from now on.
    pub(super) async fn join(&self, queue: &str) -> Result<String> {
        let name = format!("{}{queue}", self.prefix());
        if let Some((_, asked)) = self.crew.names().current.get_mut(&name) {
            *asked = Instant::now();
            return Ok(name);
        }
        self.crew.fleet.store.register(&name, queue).await?;
        self.crew.names().current.insert(name.clone(), (queue.to_owned(), Instant::now()));
        Ok(name)
    }

    /// It has no job, as far as it knows.
    pub(super) fn has_nothing(&mut self) {
        let failures = self.crew.failures();
        if failures != self.failures {
            self.failures = failures;
            self.rename();
        }
    }

    /// It has no job, and takes no more.
    pub(super) fn closes(&mut self) {
        self.rename();
    }

    fn rename(&mut self) {
        self.crew.names().retire(&self.prefix());
        self.generation += 1;
    }
}

/// What it had is on its way to a server, or there: it is left to the lease, as that of a worker who died.
impl Drop for Place {
    fn drop(&mut self) {
        let prefix = self.prefix();
        self.crew.names().current.retain(|name, _| !name.starts_with(&prefix));
    }
}

/// The names of all places of a worker.
#[derive(Default)]
pub(super) struct Names {
    /// Those under which jobs are taken and run: for which queue, and when it was last asked for one.
    current: BTreeMap<String, (String, Instant)>,
    /// Those under which nothing is run any more, and since when.
    former: Vec<(String, Instant)>,
}

impl Names {
    fn retire(&mut self, prefix: &str) {
        let now = Instant::now();
        let Self { current, former } = self;
        current.retain(|name, _| {
            let is_former = name.starts_with(prefix);
            if is_former {
                former.push((name.clone(), now));
            }
            !is_former
        });
    }

    /// Those of which the store is to hear that they live, each with its queue.
    pub(super) fn current(&self) -> Vec<(String, String)> {
        self.current.iter().map(|(name, (queue, _))| (name.clone(), queue.clone())).collect()
    }

    pub(super) fn former(&mut self) -> Vec<String> {
        self.former.retain(|(_, since)| since.elapsed() < FORMER);
        self.former.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Forgets names for queues of which nothing is wanted any more: those that nobody has jobs of, and that were asked for
    /// none in a whole lease. A fleet may have a queue for every job, and a beat has to be short.
    pub(super) fn leave_all_but(&mut self, busy: &HashSet<String>, lease: Duration) {
        self.current.retain(|_, (queue, asked)| busy.contains(queue) || asked.elapsed() < lease);
    }
}
