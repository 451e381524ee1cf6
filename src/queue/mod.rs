//! Queues: the items that wait, run and have run on a server.
//!
//! Any text is a queue id; the editor uses `default`. One processor serves all queues of a server.

mod item;
mod list;
mod retry;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures::future::try_join_all;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use list::ListItems;

pub use item::{
    BatchStatus, Counts, FieldValue, ItemStatus, ItemSummary, ProcessorStatus, QueueCounts, QueueItem, QueueStatus,
};

use crate::{
    Client, TransportOptions,
    error::{Detail, Error, Result},
    json::{lenient, weight::Meter},
    transport::page::{RawList, elements, found},
};

/// The editor's queue.
pub const DEFAULT_QUEUE: &str = crate::assets::record::DEFAULT_QUEUE;

/// The server takes at most 1000 ids at once; fewer keep its answers short.
pub(crate) const IDS_AT_ONCE: usize = 500;

/// How many items are read at the same time, where they must be read one by one.
const ITEMS_AT_ONCE: usize = 8;

const SUMMARIES: &str = "get_queue_item_summaries_by_ids";

/// One queue of a server, from [`Client::queue`].
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
/// use futures::TryStreamExt as _;
///
/// let queue = client.queue("default");
/// println!("{} items wait", queue.status().await?.queue.counts.pending);
/// let mut items = queue.list().stream();
/// while let Some(item) = items.try_next().await? {
///     println!("{} {}", item.item_id, item.status);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Queue {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { Queue { client, id } }

impl Client {
    /// The queue with this id; `default` is the editor's.
    pub fn queue(&self, queue_id: impl Into<String>) -> Queue {
        Queue { client: self.clone(), id: queue_id.into() }
    }
}

struct ItemIds {
    item_ids: Vec<i64>,
}

crate::json::record::readable! { ItemIds { 0 item_ids } }

struct Deleted {
    deleted: u64,
}

crate::json::record::readable! { Deleted { 0 deleted } }

struct Canceled {
    canceled: u64,
}

crate::json::record::readable! { Canceled { 0 canceled } }

/// Reading.
impl Queue {
    /// Id of the queue.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the counts, the item that runs, and whether the processor is paused.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn status(&self) -> Result<QueueStatus> {
        let api = self.client.api();
        api.get_queue_status().queue_id(&self.id).send_as().await
    }

    /// Fetches an item in full: 22 kB and more. [`summaries`](Self::summaries) are small.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such item in this queue; any error of a call.
    pub async fn item(&self, item_id: i64) -> Result<QueueItem> {
        let api = self.client.api();
        let answer = api.get_queue_item().queue_id(&self.id).item_id(item_id).send_as().await;
        answer.map_err(as_not_found)
    }

    /// Fetches an item in full, or `None` if it is not, or no longer, in this queue.
    ///
    /// # Errors
    /// Any other error of a call.
    pub async fn find_item(&self, item_id: i64) -> Result<Option<QueueItem>> {
        found(self.item(item_id).await)
    }

    /// A small description of one item, or `None` if it is not, or no longer, in this queue.
    pub(crate) async fn find_summary(&self, item_id: i64) -> Result<Option<ItemSummary>> {
        self.find_as(item_id).await
    }

    /// The wanted part of one item, or `None` if it is not, or no longer, in this queue.
    async fn find_as<T: DeserializeOwned>(&self, item_id: i64) -> Result<Option<T>> {
        let api = self.client.api();
        let answer = api.get_queue_item().queue_id(&self.id).item_id(item_id).send_as().await;
        found(answer.map_err(as_not_found))
    }

    /// How long a read may take, retries included, before it counts as failed: an answer may trickle in forever.
    pub(crate) fn longest_read(&self) -> Duration {
        let TransportOptions { read_timeout, retry_deadline, .. } = self.client.transport().options();
        read_timeout.saturating_add(*retry_deadline)
    }

    /// Fetches the item that runs now, if any.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn current(&self) -> Result<Option<QueueItem>> {
        let api = self.client.api();
        api.get_current_queue_item().queue_id(&self.id).send_as().await
    }

    /// Fetches the item that runs next, if any.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn next(&self) -> Result<Option<QueueItem>> {
        let api = self.client.api();
        api.get_next_queue_item().queue_id(&self.id).send_as().await
    }

    /// Fetches the ids of all items, oldest first.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn item_ids(&self) -> Result<Vec<i64>> {
        let ids = match self.newer_item_ids().await {
            // Servers before 6.8 list whole items only.
            Err(error) if error.is_unsupported() => {
                self.all_items().await?.iter().filter_map(|item| id_of(item)).collect()
            }
            other => other?,
        };
        // The server sorts by second of creation; ids rise with it and are exact.
        Ok(BTreeSet::from_iter(ids).into_iter().collect())
    }

    async fn newer_item_ids(&self) -> Result<Vec<i64>> {
        let api = self.client.api();
        let ids = api.get_queue_item_ids().queue_id(&self.id).send_as::<ItemIds>().await?;
        Ok(ids.item_ids)
    }

    /// Fetches small descriptions of these items, in the order given. Items that no longer exist are left out; one that
    /// cannot be read is an error in its place.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn summaries(&self, item_ids: &[i64]) -> Result<Vec<Result<ItemSummary>>> {
        elements(SUMMARIES, "items", self.raw_summaries(item_ids).await?)
    }

    async fn raw_summaries(&self, item_ids: &[i64]) -> Result<RawList> {
        let mut found = Vec::with_capacity(item_ids.len());
        for ids in item_ids.chunks(IDS_AT_ONCE) {
            let mut some = match self.newer_summaries(ids).await {
                Err(error) if error.is_unsupported() => self.older_summaries(ids).await?,
                other => other?,
            };
            let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
            some.sort_by_cached_key(|item| id_of(item).and_then(|id| places.get(&id)));
            found.append(&mut some);
        }
        Ok(found)
    }

    async fn newer_summaries(&self, ids: &[i64]) -> Result<RawList> {
        let api = self.client.api();
        let call =
            api.get_queue_item_summaries_by_ids().queue_id(&self.id).body_map(|body| body.item_ids(ids)).send_as();
        call.await
    }

    /// Before 6.14 there are no summaries, before 6.8 no items by ids.
    async fn older_summaries(&self, ids: &[i64]) -> Result<RawList> {
        match self.items_by_ids(ids).await {
            Err(error) if error.is_unsupported() => self.items_one_by_one(ids).await,
            other => other,
        }
    }

    /// The only other way is to list the whole queue, at 22 kB and more for each item.
    async fn items_one_by_one(&self, ids: &[i64]) -> Result<RawList> {
        let mut items = RawList::new();
        for some in ids.chunks(ITEMS_AT_ONCE) {
            let reads: Vec<_> = some.iter().map(|id| self.find_as(*id)).collect();
            items.extend(try_join_all(reads).await?.into_iter().flatten());
        }
        Ok(items)
    }

    async fn items_by_ids(&self, ids: &[i64]) -> Result<RawList> {
        let api = self.client.api();
        let call = api.get_queue_items_by_item_ids().queue_id(&self.id).body_map(|body| body.item_ids(ids)).send_as();
        call.await
    }

    async fn all_items(&self) -> Result<RawList> {
        let api = self.client.api();
        api.list_all_queue_items().queue_id(&self.id).send_as().await
    }

    /// Lists small descriptions of all items, oldest first: `.await` gives a page, [`ListItems::stream`] all of them.
    pub fn list(&self) -> ListItems {
        ListItems::new(self)
    }

    /// Fetches the counts of a batch. A batch that never existed, or whose items were pruned, has counts of zero.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn batch_status(&self, batch_id: &str) -> Result<BatchStatus> {
        let api = self.client.api();
        api.get_batch_status().queue_id(&self.id).batch_id(batch_id).send_as().await
    }

    /// Fetches the ids of the items of a batch, oldest first, including those of called workflows.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn batch_item_ids(&self, batch_id: &str) -> Result<Vec<i64>> {
        Ok(self.batch_items(batch_id).await?.iter().map(|item| item.item_id).collect())
    }

    /// Small descriptions of the items of a batch, oldest first.
    ///
    /// The server lists items by queue only. It does report how many a batch has, though, and whoever asks for a batch
    /// has usually enqueued it not long ago. So the newest items are looked at first, and no more than it takes to find
    /// that many.
    pub(crate) async fn batch_items(&self, batch_id: &str) -> Result<Vec<ItemSummary>> {
        // In this order: items that are added between the two calls make the count larger, and nothing is missed.
        let all = self.item_ids().await?;
        let total = match self.batch_status(batch_id).await {
            Ok(status) => status.counts.total,
            // Then all are looked at.
            Err(error) if error.is_not_found() || error.is_unsupported() => u64::MAX,
            Err(error) => return Err(error),
        };
        let (mut pages, mut found) = (Vec::new(), 0);
        for ids in all.rchunks(IDS_AT_ONCE) {
            if found >= total {
                break;
            }
            let mut ours = self.raw_summaries(ids).await?;
            ours.retain(|item| Label::of(item).batch_id.as_deref() == Some(batch_id));
            found += ours.len() as u64;
            pages.push(elements(SUMMARIES, "items", ours)?);
        }
        pages.into_iter().rev().flatten().collect()
    }
}

/// Changing.
impl Queue {
    /// Cancels an item, and all items that called workflows connect with it. An item that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such item; any error of a call.
    pub async fn cancel_item(&self, item_id: i64) -> Result<QueueItem> {
        let api = self.client.api();
        api.cancel_queue_item().queue_id(&self.id).item_id(item_id).send_as().await
    }

    /// Cancels all items of these batches that have not ended. Returns the number canceled.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel_batches(&self, batch_ids: impl IntoIterator<Item = impl Into<String>>) -> Result<u64> {
        let api = self.client.api();
        let ids: Vec<String> = batch_ids.into_iter().map(Into::into).collect();
        let call =
            api.cancel_by_batch_ids().queue_id(&self.id).body_map(|body| body.batch_ids(ids)).send_as::<Canceled>();
        Ok(call.await?.canceled)
    }

    /// Cancels all items of this destination that have not ended. Returns the number canceled.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel_destination(&self, destination: &str) -> Result<u64> {
        let api = self.client.api();
        let call = api.cancel_by_destination().queue_id(&self.id).destination(destination).send_as::<Canceled>();
        Ok(call.await?.canceled)
    }

    /// Cancels all items that wait, and lets the running one go on. Returns the number canceled.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cancel_all_except_current(&self) -> Result<u64> {
        let api = self.client.api();
        Ok(api.cancel_all_except_current().queue_id(&self.id).send_as::<Canceled>().await?.canceled)
    }

    /// Deletes one item; if it runs, it is canceled first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such item; any error of a call.
    pub async fn delete_item(&self, item_id: i64) -> Result<()> {
        let api = self.client.api();
        api.delete_queue_item().queue_id(&self.id).item_id(item_id).send().await?;
        Ok(())
    }

    /// Deletes all items but the running one. Returns the number deleted.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn delete_all_except_current(&self) -> Result<u64> {
        let api = self.client.api();
        Ok(api.delete_all_except_current().queue_id(&self.id).send_as::<Deleted>().await?.deleted)
    }

    /// Pauses the processor, **for all queues of the server**. The running item goes on to its end.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn pause(&self) -> Result<ProcessorStatus> {
        let api = self.client.api();
        api.pause().queue_id(&self.id).send_as().await
    }

    /// Resumes the processor, for all queues of the server.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn resume(&self) -> Result<ProcessorStatus> {
        let api = self.client.api();
        api.resume().queue_id(&self.id).send_as().await
    }

    /// Deletes **every** ended item of this queue, including those of other programs. Returns the number deleted.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn prune(&self) -> Result<u64> {
        let api = self.client.api();
        Ok(api.prune().queue_id(&self.id).send_as::<Deleted>().await?.deleted)
    }

    /// Cancels and deletes **every** item of this queue, including those of other programs. Returns the number deleted.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn clear(&self) -> Result<u64> {
        let api = self.client.api();
        Ok(api.clear().queue_id(&self.id).send_as::<Deleted>().await?.deleted)
    }
}

/// The ids in the server's description of an item.
#[derive(Default)]
struct Label {
    item_id: Option<i64>,
    batch_id: Option<String>,
}

crate::json::record::readable! { Label { 0 item_id nullable, 1 batch_id nullable } }

impl Label {
    /// No ids if the description cannot be read.
    fn of(item: &RawValue) -> Self {
        lenient::from_slice(item.get().as_bytes(), &Meter::unlimited()).unwrap_or_default()
    }
}

fn id_of(item: &RawValue) -> Option<i64> {
    Label::of(item).item_id
}

/// For an item of another queue the server fails with "404: …" inside a 500.
fn as_not_found(error: Error) -> Error {
    match error {
        Error::Server(refusal)
            if refusal.status == 500 && matches!(&refusal.detail, Detail::Text(text) if text.contains("404: ")) =>
        {
            Error::NotFound(refusal)
        }
        other => other,
    }
}
