//! Opening files of this machine.

use std::{
    fs::{self, File, FileType},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Opens a file to read it.
///
/// Anything else is refused, by [`ErrorKind::InvalidInput`], before it is opened: a pipe that nobody writes to blocks
/// whoever opens it forever, and a device may do anything.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    must_be_file(fs::metadata(path)?.file_type())?;
    File::open(path)
}

fn must_be_file(kind: FileType) -> io::Result<()> {
    match kind.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, format!("not a file but {}", described(kind)))),
    }
}

/// Checks that a new file may take the place of what is at this path: of nothing, of a file, or of a link.
///
/// Anything else is refused, by [`ErrorKind::InvalidInput`]. Whoever may do everything could otherwise put a file in the
/// place of a device, and `/dev/null` would be a file for all programs.
pub(crate) fn may_be_replaced(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => Ok(()),
        Ok(there) => must_be_file(there.file_type()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where to put a new file that takes the place of the one at this path, which somebody chose: for a link, where it
/// leads.
pub(crate) fn replaced(path: &Path) -> io::Result<PathBuf> {
    if !path.is_symlink() {
        return may_be_replaced(path).map(|()| path.to_owned());
    }
    let kind = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::InvalidInput, "a link that leads to nothing"),
        _ => error,
    })?;
    must_be_file(kind.file_type())?;
    path.canonicalize()
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    #[test]
    fn only_a_file_is_replaced_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (link, target) in [("to-file", at("file")), ("to-null", "/dev/null".into()), ("to-none", at("none"))] {
            symlink(target, at(link)).unwrap();
        }
        symlink("to-file", at("twice")).unwrap();
        for (name, target) in [("new", "new"), ("file", "file"), ("to-file", "file"), ("twice", "file")] {
            let found = replaced(&at(name)).unwrap();
            assert_eq!(found.file_name(), at(target).file_name(), "{name}");
            fs::write(found, name).unwrap();
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "twice");
        for (name, problem) in [
            ("folder", "not a file but a directory"),
            ("socket", "not a file but a socket"),
            ("to-null", "not a file but a device"),
            ("to-none", "a link that leads to nothing"),
        ] {
            let refused = replaced(&at(name)).unwrap_err();
            assert_eq!((refused.kind(), refused.to_string().as_str()), (ErrorKind::InvalidInput, problem), "{name}");
            assert_eq!(may_be_replaced(&at(name)).is_ok(), name.starts_with("to-"), "{name}");
        }
    }
}
