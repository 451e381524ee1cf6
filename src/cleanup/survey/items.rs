//! The items of batches, and what their sessions say about files.

use std::collections::{BTreeMap, BTreeSet};

use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Item, Scene, Session, Survey, files_in, twins::computations};
use crate::{
    Client,
    assets::Asset,
    cleanup::{
        BatchRef, PATIENCE_WITH_NODE, PAUSE,
        report::{CleanupReport, UndeterminedBecause},
    },
    error::{Error, Result},
    media::names_in,
    queue::{ItemStatus, QueueItem},
    schema::NodeCatalog,
};

/// How many items are read at the same time.
const AT_ONCE: usize = 4;

impl Survey {
    pub(super) async fn add_items(&mut self, scene: &Scene<'_>, report: &mut CleanupReport) {
        let queues: BTreeSet<&str> = scene.batches.iter().map(|batch| batch.queue_id.as_str()).collect();
        let mut running = Vec::new();
        for queue_id in queues {
            for (batch_id, ids) in self.items_of(scene, queue_id, report).await {
                let mut items = std::pin::pin!(read(scene.client, queue_id, ids));
                while let Some((item_id, item)) = items.next().await {
                    let asset = Asset::Item { queue_id: queue_id.to_owned(), item_id };
                    match item {
                        // The list and the item disagree: it is not known to be ours.
                        Ok(Some(item)) if item.batch_id != batch_id => {
                            self.incomplete.insert(batch_id.clone());
                            report.cannot_tell(asset, UndeterminedBecause::Contradiction);
                        }
                        Ok(Some(item)) if is_running_on(&item) => {
                            let batch = BatchRef { queue_id: queue_id.to_owned(), batch_id: batch_id.clone() };
                            running.push((batch, item));
                        }
                        Ok(Some(item)) => self.add_item(queue_id, &batch_id, &item),
                        // Somebody deleted it just now.
                        Ok(None) => {
                            self.vanished.entry(batch_id.clone()).or_default().insert(item_id);
                        }
                        Err(error) => {
                            self.incomplete.insert(batch_id.clone());
                            report.fail(asset, error);
                        }
                    }
                }
            }
        }
        for (batch, item) in self.wait_for_nodes(scene, running, report).await {
            self.add_item(&batch.queue_id, &batch.batch_id, &item);
        }
        self.items.sort_by_key(|item| item.item_id);
    }

    /// Ids of the items of the batches on this queue.
    async fn items_of(
        &mut self,
        scene: &Scene<'_>,
        queue_id: &str,
        report: &mut CleanupReport,
    ) -> BTreeMap<String, Vec<i64>> {
        let batches = || scene.batches.iter().filter(|batch| batch.queue_id == queue_id);
        let mut found: BTreeMap<String, Vec<i64>> =
            batches().map(|batch| (batch.batch_id.clone(), Vec::new())).collect();
        let mut items = scene.client.queue(queue_id).list().stream();
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => {
                    if let Some(ids) = found.get_mut(&item.batch_id) {
                        ids.push(item.item_id);
                    }
                }
                // The rest of the list, or an item that may be of any batch.
                Err(error) => {
                    for BatchRef { batch_id, .. } in batches() {
                        if self.incomplete.insert(batch_id.clone()) {
                            report.fail(Asset::Batch(batch_id.clone()), error.clone());
                        }
                    }
                }
            }
        }
        for (batch_id, ids) in &found {
            // Servers before 6.14 leave out of their lists what they cannot read.
            let counted = scene.counts.get(batch_id).copied().unwrap_or(0);
            if counted > ids.len() as u64 && self.incomplete.insert(batch_id.clone()) {
                let because = UndeterminedBecause::ItemsNotListed(counted - ids.len() as u64);
                report.cannot_tell(Asset::Batch(batch_id.clone()), because);
            }
        }
        found
    }

    fn add_item(&mut self, queue_id: &str, batch_id: &str, item: &QueueItem) {
        // An item without a session made nothing; files of no session are not of it.
        if !item.session_id.is_empty() {
            let session = Session { batch_id: batch_id.to_owned(), item_id: Some(item.item_id) };
            self.sessions.insert(item.session_id.clone(), session);
        }
        if let Some(graph) = item.session.get("graph") {
            self.named.extend(names_in(graph));
        }
        self.add_results(&item.session);
        if may_have_left_more(item) && !item.session_id.is_empty() {
            self.searched.insert(item.session_id.clone());
        }
        self.items.push(Item {
            queue_id: queue_id.to_owned(),
            batch_id: batch_id.to_owned(),
            item_id: item.item_id,
            parent_item_id: item.parent_item_id,
            is_again: item.retried_from_item_id.is_some(),
            ended: item.status.is_final(),
        });
    }

    fn add_results(&mut self, session: &Value) {
        let computations = session.get("graph").map(computations).unwrap_or_default();
        let sources = session.get("prepared_source_mapping").and_then(Value::as_object);
        for (prepared_id, result) in session.get("results").and_then(Value::as_object).into_iter().flatten() {
            let files = files_in(result);
            if files.is_empty() {
                continue;
            }
            let source = sources.and_then(|sources| sources.get(prepared_id)?.as_str()).unwrap_or(prepared_id);
            if let Some(computation) = computations.get(source) {
                self.computed.entry(*computation).or_default().extend(files.iter().cloned());
            }
            self.candidates.extend(files);
        }
    }

    /// An item counts as canceled at once, but the node that runs goes on to its end, and may save a file. Gives the
    /// items as they are then.
    async fn wait_for_nodes(
        &mut self,
        scene: &Scene<'_>,
        mut running: Vec<(BatchRef, QueueItem)>,
        report: &mut CleanupReport,
    ) -> Vec<(BatchRef, QueueItem)> {
        let deadline = Instant::now() + PATIENCE_WITH_NODE;
        let mut done = Vec::new();
        while !running.is_empty() {
            let trouble = match is_busy(scene).await {
                Ok(true) if scene.patient && Instant::now() < deadline => None,
                Ok(true) => Some(None),
                Ok(false) => {
                    done.append(&mut running);
                    break;
                }
                Err(error) => Some(Some(error)),
            };
            if let Some(trouble) = trouble {
                for (BatchRef { queue_id, batch_id }, item) in &running {
                    self.incomplete.insert(batch_id.clone());
                    let asset = Asset::Item { queue_id: queue_id.clone(), item_id: item.item_id };
                    match &trouble {
                        Some(error) => report.fail(asset, error.clone()),
                        None => report.cannot_tell(asset, UndeterminedBecause::NodeRuns),
                    }
                }
                done.append(&mut running);
                break;
            }
            sleep(PAUSE).await;
            let mut still = Vec::new();
            for (batch, item) in running.drain(..) {
                match scene.client.queue(&batch.queue_id).find_item(item.item_id).await {
                    Ok(Some(now)) if is_running_on(&now) => still.push((batch, now)),
                    Ok(Some(now)) => done.push((batch, now)),
                    // The item as it was is better than none: its session is known.
                    Ok(None) => done.push((batch, item)),
                    Err(error) => {
                        self.incomplete.insert(batch.batch_id.clone());
                        let asset = Asset::Item { queue_id: batch.queue_id.clone(), item_id: item.item_id };
                        report.fail(asset, error);
                        done.push((batch, item));
                    }
                }
            }
            running = still;
        }
        done
    }
}

/// Whether a node of a canceled item may still run: when it has ended, the server writes its session back, with the
/// nodes that were executed (`_on_after_run_session` in `session_processor_default.py`).
fn is_running_on(item: &QueueItem) -> bool {
    let is_empty = |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    let nodes = item.session.get("execution_graph").and_then(|graph| graph.get("nodes"));
    item.status == ItemStatus::Canceled
        && item.started_at.is_some()
        && is_empty(nodes)
        && is_empty(item.session.get("results"))
}

/// Whether none of the items that the server shows is being worked on.
async fn is_busy(scene: &Scene<'_>) -> Result<bool> {
    for queue_id in scene.queues {
        let status = scene.client.queue(queue_id).status().await?;
        // Nothing runs, or another item does, so that the canceled one has ended.
        if !status.processor.is_processing || status.queue.item_id.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether there may be files of a session that its results do not name.
fn may_have_left_more(item: &QueueItem) -> bool {
    match &item.status {
        // Every node of InvokeAI returns what it saves. Nodes of other packs may keep a file to themselves.
        ItemStatus::Completed => !has_only_known_nodes(&item.session),
        // It is not deleted, and so is found again when it has ended.
        status if !status.is_final() => false,
        // Nothing of it ran.
        ItemStatus::Canceled if item.started_at.is_none() => false,
        _ => true,
    }
}

fn has_only_known_nodes(session: &Value) -> bool {
    let Some(nodes) = session.get("graph").and_then(|graph| graph.get("nodes")?.as_object()) else { return false };
    let known = NodeCatalog::embedded();
    !nodes.is_empty()
        && nodes.values().all(|node| {
            let node_type = node.get("type").and_then(Value::as_str).unwrap_or_default();
            known.get(node_type).is_some_and(|template| template.node_pack == "invokeai")
        })
}

/// Items in full, as they come.
pub(super) fn read(
    client: &Client,
    queue_id: &str,
    ids: Vec<i64>,
) -> impl Stream<Item = (i64, Result<Option<QueueItem>, Error>)> + use<> {
    let queue = client.queue(queue_id);
    futures::stream::iter(ids)
        .map(move |id| {
            let queue = queue.clone();
            async move { (id, queue.find_item(id).await) }
        })
        .buffer_unordered(AT_ONCE)
}
