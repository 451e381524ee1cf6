//! Looks for the items of an enqueue whose answer did not say clearly which they are.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::plan::Piece;
use crate::{
    Client,
    error::Result,
    queue::{FieldValue, IDS_AT_ONCE, ItemStatus, ItemSummary, Queue},
    transport::patience::Patience,
};

/// Fewest items to ask about in one request.
const FEW: usize = 50;

/// A search for the new items of a batch.
///
/// Each look asks how many items the batch has. Only if that has changed, the queue is searched for them, from its newest
/// item down, and no item is looked at twice: what an item belongs to does not change.
pub(super) struct Search {
    queue: Queue,
    batch_id: String,
    /// Items of the batch that are not new.
    known: HashSet<i64>,
    /// The new items; `None` if one was only named.
    found: BTreeMap<i64, Option<Seen>>,
    /// Children of called workflows, which belong to the same batch.
    children: HashSet<i64>,
    others: HashSet<i64>,
    /// How many items of the batch the last search saw on the queue.
    seen: u64,
    /// Whether those were all that the queue counts.
    is_all: bool,
    /// Whether an item could not be read at the last search: it may be ours.
    is_unread: bool,
    /// How many to ask about first: as many as the request was for. Usually they are the newest there are.
    at_first: usize,
    patience: Duration,
}

/// What an item was when it was first seen.
struct Seen {
    had_begun: bool,
    values: Vec<FieldValue>,
}

/// The result of a search.
pub(super) struct Found {
    /// The new items, oldest first.
    pub(super) item_ids: Vec<i64>,
    seen: Vec<Option<Seen>>,
    /// Whether there are no more, by the queue's own count.
    pub(super) is_all: bool,
}

impl Found {
    /// Whether they can only be the first rows of this piece. An enqueue creates its items at once, so that no ids are
    /// missing between them.
    pub(super) fn begins(&self, piece: &Piece<'_>) -> bool {
        let values: Option<Vec<&[FieldValue]>> = self.seen.iter().map(|seen| Some(&*seen.as_ref()?.values)).collect();
        let is_whole = self.item_ids.windows(2).all(|two| two[1].checked_sub(two[0]) == Some(1));
        is_whole && values.is_some_and(|values| piece.begins_with(&values))
    }

    /// Whether all of them were still waiting when they were first seen.
    pub(super) fn none_had_begun(&self) -> bool {
        self.seen.iter().all(|seen| seen.as_ref().is_some_and(|seen| !seen.had_begun))
    }
}

impl Search {
    pub(super) fn new(client: &Client, queue_id: &str, batch_id: &str, known: &[i64], requested: u64) -> Self {
        Self {
            queue: client.queue(queue_id),
            batch_id: batch_id.to_owned(),
            known: known.iter().copied().collect(),
            found: BTreeMap::new(),
            children: HashSet::new(),
            others: HashSet::new(),
            seen: 0,
            is_all: false,
            is_unread: false,
            at_first: usize::try_from(requested).unwrap_or(usize::MAX).clamp(FEW, IDS_AT_ONCE),
            patience: client.transport().options().lost_answer_patience,
        }
    }

    /// Looks until there are `wanted` items or patience ends, and returns the items seen, oldest first. `named`, also
    /// oldest first, are items that the server says belong to the batch; that is believed unless it later says
    /// otherwise.
    ///
    /// Fewer than wanted may be all that the queue had room for. Since the rest may as well be on its way, that case
    /// takes as long as if there were none.
    pub(super) async fn run(mut self, wanted: u64, mut named: Vec<i64>) -> Found {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let what = format!("batch {}", self.batch_id);
        let mut patience = Patience::new(self.patience);
        loop {
            // Why it cannot be looked for does not matter: it may be there all the same.
            _ = patience.look(&what, self.look(wanted, &mut named)).await;
            let all_found = self.found.len() >= wanted && named.is_empty();
            if all_found || !patience.lasts().await {
                // Somebody may prune what has ended already: what was seen stays seen.
                named.into_iter().for_each(|id| _ = self.found.entry(id).or_default());
                let (item_ids, seen) = self.found.into_iter().unzip();
                return Found { item_ids, seen, is_all: self.is_all || all_found };
            }
        }
    }

    async fn look(&mut self, wanted: usize, named: &mut Vec<i64>) -> Result<()> {
        self.check(wanted, named).await?;
        if self.found.len() >= wanted {
            return Ok(());
        }
        let total = self.total().await?;
        if total != Some(self.seen) {
            self.search(wanted, total.unwrap_or(u64::MAX)).await?;
        }
        // Without a count, all items were looked at.
        self.is_all = total.map_or(!self.is_unread, |total| total == self.seen);
        Ok(())
    }

    /// Asks what the named items are, from the newest down, until there are `wanted`. Older ones are not new items
    /// then.
    async fn check(&mut self, wanted: usize, named: &mut Vec<i64>) -> Result<()> {
        while !named.is_empty() {
            let from = named.len().saturating_sub(self.at_first);
            for item in self.queue.summaries(&named[from..]).await?.into_iter().flatten() {
                self.sort(item);
            }
            // One that has ended may be pruned already, and one that cannot be read still exists.
            let those = named.split_off(from);
            let is_none = |id: &i64| self.children.contains(id) || self.others.contains(id);
            let ours: Vec<i64> = those.into_iter().filter(|id| !is_none(id)).collect();
            ours.into_iter().for_each(|id| _ = self.found.entry(id).or_default());
            if self.found.len() >= wanted {
                named.clear();
            }
        }
        Ok(())
    }

    /// How many items the batch has, children included; `None` if the server does not count.
    async fn total(&self) -> Result<Option<u64>> {
        match self.queue.batch_status(&self.batch_id).await {
            Ok(status) => Ok(Some(status.counts.total)),
            Err(error) if error.is_not_found() || error.is_unsupported() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Goes through the queue until there are `wanted` items, or `total` with the known ones and the children.
    async fn search(&mut self, wanted: usize, total: u64) -> Result<()> {
        let ids = self.queue.item_ids().await?;
        let is_ours = |id: &i64| self.known.contains(id) || self.found.contains_key(id) || self.children.contains(id);
        self.seen = ids.iter().filter(|id| is_ours(id)).count() as u64;
        let unseen: Vec<i64> = ids.into_iter().rev().filter(|id| !is_ours(id) && !self.others.contains(id)).collect();
        self.is_unread = false;
        let mut rest = &unseen[..];
        let mut at_once = self.at_first;
        while !rest.is_empty() && self.found.len() < wanted && self.seen < total {
            let (some, older) = rest.split_at(at_once.min(rest.len()));
            (rest, at_once) = (older, (at_once * 2).min(IDS_AT_ONCE));
            // One that cannot be read may be ours, and readable at the next look.
            for item in self.queue.summaries(some).await? {
                match item {
                    Ok(item) => self.seen = self.seen.saturating_add(u64::from(self.sort(item))),
                    Err(_) => self.is_unread = true,
                }
            }
        }
        Ok(())
    }

    /// Returns whether it belongs to the batch and was not seen before.
    fn sort(&mut self, item: ItemSummary) -> bool {
        let id = item.item_id;
        if item.batch_id != self.batch_id {
            self.others.insert(id);
            return false;
        }
        match item.parent_item_id {
            _ if self.known.contains(&id) => false,
            None => {
                let (had_begun, values) = (item.status != ItemStatus::Pending, item.field_values.unwrap_or_default());
                self.found.insert(id, Some(Seen { had_begun, values })).is_none()
            }
            Some(_) => self.children.insert(id),
        }
    }
}
