//! Queues.

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
    /// Counts, what runs, and whether the processor is paused.
    call fn status(&self) -> Result<QueueStatus>;
    /// An item in full. Large: 22 kB and more. [`summaries`](Self::summaries) are small.
    call fn item(&self, item_id: i64) -> Result<QueueItem>;
    /// An item in full, or `None` if it is not, or no longer, in this queue.
    call fn find_item(&self, item_id: i64) -> Result<Option<QueueItem>>;
    /// The item that runs now, if any.
    call fn current(&self) -> Result<Option<QueueItem>>;
    /// The item that runs next, if any.
    call fn next(&self) -> Result<Option<QueueItem>>;
    /// Ids of all items, oldest first.
    call fn item_ids(&self) -> Result<Vec<i64>>;
    /// Small descriptions of these items, in the order given. Items that no longer exist are left out.
    call fn summaries(&self, item_ids: &[i64]) -> Result<Vec<Result<ItemSummary>>>;
    /// Lists small descriptions of all items, oldest first: `call` gives a page, [`ListItems::stream`] all of them.
    open fn list(&self) -> ListItems;
    /// Counts of a batch. A batch that never existed, or whose items were pruned, has counts of zero.
    call fn batch_status(&self, batch_id: &str) -> Result<BatchStatus>;
    /// Ids of the items of a batch, oldest first, children of called workflows included.
    call fn batch_item_ids(&self, batch_id: &str) -> Result<Vec<i64>>;
    /// Cancels an item, and all that a called workflow connects with it. One that has ended stays as it is.
    call fn cancel_item(&self, item_id: i64) -> Result<QueueItem>;
    /// Cancels all items of these batches that have not ended. Says how many.
    call fn cancel_batches(&self, batch_ids: impl IntoIterator<Item = impl Into<String>>) -> Result<u64>;
    /// Cancels all items of this destination that have not ended. Says how many.
    call fn cancel_destination(&self, destination: &str) -> Result<u64>;
    /// Cancels everything that waits, and lets what runs go on. Says how many.
    call fn cancel_all_except_current(&self) -> Result<u64>;
    /// Deletes one item; one that runs is canceled first.
    call fn delete_item(&self, item_id: i64) -> Result<()>;
    /// Deletes everything but the item that runs. Says how many.
    call fn delete_all_except_current(&self) -> Result<u64>;
    /// Runs failed or canceled items again, as new items of the same batch. Gives the new ids; items that are of
    /// neither kind are skipped.
    call fn retry(&self, item_ids: &[i64]) -> Result<Vec<i64>>;
    /// Pauses the processor, **for all queues of the server**. What runs goes on to its end.
    call fn pause(&self) -> Result<ProcessorStatus>;
    /// Lets the processor go on, for all queues of the server.
    call fn resume(&self) -> Result<ProcessorStatus>;
    /// Deletes **every** ended item of this queue, also those of other programs. Says how many.
    call fn prune(&self) -> Result<u64>;
    /// Cancels and deletes **every** item of this queue, also those of other programs. Says how many.
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
    /// All entries from the offset on, fetched page by page as the iterator is read. Which items there are is
    /// asked once, at the beginning.
    iter fn stream(self) -> Iter<Result<ItemSummary>>;
    /// Carries it out.
    finish fn call(self) -> Result<Page<ItemSummary>>;
}
