//! The folder of runs: one log, for one service at a time.
//!
//! A thread of its own writes it. What comes while the disk is busy is written and synced together: waiting
//! for the disk is most of what keeping a run costs.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    line::{self, Mark},
    log::{Found, Log},
};
use crate::{
    base::local_folder::unlock,
    error::{Error, Result},
    serve::state::Record,
};

/// Runs on disk.
#[derive(Debug)]
pub(super) struct Folder {
    log: Arc<Mutex<Log>>,
    /// What is to be written; nothing once this ends.
    writes: Option<Sender<Write>>,
    writing: Option<JoinHandle<()>>,
    /// Keeps other services from this folder for as long as it is open.
    lock: File,
}

/// A line to be written.
struct Write {
    id: Uuid,
    line: Vec<u8>,
    /// Whether a power cut must not lose it, either.
    durable: bool,
    done: oneshot::Sender<io::Result<()>>,
}

impl Folder {
    /// Opens or makes it. The runs in it hold prompts and the names of pictures, so it is for this user alone.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Found>)> {
        make(path).map_err(|error| Error::io("make", path, error))?;
        let lock = lock(path)?;
        let file = path.join("runs.log");
        let failed = |action, error| Error::io(action, file.clone(), error);
        let (log, found) = Log::open(&file).map_err(|error| failed("open", error))?;
        let log = Arc::new(Mutex::new(log));
        let (writes, wanted) = channel();
        let writing = {
            let log = Arc::clone(&log);
            thread::Builder::new().name("invokeai-runs".into()).spawn(move || keep(&log, &wanted))
        };
        let writing = Some(writing.map_err(|error| failed("write", error))?);
        Ok((Self { log, writes: Some(writes), writing, lock }, found))
    }

    /// One run; `None` if there is none of this id.
    pub(super) fn read(&self, id: Uuid) -> io::Result<Option<Record>> {
        Ok(locked(&self.log).read(id)?.map(|record| *record))
    }

    /// Writes a run. `durable`: also a power cut must not lose it.
    pub(super) async fn write(&self, record: &Record, durable: bool) -> io::Result<()> {
        let gone = || io::Error::other("the log of runs is not written any more");
        let (done, written) = oneshot::channel();
        let write = Write { id: record.id, line: line::written(record)?, durable, done };
        self.writes.as_ref().ok_or_else(gone)?.send(write).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }

    /// Marks a run, which needs no room. `durable`: also a power cut must not lose it.
    pub(super) fn mark(&self, id: Uuid, mark: Mark, durable: bool) -> io::Result<()> {
        locked(&self.log).mark(id, mark)?;
        if durable { sync(&self.log) } else { Ok(()) }
    }

    pub(super) fn remove(&self, id: Uuid) -> io::Result<()> {
        locked(&self.log).remove(id)
    }
}

impl Drop for Folder {
    /// The next service may have the folder when all is written.
    fn drop(&mut self) {
        self.writes = None;
        if let Some(writing) = self.writing.take() {
            // A panic was reported when it happened.
            _ = writing.join();
        }
        unlock(&self.lock);
    }
}

/// Writes what comes until nothing comes any more.
fn keep(log: &Mutex<Log>, wanted: &Receiver<Write>) {
    while let Ok(first) = wanted.recv() {
        let all = std::iter::once(first).chain(wanted.try_iter());
        let (durable, relaxed): (Vec<Write>, Vec<Write>) = all.partition(|write| write.durable);
        write(log, relaxed, false);
        write(log, durable, true);
        locked(log).tidy();
    }
}

/// Writes all of these, or none of them.
fn write(log: &Mutex<Log>, mut writes: Vec<Write>, durable: bool) {
    if writes.is_empty() {
        return;
    }
    let written = {
        let mut log = locked(log);
        for write in &mut writes {
            if let Some(mark) = write.line.first_mut() {
                *mark = log.mark_of(write.id);
            }
        }
        log.write(writes.iter().map(|write| &*write.line))
    };
    let kept = written.and_then(|()| if durable { sync(log) } else { Ok(()) });
    {
        let mut log = locked(log);
        match &kept {
            Ok(()) => log.count(writes.iter().map(|write| (write.id, &*write.line))),
            // If this fails, it is tried again before anything else is written.
            Err(_) => _ = log.cut(),
        }
    }
    for write in writes {
        let told = kept.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string())).copied();
        // Whoever asked may be gone.
        _ = write.done.send(told);
    }
}

/// Makes sure that a power cut leaves what is written. Others may read the log meanwhile.
fn sync(log: &Mutex<Log>) -> io::Result<()> {
    let file = {
        let mut log = locked(log);
        log.name()?;
        log.file()
    };
    file.sync_data()
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps other services from a folder.
fn lock(path: &Path) -> Result<File> {
    let file = path.join("lock");
    let lock = File::options().create(true).append(true).open(&file).map_err(|error| Error::io("open", file, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let used = io::Error::new(io::ErrorKind::ResourceBusy, "another service uses this folder");
            Err(Error::io("lock", path, used))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
    }
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
