//! Deleting boards that the client created.

use std::collections::BTreeSet;

use super::{Scope, report::KeptBecause, run::Run, survey::gallery};
use crate::{
    assets::Asset,
    error::{Error, Result},
    media::FileKind,
};

impl Run<'_> {
    /// Deletes boards that the client created, if nothing of others is on them.
    pub(super) async fn boards(&mut self) {
        let mut boards = self.assets.boards.clone();
        if let Scope::Batch(_) = self.options.scope {
            let used = |id: &String| {
                self.survey.named.contains(id)
                    || self.survey.files.iter().any(|made| made.file.board_id.as_ref() == Some(id))
            };
            boards.retain(used);
        } else {
            boards.extend(self.unfinished_boards().await);
        }
        for id in boards {
            let asset = Asset::Board(id.clone());
            match self.board(&id).await {
                Ok(Some(because)) => self.report.keep(asset, because),
                Ok(None) => self.deleted(asset).await,
                Err(error) if error.is_not_found() => self.forget(asset).await,
                Err(error) => self.report.fail(asset, error),
            }
        }
    }

    /// Deletes a board, or says why not.
    async fn board(&self, id: &str) -> Result<Option<KeptBecause>> {
        let board = self.options.client.board(id);
        let asked = self.options.boards;
        let is_spared = self.options.spared.contains(&Asset::Board(id.to_owned()));
        if !asked || is_spared {
            return board.get().await.map(|_| Some(if asked { KeptBecause::Spared } else { KeptBecause::NotAsked }));
        }
        if let Some(item) = self.survey.needed.get(id) {
            return Ok(Some(KeptBecause::NeededBy(item.clone())));
        }
        if self.survey.undecided {
            return Ok(Some(KeptBecause::Undecided));
        }
        let unended = self.survey.items.iter().any(|item| !item.ended);
        if unended && !self.will_cancel() {
            return Ok(Some(KeptBecause::NotEnded));
        }
        let on_it = self.on_board(id).await?;
        let foreign = on_it.iter().filter(|asset| !self.own.contains(asset)).count();
        if foreign > 0 {
            return Ok(Some(KeptBecause::ForeignFiles(foreign)));
        }
        if !self.options.dry_run {
            board.delete().await?;
        }
        Ok(None)
    }

    async fn on_board(&self, id: &str) -> Result<BTreeSet<Asset>> {
        let client = &self.options.client;
        let images = client.board(id).image_names().await?.into_iter().map(|name| Asset::file(FileKind::Image, name));
        let videos = match gallery::names(client, FileKind::Video, gallery::Which::OnBoard(id)).await {
            Ok(videos) => videos,
            Err(error) if error.is_unsupported() => Vec::new(),
            Err(error) => return Err::<_, Error>(error),
        };
        Ok(images.chain(videos.into_iter().map(|name| Asset::file(FileKind::Video, name))).collect())
    }
}
