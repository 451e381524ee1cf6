//! Opening a ledger: never a file that is something else, and never one that another program uses.
//!
//! The clients of one process that name the same file share it, and what they have recorded: the system's lock is held
//! by the process, so it cannot keep them apart.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{
    AssetLog,
    ledger::{self, Ledger},
    record::Records,
};
use crate::{
    base::deadline::bounded,
    error::{Error, Result},
};

/// How often to look whether another program has let go of the file.
const PAUSE: Duration = Duration::from_millis(20);

/// How long one client of this process may take to open or close the file while another waits for it.
const TURN: Duration = Duration::from_secs(5);

/// Which ledger a client uses, and how.
#[derive(Debug, Clone)]
pub(crate) struct LedgerFile {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
}

/// What may be done with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Use it; create it if it does not exist.
    Create,
    /// Use it; it must exist.
    Existing,
    /// Read it; it must exist.
    ReadOnly,
}

/// The ledgers that this process uses.
static USED: Mutex<Vec<Used>> = Mutex::new(Vec::new());

struct Used {
    file: Identity,
    /// Nothing while it is being opened or closed.
    log: Weak<AssetLog>,
}

fn used() -> MutexGuard<'static, Vec<Used>> {
    USED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right of a client to be the only one in this process that opens a file. Released when dropped.
#[derive(Debug)]
pub(super) struct Place(Identity);

impl Drop for Place {
    fn drop(&mut self) {
        used().retain(|other| other.file != self.0);
    }
}

/// How a client of this process may use a file.
enum Turn {
    /// It is the first.
    Mine(Place),
    /// Another one uses it.
    Shared(Arc<AssetLog>),
    /// Another one is opening or closing it.
    Wait,
}

fn take_turn(file: &Identity) -> Turn {
    let mut used = used();
    match used.iter().find(|other| other.file == *file).map(|other| other.log.upgrade()) {
        Some(Some(log)) => Turn::Shared(log),
        Some(None) => Turn::Wait,
        None => {
            used.push(Used { file: file.clone(), log: Weak::new() });
            Turn::Mine(Place(file.clone()))
        }
    }
}

impl AssetLog {
    /// A log in memory, or with a ledger in addition.
    pub(crate) fn open(ledger: Option<&LedgerFile>, server: &str, wait: Duration) -> Result<Arc<Self>> {
        match ledger {
            None => Ok(Arc::new(Self::in_memory(server))),
            Some(LedgerFile { path, access: Access::ReadOnly }) => {
                let records = read_only(path, server)?;
                Ok(Arc::new(Self::read_from(path, records, server)))
            }
            Some(LedgerFile { path, access }) => open(path, *access == Access::Create, server, wait),
        }
    }
}

/// Opens a ledger for writing. Blocks the thread while another program uses it, for at most `wait`.
pub(super) fn open(path: &Path, create: bool, server: &str, wait: Duration) -> Result<Arc<AssetLog>> {
    let failed = |error| Error::io("open the ledger", path, error);
    let began = Instant::now();
    let in_use = || Error::LedgerInUse { path: path.to_owned() };
    loop {
        let mut file = open_file(path, create).map_err(failed)?;
        ledger::check_beginning(&mut file, path, server)?;
        let identity = Identity::of(&file, path).map_err(failed)?;
        let place = match take_turn(&identity) {
            Turn::Mine(place) => place,
            Turn::Shared(log) => return log.about(server, path),
            Turn::Wait if began.elapsed() > bounded(wait).max(TURN) => return Err(in_use()),
            Turn::Wait => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
        };
        while !lock(&file).map_err(|error| Error::io("lock the ledger", path, error))? {
            if began.elapsed() >= bounded(wait) {
                return Err(in_use());
            }
            std::thread::sleep(PAUSE);
        }
        // The program that had it may have put another file in its place.
        if !Identity::of_path(path).is_ok_and(|there| there == identity) {
            continue;
        }
        make_private(&file, path);
        let (ledger, records) = Ledger::take_over(file, path, server, Box::new(place))?;
        let log = Arc::new(AssetLog::with(ledger, records, server));
        if let Some(entry) = used().iter_mut().find(|other| other.file == identity) {
            entry.log = Arc::downgrade(&log);
        }
        return Ok(log);
    }
}

/// What an existing ledger records. Changes nothing, and does not mind whether another program uses it.
pub(super) fn read_only(path: &Path, server: &str) -> Result<Records> {
    let failed = |error| Error::io("open the ledger", path, error);
    must_be_a_file(path).map_err(failed)?;
    let bytes = ledger::read_whole(&mut File::open(path).map_err(failed)?, path, server)?;
    Ok(ledger::read(&bytes).0)
}

fn open_file(path: &Path, create: bool) -> io::Result<File> {
    // Before it is opened: opening a pipe may take forever, and a device may have no end.
    match must_be_a_file(path) {
        Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
            match options().create_new(true).open(path) {
                // Another program made it just now.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options().open(path),
                made => made,
            }
        }
        there => there.and_then(|()| options().open(path)),
    }
}

fn must_be_a_file(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// A clean-up deletes what a ledger lists, so nobody else may write to it.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn make_private(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_private = |metadata: fs::Metadata| metadata.permissions().mode() & 0o077 == 0;
    if file.metadata().is_ok_and(is_private) {
        return;
    }
    if let Err(error) = file.set_permissions(fs::Permissions::from_mode(0o600)) {
        tracing::warn!(%error, path = %path.display(), "others may read or change the ledger");
    }
}

#[cfg(not(unix))]
fn make_private(_: &File, _: &Path) {}

/// Whether the file is this process's now.
fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Identifies a file, whatever it is called.
#[cfg(unix)]
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl Identity {
    fn of(file: &File, _: &Path) -> io::Result<Self> {
        file.metadata().map(Self::of_metadata)
    }

    fn of_path(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self::of_metadata)
    }

    fn of_metadata(metadata: fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

#[cfg(not(unix))]
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(PathBuf);

#[cfg(not(unix))]
impl Identity {
    fn of(_: &File, path: &Path) -> io::Result<Self> {
        Self::of_path(path)
    }

    fn of_path(path: &Path) -> io::Result<Self> {
        fs::canonicalize(path).map(Self)
    }
}
