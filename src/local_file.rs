//! Files of this machine: how they are opened, and how they are kept.

use std::{
    fs::{self, File, FileType},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Opens a file to read it.
///
/// Anything else is refused, by [`ErrorKind::InvalidInput`], before it is opened: a pipe to which nobody writes keeps
/// whoever opens it for ever, and a device may do anything.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    match kind.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(ErrorKind::InvalidInput, format!("not a file but {}", described(kind)))),
    }
}

/// As [`open`], and takes what whoever started this program has opened for it: its standard input, or the pipe that a
/// shell makes of `<(command)`. Reading such ends as reading from standard input does.
pub(crate) fn open_or_inherited(path: &Path) -> io::Result<File> {
    let inherited = ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|place| path.starts_with(place));
    if inherited { File::open(path) } else { open(path) }
}

#[cfg(unix)]
fn described(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn described(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "something else" }
}

/// The folder of a file.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A new name is safe only when its directory is.
#[cfg(unix)]
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
