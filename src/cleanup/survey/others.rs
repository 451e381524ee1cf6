//! What others need: items that have not ended, whatever queue they are on, and runs that share files.

use std::collections::HashSet;

use futures::StreamExt as _;

use super::{
    Scene, Survey,
    items::read,
    twins::{Computation, cacheable},
};
use crate::{assets::Asset, cleanup::report::CleanupReport, error::Result, media::names_in, queue::ItemStatus};

impl Survey {
    /// Looks at the items of others: those that came later may have the same files by the invocation cache, and those
    /// that have not ended will need what their graphs name.
    pub(super) async fn find_others(&mut self, scene: &Scene<'_>, report: &mut CleanupReport) {
        for doing in scene.doing {
            for name in &doing.needs {
                self.needed.insert(name.clone(), doing.what.clone());
            }
        }
        let first = self.items.iter().map(|item| item.item_id).min();
        for queue_id in scene.queues {
            if let Err(error) = self.add_others(scene, queue_id, first).await {
                self.undecided = true;
                report.fail(Asset::Queue(queue_id.clone()), error);
            }
        }
    }

    async fn add_others(&mut self, scene: &Scene<'_>, queue_id: &str, first: Option<i64>) -> Result<()> {
        let mut ids = Vec::new();
        let mut summaries = scene.client.queue(queue_id).list().stream();
        while let Some(item) = summaries.next().await {
            let item = item?;
            let is_ours =
                scene.batches.iter().any(|batch| batch.queue_id == queue_id && batch.batch_id == item.batch_id);
            // If all items are already gone, any other may be later.
            let is_later = first.is_none_or(|first| item.item_id > first) && !self.files.is_empty();
            if !is_ours && (is_later || !item.status.is_final()) {
                ids.push(item.item_id);
            }
        }
        let mut items = std::pin::pin!(read(scene.client, queue_id, ids));
        while let Some((item_id, item)) = items.next().await {
            let Some(item) = item? else { continue };
            let asset = Asset::Item { queue_id: queue_id.to_owned(), item_id };
            if matches!(item.status, ItemStatus::InProgress | ItemStatus::Waiting)
                && let Some(graph) = item.session.get("graph")
            {
                self.add_twins(&cacheable(graph), &asset);
            }
            for (part, ended) in [("results", true), ("graph", false)] {
                let Some(part) = item.session.get(part).filter(|_| ended || !item.status.is_final()) else { continue };
                let names = if ended { &mut self.shared } else { &mut self.needed };
                for name in names_in(part) {
                    names.entry(name).or_insert_with(|| asset.clone());
                }
            }
        }
        Ok(())
    }

    /// Files that a run may have got from the cache, and may still read. A run that waits will compute them again:
    /// deleted files are no longer in the cache.
    fn add_twins(&mut self, computations: &HashSet<Computation>, item: &Asset) {
        for files in computations.iter().filter_map(|computation| self.computed.get(computation)) {
            for file in files {
                if let Asset::Image(name) | Asset::Video(name) = file {
                    self.needed.entry(name.clone()).or_insert_with(|| item.clone());
                }
            }
        }
    }
}
