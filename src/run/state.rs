//! What is known about the items of one submission, from events and from reading.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    base::deadline,
    error::Error,
    events::Event,
    progress::{Progress, ProgressTracker, SubmissionProgress},
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
    /// Items that have ended or are gone, in the order in which that was seen.
    closed: Vec<i64>,
    /// Items added later, whose events may have come before they were known.
    fresh: Vec<i64>,
    labels: Labels,
    /// A task follows the items.
    followed: bool,
    /// More items are still to be enqueued.
    feeding: bool,
    /// Why the rest will not be enqueued.
    feed_error: Option<Error>,
    /// Why the rest cannot be enqueued yet.
    feed_trouble: Option<Trouble>,
    /// Why nothing can be read.
    trouble: Option<Trouble>,
    /// Open items that cannot be read although others can.
    unreadable: BTreeMap<i64, Trouble>,
}

/// Something has failed since then, the last time with this error.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) since: Instant,
    pub(crate) error: Error,
}

impl Trouble {
    /// The same trouble goes on, or a new one begins.
    fn goes_on(known: &mut Option<Self>, error: Option<Error>) {
        let since = known.as_ref().map_or_else(Instant::now, |known| known.since);
        *known = error.map(|error| Self { since, error });
    }
}

/// What those who wait for all items have not heard yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// How many ends are known now.
    pub(crate) known: usize,
    /// Items that have ended or are gone, in the order in which that was seen.
    pub(crate) closed: Vec<i64>,
    /// Open items that have been in trouble for too long.
    pub(crate) given_up: Vec<(i64, Error)>,
    /// When the next trouble will have lasted too long.
    pub(crate) next_limit: Option<Instant>,
    /// Nothing more will come, and this is why it is less than was asked for.
    pub(crate) over: Option<Result<(), Error>>,
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

/// State of an item, for those who wait.
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
        let inner = Inner {
            items,
            closed,
            fresh,
            labels,
            followed: false,
            feeding: false,
            feed_error: None,
            feed_trouble: None,
            trouble: None,
            unreadable: BTreeMap::new(),
        };
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

    /// Records that somebody follows from now on. Returns `false` if somebody already does, or if nothing is left to
    /// follow.
    pub(crate) fn take_following(&self) -> bool {
        let mut inner = self.inner();
        let wanted = !inner.followed && !inner.is_done();
        inner.followed |= wanted;
        wanted
    }

    /// Records that nobody follows any more.
    pub(crate) fn end_following(&self) {
        self.inner().followed = false;
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

    /// Records why the rest cannot be enqueued yet, or that it can.
    pub(crate) fn set_feed_trouble(&self, error: Option<Error>) {
        Trouble::goes_on(&mut self.inner().feed_trouble, error);
        self.announce();
    }

    pub(crate) fn labels(&self) -> Labels {
        Arc::clone(&self.inner().labels)
    }

    /// Items whose end has not been seen.
    pub(crate) fn open_items(&self) -> Vec<i64> {
        self.inner().open().collect()
    }

    /// Returns what happened beyond the first `known` ends and to items other than those in `given_up`. Trouble is
    /// given up after `limit`.
    pub(crate) fn news(&self, known: usize, given_up: &BTreeSet<i64>, limit: Duration) -> News {
        let inner = self.inner();
        let closed = inner.closed.get(known..).unwrap_or_default();
        let mut news = News { known: inner.closed.len(), ..News::default() };
        news.closed.extend(closed.iter().filter(|id| !given_up.contains(id)));
        let now = Instant::now();
        let mut is_over = |trouble: &Trouble| {
            let end = trouble.since + deadline::bounded(limit);
            if end > now {
                news.next_limit = Some(news.next_limit.map_or(end, |next| next.min(end)));
            }
            end <= now
        };
        // Looked at only in trouble, so that a batch without any is not searched for each end.
        if inner.trouble.as_ref().is_some_and(&mut is_over) {
            let open = inner.open().filter(|id| !given_up.contains(id));
            news.given_up.extend(open.filter_map(|id| Some((id, inner.trouble_of(id)?.error.clone()))));
        } else {
            let unreadable = inner.unreadable.iter().filter(|(id, _)| !given_up.contains(id));
            let over = unreadable.filter(|(_, trouble)| is_over(trouble));
            news.given_up.extend(over.map(|(id, trouble)| (*id, trouble.error.clone())));
        }
        let feed_trouble = inner.feed_trouble.as_ref().filter(|trouble| inner.feeding && is_over(trouble));
        let open_but_given_up = given_up.iter().filter(|id| inner.items.get(id).is_some_and(Item::is_open)).count();
        let nothing_to_come = inner.closed.len() + open_but_given_up == inner.items.len();
        let nothing_to_tell = news.closed.is_empty() && news.given_up.is_empty();
        if nothing_to_tell && nothing_to_come && (!inner.feeding || feed_trouble.is_some()) {
            let error = feed_trouble.map(|trouble| &trouble.error).or(inner.feed_error.as_ref());
            news.over = Some(error.cloned().map_or(Ok(()), Err));
        }
        news
    }

    /// How many items there are, and how many of them have not ended.
    pub(crate) fn count_open(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.items.len(), inner.items.len() - inner.closed.len())
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_done(&self) -> bool {
        self.inner().is_done()
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

    /// Progress of all items, of which `requested` were asked for.
    pub(crate) fn progress_of_all(&self, requested: u64) -> SubmissionProgress {
        let inner = self.inner();
        let mut all = SubmissionProgress { requested, enqueued: inner.items.len() as u64, ..Default::default() };
        for (id, item) in &inner.items {
            match item {
                Item::Pending => {}
                Item::Active(tracker) if tracker.progress().status == ItemStatus::Pending => {}
                Item::Active(tracker) => drop(all.running.insert(*id, tracker.progress().clone())),
                Item::Ended(status) => all.count(status),
                Item::Failed(_) => all.count(&ItemStatus::Failed),
                Item::Gone => all.gone += 1,
            }
        }
        all
    }

    /// Why this item cannot be read.
    pub(crate) fn trouble_of(&self, item_id: i64) -> Option<Trouble> {
        self.inner().trouble_of(item_id).cloned()
    }

    /// Why nothing can be read.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.inner().trouble.clone()
    }

    /// Whether some items cannot be read although others can.
    pub(crate) fn has_unreadable(&self) -> bool {
        !self.inner().unreadable.is_empty()
    }

    /// Records why nothing can be read, or that something can.
    pub(crate) fn set_trouble(&self, error: Option<Error>) {
        let mut inner = self.inner();
        if error.is_none() && inner.trouble.is_none() {
            return;
        }
        Trouble::goes_on(&mut inner.trouble, error);
        drop(inner);
        self.announce();
    }

    /// Records why this item cannot be read.
    pub(crate) fn set_unreadable(&self, item_id: i64, error: Error) {
        let mut inner = self.inner();
        if inner.items.get(&item_id).is_some_and(Item::is_open) {
            let mut trouble = inner.unreadable.remove(&item_id);
            Trouble::goes_on(&mut trouble, Some(error));
            inner.unreadable.extend(trouble.map(|trouble| (item_id, trouble)));
        }
        drop(inner);
        self.announce();
    }

    /// Applies an event.
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    pub(crate) fn apply(&self, event: &Event) {
        let mut guard = self.inner();
        let mut changed = false;
        event.any_item_id(|id| {
            changed |= guard.change(id, |tracker| tracker.apply_own(event));
            false
        });
        drop(guard);
        if changed {
            self.announce();
        }
    }

    /// Applies a status that was read.
    pub(crate) fn set_status(&self, item_id: i64, status: &ItemStatus) {
        let mut guard = self.inner();
        let was_unreadable = guard.unreadable.remove(&item_id).is_some();
        let changed = guard.change(item_id, |tracker| tracker.set_status(status.clone(), None));
        drop(guard);
        if changed || was_unreadable {
            self.announce();
        }
    }

    /// Records that an item no longer exists.
    pub(crate) fn set_gone(&self, item_id: i64) {
        let mut inner = self.inner();
        if let Some(item) = inner.items.get_mut(&item_id).filter(|item| item.is_open()) {
            *item = Item::Gone;
            inner.closed.push(item_id);
            inner.unreadable.remove(&item_id);
        }
        drop(inner);
        self.announce();
    }
}

impl Inner {
    /// Returns whether anything changed.
    fn change(&mut self, id: i64, change: impl FnOnce(&mut ProgressTracker) -> bool) -> bool {
        let Some(item) = self.items.get_mut(&id) else { return false };
        let was_open = item.is_open();
        let changed = item.change(id, &self.labels, change);
        if was_open && !item.is_open() {
            self.closed.push(id);
            self.unreadable.remove(&id);
        }
        changed
    }

    fn is_done(&self) -> bool {
        !self.feeding && self.closed.len() == self.items.len()
    }

    fn open(&self) -> impl Iterator<Item = i64> {
        self.items.iter().filter(|(_, item)| item.is_open()).map(|(id, _)| *id)
    }

    /// The trouble of an item is its own or the trouble of all items, whichever has lasted longer.
    fn trouble_of(&self, item_id: i64) -> Option<&Trouble> {
        let own = self.unreadable.get(&item_id);
        self.trouble.iter().chain(own).min_by_key(|trouble| trouble.since)
    }
}

fn tracker(item_id: i64, labels: &Labels) -> ProgressTracker {
    ProgressTracker::new(item_id, labels.iter().cloned())
}

impl Item {
    fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Active(_))
    }

    /// Returns whether anything changed.
    fn change(&mut self, id: i64, labels: &Labels, change: impl FnOnce(&mut ProgressTracker) -> bool) -> bool {
        match self {
            // An item that still waits is not news, and needs no memory.
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
    fn ends_are_reported_once_in_the_order_in_which_they_are_seen() {
        let state = State::new(1..=4, Labels::default());
        state.set_status(3, &ItemStatus::Failed);
        state.set_gone(1);
        state.set_gone(3);
        let closed = |known| state.news(known, &BTreeSet::new(), Duration::MAX).closed;
        assert_eq!(closed(0), [3, 1]);
        state.set_status(3, &ItemStatus::Canceled);
        state.set_status(4, &ItemStatus::Canceled);
        assert_eq!(closed(2), [4]);
        assert_eq!(closed(3), [0; 0]);
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
