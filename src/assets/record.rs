//! Records of what this client created, and what they add up to.

use std::collections::{HashSet, VecDeque};

use serde::Serialize;

use super::{Asset, Assets, Batch, UnfinishedBoard, UnfinishedUpload, in_order::InOrder};
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
    /// The server has answered, and these are the new items. Ledgers of the first versions do not repeat the queue.
    Enqueued {
        batch_id: String,
        item_ids: Vec<i64>,
        queue_id: Option<String>,
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
        "enqueued" => Enqueued { 0 batch_id, 1 item_ids default, 2 queue_id default },
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

/// The queue of whoever names none.
pub(crate) const DEFAULT_QUEUE: &str = "default";

/// How many batches of which nothing is left are remembered.
const GONE: usize = 1000;

/// What records add up to.
#[derive(Debug, Default)]
pub(crate) struct Records {
    uploads: InOrder<Asset, Asset>,
    boards: InOrder<String, String>,
    batches: InOrder<String, Batch>,
    unfinished_uploads: InOrder<String, UnfinishedUpload>,
    unfinished_boards: InOrder<String, UnfinishedBoard>,
    /// Batches of which nothing is left, the last ones.
    gone: VecDeque<String>,
    unreadable: usize,
}

impl Records {
    pub(crate) fn assets(&self) -> Assets {
        Assets {
            uploads: self.uploads(),
            boards: self.boards.values().cloned().collect(),
            batches: self.batches.values().cloned().collect(),
            unfinished_uploads: self.unfinished_uploads.values().cloned().collect(),
            unfinished_boards: self.unfinished_boards.values().cloned().collect(),
            unreadable: self.unreadable,
        }
    }

    /// The queues of the batches.
    pub(super) fn queues(&self) -> impl Iterator<Item = &String> {
        self.batches.values().map(|batch| &batch.queue_id)
    }

    pub(super) fn uploads(&self) -> Vec<Asset> {
        self.uploads.values().cloned().collect()
    }

    /// Takes a record into account.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Server { .. } | Record::Unknown => {}
            Record::Uploading { id, session_id, kind, file } => {
                self.unfinished_uploads.get_or_add(id.clone(), || UnfinishedUpload { id, session_id, kind, file });
            }
            Record::Uploaded { id, kind, name } => {
                self.forget(&id);
                let asset = Asset::file(kind, name);
                self.uploads.get_or_add(asset.clone(), || asset);
            }
            Record::CreatingBoard { id, name, marker } => {
                self.unfinished_boards.get_or_add(id.clone(), || UnfinishedBoard { id, name, marker });
            }
            Record::CreatedBoard { id, board_id } => {
                self.forget(&id);
                self.boards.get_or_add(board_id.clone(), || board_id);
            }
            Record::Refused { id } => self.forget(&id),
            Record::Enqueuing { queue_id, batch_id } => {
                // A large batch is enqueued in pieces.
                let batch = self.batches.get_or_add(batch_id.clone(), || Batch::new(queue_id, batch_id));
                (batch.announced, batch.answered) = (true, false);
            }
            Record::Enqueued { batch_id, item_ids, queue_id } => {
                // The line that announced it may be damaged.
                let queue_id = || queue_id.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
                let batch = self.batches.get_or_add(batch_id.clone(), || Batch::new(queue_id(), batch_id));
                (batch.announced, batch.answered) = (false, true);
                batch.item_ids.extend(item_ids);
            }
            Record::Sessions { batch_id, sessions, item_ids, files } => {
                if let Some(batch) = self.batch(&batch_id) {
                    batch.add_sessions(sessions, &item_ids, files);
                }
            }
            Record::Gone { asset } => match &asset {
                Asset::Board(board_id) => self.boards.remove(board_id),
                Asset::Image(_) | Asset::Video(_) => self.uploads.remove(&asset),
                _ => {}
            },
            Record::BatchGone { batch_id } => {
                self.batches.remove(&batch_id);
                if self.gone.len() >= GONE {
                    self.gone.pop_front();
                }
                self.gone.push_back(batch_id);
            }
        }
    }

    /// Takes a line into account that cannot be read.
    pub(super) fn cannot_read(&mut self) {
        self.unreadable += 1;
    }

    pub(super) fn batch(&mut self, id: &str) -> Option<&mut Batch> {
        self.batches.get_mut(&id.to_owned())
    }

    /// Whether this is one of the last batches of which nothing was left.
    pub(super) fn is_gone(&self, batch_id: &str) -> bool {
        self.gone.iter().any(|gone| gone == batch_id)
    }

    /// Forgets a batch and these uploads.
    #[cfg(feature = "serve")]
    pub(super) fn leave_out(&mut self, batch_id: &String, images: &HashSet<String>) {
        self.batches.remove(batch_id);
        for image in images {
            self.uploads.remove(&Asset::Image(image.clone()));
        }
    }

    fn forget(&mut self, id: &String) {
        self.unfinished_uploads.remove(id);
        self.unfinished_boards.remove(id);
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
