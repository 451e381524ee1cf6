//! Opening files of this machine.

use std::{
    fs::{self, File, FileType},
    io::{self, ErrorKind},
    path::Path,
};

/// Opens a file to read it.
///
/// Anything else is refused, by [`ErrorKind::InvalidInput`], before it is opened: a pipe that nobody writes to blocks
/// whoever opens it forever, and a device may do anything.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    match kind.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(ErrorKind::InvalidInput, format!("not a file but {}", described(kind)))),
    }
}

/// Like [`open`], but also accepts what was opened for this program when it was started: its standard input, or the
/// pipe that a shell makes of `<(command)`. Reading from them comes to an end, as reading from standard input does.
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
