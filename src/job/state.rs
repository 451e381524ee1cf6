//! What is known of the items of one submission, from events and from reading.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::{Notify, watch};

use crate::{
    error::Error,
    events::Event,
    progress::{Progress, ProgressTracker},
    queue::ItemStatus,
};

/// Node ids of a graph, with the titles that the workflow gives them.
pub(crate) type Labels = Arc<Vec<(String, Option<String>)>>;

/// Shared between the follower, which writes, and jobs, which read.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    /// Counts changes, for those who wait.
    changed: watch::Sender<u64>,
    /// Asks the follower to read the state again now.
    pub(crate) poke: Notify,
}

#[derive(Debug)]
struct Inner {
    items: BTreeMap<i64, Item>,
    labels: Labels,
    /// More items are still to be enqueued.
    feeding: bool,
    /// Why the rest will not be enqueued.
    feed_error: Option<Error>,
    /// Reading has failed since then, the last time with this error.
    trouble: Option<(Instant, Error)>,
}

/// One item. Small once it has ended, because a batch may have thousands.
#[derive(Debug)]
enum Item {
    Pending,
    Active(Box<ProgressTracker>),
    Ended(ItemStatus),
    /// Failed, with what is known of the reason.
    Failed(Box<ProgressTracker>),
    /// Deleted, pruned or cleared before its end was seen.
    Gone,
}

/// How an item stands, for those who wait.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Standing {
    Running(ItemStatus),
    Ended(ItemStatus),
    Gone,
}

impl State {
    pub(crate) fn new(item_ids: impl IntoIterator<Item = i64>, labels: Labels) -> Arc<Self> {
        let items = item_ids.into_iter().map(|id| (id, Item::Pending)).collect();
        let inner = Inner { items, labels, feeding: false, feed_error: None, trouble: None };
        Arc::new(Self { inner: Mutex::new(inner), changed: watch::Sender::new(0), poke: Notify::new() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the state is half written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Sees every later change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn item_ids(&self) -> Vec<i64> {
        self.inner().items.keys().copied().collect()
    }

    pub(crate) fn add_items(&self, item_ids: &[i64]) {
        let mut inner = self.inner();
        for id in item_ids {
            inner.items.entry(*id).or_insert(Item::Pending);
        }
        drop(inner);
        self.announce();
    }

    pub(crate) fn set_feeding(&self, feeding: bool) {
        self.inner().feeding = feeding;
        self.announce();
    }

    pub(crate) fn is_feeding(&self) -> bool {
        self.inner().feeding
    }

    pub(crate) fn set_feed_error(&self, error: Error) {
        self.inner().feed_error = Some(error);
        self.announce();
    }

    pub(crate) fn feed_error(&self) -> Option<Error> {
        self.inner().feed_error.clone()
    }

    pub(crate) fn labels(&self) -> Labels {
        Arc::clone(&self.inner().labels)
    }

    /// Items whose end has not been seen.
    pub(crate) fn open_items(&self) -> Vec<i64> {
        let open = |item: &Item| matches!(item, Item::Pending | Item::Active(_));
        self.inner().items.iter().filter(|(_, item)| open(item)).map(|(id, _)| *id).collect()
    }

    /// Items that are over, in whichever way.
    pub(crate) fn closed_items(&self) -> Vec<i64> {
        let open = |item: &Item| matches!(item, Item::Pending | Item::Active(_));
        self.inner().items.iter().filter(|(_, item)| !open(item)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        !self.is_feeding() && self.open_items().is_empty()
    }

    pub(crate) fn standing(&self, item_id: i64) -> Standing {
        match self.inner().items.get(&item_id) {
            Some(Item::Pending) => Standing::Running(ItemStatus::Pending),
            Some(Item::Active(tracker)) => Standing::Running(tracker.progress().status.clone()),
            Some(Item::Ended(status)) => Standing::Ended(status.clone()),
            Some(Item::Failed(_)) => Standing::Ended(ItemStatus::Failed),
            Some(Item::Gone) | None => Standing::Gone,
        }
    }

    pub(crate) fn progress(&self, item_id: i64) -> Progress {
        let inner = self.inner();
        match inner.items.get(&item_id) {
            Some(Item::Active(tracker) | Item::Failed(tracker)) => tracker.progress().clone(),
            Some(Item::Ended(status)) => {
                let mut tracker = tracker(item_id, &inner.labels);
                tracker.set_status(status.clone(), None);
                tracker.progress().clone()
            }
            _ => tracker(item_id, &inner.labels).progress().clone(),
        }
    }

    /// Why the state cannot be read, and since when.
    pub(crate) fn trouble(&self) -> Option<(Instant, Error)> {
        self.inner().trouble.clone()
    }

    pub(crate) fn set_trouble(&self, error: Option<Error>) {
        let mut inner = self.inner();
        let since = inner.trouble.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        let changed = error.is_some() || inner.trouble.is_some();
        inner.trouble = error.map(|error| (since, error));
        drop(inner);
        if changed {
            self.announce();
        }
    }

    /// Takes an event into account.
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    pub(crate) fn apply(&self, event: &Event) {
        let mut inner = self.inner();
        let labels = Arc::clone(&inner.labels);
        let mut changed = false;
        for id in event.item_ids() {
            if let Some(item) = inner.items.get_mut(&id) {
                changed |= item.change(id, &labels, |tracker| tracker.apply(event));
            }
        }
        drop(inner);
        if changed {
            self.announce();
        }
    }

    /// Takes a status into account that was read.
    pub(crate) fn set_status(&self, item_id: i64, status: ItemStatus) {
        let mut inner = self.inner();
        let labels = Arc::clone(&inner.labels);
        let item = inner.items.get_mut(&item_id);
        let changed =
            item.is_some_and(|item| item.change(item_id, &labels, |tracker| tracker.set_status(status.clone(), None)));
        drop(inner);
        if changed {
            self.announce();
        }
    }

    /// Takes into account that an item no longer exists.
    pub(crate) fn set_gone(&self, item_id: i64) {
        if let Some(item @ (Item::Pending | Item::Active(_))) = self.inner().items.get_mut(&item_id) {
            *item = Item::Gone;
        }
        self.announce();
    }
}

fn tracker(item_id: i64, labels: &Labels) -> ProgressTracker {
    ProgressTracker::new(item_id, labels.iter().cloned())
}

impl Item {
    fn change(&mut self, id: i64, labels: &Labels, change: impl FnOnce(&mut ProgressTracker) -> bool) -> bool {
        if let Self::Pending = self {
            *self = Self::Active(Box::new(tracker(id, labels)));
        }
        let changed = match self {
            // The node that failed is named a moment after the failure.
            Self::Active(tracker) | Self::Failed(tracker) => change(tracker),
            Self::Pending | Self::Ended(_) | Self::Gone => false,
        };
        if let Self::Active(tracker) = self
            && tracker.progress().is_finished()
        {
            *self = match tracker.progress().status.clone() {
                ItemStatus::Failed => Self::Failed(std::mem::replace(tracker, Box::new(self::tracker(id, labels)))),
                status => Self::Ended(status),
            };
        }
        changed
    }
}
