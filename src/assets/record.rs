//! Records of what this client made, and what they add up to.

use serde::{Deserialize, Serialize};

use super::{Asset, Assets, Batch, UnfinishedBoard, UnfinishedUpload};
use crate::outputs::FileKind;

/// One line of a ledger. What may leave something on the server is recorded before it is sent, and again after.
///
/// Lines of kinds that this version does not know are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first record of every ledger: which server all this is on, and which edition of the format it is. Ledgers
    /// without an edition are of the first one.
    Server {
        url: String,
        #[serde(default = "first_edition")]
        version: u32,
    },
    /// A file is about to be uploaded, under this session.
    Uploading { id: String, session_id: Option<String>, kind: Kind, file: String },
    /// The server has it under this name.
    Uploaded { id: String, kind: Kind, name: String },
    /// A board is about to be made.
    CreatingBoard { id: String, name: String },
    /// The server has it under this id.
    CreatedBoard { id: String, board_id: String },
    /// What was about to be done was not done.
    Refused { id: String },
    /// A batch is about to be enqueued.
    Enqueuing { queue_id: String, batch_id: String },
    /// Sessions of a batch, whose items are about to be deleted. `since`: when the first was enqueued.
    Sessions { batch_id: String, sessions: Vec<String>, since: Option<String> },
    /// It is not on the server any more.
    Gone { asset: Asset },
    /// Nothing of this batch is left, or it was not enqueued.
    BatchGone { batch_id: String },
    #[serde(other)]
    Unknown,
}

/// The edition of ledgers that this version writes. Records of new kinds need no new one: they are passed over by those
/// that do not know them.
pub(crate) const EDITION: u32 = 1;

fn first_edition() -> u32 {
    1
}

/// As [`FileKind`], in a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Image,
    Video,
}

impl From<FileKind> for Kind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Image => Self::Image,
            FileKind::Video => Self::Video,
        }
    }
}

impl Kind {
    fn asset(self, name: String) -> Asset {
        match self {
            Self::Image => Asset::Image(name),
            Self::Video => Asset::Video(name),
        }
    }
}

impl Assets {
    /// Takes a record into account.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Server { .. } | Record::Unknown => {}
            Record::Uploading { id, session_id, kind, file } => {
                let kind = if kind == Kind::Image { FileKind::Image } else { FileKind::Video };
                self.unfinished_uploads.push(UnfinishedUpload { id, session_id, kind, file });
            }
            Record::Uploaded { id, kind, name } => {
                self.forget(&id);
                let asset = kind.asset(name);
                if !self.uploads.contains(&asset) {
                    self.uploads.push(asset);
                }
            }
            Record::CreatingBoard { id, name } => self.unfinished_boards.push(UnfinishedBoard { id, name }),
            Record::CreatedBoard { id, board_id } => {
                self.forget(&id);
                if !self.boards.contains(&board_id) {
                    self.boards.push(board_id);
                }
            }
            Record::Refused { id } => self.forget(&id),
            Record::Enqueuing { queue_id, batch_id } => {
                // A large batch is enqueued in pieces.
                if !self.batches.iter().any(|batch| batch.batch_id == batch_id) {
                    self.batches.push(Batch { queue_id, batch_id, sessions: Vec::new(), since: None });
                }
            }
            Record::Sessions { batch_id, sessions, since } => {
                if let Some(batch) = self.batches.iter_mut().find(|batch| batch.batch_id == batch_id) {
                    batch
                        .sessions
                        .extend(sessions.into_iter().filter(|id| !batch.sessions.contains(id)).collect::<Vec<_>>());
                    batch.since = match (batch.since.take(), since) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
            }
            Record::Gone { asset } => match &asset {
                Asset::Board(board_id) => self.boards.retain(|known| known != board_id),
                Asset::Image(_) | Asset::Video(_) => self.uploads.retain(|known| *known != asset),
                Asset::Item { .. } | Asset::Batch(_) | Asset::UnfinishedUpload(_) => {}
            },
            Record::BatchGone { batch_id } => self.batches.retain(|batch| batch.batch_id != batch_id),
        }
    }

    fn forget(&mut self, id: &str) {
        self.unfinished_uploads.retain(|upload| upload.id != id);
        self.unfinished_boards.retain(|board| board.id != id);
    }
}
