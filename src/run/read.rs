//! Reads the state of items: together where the server can, one by one where it cannot.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use super::state::State;
use crate::{
    error::{Error, Result},
    queue::{IDS_AT_ONCE, ItemSummary, Queue},
};

/// How often to read while no events arrive.
pub(super) const POLL: Duration = Duration::from_millis(500);

/// Longest pause between reads of a server that does not answer.
pub(super) const POLL_IN_TROUBLE: Duration = Duration::from_secs(5);

/// How many items are read alone at the same time.
const AT_ONCE: usize = 8;

/// Pause after an item could not be read. A server that can read none of a large batch is not asked for all at once.
const BREATH: Duration = Duration::from_millis(100);

/// Reads items of one batch into their state.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) queue: Queue,
    pub(super) batch_id: String,
    pub(super) state: Arc<State>,
}

impl Reader {
    /// Reads the state of these items, and returns those that have to be read alone.
    pub(super) async fn read(&self, item_ids: Vec<i64>) -> Vec<i64> {
        let mut alone = Vec::new();
        // Limits how many are held in memory at once.
        for ids in item_ids.chunks(IDS_AT_ONCE) {
            self.state.begin_read();
            match self.in_time(self.queue.summaries(ids)).await {
                Ok(found) => {
                    self.state.set_trouble(None);
                    let mut missing: HashSet<i64> = ids.iter().copied().collect();
                    for ItemSummary { item_id, status, .. } in
                        found.into_iter().flatten().filter(|item| self.is_ours(item))
                    {
                        if missing.remove(&item_id) {
                            self.state.set_status(item_id, &status);
                        }
                    }
                    // The server leaves out what is gone, and what it cannot read: only the first answers 404.
                    alone.extend(ids.iter().filter(|id| missing.contains(id)));
                }
                Err(error) if may_be_one_item(&error) => {
                    tracing::debug!(batch_id = self.batch_id, %error, "cannot read items together");
                    self.state.set_trouble(None);
                    alone.extend(ids);
                }
                Err(error) => {
                    tracing::debug!(batch_id = self.batch_id, %error, "cannot read the state of the batch");
                    self.state.set_trouble(Some(error));
                    break;
                }
            }
        }
        alone
    }

    /// Reads the state of one item. Its trouble does not concern the others.
    async fn read_alone(&self, item_id: i64) {
        self.state.begin_read_of(item_id);
        match self.in_time(self.queue.find_summary(item_id)).await {
            Ok(Some(item)) if item.item_id != item_id => {
                let problem = format!("the answer is item {}, not item {item_id}", item.item_id);
                let error = Error::decode("get_queue_item", "item_id", problem, "");
                self.state.set_unreadable(item_id, error);
            }
            Ok(Some(item)) if self.is_ours(&item) => self.state.set_status(item_id, &item.status),
            // Ids start over where somebody has deleted the server's database.
            Ok(_) => self.state.set_gone(item_id),
            Err(error) => {
                tracing::debug!(item_id, %error, "cannot read the item");
                self.state.set_unreadable(item_id, error);
                sleep(BREATH).await;
            }
        }
    }

    fn is_ours(&self, item: &ItemSummary) -> bool {
        item.batch_id == self.batch_id
    }

    /// An answer may drip forever. Those who wait learn of it only if the read ends.
    async fn in_time<T>(&self, read: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.queue.longest_read();
        match timeout(limit, read).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { doing: format!("reading batch {}", self.batch_id), limit, sent: true }),
        }
    }
}

/// Whether it may be the fault of one item that several cannot be read together.
fn may_be_one_item(error: &Error) -> bool {
    match error {
        Error::Server(_) => !error.is_retryable(),
        Error::Decode { .. } | Error::Body { .. } => true,
        _ => false,
    }
}

/// Items that are read alone. However many there are and however long they take, the others are read meanwhile.
#[derive(Default)]
pub(super) struct Alone<'a> {
    waiting: VecDeque<i64>,
    /// Waiting or being read.
    known: HashSet<i64>,
    reads: FuturesUnordered<BoxFuture<'a, i64>>,
    /// When items that could not be read may be read again.
    pauses: HashMap<i64, Instant>,
}

impl<'a> Alone<'a> {
    pub(super) fn add(&mut self, item_ids: Vec<i64>) {
        let now = Instant::now();
        self.pauses.retain(|_, end| *end > now);
        let due = item_ids.into_iter().filter(|id| !self.pauses.contains_key(id) && self.known.insert(*id));
        self.waiting.extend(due);
    }

    /// Reads until one is done; forever, if there is none.
    pub(super) async fn read(&mut self, reader: &'a Reader) {
        while self.reads.len() < AT_ONCE
            && let Some(id) = self.waiting.pop_front()
        {
            self.reads.push(async move { reader.read_alone(id).map(|()| id).await }.boxed());
        }
        match self.reads.next().await {
            Some(id) => {
                self.known.remove(&id);
                if let Some(since) = reader.state.unreadable_since(id) {
                    let pause: Duration = since.elapsed().clamp(POLL, POLL_IN_TROUBLE);
                    self.pauses.insert(id, Instant::now() + pause);
                }
            }
            None => std::future::pending().await,
        }
    }
}
