//! Carrying a clean-up out.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep};

use super::{Cleanup, CleanupReport, KeptBecause, Scope, survey::Survey};
use crate::{
    BatchOutcome, Client,
    assets::{Asset, Assets, record::Record},
    error::{Error, Result},
    images::ImageOrigin,
    outputs::FileKind,
};

/// So long canceled items are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// So long the node is waited for that ran when an item was canceled.
const PATIENCE_WITH_NODE: Duration = Duration::from_secs(15);

/// How often to look.
const PAUSE: Duration = Duration::from_millis(200);

/// So many items are deleted at the same time.
const AT_ONCE: usize = 4;

impl Cleanup {
    pub(super) async fn run(self) -> Result<CleanupReport> {
        if !self.dry_run {
            self.client.asset_log().must_be_writable()?;
        }
        let assets = self.client.asset_log().settled();
        let batches = self.batches(&assets);
        let mut report = CleanupReport { dry_run: self.dry_run, ..CleanupReport::default() };
        if self.cancel && !self.dry_run {
            self.cancel_all(&batches, &mut report).await;
        }
        let survey = Survey::of(&self.client, &batches, &assets, &mut report).await;
        let mut run =
            Run { options: &self, assets, batches, survey, report, gone: BTreeSet::new(), own: BTreeSet::new() };
        let mut going = run.outputs();
        going.extend(run.uploads().await?);
        run.delete(going).await?;
        run.boards().await?;
        run.items().await?;
        run.settle().await?;
        Ok(run.report)
    }

    /// Cancels what has not ended, and waits until it has.
    async fn cancel_all(&self, batches: &[(String, String)], report: &mut CleanupReport) {
        // Also stops enqueueing the rest of a large batch.
        if let Some(submission) = &self.submission
            && let Err(error) = submission.cancel().await
        {
            report.fail(Asset::Batch(submission.batch_id().to_owned()), error);
        }
        for (queue_id, batch_id) in batches {
            if let Err(error) = cancel_batch(&self.client, queue_id, batch_id).await {
                report.fail(Asset::Batch(batch_id.clone()), error);
            }
        }
    }
}

async fn cancel_batch(client: &Client, queue_id: &str, batch_id: &str) -> Result<()> {
    let queue = client.queue(queue_id);
    let before = queue.batch_status(batch_id).await?.counts;
    if before.ended() == before.total {
        return Ok(());
    }
    queue.cancel_batches([batch_id]).await?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let counts = queue.batch_status(batch_id).await?.counts;
        if counts.ended() == counts.total {
            break;
        }
        sleep(PAUSE).await;
    }
    // An item counts as canceled at once, but the node that runs goes on to its end, and may save.
    let deadline = Instant::now() + PATIENCE_WITH_NODE;
    while before.in_progress > 0 && Instant::now() < deadline {
        let status = queue.status().await?;
        if !status.processor.is_processing || status.queue.item_id.is_some() {
            break;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

struct Run<'a> {
    options: &'a Cleanup,
    assets: Assets,
    batches: Vec<(String, String)>,
    survey: Survey,
    report: CleanupReport,
    /// What is not on the server any more, or would not be.
    gone: BTreeSet<Asset>,
    /// Files of this clean-up's making.
    own: BTreeSet<Asset>,
}

impl Run<'_> {
    /// Files that runs made, and that are to go.
    fn outputs(&mut self) -> Vec<Asset> {
        let mut going = Vec::new();
        for file in std::mem::take(&mut self.survey.files) {
            let asked = if file.is_intermediate { self.options.intermediates } else { self.options.outputs };
            self.own.insert(file.asset.clone());
            match self.obstacle(&file.asset, file.starred, asked) {
                Some(because) => self.report.keep(file.asset.clone(), because),
                None => going.push(file.asset.clone()),
            }
            self.survey.files.push(file);
        }
        going
    }

    /// Why a file is not to go.
    fn obstacle(&self, asset: &Asset, starred: bool, asked: bool) -> Option<KeptBecause> {
        let (Asset::Image(name) | Asset::Video(name)) = asset else { return None };
        if !asked {
            return Some(KeptBecause::NotAsked);
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

    /// Files that the client uploaded, and that are to go.
    async fn uploads(&mut self) -> Result<Vec<Asset>> {
        let mut uploads = self.assets.uploads.clone();
        if let Scope::Batch(_) = self.options.scope {
            uploads.retain(
                |asset| matches!(asset, Asset::Image(name) | Asset::Video(name) if self.survey.named.contains(name)),
            );
        } else {
            uploads.extend(self.unfinished_uploads().await?);
        }
        self.own.extend(uploads.iter().cloned());
        let stars = self.stars(&uploads).await;
        // An item of this clean-up that goes on reads them still.
        let unended = self.survey.items.iter().find(|item| !item.ended).map(|item| item.asset());
        let unended = unended.filter(|_| !(self.options.dry_run && self.options.cancel));
        let mut going = Vec::new();
        for asset in uploads {
            let (Asset::Image(name) | Asset::Video(name)) = &asset else { continue };
            match stars.get(&asset) {
                Some(Ok(Some(starred))) => match self.obstacle(&asset, *starred, self.options.uploads) {
                    Some(because) => self.report.keep(asset, because),
                    None => match unended.clone().filter(|_| self.survey.named.contains(name)) {
                        Some(item) => self.report.keep(asset, KeptBecause::NeededBy(item)),
                        None => going.push(asset),
                    },
                },
                Some(Err(error)) => self.report.fail(asset, error.clone()),
                Some(Ok(None)) | None => self.forget(asset).await?,
            }
        }
        Ok(going)
    }

    /// Whether these are starred; `None` if the server does not have them.
    async fn stars(&self, assets: &[Asset]) -> HashMap<Asset, Result<Option<bool>>> {
        let mut stars = HashMap::new();
        let images: Vec<&String> =
            assets.iter().filter_map(|asset| if let Asset::Image(name) = asset { Some(name) } else { None }).collect();
        if !images.is_empty() {
            match self.options.client.images().get_many(images.iter().copied()).await {
                Ok(found) => {
                    // A record that cannot be read does not say whose it is: nothing that is missing counts as gone.
                    if let Some(Err(error)) = found.iter().find(|image| image.is_err()) {
                        stars.extend(images.iter().map(|name| (Asset::Image((*name).clone()), Err(error.clone()))));
                    }
                    for image in found.into_iter().flatten() {
                        stars.insert(Asset::Image(image.image_name), Ok(Some(image.starred)));
                    }
                }
                Err(error) => {
                    stars.extend(images.into_iter().map(|name| (Asset::Image(name.clone()), Err(error.clone()))))
                }
            }
        }
        for asset in assets {
            if let Asset::Video(name) = asset {
                let found = self.options.client.video(name).find().await;
                stars.insert(asset.clone(), found.map(|video| video.map(|video| video.starred)));
            }
        }
        stars
    }

    /// Looks for files whose upload was interrupted, by the sessions under which they were sent.
    async fn unfinished_uploads(&mut self) -> Result<Vec<Asset>> {
        let mut found = Vec::new();
        let unfinished = self.assets.unfinished_uploads.clone();
        if unfinished.is_empty() {
            return Ok(found);
        }
        let client = &self.options.client;
        let images = client.images().list().origin(ImageOrigin::External).limit(500).stream();
        let images = images.map_ok(|image| (Asset::Image(image.image_name), image.session_id));
        let videos = client.videos().list().limit(500).stream();
        let videos = videos.map_ok(|video| (Asset::Video(video.video_name), video.session_id));
        let wanted = |kind| unfinished.iter().any(|upload| upload.kind == kind);
        let mut sessions: HashMap<String, Asset> = HashMap::new();
        let mut failure = None;
        if wanted(FileKind::Image) {
            failure = collect(images, &mut sessions).await.err();
        }
        if wanted(FileKind::Video) {
            failure = failure.or(collect(videos, &mut sessions).await.err());
        }
        for upload in unfinished {
            let named = Asset::UnfinishedUpload(upload.file.clone());
            match (&upload.session_id, &failure) {
                (None, _) => self.report.keep(named, KeptBecause::Untraceable),
                (Some(id), _) if sessions.contains_key(id) => {
                    let asset = sessions[id].clone();
                    let (kind, id) = (upload.kind.into(), upload.id);
                    let (Asset::Image(name) | Asset::Video(name)) = &asset else { continue };
                    if !self.options.dry_run {
                        self.record(Record::Uploaded { id, kind, name: name.clone() }).await?;
                    }
                    found.push(asset);
                }
                (Some(_), Some(error)) => self.report.fail(named, error.clone()),
                (Some(_), None) => self.record(Record::Refused { id: upload.id }).await?,
            }
        }
        Ok(found)
    }

    async fn record(&self, record: Record) -> Result<()> {
        match self.options.dry_run {
            true => Ok(()),
            false => self.options.client.asset_log().record(record).await,
        }
    }

    /// Takes note that something is not on the server.
    async fn forget(&mut self, asset: Asset) -> Result<()> {
        self.record(Record::Gone { asset: asset.clone() }).await?;
        self.gone.insert(asset);
        Ok(())
    }

    async fn deleted(&mut self, asset: Asset) -> Result<()> {
        self.report.deleted.push(asset.clone());
        self.forget(asset).await
    }

    /// Deletes files.
    async fn delete(&mut self, going: Vec<Asset>) -> Result<()> {
        if self.options.dry_run {
            for asset in going {
                self.deleted(asset).await?;
            }
            return Ok(());
        }
        let client = self.options.client.clone();
        let names = |of: fn(&Asset) -> Option<&String>| going.iter().filter_map(of).cloned().collect::<Vec<_>>();
        let images = names(|asset| if let Asset::Image(name) = asset { Some(name) } else { None });
        let videos = names(|asset| if let Asset::Video(name) = asset { Some(name) } else { None });
        if !images.is_empty() {
            let outcome = client.images().delete(images).await;
            self.settle_files(outcome, Asset::Image).await?;
        }
        if !videos.is_empty() {
            let outcome = client.videos().delete(videos).await;
            self.settle_files(outcome, Asset::Video).await?;
        }
        Ok(())
    }

    async fn settle_files(&mut self, outcome: BatchOutcome, asset: fn(String) -> Asset) -> Result<()> {
        for name in outcome.done {
            self.deleted(asset(name)).await?;
        }
        for name in outcome.skipped {
            self.forget(asset(name)).await?;
        }
        for failure in outcome.failed {
            let error = failure
                .error
                .unwrap_or_else(|| Error::invalid(&failure.name, "could not be deleted; the server gave no reason"));
            self.report.fail(asset(failure.name), error);
        }
        Ok(())
    }

    /// Deletes boards that the client made, if nothing of others is on them.
    async fn boards(&mut self) -> Result<()> {
        let mut boards = self.assets.boards.clone();
        if let Scope::Batch(_) = self.options.scope {
            let used = |id: &String| {
                self.survey.named.contains(id)
                    || self.survey.files.iter().any(|file| file.board_id.as_ref() == Some(id))
            };
            boards.retain(used);
        } else {
            boards.extend(self.unfinished_boards().await?);
        }
        for id in boards {
            let asset = Asset::Board(id.clone());
            match self.board(&id).await {
                Ok(Some(because)) => self.report.keep(asset, because),
                Ok(None) => self.deleted(asset).await?,
                Err(error) if error.is_not_found() => self.forget(asset).await?,
                Err(error) => self.report.fail(asset, error),
            }
        }
        Ok(())
    }

    /// Deletes a board, or says why not.
    async fn board(&self, id: &str) -> Result<Option<KeptBecause>> {
        let board = self.options.client.board(id);
        if !self.options.boards {
            return board.get().await.map(|_| Some(KeptBecause::NotAsked));
        }
        if let Some(item) = self.survey.needed.get(id) {
            return Ok(Some(KeptBecause::NeededBy(item.clone())));
        }
        let unended = self.survey.items.iter().any(|item| !item.ended);
        if unended && !(self.options.dry_run && self.options.cancel) {
            return Ok(Some(KeptBecause::NotEnded));
        }
        let mut on_it: Vec<Asset> = board.image_names().await?.into_iter().map(Asset::Image).collect();
        let videos = self.options.client.videos().list().board(id).limit(500).stream();
        match videos.map_ok(|video| Asset::Video(video.video_name)).try_collect::<Vec<_>>().await {
            Ok(videos) => on_it.extend(videos),
            Err(error) if error.is_unsupported() => {}
            Err(error) => return Err(error),
        }
        let foreign = on_it.iter().filter(|asset| !self.own.contains(asset)).count();
        if foreign > 0 {
            return Ok(Some(KeptBecause::ForeignFiles(foreign)));
        }
        if !self.options.dry_run {
            board.delete().await?;
        }
        Ok(None)
    }

    /// Looks for boards of which it is not known whether they were made: the only one of its name is it, for it was to be
    /// made because there was none.
    async fn unfinished_boards(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for board in self.assets.unfinished_boards.clone() {
            match self.options.client.boards().find(&board.name).await {
                Ok(Some(made)) => {
                    self.record(Record::CreatedBoard { id: board.id, board_id: made.board_id.clone() }).await?;
                    found.push(made.board_id);
                }
                Ok(None) => self.record(Record::Refused { id: board.id }).await?,
                Err(error) => self.report.fail(Asset::Board(board.name), error),
            }
        }
        Ok(found)
    }

    /// Deletes items that have ended, one by one.
    async fn items(&mut self) -> Result<()> {
        if self.options.items && !self.options.dry_run {
            // Without its items, nothing else leads to what a batch made.
            for (_, batch_id) in self.batches.clone() {
                let sessions = self.survey.sessions_of(&batch_id);
                let since = self.survey.since.clone();
                if !sessions.is_empty() {
                    self.record(Record::Sessions { batch_id, sessions, since }).await?;
                }
            }
        }
        let mut going = Vec::new();
        for item in &self.survey.items {
            let asset = item.asset();
            let ended = item.ended || (self.options.dry_run && self.options.cancel);
            match (self.options.items, ended) {
                (false, _) => self.report.keep(asset, KeptBecause::NotAsked),
                (true, false) => self.report.keep(asset, KeptBecause::NotEnded),
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
                Ok(()) => self.deleted(asset).await?,
                Err(error) if error.is_not_found() => self.forget(asset).await?,
                Err(error) => self.report.fail(asset, error),
            }
        }
        Ok(())
    }

    /// Takes note of batches of which nothing is left.
    async fn settle(&mut self) -> Result<()> {
        if self.survey.incomplete {
            return Ok(());
        }
        for (_, batch_id) in &self.batches {
            let items = self.survey.items.iter().filter(|item| item.batch_id == *batch_id).map(|item| item.asset());
            let files = self.survey.files.iter().filter(|file| file.batch_id == *batch_id);
            let mut all = items.chain(files.map(|file| file.asset.clone()));
            if all.all(|asset| self.gone.contains(&asset)) {
                self.record(Record::BatchGone { batch_id: batch_id.clone() }).await?;
            }
        }
        Ok(())
    }
}

/// Files by the sessions under which they were uploaded.
async fn collect(
    files: impl futures::Stream<Item = Result<(Asset, Option<String>)>>,
    sessions: &mut HashMap<String, Asset>,
) -> Result<()> {
    let mut files = std::pin::pin!(files);
    while let Some((asset, session)) = files.try_next().await? {
        sessions.extend(session.map(|session| (session, asset)));
    }
    Ok(())
}
