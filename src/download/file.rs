//! Files that appear whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Collision, content::Watch};
use crate::{
    base::{
        local_file,
        local_folder::{parent, sync_directory},
    },
    error::{Error, Result},
};

/// At most this many chunks wait for the disk.
const CHUNKS_WAITING: usize = 16;

/// What is at the path where a file is to be written.
#[derive(Debug)]
pub(super) enum There {
    Nothing,
    /// A file of this many bytes that is whole, judging by its own bytes.
    Whole(u64),
}

/// Looks at a file that is to stay, and whether it is whole.
///
/// It is never a half-written file of ours: those have temporary names. So a file that is cut belongs to somebody, and
/// is an error: it may be all that is left of a picture, or what a power loss left of a download. Taking it for the
/// picture would be as wrong as replacing it.
pub(super) async fn look(path: &Path) -> Result<There> {
    let metadata = match tokio::fs::symlink_metadata(path).await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    if !metadata.is_file() {
        return Err(taken(path, "something that is not a file has this name"));
    }
    let owned = path.to_owned();
    let cut = joined(tokio::task::spawn_blocking(move || cut(&owned))).await;
    match cut.map_err(|error| Error::io("read", path, error))? {
        None => Ok(There::Whole(metadata.len())),
        Some(cut) => Err(taken(path, &format!("a file of this name already exists and stays; it {cut}"))),
    }
}

/// The error for a path that another file already has.
pub(super) fn taken(path: &Path, problem: &str) -> Error {
    Error::io("write", path, io::Error::new(ErrorKind::AlreadyExists, problem))
}

/// What is missing from a file.
fn cut(path: &Path) -> io::Result<Option<String>> {
    let mut file = local_file::open(path)?;
    let mut watch = Watch::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(watch.cut()),
            read => watch.feed(&buffer[..read]),
        }
    }
}

/// A file that is being written, next to where it will be. Removed when dropped, unless it was put in place.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: Option<File>,
}

/// Where a file ended up.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    /// Whether an existing file was kept instead.
    pub(super) kept: bool,
}

/// Where a file is to be written whose path somebody chose.
pub(crate) async fn aim(path: &Path, collision: Collision) -> Result<PathBuf> {
    let owned = path.to_owned();
    if collision != Collision::Overwrite {
        return Ok(owned);
    }
    joined(tokio::task::spawn_blocking(move || local_file::replaced(&owned))).await.map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::io("write", path, error)
}

/// Takes the bytes of a file, and puts it in place at the end.
///
/// Disk work happens on its own thread, so a slow disk holds up nothing but this file. Dropping this at any time leaves
/// nothing behind: the partial file is removed when its writer ends.
pub(super) struct Writer {
    target: PathBuf,
    collision: Collision,
    chunks: mpsc::Sender<Bytes>,
    written: tokio::task::JoinHandle<io::Result<Part>>,
}

impl Writer {
    pub(super) async fn create(path: &Path, collision: Collision) -> Result<Self> {
        let (target, directory) = (path.to_owned(), parent(path));
        let (chunks, mut waiting) = mpsc::channel::<Bytes>(CHUNKS_WAITING);
        let part = tokio::task::spawn_blocking(move || {
            if collision == Collision::Overwrite {
                local_file::may_be_replaced(&target)?;
            }
            Part::create(&directory)
        });
        let part = joined(part).await.map_err(failed(path))?;
        let written = tokio::task::spawn_blocking(move || {
            let mut part = part;
            while let Some(chunk) = waiting.blocking_recv() {
                part.write(&chunk)?;
            }
            Ok(part)
        });
        Ok(Self { target: path.to_owned(), collision, chunks, written })
    }

    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        // The writer only stops after an error, which `place` would report.
        if self.chunks.send(chunk).await.is_err() {
            let error = match joined(&mut self.written).await {
                Ok(_) => io::Error::other("the writer stopped"),
                Err(error) => error,
            };
            return Err(Error::io("write", &self.target, error));
        }
        Ok(())
    }

    pub(super) async fn place(self, durable: bool) -> Result<Placed> {
        let Self { target, collision, chunks, written } = self;
        drop(chunks);
        let failed = |error| Error::io("write", target.clone(), error);
        let part = joined(written).await.map_err(failed)?;
        let aim = target.clone();
        joined(tokio::task::spawn_blocking(move || part.place(&aim, collision, durable))).await.map_err(failed)
    }
}

async fn joined<T>(task: impl Future<Output = Result<io::Result<T>, tokio::task::JoinError>>) -> io::Result<T> {
    task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Part {
    fn create(directory: &Path) -> io::Result<Self> {
        loop {
            let path = directory.join(format!(".{}.part", uuid::Uuid::new_v4()));
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            // Locked until the end, so that others can distinguish it from a file whose writer was killed. Some network
            // file systems have no locks; there nobody can take one to remove the file, either.
            let _ = file.lock();
            // Whoever removes such files may have been quicker.
            if path.exists() {
                return Ok(Self { path, file: Some(file) });
            }
        }
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(chunk),
            None => Err(io::Error::other("the file is closed")),
        }
    }

    fn place(mut self, target: &Path, collision: Collision, durable: bool) -> io::Result<Placed> {
        let file = self.file.take();
        if let (Some(file), true) = (&file, durable) {
            file.sync_all()?;
        }
        // Its lock is held until it has its name. Windows does not rename an open file.
        let _held = file.filter(|_| !cfg!(windows));
        let mut path = target.to_owned();
        let mut number: u32 = 1;
        let kept = loop {
            match collision {
                Collision::Overwrite => {
                    fs::rename(&self.path, &path)?;
                    break false;
                }
                _ => match place_new(&self.path, &path) {
                    Ok(()) => break false,
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => match collision {
                        Collision::Skip => break true,
                        Collision::Rename => {
                            number = number.checked_add(1).ok_or(error)?;
                            path = numbered(target, number);
                        }
                        _ => return Err(error),
                    },
                    Err(error) => return Err(error),
                },
            }
        };
        if durable {
            sync_directory(&parent(&path))?;
        }
        Ok(Placed { path, kept })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Windows does not remove an open file.
        drop(self.file.take());
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "cannot remove an unfinished download");
            }
            _ => {}
        }
    }
}

/// Removes the unfinished downloads that killed programs have left in a folder, and returns the number of files
/// removed.
///
/// Files that are being written stay, whoever writes them.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join(".6f2b0d0e-0000-4000-8000-000000000000.part"), "half a pict")?;
/// assert_eq!(invokeai_client::download::remove_unfinished(folder.path())?, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn remove_unfinished(directory: impl AsRef<Path>) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".part"));
        if id.is_none_or(|id| uuid::Uuid::try_parse(id).is_err()) || !entry.file_type()?.is_file() {
            continue;
        }
        // A part that has its final name by now is no longer there.
        let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            // Windows does not remove an open file.
            let _held = Some(file).filter(|_| !cfg!(windows));
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                removal => removed += u64::from(removal.is_ok()),
            }
        }
    }
    Ok(removed)
}

/// Moves a file to a name that must be free, so that of two writers one loses.
fn place_new(part: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(part, target) {
        // The part's own name is removed when it is dropped.
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A file system without links: take the name first.
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).open(target)?;
            fs::rename(part, target).inspect_err(|_| {
                let _ = fs::remove_file(target);
            })
        }
    }
}

/// `image (2).png` for `image.png`.
fn numbered(target: &Path, number: u32) -> PathBuf {
    let stem = target.file_stem().unwrap_or_default().to_string_lossy();
    let extension = target.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    target.with_file_name(format!("{stem} ({number}){}", extension.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn save(target: &Path, text: &'static str, collision: Collision) -> Result<Placed> {
        let mut writer = Writer::create(target, collision).await?;
        writer.write(Bytes::from_static(text.as_bytes())).await?;
        writer.place(true).await
    }

    #[tokio::test]
    async fn each_way_to_handle_a_file_that_already_exists() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.png");
        for (text, collision, kept, path) in [
            ("1", Collision::Error, false, "a.png"),
            ("2", Collision::Skip, true, "a.png"),
            ("3", Collision::Rename, false, "a (2).png"),
            ("4", Collision::Rename, false, "a (3).png"),
            ("5", Collision::Overwrite, false, "a.png"),
        ] {
            let placed = save(&target, text, collision).await.unwrap();
            assert_eq!((placed.kept, placed.path), (kept, directory.path().join(path)));
        }
        let error = save(&target, "6", Collision::Error).await.unwrap_err();
        assert!(matches!(&error, Error::Io { cause, .. } if cause.kind() == ErrorKind::AlreadyExists), "{error:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "5");
        assert_eq!(names(directory.path()), ["a (2).png", "a (3).png", "a.png"]);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_file_that_was_given_up_or_cannot_be_placed() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&directory.path().join("a"), Collision::Error).await.unwrap();
        writer.write(Bytes::from_static(b"half")).await.unwrap();
        assert_eq!(names(directory.path()).len(), 1);
        drop(writer);
        for _ in 0..100 {
            if names(directory.path()).is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(names(directory.path()).is_empty());

        fs::create_dir(directory.path().join("taken")).unwrap();
        save(&directory.path().join("taken"), "x", Collision::Overwrite).await.unwrap_err();
        save(&directory.path().join("missing").join("x"), "x", Collision::Overwrite).await.unwrap_err();
        assert_eq!(names(directory.path()), ["taken"]);
    }
}
