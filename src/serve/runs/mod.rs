//! The runs of a service: taken on once, kept through restarts, followed to their ends.
//!
//! A run is on disk before it is sent, with the batch id that it is going to have, and marked there as soon as the server
//! has taken it. So whatever happens, the next start finds out whether the server has it, and never sends it twice.

mod folder;
mod follow;
mod line;
mod log;

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    backend::Backend,
    inputs::Filled,
    limits::Limits,
    offer::Offer,
    problem::Problem,
    state::{Ended, Key, Record, Shown, Stage, State},
};
use crate::error::{Error, Result};
use folder::Folder;
use line::Mark;
use log::Found;

/// How long a request that starts a run waits to hear whether the server takes it. Then it is told that it is pending.
const ANSWER: Duration = Duration::from_secs(10);

/// When to try again what there is no room for.
const ROOM: Duration = Duration::from_secs(5);

/// How soon an end that could not be written is written again.
const AGAIN: Duration = Duration::from_secs(2);

/// All runs of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Arc<Backend>,
    offers: Arc<Vec<Offer>>,
    folder: Arc<Folder>,
    limits: Limits,
    /// One permit for each run that has not ended.
    room: Arc<Semaphore>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Runs that have not ended.
    live: HashMap<Uuid, Live>,
    keys: HashMap<String, Claim>,
    /// Runs that have ended, oldest first, with their keys.
    ended: VecDeque<(Uuid, Option<String>)>,
    /// Runs that have ended and could not be written. They are among those that have not, where callers find them.
    unwritten: VecDeque<Record>,
}

#[derive(Debug, Clone)]
struct Live {
    shown: watch::Sender<Shown>,
    cancel: watch::Sender<bool>,
}

/// Who has an idempotency key.
#[derive(Debug, Clone)]
enum Claim {
    /// A request that is being carried out; the channel closes when it is done.
    Request {
        digest: String,
        done: watch::Receiver<()>,
    },
    Run {
        digest: String,
        id: Uuid,
    },
}

/// A run that a request leads to.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) run: watch::Receiver<Shown>,
    /// Whether an earlier request with this key made it.
    pub(super) is_known: bool,
}

impl Runs {
    /// Opens the folder, and takes up what an earlier service left there. One that has runs of another server is refused:
    /// they are not to be sent to this one, which has none of their results.
    pub(super) fn open(
        folder: &Path,
        limits: &Limits,
        backend: Arc<Backend>,
        offers: Arc<Vec<Offer>>,
    ) -> Result<(Self, Vec<Resume>)> {
        let (path, place) = (folder, backend.place());
        let (folder, found) = Folder::open(path)?;
        let others = found.iter().filter_map(|run| match run {
            Found::Run(record) => record.at.as_deref().filter(|at| *at != place),
            Found::Unreadable(..) => None,
        });
        if let Some(other) = others.min() {
            let problem = format!("it has runs of {other}, and this service is for {place}; use another folder");
            return Err(Error::io("use", path, io::Error::new(io::ErrorKind::ResourceBusy, problem)));
        }
        let mut book = Book::default();
        let mut known = Vec::new();
        for run in found {
            match run {
                Found::Run(record) => known.push(*record),
                // A request with its key is not carried out again.
                Found::Unreadable(id, Some(Key { text, digest })) => {
                    book.keys.insert(text, Claim::Run { digest, id });
                }
                Found::Unreadable(_, None) => {}
            }
        }
        // Oldest first.
        known.sort_by(|a, b| a.created.cmp(&b.created));
        let mut open = Vec::new();
        for record in known {
            if let Some(Key { text, digest }) = record.key.clone() {
                book.keys.insert(text, Claim::Run { digest, id: record.id });
            }
            match record.ended() {
                Some(_) => book.ended.push_back((record.id, record.key.map(|key| key.text))),
                None => open.push(record),
            }
        }
        let room = Arc::new(Semaphore::new(limits.open_runs.min(Semaphore::MAX_PERMITS)));
        let inner =
            Inner { backend, offers, folder: Arc::new(folder), limits: limits.clone(), room, book: Mutex::new(book) };
        let runs = Self { inner: Arc::new(inner) };
        runs.forget_oldest();
        let resumed = open.into_iter().map(|record| {
            let live = runs.enter(&record);
            // More may be open than fit now, if the limit was lowered. They go on all the same.
            Resume { record, live, room: Arc::clone(&runs.inner.room).try_acquire_owned().ok() }
        });
        let resumed = resumed.collect();
        Ok((runs, resumed))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run by its id; `None` if there is none.
    pub(super) async fn find(&self, id: Uuid) -> Result<Option<Shown>, Problem> {
        if let Some(live) = self.book().live.get(&id) {
            return Ok(Some(live.shown.borrow().clone()));
        }
        let record = self.on_disk(move |folder| folder.read(id)).await?;
        Ok(record.map(Shown::new))
    }

    /// What is known of a run, now and after each change; `None` if it has ended, or there is none.
    pub(super) fn watch(&self, id: Uuid) -> Option<watch::Receiver<Shown>> {
        self.book().live.get(&id).map(|live| live.shown.subscribe())
    }

    /// Asks for the end of a run, so that a restart does not forget it. Nothing changes if it has ended.
    pub(super) async fn cancel(&self, id: Uuid) -> Result<(), Problem> {
        let Some(live) = self.book().live.get(&id).cloned() else { return Ok(()) };
        live.cancel.send_replace(true);
        self.on_disk(move |folder| folder.mark(id, Mark::Canceled, true)).await
    }

    /// Notes that what is behind has a run, before its caller knows it: it is not sent again.
    async fn taken(&self, record: &Record) {
        let id = record.id;
        // A failure is in the log. What is written of the run later says the same.
        _ = self.on_disk(move |folder| folder.mark(id, Mark::Taken, false)).await;
    }

    /// The run that an earlier request with this key led to, if there is one already.
    pub(super) async fn of_key(&self, key: &Key) -> Result<Option<Taken>, Problem> {
        let id = match self.book().keys.get(&key.text) {
            Some(Claim::Run { digest, id }) if *digest == key.digest => *id,
            Some(Claim::Run { .. }) => return Err(reused()),
            _ => return Ok(None),
        };
        self.known(id).await.map(Some)
    }

    /// Takes a run on, or gives the one that an earlier request with this key led to.
    pub(super) async fn take(&self, offer: usize, filled: Filled, key: Option<Key>) -> Result<Taken, Problem> {
        let claim = match &key {
            None => None,
            Some(key) => match self.claim(key).await? {
                Ok(done) => Some(done),
                Err(id) => return self.known(id).await,
            },
        };
        let (recorded, at_once) = oneshot::channel();
        let (outcome, later) = oneshot::channel();
        let answered = Arc::new(AtomicBool::new(false));
        // A caller that goes away takes nothing with it: the run is made whole, or not at all.
        let making = Making { recorded: Some(recorded), answered: Arc::clone(&answered) };
        let runs = self.clone();
        tokio::spawn(async move {
            let made = runs.make(offer, filled, key.clone(), making).await;
            if let (Err(_), Some(key), Some(claim)) = (&made, key, &claim) {
                runs.release(&key.text, claim);
            }
            drop(claim);
            // Whoever asked may be gone.
            _ = outcome.send(made);
        });
        let lost = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the service ended meanwhile");
        let Ok(run) = at_once.await else {
            return Err(later.await.map_err(|_| lost())?.err().unwrap_or_else(lost));
        };
        let mut later = later;
        match timeout(ANSWER, &mut later).await {
            Ok(made) => made.map_err(|_| lost())??,
            Err(_) if answered.swap(true, Ordering::SeqCst) => later.await.map_err(|_| lost())??,
            Err(_) => {}
        }
        Ok(Taken { run, is_known: false })
    }

    /// Has the key for a request (`Ok`; it lasts until the sender is dropped), or finds the run that has it.
    async fn claim(&self, key: &Key) -> Result<Result<watch::Sender<()>, Uuid>, Problem> {
        loop {
            let mut done = {
                let mut book = self.book();
                let (digest, claim) = match book.keys.get(&key.text) {
                    None => {
                        let (sender, done) = watch::channel(());
                        book.keys.insert(key.text.clone(), Claim::Request { digest: key.digest.clone(), done });
                        return Ok(Ok(sender));
                    }
                    Some(Claim::Run { digest, id }) => (digest, Err(*id)),
                    Some(Claim::Request { digest, done }) => (digest, Ok(done.clone())),
                };
                if *digest != key.digest {
                    return Err(reused());
                }
                match claim {
                    Ok(done) => done,
                    Err(id) => return Ok(Err(id)),
                }
            };
            // An error says that it is done.
            _ = done.changed().await;
        }
    }

    /// Gives a key back whose request led to no run. Another request may have it by now.
    fn release(&self, key: &str, claim: &watch::Sender<()>) {
        let mut book = self.book();
        if matches!(book.keys.get(key), Some(Claim::Request { done, .. }) if claim.subscribe().same_channel(done)) {
            book.keys.remove(key);
        }
    }

    async fn known(&self, id: Uuid) -> Result<Taken, Problem> {
        if let Some(run) = self.watch(id) {
            return Ok(Taken { run, is_known: true });
        }
        match self.find(id).await? {
            Some(shown) => Ok(Taken { run: watch::channel(shown).1, is_known: true }),
            None => Err(Problem::not_found("run")),
        }
    }

    async fn make(&self, offer: usize, filled: Filled, key: Option<Key>, mut making: Making) -> Result<(), Problem> {
        let inner = &self.inner;
        let Ok(room) = Arc::clone(&inner.room).try_acquire_owned() else {
            let detail = format!("{} runs have not ended, and no more are taken on", inner.limits.open_runs);
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_runs", detail).after(ROOM));
        };
        let offer = &inner.offers[offer];
        let values = filled.uploaded(offer, &inner.backend).await?;
        let gives = offer.values().iter().map(|output| (output.node.id.clone(), output.field.clone())).collect();
        let record = Record { at: Some(inner.backend.place()), gives, ..Record::accepted(&offer.name, key, values) };
        self.write(&record, true).await?;
        let live = self.enter(&record);
        if let Some(recorded) = making.recorded.take() {
            // Whoever asked may be gone.
            _ = recorded.send(live.shown.subscribe());
        }
        let sent = inner.backend.submit(offer, &record.values, &record.batch_id).await;
        match sent {
            Ok(sent) => {
                self.taken(&record).await;
                let runs = self.clone();
                tokio::spawn(async move { runs.enqueued(record, live, sent, Some(room)).await });
                Ok(())
            }
            // It may be on the queue, or get there: it is looked for.
            Err(error) if error.may_have_been_sent() => {
                tracing::warn!(%error, run = %record.id, "whether InvokeAI has this run is not known yet");
                let runs = self.clone();
                tokio::spawn(async move { runs.resume(Resume { record, live, room: Some(room) }).await });
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, run = %record.id, "InvokeAI does not take this run");
                let problem = Problem::of_error(&error);
                if making.answered.swap(true, Ordering::SeqCst) {
                    // Its address is known to the caller, who learns of it there.
                    self.end(record, &live, Ended::without_results(State::Failed, &problem)).await;
                    return Ok(());
                }
                let id = record.id;
                {
                    let mut book = self.book();
                    book.live.remove(&id);
                    if let Some(key) = &record.key {
                        book.keys.remove(&key.text);
                    }
                }
                self.on_disk(move |folder| folder.remove(id)).await?;
                Err(problem)
            }
        }
    }

    /// Takes a run that has not ended into the book.
    fn enter(&self, record: &Record) -> Live {
        let live =
            Live { shown: watch::channel(Shown::new(record.clone())).0, cancel: watch::channel(record.canceled).0 };
        let mut book = self.book();
        book.live.insert(record.id, live.clone());
        if let Some(Key { text, digest }) = record.key.clone() {
            book.keys.insert(text, Claim::Run { digest, id: record.id });
        }
        live
    }

    /// Notes the end of a run.
    async fn end(&self, mut record: Record, live: &Live, ended: Ended) {
        record.stage = Stage::Ended(ended);
        record.gives.clear();
        let values = std::mem::take(&mut record.values);
        self.inner.backend.forget(&record.batch_id, &values);
        // After a power cut the end is found again on the server.
        let written = self.write(&record, false).await;
        live.shown.send_modify(|shown| *shown = Shown::new(record.clone()));
        if written.is_ok() {
            return self.is_kept(record);
        }
        let is_first = {
            let mut book = self.book();
            book.unwritten.push_back(record);
            book.unwritten.len() == 1
        };
        if is_first {
            let runs = self.clone();
            tokio::spawn(async move {
                while !runs.write_again().await {
                    sleep(AGAIN).await;
                }
            });
        }
    }

    /// Writes the ends that could not be written. Says whether all are written.
    pub(super) async fn write_again(&self) -> bool {
        loop {
            let Some(record) = self.book().unwritten.front().cloned() else { return true };
            if self.write(&record, false).await.is_err() {
                return false;
            }
            self.book().unwritten.retain(|other| other.id != record.id);
            self.is_kept(record);
        }
    }

    /// Leaves a run that has ended to the disk.
    fn is_kept(&self, record: Record) {
        {
            let mut book = self.book();
            if book.live.remove(&record.id).is_some() {
                book.ended.push_back((record.id, record.key.map(|key| key.text)));
            }
        }
        self.forget_oldest();
    }

    fn forget_oldest(&self) {
        loop {
            let id = {
                let mut book = self.book();
                if book.ended.len() <= self.inner.limits.kept_runs {
                    return;
                }
                let Some((id, key)) = book.ended.pop_front() else { return };
                if let Some(key) = key {
                    book.keys.remove(&key);
                }
                id
            };
            if let Err(error) = self.inner.folder.remove(id) {
                tracing::error!(%error, run = %id, "a run that is to be forgotten cannot be removed");
            }
        }
    }

    /// Does something with the folder, on a thread where it may take its time.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let folder = Arc::clone(&self.inner.folder);
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| storage(&error))
    }

    /// Writes a run. `durable`: also a power cut must not lose it.
    async fn write(&self, record: &Record, durable: bool) -> Result<(), Problem> {
        self.inner.folder.write(record, durable).await.map_err(|error| storage(&error))
    }
}

fn reused() -> Problem {
    let detail = "this Idempotency-Key was used with another workflow or other inputs; use a new one";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail)
}

fn storage(error: &io::Error) -> Problem {
    tracing::error!(%error, "the folder of runs cannot be read or written");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", "the service cannot keep its runs")
}

/// What a request that makes a run waits for.
struct Making {
    /// Notified when the run is on disk.
    recorded: Option<oneshot::Sender<watch::Receiver<Shown>>>,
    /// Whether the request is answered already, or its refusal decided: whoever is first has it.
    answered: Arc<AtomicBool>,
}

/// A run to be taken up.
#[derive(Debug)]
pub(super) struct Resume {
    record: Record,
    live: Live,
    room: Option<OwnedSemaphorePermit>,
}
