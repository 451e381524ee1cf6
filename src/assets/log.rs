//! The record that a client keeps of what it does.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Asset, Assets,
    ledger::{self, Ledger},
    queues,
    record::{Record, Records},
};
use crate::{
    base::deadline::bounded,
    error::{Error, Result},
    media::FileKind,
};

/// Where a client records what it does.
pub(crate) struct AssetLog {
    server: String,
    records: Mutex<Records>,
    kept: Kept,
    now: Mutex<Now>,
    opened: Instant,
}

/// It may hold any number of records.
impl fmt::Debug for AssetLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetLog").field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// Where records are kept beside memory.
#[derive(Debug)]
enum Kept {
    Nowhere,
    In(Ledger),
    /// They were read from this ledger, and nothing may be added.
    ReadFrom(PathBuf),
}

/// What a clean-up has to know about this process, by the ids of the records.
#[derive(Default)]
struct Now {
    doing: HashMap<String, Doing>,
    /// Requests whose answers are not known.
    unanswered: HashMap<String, Unanswered>,
}

#[derive(Debug, Clone, Copy)]
enum Unanswered {
    /// Since then. What it asked for may still be carried out.
    Since(Instant),
    /// For longer than a lost answer is looked for.
    ForLong,
}

/// Something that this process does now: no clean-up should take it for the remains of another.
#[derive(Debug, Clone)]
pub(crate) struct Doing {
    pub(crate) what: Asset,
    /// Names of images and videos, and ids of boards, that it is going to use.
    pub(crate) needs: HashSet<String>,
}

/// Something is under way as long as this lives.
#[derive(Debug)]
pub(crate) struct UnderWay {
    log: Arc<AssetLog>,
    id: String,
    end: Option<Unanswered>,
    is_answered: bool,
}

impl UnderWay {
    /// How it ended is known.
    pub(crate) fn answered(&mut self) {
        self.is_answered = true;
    }

    fn unanswered(&mut self) {
        self.is_answered = false;
    }

    /// How it ended is not known, and was looked for as long as that makes sense.
    fn was_looked_for(&mut self) {
        (self.is_answered, self.end) = (false, Some(Unanswered::ForLong));
    }

    fn needs(&self, name: &str) {
        if let Some(doing) = self.log.now().doing.get_mut(&self.id) {
            doing.needs.insert(name.to_owned());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut now = self.log.now();
        now.doing.remove(&self.id);
        if !self.is_answered {
            let end = self.end.unwrap_or_else(|| Unanswered::Since(Instant::now()));
            now.unanswered.insert(self.id.clone(), end);
        }
    }
}

/// What there is to clean up, and what goes on meanwhile.
pub(crate) struct Settled {
    pub(crate) assets: Assets,
    pub(crate) doing: Vec<Doing>,
}

impl AssetLog {
    /// A log with a ledger about this server.
    pub(super) fn with(ledger: Ledger, records: Records, server: &str) -> Self {
        Self::new(server, Kept::In(ledger), records)
    }

    /// A log in memory.
    pub(super) fn in_memory(server: &str) -> Self {
        Self::new(server, Kept::Nowhere, Records::default())
    }

    /// A log of the records of a ledger that is only read.
    pub(super) fn read_from(path: &Path, records: Records, server: &str) -> Self {
        Self::new(server, Kept::ReadFrom(path.to_owned()), records)
    }

    fn new(server: &str, kept: Kept, records: Records) -> Self {
        for queue_id in records.queues() {
            queues::note(server, queue_id);
        }
        let (records, now) = (Mutex::new(records), Mutex::default());
        Self { server: server.to_owned(), records, kept, now, opened: Instant::now() }
    }

    /// Itself, if it is about this server.
    pub(super) fn about(self: Arc<Self>, server: &str, path: &Path) -> Result<Arc<Self>> {
        match self.server == server {
            true => Ok(self),
            false => Err(ledger::of_another_server(path, &self.server, server)),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // Nothing panics while it is half changed.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn assets(&self) -> Assets {
        self.records().assets()
    }

    pub(crate) fn uploads(&self) -> Vec<Asset> {
        self.records().uploads()
    }

    /// Whether a clean-up has left nothing of this batch, or it was not enqueued. Only the last ones are remembered.
    pub(crate) fn is_gone(&self, batch_id: &str) -> bool {
        self.records().is_gone(batch_id)
    }

    /// Announces that something is being done that needs these images, videos and boards.
    pub(crate) fn begin(self: &Arc<Self>, id: &str, what: Asset, needs: HashSet<String>) -> UnderWay {
        self.now().doing.insert(id.to_owned(), Doing { what, needs });
        UnderWay { log: Arc::clone(self), id: id.to_owned(), end: None, is_answered: false }
    }

    /// What there is to clean up: everything but what is under way now.
    pub(crate) fn settled(&self) -> Settled {
        let mut assets = self.assets();
        let now = self.now();
        assets.unfinished_uploads.retain(|upload| !now.doing.contains_key(&upload.id));
        assets.unfinished_boards.retain(|board| !now.doing.contains_key(&board.id));
        assets.batches.retain(|batch| !now.doing.contains_key(&batch.batch_id));
        Settled { assets, doing: now.doing.values().cloned().collect() }
    }

    /// Forgets a batch and these uploads where they are in memory only: a program that runs for long, and will not
    /// clean them up, would remember ever more.
    #[cfg(feature = "serve")]
    pub(crate) fn forget(&self, batch_id: &str, uploads: &HashSet<String>) {
        if matches!(self.kept, Kept::Nowhere) {
            self.records().leave_out(&batch_id.to_owned(), uploads);
            self.now().unanswered.remove(batch_id);
        }
    }

    /// The queues to look at, as far as this process can know.
    pub(crate) fn queues(&self) -> BTreeSet<String> {
        queues::used(&self.server)
    }

    /// Until when a request whose answer is not known may still be carried out, if it can be. `None` if it was looked
    /// for long enough.
    pub(crate) fn may_arrive_until(&self, id: &str, patience: Duration) -> Option<Instant> {
        let since = match self.now().unanswered.get(id) {
            Some(Unanswered::Since(end)) => *end,
            Some(Unanswered::ForLong) => return None,
            // An earlier process sent it, and it has ended: nobody else could have the ledger.
            None => self.opened,
        };
        Some(since + bounded(patience))
    }

    /// Refuses to go on where nothing can be recorded.
    pub(crate) fn must_be_writable(&self) -> Result<()> {
        match &self.kept {
            Kept::ReadFrom(path) => Err(Error::WrongState {
                what: format!("the ledger `{}`", path.display()),
                state: "was opened only to be read".into(),
                needed: "what is created must be recorded, so nothing was sent",
                advice: "make the client with a ledger that it may write",
                passes: false,
            }),
            Kept::Nowhere | Kept::In(_) => Ok(()),
        }
    }

    /// The ledger, to name it in a report.
    pub(crate) fn ledger_asset(&self) -> Asset {
        let path = match &self.kept {
            Kept::In(ledger) => ledger.path(),
            Kept::ReadFrom(path) => path,
            Kept::Nowhere => Path::new(""),
        };
        Asset::Ledger(path.display().to_string())
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        match &self.kept {
            Kept::In(ledger) => Some(ledger),
            Kept::Nowhere | Kept::ReadFrom(_) => None,
        }
    }

    /// Records something, on disk first.
    pub(crate) async fn record(&self, record: Record) -> Result<()> {
        self.must_be_writable()?;
        if let Some(ledger) = self.ledger() {
            ledger.append(record.clone()).await?;
        }
        self.records().apply(record);
        Ok(())
    }

    /// Records what has happened already. If the disk fails, what was announced stays open there, and clean-up finds
    /// out how it ended.
    async fn record_end(&self, record: Record) {
        self.records().apply(record.clone());
        if let Some(ledger) = self.ledger()
            && let Err(error) = ledger.append(record).await
        {
            tracing::warn!(%error, "an end could not be recorded");
        }
    }

    /// Uploads a file, recorded before and after. `send` is given the session to upload under: `given`, or else one by
    /// which the file can be found if the answer with its name is lost.
    pub(crate) async fn upload<T, F: Future<Output = Result<T>>>(
        self: &Arc<Self>,
        kind: FileKind,
        file: String,
        board: Option<String>,
        given: Option<String>,
        send: impl FnOnce(Option<String>) -> F,
        name: impl Fn(&T) -> &str,
    ) -> Result<T> {
        let id = uuid::Uuid::new_v4().to_string();
        let what = Asset::UnfinishedUpload(file.clone());
        let mut under_way = self.begin(&id, what, board.into_iter().collect());
        let session_id = given.is_none().then(|| id.clone());
        let session = session_id.clone();
        self.record(Record::Uploading { id: id.clone(), session_id, kind, file }).await?;
        let outcome = send(given.or(session)).await;
        let end = match &outcome {
            Ok(answer) => Record::Uploaded { id, kind, name: name(answer).to_owned() },
            // Whether it was done is not known: it stays open.
            Err(error) if error.may_have_been_sent() => return outcome,
            Err(_) => Record::Refused { id },
        };
        under_way.answered();
        self.record_end(end).await;
        outcome
    }

    /// Announces that a board is created, and renamed then.
    pub(crate) async fn create_board(self: &Arc<Self>, name: &str, marker: &str) -> Result<Creation> {
        let id = uuid::Uuid::new_v4().to_string();
        let under_way = self.begin(&id, Asset::UnfinishedBoard(name.to_owned()), HashSet::new());
        self.record(Record::CreatingBoard { id, name: name.to_owned(), marker: Some(marker.to_owned()) }).await?;
        Ok(Creation { under_way })
    }

    /// Enqueues a piece of a batch, recorded before and after. `under_way` is the whole batch.
    pub(crate) async fn enqueue<T>(
        &self,
        queue_id: &str,
        batch_id: &str,
        under_way: &mut UnderWay,
        send: impl Future<Output = Result<T>>,
        item_ids: impl FnOnce(&T) -> Vec<i64>,
    ) -> Result<T> {
        queues::note(&self.server, queue_id);
        let known = self.records().batch(batch_id).map(|batch| batch.announced);
        under_way.unanswered();
        if known != Some(true) {
            self.record(Record::Enqueuing { queue_id: queue_id.to_owned(), batch_id: batch_id.to_owned() }).await?;
        }
        self.set_answered(batch_id, false);
        let outcome = send.await;
        match outcome.as_ref().map(item_ids) {
            // It was looked for by the batch's id.
            Err(error) if error.may_have_been_sent() => under_way.was_looked_for(),
            Err(_) if known.is_none() => {
                under_way.answered();
                self.record_end(Record::BatchGone { batch_id: batch_id.to_owned() }).await;
            }
            Ok(item_ids) if !item_ids.is_empty() => {
                under_way.answered();
                let (batch_id, queue_id) = (batch_id.to_owned(), Some(queue_id.to_owned()));
                self.record_end(Record::Enqueued { batch_id, item_ids, queue_id }).await;
            }
            // A full queue may be asked for a long time: what the ledger announces is then the next try.
            _ => {
                under_way.answered();
                self.set_answered(batch_id, true);
            }
        }
        outcome
    }

    fn set_answered(&self, batch_id: &str, answered: bool) {
        if let Some(batch) = self.records().batch(batch_id) {
            batch.answered = answered;
        }
    }
}

/// A board that is being created.
pub(crate) struct Creation {
    under_way: UnderWay,
}

impl Creation {
    fn id(&self) -> String {
        self.under_way.id.clone()
    }

    /// The server has given its id. It is still under way: it has no name of its own yet, and without the temporary one
    /// nothing but this record will lead to it.
    pub(crate) async fn created(&mut self, board_id: &str) -> Result<()> {
        self.under_way.answered();
        self.under_way.needs(board_id);
        let record = Record::CreatedBoard { id: self.id(), board_id: board_id.to_owned() };
        self.under_way.log.records().apply(record.clone());
        self.under_way.log.record(record).await
    }

    /// It was not created.
    pub(crate) async fn refused(&mut self) {
        self.under_way.answered();
        self.under_way.log.record_end(Record::Refused { id: self.id() }).await;
    }

    /// It no longer exists.
    pub(crate) async fn deleted(&mut self, board_id: &str) {
        let asset = Asset::Board(board_id.to_owned());
        self.under_way.log.record_end(Record::Gone { asset }).await;
    }
}
