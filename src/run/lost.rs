//! Looks for the items of an enqueue whose answer did not say clearly which they are.

use std::{collections::HashSet, time::Duration};

use crate::{
    Client,
    error::Result,
    queue::{IDS_AT_ONCE, ItemSummary, Queue},
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
    found: HashSet<i64>,
    /// Children of called workflows, which belong to the same batch.
    children: HashSet<i64>,
    others: HashSet<i64>,
    /// How many items of the batch the last search saw on the queue.
    seen: u64,
    /// Whether those were all that the queue counts.
    is_all: bool,
    /// How many to ask about first: as many as the request was for. Usually they are the newest there are.
    at_first: usize,
    patience: Duration,
}

/// The result of a search.
pub(super) struct Found {
    /// The new items, oldest first.
    pub(super) item_ids: Vec<i64>,
    /// Whether there are no more, by the queue's own count.
    pub(super) is_all: bool,
}

impl Search {
    pub(super) fn new(client: &Client, queue_id: &str, batch_id: &str, known: &[i64], requested: u64) -> Self {
        Self {
            queue: client.queue(queue_id),
            batch_id: batch_id.to_owned(),
            known: known.iter().copied().collect(),
            found: HashSet::new(),
            children: HashSet::new(),
            others: HashSet::new(),
            seen: 0,
            is_all: false,
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
                self.found.extend(named);
                let mut item_ids = Vec::from_iter(self.found);
                item_ids.sort_unstable();
                return Found { item_ids, is_all: self.is_all || all_found };
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
        self.is_all = total.is_none_or(|total| total == self.seen);
        Ok(())
    }

    /// Asks what the named items are, from the newest down, until there are `wanted`. Older ones are not new items
    /// then.
    async fn check(&mut self, wanted: usize, named: &mut Vec<i64>) -> Result<()> {
        while !named.is_empty() {
            let from = named.len().saturating_sub(self.at_first);
            for item in self.queue.summaries(&named[from..]).await?.into_iter().flatten() {
                self.sort(&item);
            }
            // One that has ended may be pruned already, and one that cannot be read still exists.
            let those = named.split_off(from);
            let is_none = |id: &i64| self.children.contains(id) || self.others.contains(id);
            let ours: Vec<i64> = those.into_iter().filter(|id| !is_none(id)).collect();
            self.found.extend(ours);
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
        let is_ours = |id: &i64| [&self.known, &self.found, &self.children].iter().any(|those| those.contains(id));
        self.seen = ids.iter().filter(|id| is_ours(id)).count() as u64;
        let unseen: Vec<i64> = ids.into_iter().rev().filter(|id| !is_ours(id) && !self.others.contains(id)).collect();
        let mut rest = &unseen[..];
        let mut at_once = self.at_first;
        while !rest.is_empty() && self.found.len() < wanted && self.seen < total {
            let (some, older) = rest.split_at(at_once.min(rest.len()));
            (rest, at_once) = (older, (at_once * 2).min(IDS_AT_ONCE));
            // One that cannot be read may be ours, and readable at the next look.
            for item in self.queue.summaries(some).await?.into_iter().flatten() {
                self.seen = self.seen.saturating_add(u64::from(self.sort(&item)));
            }
        }
        Ok(())
    }

    /// Returns whether it belongs to the batch and was not seen before.
    fn sort(&mut self, item: &ItemSummary) -> bool {
        let is_ours = item.batch_id == self.batch_id;
        let those = match item.parent_item_id {
            _ if !is_ours => &mut self.others,
            _ if self.known.contains(&item.item_id) => return false,
            None => &mut self.found,
            Some(_) => &mut self.children,
        };
        those.insert(item.item_id) && is_ours
    }
}
