//! Items that run others again. Whoever ran them may be gone: an earlier try of this program, or somebody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use invokeai_client::{
    Client, Result, Submission, Ticket,
    queue::{ItemSummary, Queue},
};
use serde_json::json;

use crate::failure::Failure;

/// The items of a batch by their ids, without those of called workflows. One that cannot be read has only its id.
pub(super) async fn items_of(queue: &Queue, batch_id: &str) -> Result<BTreeMap<i64, Option<ItemSummary>>> {
    let ids = match queue.batch_item_ids(batch_id).await {
        Err(error) if error.is_not_found() => Vec::new(),
        ids => ids?,
    };
    let mut items: BTreeMap<i64, Option<ItemSummary>> = ids.iter().map(|id| (*id, None)).collect();
    for summary in queue.summaries(&ids).await?.into_iter().flatten() {
        match summary.parent_item_id {
            Some(_) => drop(items.remove(&summary.item_id)),
            None => drop(items.insert(summary.item_id, Some(summary))),
        }
    }
    Ok(items)
}

/// The newest of these items that runs each item again. Their summaries do not say that.
pub(super) async fn newest(queue: &Queue, ids: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, i64>> {
    let mut newest = HashMap::new();
    for id in ids {
        let first = first(queue, id).await?;
        if first != id {
            let known = newest.entry(first).or_insert(id);
            *known = id.max(*known);
        }
    }
    Ok(newest)
}

/// The item that this one runs again: the first of all, however often that was run again. Or itself.
async fn first(queue: &Queue, id: i64) -> Result<i64> {
    Ok(queue.find_item(id).await?.and_then(|item| item.retried_from_item_id).unwrap_or(id))
}

/// Runs failed items of a submission again, unless that has been done before, however it ended. Returns the new items,
/// with those that they run again.
pub(super) async fn run_again(submission: &Submission, failed: &[i64]) -> Result<BTreeMap<i64, i64>> {
    let queue = submission.queue();
    let items = items_of(&queue, submission.batch_id()).await?;
    let firsts = BTreeSet::from_iter(submission.item_ids());
    let oldest = failed.iter().min().copied().unwrap_or(i64::MAX);
    let others = items.keys().copied().filter(|id| *id > oldest && !firsts.contains(id));
    let newest = newest(&queue, others).await?;
    let (mut fresh, mut again, mut asked) = (BTreeMap::new(), Vec::new(), HashMap::new());
    for id in failed {
        let first = first(&queue, *id).await?;
        asked.insert(first, *id);
        match newest.get(&first) {
            Some(last) if last != id => drop(fresh.insert(*last, *id)),
            _ => again.push(*id),
        }
    }
    if !again.is_empty() {
        let retried = queue.retry_each(&again).await?;
        fresh.extend(retried.into_iter().filter_map(|(new, first)| Some((new, *asked.get(&first)?))));
    }
    Ok(fresh)
}

/// Follows these items of a batch.
pub(super) async fn attach(client: &Client, queue: &str, batch: &str, items: Vec<i64>) -> Result<Submission, Failure> {
    let note = json!({"queue_id": queue, "batch_id": batch, "item_ids": items});
    let note: Ticket = serde_json::from_value(note).map_err(Failure::other)?;
    Ok(Submission::attach(client, &note).await?)
}
