//! Lists of queue items.

use futures::{Stream, StreamExt as _, TryStreamExt as _};

use super::{IDS_AT_ONCE, ItemSummary, Queue};
use crate::{
    client::lists::awaits,
    error::{Error, Result},
    transport::page::Page,
};

/// A list of queue items under construction, from [`Queue::list`].
#[derive(Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListItems {
    queue: Queue,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! { ListItems { queue, offset, limit } }

impl ListItems {
    pub(super) fn new(queue: &Queue) -> Self {
        Self { queue: queue.clone(), offset: 0, limit: IDS_AT_ONCE as u64 }
    }

    /// Skips this many entries at the beginning.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets how many entries a page has at most. Default: 500.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// All entries from the offset on, fetched page by page as the stream is read. The ids of the items are fetched
    /// once, at the beginning.
    pub fn stream(self) -> impl Stream<Item = Result<ItemSummary>> + Send + Unpin + use<> {
        let Self { queue, offset, limit } = self;
        let entries = futures::stream::once(async move {
            let ids = after(queue.item_ids().await?, offset);
            let pages: Vec<Vec<i64>> = match count(limit).min(IDS_AT_ONCE) {
                0 => Vec::new(),
                limit => ids.chunks(limit).map(<[i64]>::to_vec).collect(),
            };
            Ok::<_, Error>(futures::stream::iter(pages).then(move |ids| {
                let queue = queue.clone();
                async move { queue.summaries(&ids).await.map(futures::stream::iter) }
            }))
        });
        entries.try_flatten().try_flatten().boxed()
    }

    async fn fetch(self) -> Result<Page<ItemSummary>> {
        let Self { queue, offset, limit } = self;
        let all = queue.item_ids().await?;
        let total = all.len() as u64;
        let mut ids = after(all, offset);
        ids.truncate(count(limit));
        Ok(Page { items: queue.summaries(&ids).await?, total, offset })
    }
}

awaits! {
    /// The ids are fetched first, then the items: an item that is deleted in between counts in `total`, but is not in
    /// `items`.
    ///
    /// # Errors
    /// Any error of a call.
    ListItems => Page<ItemSummary>, fetch
}

fn after(mut ids: Vec<i64>, offset: u64) -> Vec<i64> {
    ids.drain(..count(offset).min(ids.len()));
    ids
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
