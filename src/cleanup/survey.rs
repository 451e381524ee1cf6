//! Finding out what there is: items, the files they made, and who else has a share in these.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{Stream, StreamExt as _};
use serde_json::Value;

use super::report::CleanupReport;
use crate::{
    Client,
    assets::{Asset, Assets},
    error::{Error, Result},
    outputs::session::scan,
    queue::{DEFAULT_QUEUE, QueueItem},
};

/// So many items are read at the same time.
const AT_ONCE: usize = 4;

/// What there is on the server.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) items: Vec<Item>,
    pub(super) files: Vec<Made>,
    /// Batches by their sessions.
    sessions: HashMap<String, String>,
    /// When the first item was enqueued, by the server's clock.
    pub(super) since: Option<String>,
    /// Files and boards that the graphs of the items name.
    pub(super) named: HashSet<String>,
    /// Files that are results of other runs, by name.
    pub(super) shared: HashMap<String, Asset>,
    /// Files and boards that other items need which have not ended, by name.
    pub(super) needed: HashMap<String, Asset>,
    /// Whether it could not be found out what others share.
    pub(super) undecided: bool,
    /// Whether files may have been overlooked.
    pub(super) incomplete: bool,
}

/// An item of a batch that is cleaned up.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) queue_id: String,
    pub(super) batch_id: String,
    pub(super) item_id: i64,
    pub(super) ended: bool,
}

impl Item {
    pub(super) fn asset(&self) -> Asset {
        Asset::Item { queue_id: self.queue_id.clone(), item_id: self.item_id }
    }
}

/// A file that one of the sessions made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) asset: Asset,
    pub(super) batch_id: String,
    pub(super) is_intermediate: bool,
    pub(super) starred: bool,
    pub(super) board_id: Option<String>,
}

impl Survey {
    /// Looks at these batches, given by queue and id. What cannot be read is reported, and the rest goes on.
    pub(super) async fn of(
        client: &Client,
        batches: &[(String, String)],
        assets: &Assets,
        report: &mut CleanupReport,
    ) -> Self {
        let mut survey = Self::default();
        for batch in assets.batches.iter().filter(|batch| batches.iter().any(|(_, id)| *id == batch.batch_id)) {
            for session in &batch.sessions {
                survey.sessions.insert(session.clone(), batch.batch_id.clone());
            }
            survey.began(batch.since.as_deref());
        }
        for (queue_id, batch_id) in batches {
            survey.add_batch(client, queue_id, batch_id, report).await;
        }
        survey.find_files(client, report).await;
        survey.find_others(client, batches, report).await;
        survey
    }

    fn began(&mut self, time: Option<&str>) {
        if let Some(time) = time
            && self.since.as_deref().is_none_or(|since| time < since)
        {
            self.since = Some(time.to_owned());
        }
    }

    async fn add_batch(&mut self, client: &Client, queue_id: &str, batch_id: &str, report: &mut CleanupReport) {
        let ids = match client.queue(queue_id).batch_item_ids(batch_id).await {
            Ok(ids) => ids,
            Err(error) => {
                self.incomplete = true;
                return report.fail(Asset::Batch(batch_id.to_owned()), error);
            }
        };
        let mut items = std::pin::pin!(read(client, queue_id, ids));
        while let Some((item_id, item)) = items.next().await {
            match item {
                Ok(Some(item)) => {
                    self.sessions.insert(item.session_id.clone(), batch_id.to_owned());
                    self.began(item.created_at.as_ref().map(|time| time.as_str()));
                    if let Some(graph) = item.session.get("graph") {
                        self.named.extend(names_in(graph));
                    }
                    self.items.push(Item {
                        queue_id: queue_id.to_owned(),
                        batch_id: batch_id.to_owned(),
                        item_id,
                        ended: item.status.is_final(),
                    });
                }
                // Somebody deleted it just now.
                Ok(None) => {}
                Err(error) => {
                    self.incomplete = true;
                    report.fail(Asset::Item { queue_id: queue_id.to_owned(), item_id }, error);
                }
            }
        }
        self.items.sort_by_key(|item| item.item_id);
    }

    /// Finds every image and video that the sessions made: the gallery, newest first, back to when they began. Names in
    /// results are not enough: a node that failed or was canceled gave none, but may have saved.
    async fn find_files(&mut self, client: &Client, report: &mut CleanupReport) {
        let Some(since) = self.since.clone() else { return };
        let images = client.images().list().limit(500).stream().map(|image| {
            let image = image?;
            let made = Found {
                asset: Asset::Image(image.image_name),
                time: image.created_at.map(|time| time.as_str().to_owned()),
                session_id: image.session_id,
                is_intermediate: image.is_intermediate,
                starred: image.starred,
                board_id: image.board_id,
            };
            Ok(made)
        });
        self.add_files(images, &since, report).await;
        let videos = client.videos().list().limit(500).stream().map(|video| {
            let video = video?;
            let made = Found {
                asset: Asset::Video(video.video_name),
                time: video.created_at.map(|time| time.as_str().to_owned()),
                session_id: video.session_id,
                is_intermediate: video.is_intermediate,
                starred: video.starred,
                board_id: video.board_id,
            };
            Ok(made)
        });
        self.add_files(videos, &since, report).await;
    }

    async fn add_files(&mut self, files: impl Stream<Item = Result<Found>>, since: &str, report: &mut CleanupReport) {
        let mut files = std::pin::pin!(files);
        while let Some(file) = files.next().await {
            match file {
                Ok(file) if file.time.as_deref().is_some_and(|time| seconds(time) < seconds(since)) => return,
                Ok(Found { asset, session_id, is_intermediate, starred, board_id, .. }) => {
                    if let Some(batch_id) = session_id.and_then(|id| self.sessions.get(&id).cloned()) {
                        self.files.push(Made { asset, batch_id, is_intermediate, starred, board_id });
                    }
                }
                // Servers before 6.14 have no videos.
                Err(error) if error.is_unsupported() => return,
                Err(error) => {
                    self.incomplete = true;
                    let batches: BTreeSet<&String> = self.sessions.values().collect();
                    for batch in batches {
                        report.fail(Asset::Batch(batch.clone()), error.clone());
                    }
                    return;
                }
            }
        }
    }

    /// Looks at the items of others: those that came later may have the same files by the invocation cache, and those
    /// that have not ended will need what their graphs name.
    async fn find_others(&mut self, client: &Client, batches: &[(String, String)], report: &mut CleanupReport) {
        let queues: BTreeSet<&str> = batches.iter().map(|(queue, _)| queue.as_str()).chain([DEFAULT_QUEUE]).collect();
        let first = self.items.iter().map(|item| item.item_id).min();
        for queue_id in queues {
            if let Err(error) = self.add_others(client, queue_id, batches, first).await {
                self.undecided = true;
                for (_, batch) in batches.iter().filter(|(queue, _)| queue == queue_id || queue_id == DEFAULT_QUEUE) {
                    report.fail(Asset::Batch(batch.clone()), error.clone());
                }
            }
        }
    }

    async fn add_others(
        &mut self,
        client: &Client,
        queue_id: &str,
        batches: &[(String, String)],
        first: Option<i64>,
    ) -> Result<()> {
        let mut ids = Vec::new();
        let mut summaries = std::pin::pin!(client.queue(queue_id).items());
        while let Some(item) = summaries.next().await {
            let item = item?;
            let ours = batches.iter().any(|(queue, batch)| queue == queue_id && *batch == item.batch_id);
            // Where all items are gone already, all others may be later.
            let later = first.is_none_or(|first| item.item_id > first) && !self.files.is_empty();
            if !ours && (later || !item.status.is_final()) {
                ids.push(item.item_id);
            }
        }
        let mut items = std::pin::pin!(read(client, queue_id, ids));
        while let Some((item_id, item)) = items.next().await {
            let Some(item) = item? else { continue };
            let asset = Asset::Item { queue_id: queue_id.to_owned(), item_id };
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

    /// The sessions of a batch.
    pub(super) fn sessions_of(&self, batch_id: &str) -> Vec<String> {
        self.sessions.iter().filter(|(_, batch)| *batch == batch_id).map(|(session, _)| session.clone()).collect()
    }
}

/// A file of the gallery.
struct Found {
    asset: Asset,
    time: Option<String>,
    session_id: Option<String>,
    is_intermediate: bool,
    starred: bool,
    board_id: Option<String>,
}

/// `YYYY-MM-DD HH:MM:SS` of a time. Fractions are not always there.
fn seconds(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

/// Items in full, as they come.
fn read(
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

/// Names of the images, videos and boards that a value refers to.
fn names_in(value: &Value) -> HashSet<String> {
    let mut names = HashSet::new();
    scan(value, &mut String::new(), &mut |_, found| {
        names.insert(found.name().to_owned());
    });
    boards_in(value, &mut names);
    names
}

fn boards_in(value: &Value, names: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("board_id").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| boards_in(member, names));
        }
        Value::Array(elements) => elements.iter().for_each(|element| boards_in(element, names)),
        _ => {}
    }
}
