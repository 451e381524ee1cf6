//! Records of what this client created, and what they add up to.

use std::collections::HashSet;

use serde::Serialize;

use super::{Asset, Assets, Batch, UnfinishedBoard, UnfinishedUpload};
use crate::media::FileKind;

/// One line of a ledger. What may leave something on the server is recorded before it is sent, and again after.
///
/// Lines of kinds that this version does not know are skipped.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first record of every ledger: which server all this is on, and which edition of the format it is. Ledgers
    /// without an edition are of the first one.
    Server {
        url: String,
        version: u32,
    },
    /// A file is about to be uploaded, under this session.
    Uploading {
        id: String,
        session_id: Option<String>,
        kind: FileKind,
        file: String,
    },
    /// The server has it under this name.
    Uploaded {
        id: String,
        kind: FileKind,
        name: String,
    },
    /// A board is about to be created, under a name that no other board can have.
    CreatingBoard {
        id: String,
        name: String,
        marker: Option<String>,
    },
    /// The server has it under this id.
    CreatedBoard {
        id: String,
        board_id: String,
    },
    /// What was about to be done was not done.
    Refused {
        id: String,
    },
    /// A batch, or a part of one, is about to be enqueued.
    Enqueuing {
        queue_id: String,
        batch_id: String,
    },
    /// The server has answered, and these are the new items.
    Enqueued {
        batch_id: String,
        item_ids: Vec<i64>,
    },
    /// Sessions of a batch, and their items, which are about to be deleted. `files`: what is left of them on the
    /// server, where all of that is known.
    Sessions {
        batch_id: String,
        sessions: Vec<String>,
        item_ids: Vec<i64>,
        files: Option<Vec<Asset>>,
    },
    /// It is no longer on the server.
    Gone {
        asset: Asset,
    },
    /// Nothing of this batch is left, or it was not enqueued.
    BatchGone {
        batch_id: String,
    },
    Unknown,
}

crate::json::tagged::tagged! {
    Record by "record" {
        "server" => Server { 0 url, 1 version default(first_edition()) },
        "uploading" => Uploading { 0 id, 1 session_id nullable, 2 kind, 3 file },
        "uploaded" => Uploaded { 0 id, 1 kind, 2 name },
        "creating_board" => CreatingBoard { 0 id, 1 name, 2 marker nullable },
        "created_board" => CreatedBoard { 0 id, 1 board_id },
        "refused" => Refused { 0 id },
        "enqueuing" => Enqueuing { 0 queue_id, 1 batch_id },
        "enqueued" => Enqueued { 0 batch_id, 1 item_ids default },
        "sessions" => Sessions { 0 batch_id, 1 sessions, 2 item_ids default, 3 files default },
        "gone" => Gone { 0 asset },
        "batch_gone" => BatchGone { 0 batch_id },
    } else Unknown
}

/// The edition of ledgers that this version writes. New kinds of records need no new edition: versions that do not know
/// them skip them.
pub(crate) const EDITION: u32 = 1;

fn first_edition() -> u32 {
    1
}

impl Assets {
    /// Takes a record into account.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Server { .. } | Record::Unknown => {}
            Record::Uploading { id, session_id, kind, file } => {
                self.unfinished_uploads.push(UnfinishedUpload { id, session_id, kind, file });
            }
            Record::Uploaded { id, kind, name } => {
                self.forget(&id);
                let asset = Asset::file(kind, name);
                if !self.uploads.contains(&asset) {
                    self.uploads.push(asset);
                }
            }
            Record::CreatingBoard { id, name, marker } => {
                self.unfinished_boards.push(UnfinishedBoard { id, name, marker });
            }
            Record::CreatedBoard { id, board_id } => {
                self.forget(&id);
                if !self.boards.contains(&board_id) {
                    self.boards.push(board_id);
                }
            }
            Record::Refused { id } => self.forget(&id),
            Record::Enqueuing { queue_id, batch_id } => {
                // A large batch is enqueued in pieces.
                match self.batch(&batch_id) {
                    Some(batch) => (batch.announced, batch.answered) = (true, false),
                    None => self.batches.push(Batch::new(queue_id, batch_id)),
                }
            }
            Record::Enqueued { batch_id, item_ids } => {
                if let Some(batch) = self.batch(&batch_id) {
                    (batch.announced, batch.answered) = (false, true);
                    batch.item_ids.extend(item_ids);
                }
            }
            Record::Sessions { batch_id, sessions, item_ids, files } => {
                if let Some(batch) = self.batch(&batch_id) {
                    batch.add_sessions(sessions, &item_ids, files);
                }
            }
            Record::Gone { asset } => match &asset {
                Asset::Board(board_id) => self.boards.retain(|known| known != board_id),
                Asset::Image(_) | Asset::Video(_) => self.uploads.retain(|known| *known != asset),
                _ => {}
            },
            Record::BatchGone { batch_id } => self.batches.retain(|batch| batch.batch_id != batch_id),
        }
    }

    pub(crate) fn batch(&mut self, id: &str) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.batch_id == id)
    }

    fn forget(&mut self, id: &str) {
        self.unfinished_uploads.retain(|upload| upload.id != id);
        self.unfinished_boards.retain(|board| board.id != id);
    }
}

impl Batch {
    fn new(queue_id: String, batch_id: String) -> Self {
        Self {
            queue_id,
            batch_id,
            sessions: Vec::new(),
            announced: true,
            answered: false,
            item_ids: HashSet::new(),
            unsearched: HashSet::new(),
            files: Vec::new(),
        }
    }

    fn add_sessions(&mut self, sessions: Vec<String>, item_ids: &[i64], files: Option<Vec<Asset>>) {
        for item_id in item_ids {
            self.item_ids.remove(item_id);
        }
        match files {
            Some(files) => {
                self.files.extend(files);
                for session in &sessions {
                    self.unsearched.remove(session);
                }
            }
            None => self.unsearched.extend(sessions.iter().cloned()),
        }
        let known: HashSet<&String> = self.sessions.iter().collect();
        let new: Vec<String> = sessions.into_iter().filter(|id| !known.contains(id)).collect();
        self.sessions.extend(new);
    }
}
