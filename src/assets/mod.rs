//! Assets: what a client has put onto a server, remembered for [clean-up](crate::cleanup).
//!
//! The records cover images and videos uploaded with [`Images::upload`](crate::images::Images::upload) and similar
//! methods, boards created with [`Boards::create`](crate::boards::Boards::create) or
//! [`OutputBoard::named_or_new`](crate::OutputBoard::named_or_new), and batches submitted with
//! [`Client::submit`](crate::Client::submit). What runs leave behind is found through their batches. The calls of
//! [`api`](crate::api) record nothing.
//!
//! "Assets" here are things on the server that this client made. The gallery's assets are something else: images that
//! are not results.
//!
//! By default, records end with the process. With [`ClientBuilder::ledger`](crate::ClientBuilder::ledger) they are in a
//! file as well, each one written before the call that it announces, so that what a crash leaves can be cleaned up
//! later:
//!
//! ```no_run
//! # async fn example() -> invokeai_client::Result<()> {
//! use invokeai_client::Client;
//!
//! // The same file again after a crash:
//! let client = Client::builder("http://127.0.0.1:9090").ledger("run.ledger").build()?;
//! println!("left behind: {:?}", client.assets());
//! let report = client.cleanup().everything().await?;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod in_order;
mod ledger;
mod log;
mod open;
mod queues;
pub(crate) mod record;

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize};

use crate::media::FileKind;
pub(crate) use ledger::read as read_ledger;
pub(crate) use log::{AssetLog, Doing, Settled, UnderWay};
pub(crate) use open::{Access, LedgerFile};

/// Something on a server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Asset {
    /// The image of this name.
    Image(String),
    /// The video of this name.
    Video(String),
    /// The board of this id.
    Board(String),
    /// A queue item.
    Item {
        /// Its queue.
        queue_id: String,
        /// Its id.
        item_id: i64,
    },
    /// Things that belong to a batch, where they cannot be named one by one.
    Batch(String),
    /// A queue.
    Queue(String),
    /// An upload whose outcome is not known, by the name of the local file.
    UnfinishedUpload(String),
    /// A board that may or may not have been created, by the name that it was to have.
    UnfinishedBoard(String),
    /// The ledger of a client, by its path. It is on this machine.
    Ledger(String),
}

crate::base::debug::short_debug! {
    enum Asset {
        Image(value),
        Video(value),
        Board(value),
        Item { queue_id, item_id },
        Batch(value),
        Queue(value),
        UnfinishedUpload(value),
        UnfinishedBoard(value),
        Ledger(value),
    }
}

impl Asset {
    pub(crate) fn file(kind: FileKind, name: String) -> Self {
        match kind {
            FileKind::Image => Self::Image(name),
            FileKind::Video => Self::Video(name),
        }
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => write!(f, "image {name}"),
            Self::Video(name) => write!(f, "video {name}"),
            Self::Board(id) => write!(f, "board {id}"),
            Self::Item { queue_id, item_id } => write!(f, "item {item_id} of queue {queue_id}"),
            Self::Batch(id) => write!(f, "batch {id}"),
            Self::Queue(id) => write!(f, "queue {id}"),
            Self::UnfinishedUpload(file) => write!(f, "interrupted upload of {file}"),
            Self::UnfinishedBoard(name) => write!(f, "interrupted creation of board {name}"),
            Self::Ledger(path) => write!(f, "ledger {path}"),
        }
    }
}

/// What a client has put onto its server, and not cleaned up yet.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assets {
    /// Images and videos it uploaded.
    pub uploads: Vec<Asset>,
    /// Ids of boards it created.
    pub boards: Vec<String>,
    /// Batches it submitted.
    pub batches: Vec<Batch>,
    /// Uploads whose outcome is not known: the process or the connection ended first.
    pub unfinished_uploads: Vec<UnfinishedUpload>,
    /// Boards that may or may not have been created.
    pub unfinished_boards: Vec<UnfinishedBoard>,
    /// How many lines of the ledger are damaged, so that what they recorded is not known.
    pub unreadable: usize,
}

crate::base::debug::short_debug! { Assets { uploads, boards, batches, unfinished_uploads, unfinished_boards, unreadable } }

impl Assets {
    /// Whether there is nothing to clean up.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A batch that was submitted, or was about to be.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// Its queue.
    pub queue_id: String,
    /// Its id.
    pub batch_id: String,
    /// Sessions of items that clean-up deleted, and whose outputs it kept.
    pub sessions: Vec<String>,
    /// Whether a ledger says that a request to enqueue a part of it may be on its way.
    pub(crate) announced: bool,
    /// Whether the answer to every such request is known.
    pub(crate) answered: bool,
    /// Items that the server said it took, as long as their sessions are not among those above.
    pub(crate) item_ids: HashSet<i64>,
    /// Sessions of which it is not known what files they left.
    pub(crate) unsearched: HashSet<String>,
    /// Files that the other sessions left.
    pub(crate) files: Vec<Asset>,
}

crate::base::debug::short_debug! { Batch { queue_id, batch_id, sessions, announced, answered, item_ids, unsearched, files } }

impl Batch {
    /// Whether the answer to every request that enqueued a part of it is known. If not, items of it may still turn up.
    pub fn is_answered(&self) -> bool {
        self.answered
    }
}

/// An upload whose outcome is not known.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedUpload {
    pub(crate) id: String,
    /// Session under which it was uploaded, and can be found. `None` if the caller chose one: others may use it, too.
    pub session_id: Option<String>,
    /// Whether it is an image or a video.
    pub kind: FileKind,
    /// Name of the local file.
    pub file: String,
}

crate::base::debug::short_debug! { UnfinishedUpload { id, session_id, kind, file } }

/// A board that may or may not have been created.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedBoard {
    pub(crate) id: String,
    /// The name that it was to have.
    pub name: String,
    /// The name under which it was created, which no other board can have. `None` in ledgers of the first version.
    pub(crate) marker: Option<String>,
}

crate::base::debug::short_debug! { UnfinishedBoard { id, name, marker } }
