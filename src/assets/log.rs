//! The record that a client keeps of what it does.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Assets,
    ledger::{self, Ledger},
    open::{self, Access, LedgerFile},
    record::{Kind, Record},
};
use crate::{
    error::{Error, Result},
    outputs::FileKind,
};

/// Where a client records what it does.
#[derive(Debug)]
pub(crate) struct AssetLog {
    assets: Mutex<Assets>,
    kept: Kept,
    /// What this process does now: no clean-up should take it for the remains of another.
    under_way: Mutex<HashSet<String>>,
}

/// Where records are kept beside memory.
#[derive(Debug)]
enum Kept {
    Nowhere,
    /// In a ledger about this server.
    In(Ledger, String),
    /// They were read from this ledger, and nothing may be added.
    ReadFrom(PathBuf),
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
    pub(crate) fn open(ledger: Option<&LedgerFile>, server: &str, wait: Duration) -> Result<Arc<Self>> {
        match ledger {
            None => Ok(Arc::new(Self::new(Kept::Nowhere, Assets::default()))),
            Some(LedgerFile { path, access: Access::ReadOnly }) => {
                let assets = open::read_only(path, server)?;
                Ok(Arc::new(Self::new(Kept::ReadFrom(path.clone()), assets)))
            }
            Some(LedgerFile { path, access }) => open::open(path, *access == Access::Create, server, wait),
        }
    }

    /// A log with a ledger about this server.
    pub(super) fn with(ledger: Ledger, assets: Assets, server: &str) -> Self {
        Self::new(Kept::In(ledger, server.to_owned()), assets)
    }

    fn new(kept: Kept, assets: Assets) -> Self {
        Self { assets: Mutex::new(assets), kept, under_way: Mutex::default() }
    }

    /// Itself, if it is about this server.
    pub(super) fn about(self: Arc<Self>, server: &str, path: &Path) -> Result<Arc<Self>> {
        match &self.kept {
            Kept::In(_, own) if own != server => Err(ledger::of_another_server(path, own, server)),
            _ => Ok(self),
        }
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

    pub(super) fn assets(&self) -> MutexGuard<'_, Assets> {
        // Nothing panics while it is half changed.
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to go on where nothing can be recorded.
    pub(crate) fn must_be_writable(&self) -> Result<()> {
        match &self.kept {
            Kept::ReadFrom(path) => {
                let problem =
                    format!("`{}` was opened only to be read, so nothing is changed on the server", path.display());
                Err(Error::invalid("ledger", problem))
            }
            Kept::Nowhere | Kept::In(..) => Ok(()),
        }
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        match &self.kept {
            Kept::In(ledger, _) => Some(ledger),
            Kept::Nowhere | Kept::ReadFrom(_) => None,
        }
    }

    /// Records something, on disk first.
    pub(crate) async fn record(&self, record: Record) -> Result<()> {
        self.must_be_writable()?;
        if let Some(ledger) = self.ledger() {
            ledger.append(record.clone()).await?;
        }
        self.assets().apply(record);
        Ok(())
    }

    /// Records what has happened already. If the disk fails, what was announced stays open there, and clean-up finds out
    /// how it ended.
    async fn record_end(&self, record: Record) {
        self.assets().apply(record.clone());
        if let Some(ledger) = self.ledger()
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
        let session_id = (self.ledger().is_some() && given.is_none()).then(|| id.clone());
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
