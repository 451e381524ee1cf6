//! Running items again.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::future::try_join_all;

use super::{ITEMS_AT_ONCE, Queue};
use crate::{
    error::{Error, Result},
    transport::patience::Patience,
};

const OPERATION: &str = "retry_items_by_id";

/// The part of an item that says where it came from.
struct Origin {
    /// The first of those that it runs again, however often that has been run again.
    retried_from_item_id: Option<i64>,
    /// The item that called the workflow that called … this one. That one is run again in its place.
    root_item_id: Option<i64>,
}

crate::json::record::readable! { Origin { 0 retried_from_item_id default, 1 root_item_id default } }

/// `RetryItemsResult`, as far as it is needed: the old items, not the new ones.
struct Answer {
    retried_item_ids: Vec<i64>,
}

crate::json::record::readable! { Answer { 0 retried_item_ids } }

/// A search for the new items of a retry.
struct Search {
    /// The newest item before.
    before: i64,
    /// How many new items are still to be found, by what they run again.
    wanted: HashMap<i64, usize>,
    /// The new items, with what they run again.
    fresh: BTreeMap<i64, i64>,
    others: HashSet<i64>,
}

impl Queue {
    /// Runs failed or canceled items again, as new items of the same batch. Returns the new ids; other items are
    /// skipped.
    ///
    /// The request is sent once. The server's answer does not name the new items, so they are looked for, as long as
    /// [`lost_answer_patience`](crate::TransportOptions::lost_answer_patience) says. If somebody else runs one of the
    /// items again at the same moment, the new ids may include theirs: nothing distinguishes them.
    ///
    /// # Errors
    /// Any error of a call. If the server has run items again, or if that is not known, the error
    /// [may have been sent](Error::may_have_been_sent).
    pub async fn retry(&self, item_ids: &[i64]) -> Result<Vec<i64>> {
        Ok(self.retry_each(item_ids).await?.into_keys().collect())
    }

    /// The same, and returns the new ids with the item that each runs again: the first one, if that had been run again
    /// before.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn retry_each(&self, item_ids: &[i64]) -> Result<BTreeMap<i64, i64>> {
        let firsts = self.firsts(item_ids).await?;
        let before = self.item_ids().await?.last().copied().unwrap_or(0);
        let api = self.client.api();
        let call = api.retry_items_by_id().queue_id(&self.id).body(item_ids.to_vec()).send_as::<Answer>();
        let (retried, lost) = match call.await {
            Ok(answer) => (answer.retried_item_ids, None),
            Err(error) if error.may_have_been_sent() => (firsts.keys().copied().collect(), Some(error)),
            Err(error) => return Err(error),
        };
        let mut search = Search { before, wanted: HashMap::new(), fresh: BTreeMap::new(), others: HashSet::new() };
        for id in retried {
            *search.wanted.entry(firsts.get(&id).copied().unwrap_or(id)).or_default() += 1;
        }
        let mut patience = Patience::new(self.client.transport().options().lost_answer_patience);
        loop {
            let looked =
                if search.is_over() { Ok(()) } else { patience.look("the new items", search.look(self)).await };
            if search.is_over() {
                return Ok(search.fresh);
            }
            if !patience.lasts().await {
                let problem = "not all of these were found again as new items";
                let missing = || Error::decode(OPERATION, "retried_item_ids", problem, "");
                return Err(lost.unwrap_or_else(|| looked.err().unwrap_or_else(missing).after(OPERATION)));
            }
        }
    }

    /// The items that are going to be run again, and what the new ones will say that they run again.
    async fn firsts(&self, item_ids: &[i64]) -> Result<HashMap<i64, i64>> {
        let mut firsts = HashMap::new();
        for some in item_ids.chunks(ITEMS_AT_ONCE) {
            firsts.extend(try_join_all(some.iter().map(|id| self.first(*id))).await?.into_iter().flatten());
        }
        Ok(firsts)
    }

    async fn first(&self, item_id: i64) -> Result<Option<(i64, i64)>> {
        let Some(item) = self.find_as::<Origin>(item_id).await? else { return Ok(None) };
        let (id, item) = match item.root_item_id {
            Some(root) if root != item_id => (root, self.find_as::<Origin>(root).await?),
            _ => (item_id, Some(item)),
        };
        Ok(Some((id, item.and_then(|item| item.retried_from_item_id).unwrap_or(id))))
    }
}

impl Search {
    /// Whether all new items have been found.
    fn is_over(&self) -> bool {
        self.wanted.values().all(|left| *left == 0)
    }

    /// Reads the items that are new and have not been read yet. One that cannot be read does not hide the others.
    async fn look(&mut self, queue: &Queue) -> Result<()> {
        let mut problem = None;
        let is_unknown = |id: &i64| *id > self.before && !self.fresh.contains_key(id) && !self.others.contains(id);
        let unknown: Vec<i64> = queue.item_ids().await?.into_iter().filter(is_unknown).collect();
        for id in unknown {
            match queue.find_as::<Origin>(id).await {
                Ok(item) => {
                    let first = item.and_then(|item| item.retried_from_item_id);
                    match first.and_then(|first| Some((first, self.wanted.get_mut(&first)?))) {
                        Some((first, left)) => {
                            *left = left.saturating_sub(1);
                            self.fresh.insert(id, first);
                        }
                        None => drop(self.others.insert(id)),
                    }
                }
                Err(error) => problem = Some(error),
            }
        }
        problem.map_or(Ok(()), Err)
    }
}
