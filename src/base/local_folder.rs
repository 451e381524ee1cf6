//! Folders of this machine, and locks of files in them.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The folder of a file.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Syncs a directory to disk. A new name in it is safe only after that.
#[cfg(unix)]
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Releases the lock of a file that is about to be closed. Closing it is not enough: a process that another thread starts
/// at this moment has inherited the file, and with it the lock, until it runs a program of its own.
pub(crate) fn unlock(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::debug!(%error, "a file could not be unlocked");
    }
}
