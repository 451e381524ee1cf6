//! What is known about the items of one submission, from events and from reading.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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

pub(crate) use crate::progress::Labels;

/// How many items keep their last preview, which may be as large as an event: in a large batch they would be too many.
const PREVIEWS: usize = 8;

/// How long an answer may always take before that counts as trouble.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);

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
    /// Items that have a preview, and last the one whose is the newest.
    previews: VecDeque<i64>,
    /// How long the server was asked in vain why items failed, since it answered that the last time, and when that
    /// ended.
    in_vain: Option<(Duration, Instant)>,
}

/// Something has got no answer, or failed, since then.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) since: Instant,
    /// The last error; `None` while it is tried the first time, when it may still go well.
    error: Option<Error>,
}

impl Trouble {
    fn begins() -> Self {
        Self { since: Instant::now(), error: None }
    }

    /// When this has lasted too long. An answer may always take a moment.
    fn end(&self, limit: Duration) -> Instant {
        let least = if self.error.is_some() { Duration::ZERO } else { MOMENT };
        self.since + deadline::bounded(limit.max(least))
    }

    /// Why whoever waits for this item gives up.
    fn why(&self, item_id: i64, limit: Duration) -> Error {
        let silence = || Error::Timeout { doing: format!("reading item {item_id}"), limit, sent: true };
        self.error.clone().unwrap_or_else(silence)
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
    /// At rest.
    Ended(Box<ProgressTracker>),
    /// Deleted, pruned or cleared before its end was seen, with what was seen of it.
    Gone(Option<Box<ProgressTracker>>),
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
            previews: VecDeque::new(),
            in_vain: None,
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
        let mut inner = self.inner();
        inner.followed = false;
        // What was being read is so no longer.
        inner.trouble.take_if(|trouble| trouble.error.is_none());
        inner.unreadable.retain(|_, trouble| trouble.error.is_some());
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

    /// Records why the rest cannot be enqueued yet, by a try that began then, or that it can.
    pub(crate) fn set_feed_trouble(&self, failed: Option<(Instant, Error)>) {
        let known = &mut self.inner().feed_trouble;
        let since = known.as_ref().map(|known| known.since);
        *known = failed.map(|(began, error)| Trouble { since: since.unwrap_or(began), error: Some(error) });
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
        // A read that begins later is over later.
        let mut next_limit = now + deadline::bounded(limit.max(MOMENT));
        let mut is_over = |trouble: &Trouble| {
            let end = trouble.end(limit);
            if end > now {
                next_limit = next_limit.min(end);
            }
            end <= now
        };
        // Looked at only in trouble, so that a batch without any is not searched for each end.
        if inner.trouble.as_ref().is_some_and(&mut is_over) {
            let open = inner.open().filter(|id| !given_up.contains(id));
            news.given_up.extend(open.filter_map(|id| Some((id, inner.trouble_of(id)?.why(id, limit)))));
        } else {
            let unreadable = inner.unreadable.iter().filter(|(id, _)| !given_up.contains(id));
            let over = unreadable.filter(|(_, trouble)| is_over(trouble));
            news.given_up.extend(over.map(|(id, trouble)| (*id, trouble.why(*id, limit))));
        }
        let feed_trouble = inner.feed_trouble.as_ref().filter(|trouble| inner.feeding && is_over(trouble));
        news.next_limit = Some(next_limit);
        let open_but_given_up = given_up.iter().filter(|id| inner.items.get(id).is_some_and(Item::is_open)).count();
        let nothing_to_come = inner.closed.len() + open_but_given_up == inner.items.len();
        let nothing_to_tell = news.closed.is_empty() && news.given_up.is_empty();
        if nothing_to_tell && nothing_to_come && (!inner.feeding || feed_trouble.is_some()) {
            let error = feed_trouble.and_then(|trouble| trouble.error.as_ref()).or(inner.feed_error.as_ref());
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
            Some(Item::Ended(tracker)) => Standing::Ended(tracker.progress().status.clone()),
            Some(Item::Gone(_)) | None => Standing::Gone,
        }
    }

    pub(crate) fn progress(&self, item_id: i64) -> Progress {
        let inner = self.inner();
        match inner.items.get(&item_id) {
            Some(Item::Active(tracker) | Item::Ended(tracker) | Item::Gone(Some(tracker))) => {
                tracker.progress().clone()
            }
            _ => ProgressTracker::sharing(item_id, Labels::clone(&inner.labels)).progress().clone(),
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
                Item::Ended(tracker) => all.count(&tracker.progress().status),
                Item::Gone(_) => all.gone += 1,
            }
        }
        all
    }

    /// When to look again whether this item can be read; the error, if it could not be for this long.
    pub(crate) fn patience(&self, item_id: i64, limit: Duration) -> Result<Instant, Error> {
        let now = Instant::now();
        match self.inner().trouble_of(item_id) {
            Some(trouble) if trouble.end(limit) <= now => Err(trouble.why(item_id, limit)),
            Some(trouble) => Ok(trouble.end(limit)),
            // A read that begins later is over later.
            None => Ok(now + deadline::bounded(limit.max(MOMENT))),
        }
    }

    /// How much is left of this time for asking why items failed: all of them share it, until the server answers. After
    /// as long a pause it may be asked again.
    pub(crate) fn time_for_reasons(&self, limit: Duration) -> Duration {
        let inner = self.inner();
        let in_vain = inner.in_vain.filter(|(_, end)| end.elapsed() < limit).map(|(spent, _)| spent);
        let silent = inner.trouble.as_ref().map(|trouble| trouble.since.elapsed());
        limit.saturating_sub(in_vain.max(silent).unwrap_or_default())
    }

    /// Records that the server was asked this long why an item failed, and whether it answered.
    pub(crate) fn asked_for_reason(&self, limit: Duration, took: Duration, is_answered: bool) {
        let mut inner = self.inner();
        let before = inner.in_vain.filter(|(_, end)| end.elapsed() < limit).map(|(spent, _)| spent);
        let spent = before.unwrap_or_default().saturating_add(took);
        inner.in_vain = (!is_answered).then(|| (spent, Instant::now()));
    }

    /// Since when this item cannot be read.
    pub(crate) fn unreadable_since(&self, item_id: i64) -> Option<Instant> {
        self.inner().trouble_of(item_id).filter(|trouble| trouble.error.is_some()).map(|trouble| trouble.since)
    }

    /// Since when nothing can be read.
    pub(crate) fn trouble_since(&self) -> Option<Instant> {
        self.inner().trouble.as_ref().filter(|trouble| trouble.error.is_some()).map(|trouble| trouble.since)
    }

    /// Whether some items cannot be read although others can.
    pub(crate) fn has_unreadable(&self) -> bool {
        self.inner().unreadable.values().any(|trouble| trouble.error.is_some())
    }

    /// Records that a read of several items begins. If it fails, the trouble began now, and those who wait do not wait
    /// for its end.
    pub(crate) fn begin_read(&self) {
        self.inner().trouble.get_or_insert_with(Trouble::begins);
    }

    /// Records that a read of one item begins.
    pub(crate) fn begin_read_of(&self, item_id: i64) {
        let mut inner = self.inner();
        if inner.items.get(&item_id).is_some_and(Item::is_open) {
            inner.unreadable.entry(item_id).or_insert_with(Trouble::begins);
        }
    }

    /// Records why nothing can be read, or that something can.
    pub(crate) fn set_trouble(&self, error: Option<Error>) {
        let mut inner = self.inner();
        let known = inner.trouble.take();
        if error.is_none() && known.as_ref().is_none_or(|known| known.error.is_none()) {
            return;
        }
        inner.trouble = error.map(|error| Trouble { error: Some(error), ..known.unwrap_or_else(Trouble::begins) });
        drop(inner);
        self.announce();
    }

    /// Records why this item cannot be read.
    pub(crate) fn set_unreadable(&self, item_id: i64, error: Error) {
        let mut inner = self.inner();
        if inner.items.get(&item_id).is_some_and(Item::is_open) {
            inner.unreadable.entry(item_id).or_insert_with(Trouble::begins).error = Some(error);
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
        let was_unreadable = guard.unreadable.remove(&item_id).is_some_and(|trouble| trouble.error.is_some());
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
            let seen = match std::mem::replace(item, Item::Gone(None)) {
                Item::Active(tracker) => Some(at_rest(tracker)),
                _ => None,
            };
            *item = Item::Gone(seen);
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
        let has_preview = changed && item.tracker().is_some_and(|tracker| tracker.progress().preview.is_some());
        if was_open && !item.is_open() {
            self.closed.push(id);
            self.unreadable.remove(&id);
        }
        if has_preview {
            self.keep_preview(id);
        }
        changed
    }

    /// Keeps the preview of this item, and of few others.
    fn keep_preview(&mut self, id: i64) {
        self.previews.retain(|known| *known != id);
        self.previews.push_back(id);
        if self.previews.len() > PREVIEWS
            && let Some(oldest) = self.previews.pop_front()
            && let Some(tracker) = self.items.get_mut(&oldest).and_then(Item::tracker)
        {
            tracker.forget_preview();
        }
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

fn at_rest(mut tracker: Box<ProgressTracker>) -> Box<ProgressTracker> {
    tracker.rest();
    tracker
}

impl Item {
    fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Active(_))
    }

    fn tracker(&mut self) -> Option<&mut ProgressTracker> {
        match self {
            Self::Pending => None,
            Self::Active(tracker) | Self::Ended(tracker) => Some(tracker),
            Self::Gone(tracker) => tracker.as_deref_mut(),
        }
    }

    /// Returns whether anything changed.
    fn change(&mut self, id: i64, labels: &Labels, change: impl FnOnce(&mut ProgressTracker) -> bool) -> bool {
        let mut fresh = None;
        let tracker = match self {
            Self::Pending => fresh.insert(Box::new(ProgressTracker::sharing(id, Labels::clone(labels)))),
            // The node that failed is named a moment after the failure.
            Self::Active(tracker) | Self::Ended(tracker) => tracker,
            Self::Gone(_) => return false,
        };
        if !change(tracker) {
            // An item that still waits is not news, and needs no memory.
            return false;
        }
        if let Some(tracker) = fresh {
            *self = Self::Active(tracker);
        }
        if let Self::Active(tracker) = self
            && tracker.progress().is_finished()
            && let Self::Active(tracker) = std::mem::replace(self, Self::Pending)
        {
            *self = Self::Ended(at_rest(tracker));
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
        assert!(matches!(state.inner().items[&1], Item::Ended(_)));
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

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_trouble_from_its_beginning() {
        let state = State::new([1, 2], Labels::default());
        let limit = Duration::from_secs(60);
        let news = || state.news(0, &BTreeSet::new(), limit);
        state.begin_read();
        tokio::time::advance(limit / 2).await;
        assert_eq!(state.patience(1, limit).unwrap(), Instant::now() + limit / 2);
        assert_eq!((news().given_up.len(), news().next_limit), (0, Some(Instant::now() + limit / 2)));
        assert_eq!((state.trouble_since(), state.time_for_reasons(limit)), (None, limit / 2));
        tokio::time::advance(limit / 2).await;
        assert!(matches!(state.patience(1, limit), Err(Error::Timeout { .. })));
        assert_eq!(news().given_up.len(), 2);
        assert!(state.time_for_reasons(limit).is_zero());
        // What fails has failed since the beginning of the read; what succeeds ends that.
        state.set_trouble(Some(Error::invalid("x", "as the test wants")));
        assert!(matches!(state.patience(1, limit), Err(Error::InvalidInput { .. })));
        state.set_trouble(None);
        assert_eq!(state.patience(1, limit).unwrap(), Instant::now() + limit);
        state.begin_read_of(2);
        tokio::time::advance(limit).await;
        assert!(state.patience(1, limit).is_ok() && state.patience(2, limit).is_err());
        assert_eq!(news().given_up.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
        // Nobody reads any more.
        state.end_following();
        assert!(state.patience(2, limit).is_ok() && !state.has_unreadable());
        // An answer may take a moment, however short the limit is.
        state.begin_read();
        assert!(state.patience(1, Duration::ZERO).unwrap() == Instant::now() + MOMENT);
    }

    #[tokio::test(start_paused = true)]
    async fn all_items_share_the_time_for_their_reasons() {
        let state = State::new([1], Labels::default());
        let limit = Duration::from_secs(60);
        state.asked_for_reason(limit, limit / 2, false);
        assert_eq!(state.time_for_reasons(limit), limit / 2);
        state.asked_for_reason(limit, limit / 3, true);
        assert_eq!(state.time_for_reasons(limit), limit, "it answers again");
        state.asked_for_reason(limit, limit, false);
        tokio::time::advance(limit / 2).await;
        assert!(state.time_for_reasons(limit).is_zero());
        tokio::time::advance(limit / 2).await;
        assert_eq!(state.time_for_reasons(limit), limit, "after a pause");
    }

    #[test]
    fn an_item_that_has_ended_keeps_its_counts_and_little_else() {
        let state = State::new([1], Labels::default());
        for node in ["a", "b"] {
            let node = serde_json::json!({"item_id": 1, "invocation_source_id": node,
                "invocation": {"id": node, "type": "add"}});
            state.apply(&Event::new("invocation_complete", node));
        }
        state.set_status(1, &ItemStatus::Canceled);
        let progress = state.progress(1);
        assert_eq!((progress.nodes_done, progress.nodes_total, progress.executions_done), (2, 2, 2));
        let state = State::new([1], Labels::default());
        state.set_status(1, &ItemStatus::InProgress);
        state.set_gone(1);
        assert_eq!(state.progress(1).status, ItemStatus::InProgress, "it does not go back");
        assert_eq!(state.standing(1), Standing::Gone);
    }

    #[test]
    fn added_items_are_fresh_once() {
        let state = State::new([1], Labels::default());
        state.add_items(&[2, 3]);
        assert_eq!((state.take_fresh(), state.take_fresh()), (vec![2, 3], vec![]));
        assert_eq!(state.item_count(), 3);
    }
}
