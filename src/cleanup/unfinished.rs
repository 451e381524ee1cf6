//! Uploads and boards that may or may not be on the server.

use std::collections::HashMap;

use tokio::time::{Instant, sleep_until};

use super::{
    PAUSE,
    report::UndeterminedBecause,
    run::Run,
    survey::gallery::{File, Search},
};
use crate::{
    assets::{Asset, UnfinishedBoard, UnfinishedUpload, record::Record},
    error::Error,
    media::FileKind,
};

/// Result of a search for uploads: files by their sessions, and what kept the search from being complete.
#[derive(Default)]
struct Look {
    files: HashMap<String, Asset>,
    troubles: HashMap<FileKind, Error>,
}

impl Run<'_> {
    /// Looks for files whose upload was interrupted, by the sessions under which they were sent.
    pub(super) async fn unfinished_uploads(&mut self) -> Vec<Asset> {
        let client = self.options.client.clone();
        let mut search = Search::of_uploads(&client);
        let mut open = Vec::new();
        for upload in self.assets.unfinished_uploads.clone() {
            match upload.session_id {
                Some(_) => open.push(upload),
                None => self.report.cannot_tell(Asset::UnfinishedUpload(upload.file), UndeterminedBecause::NoMark),
            }
        }
        let mut arrived = Vec::new();
        while !open.is_empty() {
            // Files that come after this moment may be missed by this search.
            let looked = Instant::now();
            let mut look = look_for(&mut search, &open).await;
            let mut later = Vec::new();
            for upload in open {
                let asset = Asset::UnfinishedUpload(upload.file.clone());
                let file = upload.session_id.as_ref().and_then(|session| look.files.remove(session));
                if let Some(file) = file {
                    self.uploaded(upload, &file).await;
                    arrived.push(file);
                } else if let Some(error) = look.troubles.get(&upload.kind) {
                    self.report.fail(asset, error.clone());
                } else if !self.may_arrive_after(&upload.id, looked) {
                    self.note(Record::Refused { id: upload.id }).await;
                } else if self.options.dry_run {
                    self.report.cannot_tell(asset, UndeterminedBecause::MayStillArrive);
                } else {
                    later.push(upload);
                }
            }
            open = later;
            if !open.is_empty() {
                sleep_until(looked + 5 * PAUSE).await;
            }
        }
        arrived
    }

    async fn uploaded(&mut self, upload: UnfinishedUpload, file: &Asset) {
        let (Asset::Image(name) | Asset::Video(name)) = file else { return };
        self.note(Record::Uploaded { id: upload.id, kind: upload.kind, name: name.clone() }).await;
    }

    /// Whether what was asked for may still be carried out after this moment.
    fn may_arrive_after(&self, id: &str, moment: Instant) -> bool {
        let patience = self.options.client.transport().options().lost_answer_patience;
        self.options.client.asset_log().may_arrive_until(id, patience).is_some_and(|until| until > moment)
    }

    /// Looks for boards whose creation was interrupted, by the names under which they were created.
    pub(super) async fn unfinished_boards(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for board in self.assets.unfinished_boards.clone() {
            found.extend(self.unfinished_board(board).await);
        }
        found
    }

    async fn unfinished_board(&mut self, UnfinishedBoard { id, name, marker }: UnfinishedBoard) -> Option<String> {
        let boards = self.options.client.boards();
        let asset = Asset::UnfinishedBoard(name.clone());
        loop {
            let looked = Instant::now();
            match boards.marked(marker.as_ref().unwrap_or(&name)).await {
                Ok(Some(board)) if marker.is_some() => {
                    self.note(Record::CreatedBoard { id, board_id: board.board_id.clone() }).await;
                    return Some(board.board_id);
                }
                // Others may have a board of this name, too.
                Ok(Some(_)) => self.report.cannot_tell(asset, UndeterminedBecause::OnlyItsName),
                Ok(None) if !self.may_arrive_after(&id, looked) => self.note(Record::Refused { id }).await,
                Ok(None) if self.options.dry_run => {
                    self.report.cannot_tell(asset, UndeterminedBecause::MayStillArrive);
                }
                Ok(None) => {
                    sleep_until(looked + 5 * PAUSE).await;
                    continue;
                }
                Err(error) => self.report.fail(asset, error),
            }
            return None;
        }
    }
}

async fn look_for(search: &mut Search<'_>, uploads: &[UnfinishedUpload]) -> Look {
    let mut look = Look::default();
    for kind in [FileKind::Image, FileKind::Video] {
        let wanted = || uploads.iter().filter(|upload| upload.kind == kind).filter_map(|one| one.session_id.as_deref());
        if wanted().next().is_none() {
            continue;
        }
        match search.look(kind, |session| wanted().any(|one| one == session)).await {
            Ok((files, trouble)) => {
                let files = files.into_iter().filter_map(|File { asset, session_id, .. }| Some((session_id?, asset)));
                look.files.extend(files);
                look.troubles.extend(trouble.map(|error| (kind, error)));
            }
            Err(error) => {
                look.troubles.insert(kind, error);
            }
        }
    }
    look
}
