//! Assets: what a client has put onto a server, kept in mind for [clean-up](crate::cleanup).
//!
//! Recorded are images and videos uploaded with [`Images::upload`](crate::images::Images::upload) and its like, boards
//! made with [`Boards::create`](crate::boards::Boards::create) or
//! [`OutputBoard::named_or_new`](crate::OutputBoard::named_or_new), and batches submitted with
//! [`Workflow::submit`](crate::workflow::Workflow::submit). What runs leave behind is found through their batches. The
//! calls of [`api`](crate::api) record nothing.
//!
//! Without more, records end with the process. With [`ClientBuilder::ledger`](crate::ClientBuilder::ledger) they are in
//! a file as well, each of them before the call that it announces, so that what a crash leaves can be cleaned up later:
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

mod ledger;
pub(crate) mod record;

use std::{
    collections::HashSet,
    fmt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{Client, error::Result, outputs::FileKind};
use ledger::Ledger;
pub(crate) use ledger::read as read_ledger;
use record::{Kind, Record};

/// Something on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// What belongs to a batch, where it cannot be told one by one.
    Batch(String),
    /// An upload whose end is not known: the file's name on this side.
    UnfinishedUpload(String),
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => write!(f, "image {name}"),
            Self::Video(name) => write!(f, "video {name}"),
            Self::Board(id) => write!(f, "board {id}"),
            Self::Item { queue_id, item_id } => write!(f, "item {item_id} of queue {queue_id}"),
            Self::Batch(id) => write!(f, "batch {id}"),
            Self::UnfinishedUpload(file) => write!(f, "interrupted upload of {file}"),
        }
    }
}

/// What a client has put onto its server, and not cleaned up yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assets {
    /// Images and videos it uploaded.
    pub uploads: Vec<Asset>,
    /// Ids of boards it made.
    pub boards: Vec<String>,
    /// Batches it submitted.
    pub batches: Vec<Batch>,
    /// Uploads whose end is not known: the process or the connection ended before.
    pub unfinished_uploads: Vec<UnfinishedUpload>,
    /// Boards of which it is not known whether they were made.
    pub unfinished_boards: Vec<UnfinishedBoard>,
}

impl Assets {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A batch that was submitted, or was about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// Its queue.
    pub queue_id: String,
    /// Its id.
    pub batch_id: String,
    /// Sessions of items that clean-up deleted, and whose outputs it kept.
    pub sessions: Vec<String>,
    /// When the first of these items was enqueued, by the server's clock.
    pub(crate) since: Option<String>,
}

/// An upload whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedUpload {
    pub(crate) id: String,
    /// Session under which it was uploaded, and can be found. Only with a ledger.
    pub session_id: Option<String>,
    /// What it was.
    pub kind: FileKind,
    /// Its name on this side.
    pub file: String,
}

/// A board of which it is not known whether it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedBoard {
    pub(crate) id: String,
    /// Its name.
    pub name: String,
}

/// Where a client records what it does.
#[derive(Debug, Default)]
pub(crate) struct AssetLog {
    assets: Mutex<Assets>,
    ledger: Option<Ledger>,
    /// What this process does now: no clean-up should take it for the remains of another.
    under_way: Mutex<HashSet<String>>,
}

/// Something that is under way as long as this lives.
struct UnderWay<'a> {
    log: &'a AssetLog,
    id: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.log.under_way().remove(&self.id);
    }
}

impl AssetLog {
    /// A log in memory, or with a ledger in addition.
    pub(crate) fn open(ledger: Option<&Path>, server: &str) -> Result<Self> {
        let Some(path) = ledger else { return Ok(Self::default()) };
        let (ledger, assets) = Ledger::open(path, server)?;
        Ok(Self { assets: Mutex::new(assets), ledger: Some(ledger), under_way: Mutex::default() })
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: &str) -> UnderWay<'_> {
        self.under_way().insert(id.to_owned());
        UnderWay { log: self, id: id.to_owned() }
    }

    /// What there is to clean up: everything but what is under way now.
    pub(crate) fn settled(&self) -> Assets {
        let mut assets = self.assets().clone();
        let under_way = self.under_way();
        assets.unfinished_uploads.retain(|upload| !under_way.contains(&upload.id));
        assets.unfinished_boards.retain(|board| !under_way.contains(&board.id));
        assets.batches.retain(|batch| !under_way.contains(&batch.batch_id));
        assets
    }

    fn assets(&self) -> MutexGuard<'_, Assets> {
        // Nothing panics while it is half changed.
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records something, on disk first.
    pub(crate) async fn record(&self, record: Record) -> Result<()> {
        if let Some(ledger) = &self.ledger {
            ledger.append(record.clone()).await?;
        }
        self.assets().apply(record);
        Ok(())
    }

    /// Records what has happened already. If the disk fails, what was announced stays open there, and clean-up finds out
    /// how it ended.
    async fn record_end(&self, record: Record) {
        self.assets().apply(record.clone());
        if let Some(ledger) = &self.ledger
            && let Err(error) = ledger.append(record).await
        {
            tracing::warn!(%error, "an end could not be recorded");
        }
    }

    /// Uploads a file, recorded before and after. `send` is given the session to upload under: `given`, or where there
    /// is a ledger, one by which to find the file after a crash.
    pub(crate) async fn upload<T, F: Future<Output = Result<T>>>(
        &self,
        kind: FileKind,
        file: String,
        given: Option<String>,
        send: impl FnOnce(Option<String>) -> F,
        name: impl Fn(&T) -> &str,
    ) -> Result<T> {
        let id = uuid::Uuid::new_v4().to_string();
        let _under_way = self.begin(&id);
        let session_id = (self.ledger.is_some() && given.is_none()).then(|| id.clone());
        let (kind, session) = (Kind::from(kind), session_id.clone());
        self.record(Record::Uploading { id: id.clone(), session_id, kind, file }).await?;
        let outcome = send(given.or(session)).await;
        self.ended(id, &outcome, |id, answer| Record::Uploaded { id, kind, name: name(answer).to_owned() }).await;
        outcome
    }

    /// Makes a board, recorded before and after.
    pub(crate) async fn create_board<T>(
        &self,
        name: &str,
        send: impl Future<Output = Result<T>>,
        board_id: impl Fn(&T) -> &str,
    ) -> Result<T> {
        let id = uuid::Uuid::new_v4().to_string();
        let _under_way = self.begin(&id);
        self.record(Record::CreatingBoard { id: id.clone(), name: name.to_owned() }).await?;
        let outcome = send.await;
        self.ended(id, &outcome, |id, answer| Record::CreatedBoard { id, board_id: board_id(answer).to_owned() }).await;
        outcome
    }

    async fn ended<T>(&self, id: String, outcome: &Result<T>, success: impl FnOnce(String, &T) -> Record) {
        match outcome {
            Ok(answer) => self.record_end(success(id, answer)).await,
            // Whether it was done is not known: it stays open.
            Err(error) if error.may_have_been_sent() => {}
            Err(_) => self.record_end(Record::Refused { id }).await,
        }
    }

    /// Enqueues a batch, recorded before.
    pub(crate) async fn enqueue<T>(
        &self,
        queue_id: &str,
        batch_id: &str,
        send: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _under_way = self.begin(batch_id);
        let (queue_id, batch_id) = (queue_id.to_owned(), batch_id.to_owned());
        self.record(Record::Enqueuing { queue_id, batch_id: batch_id.clone() }).await?;
        let outcome = send.await;
        if outcome.as_ref().is_err_and(|error| !error.may_have_been_sent()) {
            self.record_end(Record::BatchGone { batch_id }).await;
        }
        outcome
    }
}

impl Client {
    /// What this client has put onto the server and not cleaned up yet; with a
    /// [ledger](crate::ClientBuilder::ledger), also what earlier processes have.
    pub fn assets(&self) -> Assets {
        self.asset_log().assets().clone()
    }

    /// The images and videos that this client has uploaded and not cleaned up yet.
    pub fn uploaded_assets(&self) -> Vec<Asset> {
        self.asset_log().assets().uploads.clone()
    }
}
