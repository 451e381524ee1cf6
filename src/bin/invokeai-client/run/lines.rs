//! A file of lines that only this process writes to, and that a sudden end or a full disk cannot spoil.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crate::local_folder::{parent, sync_directory, unlock};

#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    /// The length of the whole lines.
    whole: u64,
    /// Whether something may follow them.
    torn: bool,
}

impl Drop for Lines {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

impl Lines {
    /// Opens a file, or makes an empty one, and returns what is in it. Only a file that begins as `is_ours` wants is read
    /// to its end; of any other one, the beginning is returned.
    pub(super) fn open(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> io::Result<(Self, Vec<u8>)> {
        // Before it is opened: a pipe that nobody writes to blocks whoever opens it forever.
        match fs::metadata(path) {
            Ok(there) if !there.is_file() => return Err(io::Error::other("it is not a regular file")),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Not to append: Windows does not cut such a file.
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another run is using it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        (&file).take(4096).read_to_end(&mut bytes)?;
        if is_ours(&bytes) {
            file.read_to_end(&mut bytes)?;
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let torn = whole < bytes.len();
        if whole == 0 {
            // A new file is found after a crash only if its folder is on disk, too.
            sync_directory(&parent(path))?;
        }
        Ok((Self { file, whole: whole as u64, torn }, bytes))
    }

    /// Appends a line, and waits until it is on disk.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.whole)?;
        }
        // A full disk takes part of a line.
        self.torn = true;
        self.file.seek(SeekFrom::Start(self.whole))?;
        self.file.write_all(line.as_bytes())?;
        self.torn = false;
        self.whole = self.whole.saturating_add(line.len() as u64);
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_disk_took_of_a_line_is_cut_off_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (mut lines, _) = Lines::open(&path, |_| true).unwrap();
        lines.append("one\n").unwrap();
        // As after a write that failed.
        lines.file.write_all(b"tw").unwrap();
        lines.torn = true;
        lines.append("three\n").unwrap();
        drop(lines);
        fs::write(&path, [&fs::read(&path).unwrap()[..], b"fo"].concat()).unwrap();
        let (mut lines, bytes) = Lines::open(&path, |_| true).unwrap();
        assert_eq!(bytes, b"one\nthree\nfo");
        assert!(Lines::open(&path, |_| true).unwrap_err().to_string().contains("another run"));
        lines.append("five\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nthree\nfive\n");
    }
}
