//! What earlier tries of a run have on the server.
//!
//! A row may have had several items: it was canceled and enqueued again, or retried. What counts is its newest item that
//! was not canceled.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use invokeai_client::{
    Client, Sweep, TransportOptions,
    queue::{FieldValue, ItemStatus, ItemSummary},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Run, follow::Rows, retries, send, ticket, uploads::Uploads};
use crate::{exit::Exit, failure::Failure, given::placeholder, print::note};

/// How often to look for a batch that may still arrive.
const PAUSE: Duration = Duration::from_millis(300);

/// The newest item of a row, and the place of its batch among those of the ticket.
struct Newest {
    item: i64,
    status: ItemStatus,
    batch: usize,
    /// Whether it runs an earlier one of its batch again.
    is_retry: bool,
}

impl Run<'_> {
    /// Follows what earlier tries of the same run have on the server, and downloads what is missing here of the rows that
    /// are done. Returns the rows that are left, if there is a ticket.
    pub(super) async fn catch_up(&mut self, sweep: Option<&Sweep>) -> Result<Option<Vec<usize>>, Failure> {
        let Some(ticket) = &self.ticket else { return Ok(None) };
        let again = self.args.results.retry_failed;
        let batches = ticket.batches.clone();
        let stop = self.stop;
        let mut newest: BTreeMap<usize, Newest> = BTreeMap::new();
        for (place, batch) in batches.iter().enumerate() {
            for (row, summary) in stop.or(self.items_of(batch, sweep)).await.map_err(Failure::Stopped)?? {
                let ItemSummary { item_id: item, status, .. } = summary;
                let known = newest.get(&row);
                if status != ItemStatus::Canceled && known.is_none_or(|known| known.item < item) {
                    let is_retry = known.is_some_and(|known| known.batch == place);
                    newest.insert(row, Newest { item, status, batch: place, is_retry });
                }
            }
        }
        newest.retain(|row, found| self.is_news(*row, found));
        for (place, batch) in batches.iter().enumerate() {
            let of_batch = newest.iter().filter(|(_, found)| found.batch == place);
            let retries = of_batch.clone().filter(|(_, found)| found.is_retry).map(|(_, found)| found.item).collect();
            let open: HashMap<i64, usize> = of_batch.map(|(row, found)| (found.item, *row)).collect();
            if !open.is_empty() {
                let mut ids: Vec<i64> = open.keys().copied().collect();
                ids.sort_unstable();
                self.batch = send::Batch::of(retries::attach(self.client, &batch.queue, &batch.id, ids).await?);
                self.rows = Rows { of_places: Vec::new(), of_items: open, retries };
                self.follow().await?;
            }
        }
        self.batch = send::Batch::new();
        self.fetch().await?;
        let Some(ticket) = &self.ticket else { return Ok(None) };
        if !again && !ticket.failed.is_empty() {
            self.tally.worst = self.tally.worst.max(Exit::Failed);
        }
        Ok(Some(ticket.left(&newest.into_keys().collect::<BTreeSet<_>>(), again)))
    }

    /// Whether an item is to be followed: its end is not recorded, and it is not one to run again. One that an earlier try
    /// has run again is not.
    fn is_news(&self, row: usize, found: &Newest) -> bool {
        let Some(ticket) = &self.ticket else { return false };
        let is_known =
            ticket.done.contains_key(&row) || ticket.failed.get(&row).is_some_and(|item| *item >= found.item);
        let runs_again = found.status == ItemStatus::Failed && self.args.results.retry_failed && !found.is_retry;
        !is_known && !runs_again
    }

    /// The items of an earlier batch that are on the server, with their rows.
    async fn items_of(
        &mut self,
        batch: &ticket::Batch,
        sweep: Option<&Sweep>,
    ) -> Result<Vec<(usize, ItemSummary)>, Failure> {
        let Some(ticket) = &mut self.ticket else { return Ok(Vec::new()) };
        let mut until = None;
        let items = loop {
            let items = retries::items_of(&self.client.queue(&batch.queue), &batch.id).await?;
            let items: Vec<ItemSummary> = items.into_values().flatten().collect();
            let is_all = batch.rows.iter().all(|row| batch.items.values().any(|known| known == row));
            let is_new = items.iter().any(|item| !batch.items.contains_key(&item.item_id));
            let assets = self.client.assets();
            let may_arrive = assets.batches.iter().any(|one| one.batch_id == batch.id && !one.is_answered());
            if is_all || is_new || !may_arrive {
                break items;
            }
            // The request may still be on its way, or be carried out later.
            let end = match until {
                Some(end) => end,
                None => {
                    let patience = TransportOptions::default().lost_answer_patience;
                    let patience = ticket.patience(&batch.id, patience)?;
                    if !patience.is_zero() {
                        note(format!("batch {} may still turn up: waiting for it", batch.id));
                    }
                    *until.insert(Instant::now() + patience)
                }
            };
            if Instant::now() >= end {
                break items;
            }
            sleep(PAUSE).await;
        };
        let rows = rows_of(self.client, batch, &items, sweep, &ticket.uploaded).await?;
        ticket.enqueued(&batch.id, rows.iter().map(|(item, row)| (*item, *row)))?;
        Ok(items.into_iter().filter_map(|item| Some((*rows.get(&item.item_id)?, item))).collect())
    }
}

/// The rows of the items of a batch: as they were recorded, or as retries of those. The rest is known only if nothing of it is
/// missing, because then it is in the order of the rows, or else by the values that the batch put into it.
async fn rows_of(
    client: &Client,
    batch: &ticket::Batch,
    items: &[ItemSummary],
    sweep: Option<&Sweep>,
    uploaded: &Uploads,
) -> Result<BTreeMap<i64, usize>, Failure> {
    let mut rows = batch.items.clone();
    let (mut fresh, mut retries) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| !batch.items.contains_key(&item.item_id)) {
        let whole = client.queue(&batch.queue).find_item(item.item_id).await?;
        match whole.and_then(|whole| whole.retried_from_item_id) {
            Some(first) => retries.push((item, first)),
            None => fresh.push(item),
        }
    }
    let has_item: BTreeSet<usize> = rows.values().copied().collect();
    let mut open: Vec<usize> = batch.rows.iter().copied().filter(|row| !has_item.contains(row)).collect();
    let fits = |item: &ItemSummary, row: usize| {
        let theirs = item.field_values.as_deref().unwrap_or_default();
        sweep.is_none_or(|sweep| sweep.values_at(row).into_iter().all(|ours| is_among(ours, theirs, uploaded)))
    };
    if fresh.len() == open.len() {
        rows.extend(fresh.iter().map(|item| item.item_id).zip(open));
    } else {
        for item in fresh {
            // A node that makes several runs of one row has no row for the rest of them.
            if open.is_empty() {
                break;
            }
            // Rows of equal values are as good as each other.
            let place = open.iter().position(|row| fits(item, *row)).ok_or_else(|| unknown(batch, item))?;
            rows.insert(item.item_id, open.remove(place));
        }
    }
    for (item, first) in retries {
        let row = rows.get(&first).copied().or_else(|| batch.rows.iter().copied().find(|row| fits(item, *row)));
        rows.insert(item.item_id, row.ok_or_else(|| unknown(batch, item))?);
    }
    Ok(rows)
}

fn unknown(batch: &ticket::Batch, item: &ItemSummary) -> Failure {
    let problem =
        "--resume: it is not known which row this item ran, as others of its batch were deleted; delete it, too";
    Failure::other(format!("{problem}: item {} of batch {}", item.item_id, batch.id))
}

/// Whether a value of a row is one of those that the batch put into an item.
fn is_among((node, field, ours): (&str, &str, &Value), theirs: &[FieldValue], uploaded: &Uploads) -> bool {
    let mut of_field = theirs.iter().filter(|value| value.node_path == node && value.field_name == field);
    of_field.any(|value| is_same(ours, &value.value, uploaded))
}

/// Whether the server took `theirs` for `ours`: it adds members, and writes whole numbers in its own way. Files have
/// placeholders until they are uploaded.
fn is_same(ours: &Value, theirs: &Value, uploaded: &Uploads) -> bool {
    match (ours, theirs) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other, uploaded))
        }
        (Value::Object(one), Value::Object(other)) => {
            let file = uploaded.file_of(theirs).map(placeholder);
            let is_file = file.is_some() && ours.get("image_name").and_then(Value::as_str) == file.as_deref();
            let is_there = |(name, value): (&String, &Value)| match other.get(name) {
                Some(other) => is_same(value, other, uploaded) || is_file && name == "image_name",
                None => value.is_null(),
            };
            one.iter().all(is_there)
        }
        _ => ours == theirs,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_known_again_though_the_server_writes_them_in_its_own_way() {
        let mut uploaded = Uploads::default();
        uploaded.add("in/a.png".as_ref(), "1.png");
        uploaded.add("in/a.png".as_ref(), "2.png");
        let file = json!({"image_name": placeholder("in/a.png".as_ref())});
        for (ours, theirs) in [
            (json!(64), json!(64.0)),
            (json!("a"), json!("a")),
            (file.clone(), json!({"image_name": "1.png"})),
            (json!([file.clone()]), json!([{"image_name": "2.png"}])),
            (json!({"key": "k", "submodel": null}), json!({"key": "k", "name": "n"})),
        ] {
            assert!(is_same(&ours, &theirs, &uploaded), "{ours} {theirs}");
        }
        for (ours, theirs) in [
            (json!(64), json!(72)),
            (file.clone(), json!({"image_name": "3.png"})),
            (json!([1]), json!([1, 1])),
            (json!({"key": "k"}), json!({"key": "l"})),
        ] {
            assert!(!is_same(&ours, &theirs, &uploaded), "{ours} {theirs}");
        }
    }
}
