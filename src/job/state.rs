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
    /// Asks the follower to read what is [fresh](Self::take_fresh).
    pub(crate) added: Notify,
}

#[derive(Debug)]
struct Inner {
    items: BTreeMap<i64, Item>,
    /// Items that are over, in the order in which that was seen.
    closed: Vec<i64>,
    /// Items added later, whose events may have come before they were known.
    fresh: Vec<i64>,
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
        let (closed, fresh) = (Vec::new(), Vec::new());
        let inner = Inner { items, closed, fresh, labels, feeding: false, feed_error: None, trouble: None };
        let (poke, added) = (Notify::new(), Notify::new());
        Arc::new(Self { inner: Mutex::new(inner), changed: watch::Sender::new(0), poke, added })
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

    pub(crate) fn item_count(&self) -> usize {
        self.inner().items.len()
    }

    pub(crate) fn add_items(&self, item_ids: &[i64]) {
        let mut inner = self.inner();
        for id in item_ids {
            inner.items.entry(*id).or_insert(Item::Pending);
        }
        inner.fresh.extend(item_ids);
        drop(inner);
        self.added.notify_one();
        self.announce();
    }

    /// Items that were added since this was asked the last time.
    pub(crate) fn take_fresh(&self) -> Vec<i64> {
        std::mem::take(&mut self.inner().fresh)
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
        self.inner().items.iter().filter(|(_, item)| item.is_open()).map(|(id, _)| *id).collect()
    }

    /// Items that are over, in whichever way, without the first `known` of them. In the order in which that was seen.
    pub(crate) fn closed_items(&self, known: usize) -> Vec<i64> {
        self.inner().closed.get(known..).unwrap_or_default().to_vec()
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_done(&self) -> bool {
        let inner = self.inner();
        !inner.feeding && inner.closed.len() == inner.items.len()
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
        self.change(event.item_ids(), |tracker| tracker.apply(event));
    }

    /// Takes a status into account that was read.
    pub(crate) fn set_status(&self, item_id: i64, status: &ItemStatus) {
        self.change([item_id], |tracker| tracker.set_status(status.clone(), None));
    }

    /// Takes into account that an item no longer exists.
    pub(crate) fn set_gone(&self, item_id: i64) {
        let mut inner = self.inner();
        if let Some(item) = inner.items.get_mut(&item_id).filter(|item| item.is_open()) {
            *item = Item::Gone;
            inner.closed.push(item_id);
        }
        drop(inner);
        self.announce();
    }

    fn change(&self, ids: impl IntoIterator<Item = i64>, change: impl Fn(&mut ProgressTracker) -> bool) {
        let mut guard = self.inner();
        let Inner { items, closed, labels, .. } = &mut *guard;
        let mut changed = false;
        for id in ids {
            let Some(item) = items.get_mut(&id) else { continue };
            let was_open = item.is_open();
            changed |= item.change(id, labels, &change);
            if was_open && !item.is_open() {
                closed.push(id);
            }
        }
        drop(guard);
        if changed {
            self.announce();
        }
    }
}

fn tracker(item_id: i64, labels: &Labels) -> ProgressTracker {
    ProgressTracker::new(item_id, labels.iter().cloned())
}

impl Item {
    fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Active(_))
    }

    /// Answers whether anything changed.
    fn change(&mut self, id: i64, labels: &Labels, change: impl FnOnce(&mut ProgressTracker) -> bool) -> bool {
        match self {
            // That it still waits is no news, and needs no memory.
            Self::Pending => {
                let mut tracker = Box::new(tracker(id, labels));
                if !change(&mut tracker) {
                    return false;
                }
                *self = Self::Active(tracker);
            }
            // The node that failed is named a moment after the failure.
            Self::Active(tracker) | Self::Failed(tracker) => {
                if !change(tracker) {
                    return false;
                }
            }
            Self::Ended(_) | Self::Gone => return false,
        }
        if let Self::Active(tracker) = self
            && tracker.progress().is_finished()
        {
            *self = match tracker.progress().status.clone() {
                ItemStatus::Failed => Self::Failed(std::mem::replace(tracker, Box::new(self::tracker(id, labels)))),
                status => Self::Ended(status),
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_waits_needs_no_memory_of_its_own() {
        let state = State::new([1, 2], Labels::default());
        state.set_status(1, &ItemStatus::Pending);
        assert!(matches!(state.inner().items[&1], Item::Pending));
        state.set_status(1, &ItemStatus::InProgress);
        assert!(matches!(state.inner().items[&1], Item::Active(_)));
        state.set_status(1, &ItemStatus::Completed);
        assert!(matches!(state.inner().items[&1], Item::Ended(ItemStatus::Completed)));
    }

    #[test]
    fn ends_are_told_once_in_the_order_in_which_they_are_seen() {
        let state = State::new(1..=4, Labels::default());
        state.set_status(3, &ItemStatus::Failed);
        state.set_gone(1);
        state.set_gone(3);
        assert_eq!(state.closed_items(0), [3, 1]);
        state.set_status(3, &ItemStatus::Canceled);
        state.set_status(4, &ItemStatus::Canceled);
        assert_eq!(state.closed_items(2), [4]);
        assert_eq!(state.closed_items(3), [0; 0]);
        assert_eq!(state.open_items(), [2]);
        assert!(!state.is_done());
        state.set_gone(2);
        assert!(state.is_done());
        state.set_feeding(true);
        assert!(!state.is_done(), "more are to come");
    }

    #[test]
    fn added_items_are_fresh_once() {
        let state = State::new([1], Labels::default());
        state.add_items(&[2, 3]);
        assert_eq!((state.take_fresh(), state.take_fresh()), (vec![2, 3], vec![]));
        assert_eq!(state.item_count(), 3);
    }
}
