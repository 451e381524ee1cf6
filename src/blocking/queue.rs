//! Queues.

use std::collections::BTreeMap;

use super::{
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Page,
    error::Result,
    queue::{self, BatchStatus, ItemSummary, ProcessorStatus, QueueItem, QueueStatus},
};

mirror! {
    /// One queue of a server, from [`Client::queue`](super::Client::queue).
    #[derive(Clone)]
    pub struct Queue = queue::Queue;

    /// Id of the queue.
    get fn id(&self) -> &str;
    /// Fetches the counts, the item that runs, and whether the processor is paused.
    call fn status(&self) -> Result<QueueStatus>;
    /// Fetches an item in full: 22 kB and more. [`summaries`](Self::summaries) are small.
    call fn item(&self, item_id: i64) -> Result<QueueItem>;
    /// Fetches an item in full, or `None` if it is not, or no longer, in this queue.
    call fn find_item(&self, item_id: i64) -> Result<Option<QueueItem>>;
    /// Fetches the item that runs now, if any.
    call fn current(&self) -> Result<Option<QueueItem>>;
    /// Fetches the item that runs next, if any.
    call fn next(&self) -> Result<Option<QueueItem>>;
    /// Fetches the ids of all items, oldest first.
    call fn item_ids(&self) -> Result<Vec<i64>>;
    /// Fetches small descriptions of these items, in the order given. Items that no longer exist are left out; one that
    /// cannot be read is an error in its place.
    call fn summaries(&self, item_ids: &[i64]) -> Result<Vec<Result<ItemSummary>>>;
    /// Lists small descriptions of all items, oldest first: `call` gives a page, [`ListItems::stream`] all of them.
    open fn list(&self) -> ListItems;
    /// Fetches the counts of a batch. A batch that never existed, or whose items were pruned, has counts of zero.
    call fn batch_status(&self, batch_id: &str) -> Result<BatchStatus>;
    /// Fetches the ids of the items of a batch, oldest first, including those of called workflows.
    call fn batch_item_ids(&self, batch_id: &str) -> Result<Vec<i64>>;
    /// Cancels an item, and all items that called workflows connect with it. An item that has ended stays as it is.
    call fn cancel_item(&self, item_id: i64) -> Result<QueueItem>;
    /// Cancels all items of these batches that have not ended. Returns the number canceled.
    call fn cancel_batches(&self, batch_ids: impl IntoIterator<Item = impl Into<String>>) -> Result<u64>;
    /// Cancels all items of this destination that have not ended. Returns the number canceled.
    call fn cancel_destination(&self, destination: &str) -> Result<u64>;
    /// Cancels all items that wait, and lets the running one go on. Returns the number canceled.
    call fn cancel_all_except_current(&self) -> Result<u64>;
    /// Deletes one item; if it runs, it is canceled first.
    call fn delete_item(&self, item_id: i64) -> Result<()>;
    /// Deletes all items but the running one. Returns the number deleted.
    call fn delete_all_except_current(&self) -> Result<u64>;
    /// Runs failed or canceled items again, as new items of the same batch. Returns the new ids; other items are
    /// skipped.
    call fn retry(&self, item_ids: &[i64]) -> Result<Vec<i64>>;
    /// The same, and returns the new ids with the item that each runs again: the first one, if that had been run again
    /// before.
    call fn retry_each(&self, item_ids: &[i64]) -> Result<BTreeMap<i64, i64>>;
    /// Pauses the processor, **for all queues of the server**. The running item goes on to its end.
    call fn pause(&self) -> Result<ProcessorStatus>;
    /// Resumes the processor, for all queues of the server.
    call fn resume(&self) -> Result<ProcessorStatus>;
    /// Deletes **every** ended item of this queue, including those of other programs. Returns the number deleted.
    call fn prune(&self) -> Result<u64>;
    /// Cancels and deletes **every** item of this queue, including those of other programs. Returns the number deleted.
    call fn clear(&self) -> Result<u64>;
}

mirror! {
    /// A list of queue items under construction, from [`Queue::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListItems = queue::ListItems;

    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: 500.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. The ids of the items are fetched
    /// once, at the beginning.
    iter fn stream(self) -> Iter<Result<ItemSummary>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<ItemSummary>>;
}
