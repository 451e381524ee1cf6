//! Finding out what there is: items, the files they made, and who else shares these.

pub(super) mod gallery;
mod items;
mod others;
mod twins;

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::{
    BatchRef,
    report::{CleanupReport, UndeterminedBecause},
};
use crate::{
    Client,
    assets::{Asset, Assets, Doing},
    media::{FileKind, scan},
};
use gallery::{File, Search};
use twins::Computation;

/// What a survey is about.
pub(super) struct Scene<'a> {
    pub(super) client: &'a Client,
    pub(super) batches: &'a [BatchRef],
    pub(super) assets: &'a Assets,
    /// What this process does meanwhile.
    pub(super) doing: &'a [Doing],
    /// All queues that are known.
    pub(super) queues: &'a BTreeSet<String>,
    /// How many items each batch has, where that is known.
    pub(super) counts: &'a HashMap<String, u64>,
    /// The batch, if it is one that the client has not recorded, and those of its items that a ticket names.
    pub(super) unrecorded: Option<(&'a str, Vec<i64>)>,
    /// Whether to wait for nodes that run.
    pub(super) patient: bool,
}

/// What there is on the server.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) items: Vec<Item>,
    pub(super) files: Vec<Made>,
    /// Where the sessions of the batches belong.
    sessions: HashMap<String, Session>,
    /// Files and boards that the graphs of the items name.
    pub(super) named: HashSet<String>,
    /// Files that are results of other runs, by name.
    pub(super) shared: HashMap<String, Asset>,
    /// Files and boards that items need which have not ended, or that this process is about to use, by name.
    pub(super) needed: HashMap<String, Asset>,
    /// Whether it could not be determined what others share.
    pub(super) undecided: bool,
    /// Batches of which items or files may have been overlooked.
    pub(super) incomplete: HashSet<String>,
    /// Items that others deleted after they were listed, by batch.
    vanished: HashMap<String, HashSet<i64>>,
    /// Files that may be those of a session, by name.
    candidates: HashSet<Asset>,
    /// Files of results, by what the nodes computed that gave them.
    computed: HashMap<Computation, HashSet<Asset>>,
    /// Sessions that may have left files whose names are not known.
    searched: HashSet<String>,
}

/// A session of a batch that is cleaned up.
#[derive(Debug)]
struct Session {
    batch_id: String,
    /// `None` if the item is gone.
    item_id: Option<i64>,
}

/// An item of a batch that is cleaned up.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) queue_id: String,
    pub(super) batch_id: String,
    pub(super) item_id: i64,
    parent_item_id: Option<i64>,
    /// Whether it is another try of an earlier one.
    is_again: bool,
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
    pub(super) file: File,
    pub(super) batch_id: String,
    /// The items that lead to it: the one that made it, and those that called its workflow.
    pub(super) items: Vec<i64>,
    /// The item that made it, or one that called a workflow for it, if it has not ended: it may still read it.
    pub(super) needed_by: Option<Asset>,
}

impl Survey {
    /// Looks at the batches. What cannot be read is reported, and the rest goes on.
    pub(super) async fn of(scene: &Scene<'_>, report: &mut CleanupReport) -> Self {
        let mut survey = Self::default();
        survey.add_items(scene, report).await;
        survey.recall(scene);
        survey.miss_items(scene, report).await;
        survey.find_files(scene, report).await;
        // As late as possible: others go on.
        survey.find_others(scene, report).await;
        survey
    }

    /// What is recorded of items that are gone: deleted by earlier clean-ups, or by others.
    fn recall(&mut self, scene: &Scene<'_>) {
        let batches: HashSet<&String> = scene.batches.iter().map(|batch| &batch.batch_id).collect();
        for batch in scene.assets.batches.iter().filter(|batch| batches.contains(&batch.batch_id)) {
            for session in &batch.sessions {
                if !self.sessions.contains_key(session) {
                    let gone = Session { batch_id: batch.batch_id.clone(), item_id: None };
                    self.sessions.insert(session.clone(), gone);
                    if batch.unsearched.contains(session) {
                        self.searched.insert(session.clone());
                    }
                }
            }
            self.candidates.extend(batch.files.iter().cloned());
        }
    }

    /// Says which batches lack items, as far as that can be known.
    async fn miss_items(&mut self, scene: &Scene<'_>, report: &mut CleanupReport) {
        let there: HashSet<i64> = self.items.iter().map(|item| item.item_id).collect();
        let mut known = std::mem::take(&mut self.vanished);
        for batch in &scene.assets.batches {
            known.entry(batch.batch_id.clone()).or_default().extend(&batch.item_ids);
        }
        if let Some((batch_id, item_ids)) = &scene.unrecorded {
            known.entry((*batch_id).to_owned()).or_default().extend(item_ids);
        }
        for BatchRef { batch_id, .. } in scene.batches.iter().filter(|batch| !self.incomplete.contains(&batch.batch_id))
        {
            let lost = known.get(batch_id).into_iter().flatten().filter(|id| !there.contains(id)).count();
            let is_unrecorded = scene.unrecorded.as_ref().is_some_and(|(id, _)| id == batch_id);
            let because = match (lost, is_unrecorded) {
                (0, false) => continue,
                (0, true) if there.is_empty() => UndeterminedBecause::NoItems,
                (0, true) => match self.gaps(scene, report).await {
                    0 => continue,
                    gaps => UndeterminedBecause::Gaps(gaps),
                },
                (lost, _) => UndeterminedBecause::ItemsGone(lost),
            };
            report.cannot_tell(Asset::Batch(batch_id.clone()), because);
        }
        if let Some((batch_id, _)) = scene.unrecorded.as_ref().filter(|_| there.is_empty()) {
            // It may be a batch that there never was, so it is not one of which nothing is left.
            self.incomplete.insert((*batch_id).to_owned());
        }
    }

    /// How many items are gone from between those of the only batch. The server gives items that are enqueued together
    /// numbers that follow each other; those of called workflows, and further tries, come at any time after.
    async fn gaps(&self, scene: &Scene<'_>, report: &mut CleanupReport) -> u64 {
        let first_tries = self.items.iter().filter(|item| item.parent_item_id.is_none() && !item.is_again);
        let ids: HashSet<i64> = first_tries.map(|item| item.item_id).collect();
        let (Some(&first), Some(&last)) = (ids.iter().min(), ids.iter().max()) else { return 0 };
        let gaps = |ids: &HashSet<i64>| last.abs_diff(first).saturating_add(1).saturating_sub(ids.len() as u64);
        let mut there = ids;
        for queue_id in scene.queues {
            // Those of the others are asked for only if need be.
            if gaps(&there) == 0 {
                break;
            }
            match scene.client.queue(queue_id).item_ids().await {
                Ok(ids) => there.extend(ids.into_iter().filter(|id| (first..=last).contains(id))),
                Err(error) => report.fail(Asset::Queue(queue_id.clone()), error),
            }
        }
        gaps(&there)
    }

    /// Finds every image and video that the sessions made. Names in results are not enough: those of a session belong
    /// to another one where the invocation cache gave them, and a node that failed or was canceled gave none, but may
    /// have saved a file.
    async fn find_files(&mut self, scene: &Scene<'_>, report: &mut CleanupReport) {
        let mut files = Vec::new();
        for kind in [FileKind::Image, FileKind::Video] {
            let names: Vec<String> = self.candidates.iter().filter_map(|asset| name_of(asset, kind)).cloned().collect();
            for (name, record) in gallery::records(scene.client, kind, &names).await {
                match record {
                    Ok(file) => files.extend(file),
                    // Whose file it is cannot be determined.
                    Err(error) => {
                        report.fail(Asset::file(kind, name), error);
                        self.incomplete.extend(self.sessions.values().map(|session| session.batch_id.clone()));
                    }
                }
            }
        }
        if !self.searched.is_empty() {
            let mut search = Search::new(scene.client, std::mem::take(&mut self.candidates));
            for kind in [FileKind::Image, FileKind::Video] {
                let trouble = match search.look(kind, |session| self.searched.contains(session)).await {
                    Ok((found, trouble)) => {
                        files.extend(found);
                        trouble
                    }
                    Err(error) => Some(error),
                };
                if let Some(error) = trouble {
                    let batches: BTreeSet<String> =
                        self.searched.iter().filter_map(|id| Some(self.sessions.get(id)?.batch_id.clone())).collect();
                    for batch in &batches {
                        report.fail(Asset::Batch(batch.clone()), error.clone());
                    }
                    self.incomplete.extend(batches);
                }
            }
        }
        files.sort_by(|one, other| one.asset.cmp(&other.asset));
        for file in files {
            let Some(session) = file.session_id.as_ref().and_then(|id| self.sessions.get(id)) else { continue };
            let items = session.item_id.map_or_else(Vec::new, |id| self.with_callers(id));
            let unended = items.iter().find(|item| !item.ended).map(|item| item.asset());
            let items = items.into_iter().map(|item| item.item_id).collect();
            self.files.push(Made { batch_id: session.batch_id.clone(), items, needed_by: unended, file });
        }
    }

    /// The item itself, and those that called its workflow, nearest first.
    fn with_callers(&self, item_id: i64) -> Vec<&Item> {
        let mut next = Some(item_id);
        let mut all = Vec::new();
        // Must end even if a server says that items call each other in circles.
        while all.len() < self.items.len()
            && let Some(item) = self.items.iter().find(|item| Some(item.item_id) == next)
        {
            all.push(item);
            next = item.parent_item_id;
        }
        all
    }

    /// The sessions of a batch.
    pub(super) fn sessions_of(&self, batch_id: &str) -> Vec<String> {
        let of_batch = |(id, session): (&String, &Session)| (session.batch_id == batch_id).then(|| id.clone());
        self.sessions.iter().filter_map(of_batch).collect()
    }
}

fn name_of(asset: &Asset, kind: FileKind) -> Option<&String> {
    match (asset, kind) {
        (Asset::Image(name), FileKind::Image) | (Asset::Video(name), FileKind::Video) => Some(name),
        _ => None,
    }
}

/// The images and videos that a value refers to.
fn files_in(value: &Value) -> HashSet<Asset> {
    let mut files = HashSet::new();
    scan(value, &mut String::new(), &mut |_, kind, name| {
        files.insert(Asset::file(kind, name.to_owned()));
    });
    files
}
