//! The folder of runs: one small file for each, replaced as a whole, so that a sudden end leaves the old or the new one.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::serve::state::Record;
use crate::{
    base::local_folder::sync_directory,
    error::{Error, Result},
};

/// Runs on disk.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Keeps other services from this folder for as long as it is open.
    _lock: File,
}

/// What the files of runs end with, and those that are being written.
const WHOLE: &str = "json";
const PART: &str = "part";

impl Folder {
    /// Opens or makes it. The runs in it hold prompts and the names of pictures, so it is for this user alone.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |action| move |error| Error::io(action, path, error);
        make(path).map_err(failed("make"))?;
        let lock = path.join("lock");
        let lock =
            File::options().create(true).append(true).open(&lock).map_err(|error| Error::io("open", lock, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let used = io::Error::new(io::ErrorKind::ResourceBusy, "another service uses this folder");
                Err(Error::io("lock", path, used))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        }
    }

    /// All runs, oldest first. A file that cannot be read is left where it is, and reported.
    pub(super) fn read_all(&self) -> Result<Vec<Record>> {
        let failed = |error| Error::io("read", &self.path, error);
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(WHOLE) => match read(&path) {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        let file = path.display();
                        tracing::error!(%file, %error, "this file of a run cannot be read; the run is not known any more");
                    }
                },
                // Was being written when the service ended, and says nothing that is missed.
                Some(PART) => fs::remove_file(&path).map_err(failed)?,
                _ => {}
            }
        }
        records.sort_by(|a: &Record, b| a.created.cmp(&b.created));
        Ok(records)
    }

    /// One run; `None` if there is none of this id.
    pub(super) fn read(&self, id: Uuid) -> io::Result<Option<Record>> {
        match read(&self.file(id)) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a run. `durable`: also a power cut must not lose it.
    pub(super) fn write(&self, record: &Record, durable: bool) -> io::Result<()> {
        let part = self.path.join(format!("{}.{PART}", record.id));
        let written = (|| {
            let mut file = File::create(&part)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            if durable {
                file.sync_data()?;
            }
            fs::rename(&part, self.file(record.id))?;
            if durable { sync_directory(&self.path) } else { Ok(()) }
        })();
        if written.is_err() {
            // What could not be written is no use; if it cannot be removed either, the next start does.
            _ = fs::remove_file(&part);
        }
        written
    }

    pub(super) fn remove(&self, id: Uuid) -> io::Result<()> {
        match fs::remove_file(self.file(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn file(&self, id: Uuid) -> PathBuf {
        self.path.join(format!("{id}.{WHOLE}"))
    }
}

fn read(path: &Path) -> io::Result<Record> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
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
