//! Carrying a clean-up out.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt as _;

use super::{
    BatchRef, Cleanup, CleanupReport, KeptBecause, Scope, UndeterminedBecause,
    survey::{
        Scene, Survey,
        gallery::{self, Records},
    },
};
use crate::{
    BulkOutcome, Submission,
    assets::{Asset, Assets, Settled, record::Record},
    error::{Error, Result},
    media::FileKind,
};

/// How many items are deleted at the same time.
const AT_ONCE: usize = 4;

impl Cleanup {
    pub(super) async fn run(self) -> Result<CleanupReport> {
        let mut report = CleanupReport { dry_run: self.dry_run, ..CleanupReport::default() };
        let changes = !self.dry_run;
        if changes {
            self.client.asset_log().must_be_writable()?;
        }
        // Also stops enqueueing the rest of a large batch.
        if let Some(submission) = self.submission.as_ref().filter(|_| self.cancel && changes)
            && let Err(error) = submission.cancel().await
        {
            report.fail(Asset::Batch(submission.batch_id().to_owned()), error);
        }
        let Settled { assets, doing } = self.client.asset_log().settled();
        let mut batches = self.batches(&assets);
        let log = self.client.asset_log();
        let unrecorded = match &self.scope {
            Scope::Recorded if assets.unreadable > 0 => {
                report.cannot_tell(log.ledger_asset(), UndeterminedBecause::UnreadableLines(assets.unreadable));
                None
            }
            Scope::Recorded => None,
            Scope::Batch(id) => {
                let is_known = assets.batches.iter().any(|batch| batch.batch_id == *id) || log.is_gone(id);
                // A ticket of another process names its items.
                let item_ids = || self.submission.as_ref().map(Submission::item_ids).unwrap_or_default();
                (!is_known).then(|| (id.as_str(), item_ids()))
            }
        };
        for doing in &doing {
            // Its end is not known yet, so neither is what there is to clean up.
            let is_concerned = match (&self.scope, &doing.what) {
                (Scope::Recorded, _) => true,
                (Scope::Batch(id), what) => *what == Asset::Batch(id.clone()),
            };
            if is_concerned {
                batches.retain(|batch| doing.what != Asset::Batch(batch.batch_id.clone()));
                report.keep(doing.what.clone(), KeptBecause::UnderWay);
            }
        }
        let mut counts = HashMap::new();
        if self.cancel && changes {
            self.wait_for_enqueues(&batches, &assets).await;
            counts = self.cancel_all(&batches, &mut report).await;
        }
        let queues = self.queues(&batches, &assets);
        let scene = Scene {
            client: &self.client,
            batches: &batches,
            assets: &assets,
            doing: &doing,
            queues: &queues,
            counts: &counts,
            unrecorded,
            patient: changes,
        };
        let survey = Survey::of(&scene, &mut report).await;
        let (gone, own) = (BTreeSet::new(), BTreeSet::new());
        let mut run = Run { options: &self, assets, batches, survey, report, gone, own, unwritten: false };
        let mut going = run.outputs();
        going.extend(run.uploads().await);
        run.delete(going).await;
        run.boards().await;
        run.items().await;
        run.settle().await;
        Ok(run.report)
    }
}

pub(super) struct Run<'a> {
    pub(super) options: &'a Cleanup,
    pub(super) assets: Assets,
    batches: Vec<BatchRef>,
    pub(super) survey: Survey,
    pub(super) report: CleanupReport,
    /// What is no longer on the server, or would not be.
    gone: BTreeSet<Asset>,
    /// Files that the batches made, or that this client uploaded.
    pub(super) own: BTreeSet<Asset>,
    /// Whether the report says that the ledger cannot be written.
    unwritten: bool,
}

impl Run<'_> {
    /// Whether this is a dry run of a clean-up that would cancel first.
    pub(super) fn will_cancel(&self) -> bool {
        self.options.dry_run && self.options.cancel
    }

    /// Files that runs made, and that are to be deleted.
    fn outputs(&mut self) -> Vec<Asset> {
        let mut going = Vec::new();
        for made in &self.survey.files {
            let file = &made.file;
            let asked = if file.is_intermediate { self.options.intermediates } else { self.options.outputs };
            self.own.insert(file.asset.clone());
            let needed_by = made.needed_by.clone().filter(|_| !self.will_cancel()).map(KeptBecause::NeededBy);
            match self.obstacle(&file.asset, file.starred, asked).or(needed_by) {
                Some(because) => self.report.keep(file.asset.clone(), because),
                None => going.push(file.asset.clone()),
            }
        }
        going
    }

    /// Why a file is not to be deleted.
    fn obstacle(&self, asset: &Asset, starred: bool, asked: bool) -> Option<KeptBecause> {
        let (Asset::Image(name) | Asset::Video(name)) = asset else { return None };
        if !asked {
            return Some(KeptBecause::NotAsked);
        }
        if self.options.spared.contains(asset) {
            return Some(KeptBecause::Spared);
        }
        if starred {
            return Some(KeptBecause::Starred);
        }
        if let Some(item) = self.survey.needed.get(name) {
            return Some(KeptBecause::NeededBy(item.clone()));
        }
        if let Some(item) = self.survey.shared.get(name).filter(|_| !self.assets.uploads.contains(asset)) {
            return Some(KeptBecause::SharedWith(item.clone()));
        }
        self.survey.undecided.then_some(KeptBecause::Undecided)
    }

    /// Files that the client uploaded, and that are to be deleted.
    async fn uploads(&mut self) -> Vec<Asset> {
        let mut uploads = self.assets.uploads.clone();
        if let Scope::Batch(_) = self.options.scope {
            uploads.retain(
                |asset| matches!(asset, Asset::Image(name) | Asset::Video(name) if self.survey.named.contains(name)),
            );
        } else {
            uploads.extend(self.unfinished_uploads().await);
        }
        self.own.extend(uploads.iter().cloned());
        let mut records = self.records(&uploads).await;
        // An item of this clean-up that goes on may still read them.
        let unended = self.survey.items.iter().find(|item| !item.ended).map(|item| item.asset());
        let unended = unended.filter(|_| !self.will_cancel());
        let mut going = Vec::new();
        for asset in uploads {
            let (Asset::Image(name) | Asset::Video(name)) = &asset else { continue };
            match records.remove(name) {
                Some(Ok(Some(file))) => match self.obstacle(&asset, file.starred, self.options.uploads) {
                    Some(because) => self.report.keep(asset, because),
                    None => match unended.clone().filter(|_| self.survey.named.contains(name)) {
                        Some(item) => self.report.keep(asset, KeptBecause::NeededBy(item)),
                        None => going.push(asset),
                    },
                },
                Some(Err(error)) => self.report.fail(asset, error),
                Some(Ok(None)) | None => self.forget(asset).await,
            }
        }
        going
    }

    async fn records(&self, assets: &[Asset]) -> Records {
        let names = |of: fn(&Asset) -> Option<&String>| assets.iter().filter_map(of).cloned().collect::<Vec<_>>();
        let images = names(|asset| if let Asset::Image(name) = asset { Some(name) } else { None });
        let videos = names(|asset| if let Asset::Video(name) = asset { Some(name) } else { None });
        let mut records = gallery::records(&self.options.client, FileKind::Image, &images).await;
        records.extend(gallery::records(&self.options.client, FileKind::Video, &videos).await);
        records
    }

    /// Records something, or says in the report that the ledger cannot be written. Says so once: a full disk takes none
    /// of what follows, either. The next clean-up finds out again what is not recorded.
    pub(super) async fn record(&mut self, record: Record) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let log = self.options.client.asset_log();
        let recorded = log.record(record).await;
        if let Err(error) = &recorded
            && !self.unwritten
        {
            self.unwritten = true;
            self.report.fail(log.ledger_asset(), error.clone());
        }
        recorded
    }

    /// Records what is so, whether or not it is recorded.
    pub(super) async fn note(&mut self, record: Record) {
        // The report has it.
        let _ = self.record(record).await;
    }

    /// Takes note that something is not on the server.
    pub(super) async fn forget(&mut self, asset: Asset) {
        self.note(Record::Gone { asset: asset.clone() }).await;
        self.gone.insert(asset);
    }

    pub(super) async fn deleted(&mut self, asset: Asset) {
        self.report.deleted.push(asset.clone());
        self.forget(asset).await;
    }

    /// Deletes files.
    async fn delete(&mut self, going: Vec<Asset>) {
        if self.options.dry_run {
            for asset in going {
                self.deleted(asset).await;
            }
            return;
        }
        let client = self.options.client.clone();
        let names = |of: fn(&Asset) -> Option<&String>| going.iter().filter_map(of).cloned().collect::<Vec<_>>();
        let images = names(|asset| if let Asset::Image(name) = asset { Some(name) } else { None });
        let videos = names(|asset| if let Asset::Video(name) = asset { Some(name) } else { None });
        if !images.is_empty() {
            let outcome = client.images().delete(images).await;
            self.settle_files(outcome, FileKind::Image).await;
        }
        if !videos.is_empty() {
            let outcome = client.videos().delete(videos).await;
            self.settle_files(outcome, FileKind::Video).await;
        }
    }

    async fn settle_files(&mut self, outcome: BulkOutcome, kind: FileKind) {
        for name in outcome.done {
            self.deleted(Asset::file(kind, name)).await;
        }
        // The server passes over names that it does not have, and those whose files it will not delete.
        for (name, record) in gallery::records(&self.options.client, kind, &outcome.skipped).await {
            let asset = Asset::file(kind, name);
            match record {
                Ok(None) => self.forget(asset).await,
                Ok(Some(_)) => self.not_deleted(asset, None),
                Err(error) => self.not_deleted(asset, Some(error)),
            }
        }
        for failure in outcome.failed {
            self.not_deleted(Asset::file(kind, failure.name), failure.error);
        }
    }

    fn not_deleted(&mut self, asset: Asset, error: Option<Error>) {
        let no_reason = || Error::refused(format!("to delete {asset}"), None);
        let error = error.unwrap_or_else(no_reason);
        self.report.fail(asset, error);
    }

    /// Deletes items that have ended, one by one.
    async fn items(&mut self) {
        let mut unremembered = HashMap::new();
        if self.options.items {
            // Without its items, nothing else leads to what a batch made.
            for batch in self.batches.clone() {
                if let Err(error) = self.remember_sessions(&batch.batch_id).await {
                    unremembered.insert(batch.batch_id, error);
                }
            }
        }
        let not_deleted: BTreeSet<&Asset> = self.report.failed.iter().map(|failure| &failure.asset).collect();
        let mut leads_to = HashMap::new();
        for made in self.survey.files.iter().filter(|made| not_deleted.contains(&made.file.asset)) {
            leads_to.extend(made.items.iter().map(|item| (*item, made.file.asset.clone())));
        }
        let mut going = Vec::new();
        for item in &self.survey.items {
            let asset = item.asset();
            match (self.options.items, item.ended || self.will_cancel()) {
                (true, true) if unremembered.contains_key(&item.batch_id) => {
                    self.report.fail(asset, unremembered[&item.batch_id].clone());
                }
                (false, _) => self.report.keep(asset, KeptBecause::NotAsked),
                (true, false) => self.report.keep(asset, KeptBecause::NotEnded),
                (true, true) if leads_to.contains_key(&item.item_id) => {
                    self.report.keep(asset, KeptBecause::LeadsTo(leads_to[&item.item_id].clone()));
                }
                (true, true) => going.push((asset, item.queue_id.clone(), item.item_id)),
            }
        }
        let (client, dry_run) = (&self.options.client, self.options.dry_run);
        let outcomes: Vec<_> = futures::stream::iter(going)
            .map(|(asset, queue_id, item_id)| async move {
                let outcome = if dry_run { Ok(()) } else { client.queue(queue_id).delete_item(item_id).await };
                (asset, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (asset, outcome) in outcomes {
            match outcome {
                Ok(()) => self.deleted(asset).await,
                Err(error) if error.is_not_found() => self.forget(asset).await,
                Err(error) => self.report.fail(asset, error),
            }
        }
    }

    /// Records the sessions of a batch, and the files that are left of them if all are known.
    async fn remember_sessions(&mut self, batch_id: &str) -> Result<()> {
        let sessions = self.survey.sessions_of(batch_id);
        let items = self.survey.items.iter().filter(|item| item.batch_id == batch_id);
        let item_ids: Vec<i64> = items.clone().filter(|item| item.ended).map(|item| item.item_id).collect();
        if sessions.is_empty() {
            return Ok(());
        }
        let is_complete = !self.survey.incomplete.contains(batch_id) && items.clone().all(|item| item.ended);
        let files = is_complete.then(|| {
            let made = self.survey.files.iter().filter(|made| made.batch_id == batch_id);
            made.map(|made| made.file.asset.clone()).filter(|asset| !self.gone.contains(asset)).collect()
        });
        self.record(Record::Sessions { batch_id: batch_id.to_owned(), sessions, item_ids, files }).await
    }

    /// Takes note of batches of which nothing is left.
    async fn settle(&mut self) {
        let mut left: BTreeSet<&String> = self.survey.incomplete.iter().collect();
        let items = self.survey.items.iter().map(|item| (&item.batch_id, item.asset()));
        let files = self.survey.files.iter().map(|made| (&made.batch_id, made.file.asset.clone()));
        left.extend(items.chain(files).filter(|(_, asset)| !self.gone.contains(asset)).map(|(batch, _)| batch));
        let mut batches = self.batches.clone();
        batches.retain(|batch| !left.contains(&batch.batch_id));
        for BatchRef { batch_id, .. } in batches {
            self.note(Record::BatchGone { batch_id }).await;
        }
    }
}
