//! Downloads: to memory, to a file, to a directory.
//!
//! A file appears whole or not at all. It is written under a temporary name beside its final place, checked (length,
//! kind, end of a PNG, WebP or zip file), synced and renamed; after a failure, or when the future is dropped, nothing
//! of it is left. (A killed process cannot clean up: it may leave files `.<uuid>.part`, which [`remove_unfinished`]
//! removes.) Names from the server become names of files only if they are plain and end like those of media files.
//! Existing files stay, unless [`Collision::Overwrite`] replaces them. Memory use does not depend on the size of files.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let image = client.image("6f2b0d0e-0000-4000-8000-000000000000.png");
//! let bytes = image.download().bytes().await?;
//! image.download().sidecar(true).to_directory("pictures").await?;
//!
//! let report = client.board("4c1b…").download_all("pictures").parallel(8).await?;
//! println!("{} new, {} were there, {} failed", report.saved.len(), report.kept.len(), report.failed.len());
//! # Ok(())
//! # }
//! ```

mod content;
mod file;
mod many;
mod name;
mod sidecar;
mod transfer;

pub use file::remove_unfinished;
pub use many::{DownloadMany, DownloadReport};
pub(crate) use name::file_name as checked_file_name;
pub(crate) use transfer::Source;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{
    Client,
    api::{ByteStream, ResponseValue},
    error::{BodyFault, Error, Result},
    media::{HEAD, Kind},
};
use file::{There, Writer};
use transfer::Transfer;

/// What to do if a file of that name already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collision {
    /// Replace it.
    Overwrite,
    /// Keep it and download nothing. The existing file is never replaced: one that is empty, or a PNG, WebP or zip file
    /// that is cut, stays too, but is reported as an error, because it is not the file that was wanted.
    Skip,
    /// Write `name (2).png`, `name (3).png`, …
    Rename,
    /// Fail with [`Error::Io`] of kind `AlreadyExists`.
    Error,
}

/// Progress of a download.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Name on the server.
    pub name: String,
    /// Bytes received so far.
    pub received: u64,
    /// Bytes in all, if the server said so.
    pub total: Option<u64>,
}

crate::base::debug::short_debug! { DownloadProgress { name, received, total } }

/// A file that was downloaded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedFile {
    /// Name on the server; empty for a zip file that already existed, as the server was not asked for one.
    pub name: String,
    /// Path of the file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it already existed, so that nothing was downloaded.
    pub kept: bool,
}

crate::base::debug::short_debug! { SavedFile { name, path, bytes, kept } }

type ProgressFn = Arc<dyn Fn(&DownloadProgress) + Send + Sync>;

#[derive(Clone, Default)]
struct Options {
    limit: Option<u64>,
    collision: Option<Collision>,
    stem: Option<String>,
    sidecar: bool,
    durable: bool,
    progress: Option<ProgressFn>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, collision, stem, sidecar, durable, progress: _ } = self;
        write!(f, "limit {limit:?}, collision {collision:?}, stem {stem:?}, sidecar {sidecar}, durable {durable}")
    }
}

/// A download of one file under construction. Comes from handles, such as
/// [`ImageHandle::download`](crate::images::ImageHandle::download); [`bytes`](Self::bytes),
/// [`write_to`](Self::write_to), [`to_file`](Self::to_file) and [`to_directory`](Self::to_directory) carry it out.
///
/// There is no limit on its time, as long as it moves: it fails if, within
/// [`read_timeout`](crate::TransportOptions::read_timeout), nothing comes, or less than
/// [`slowest_download`](crate::TransportOptions::slowest_download).
#[derive(Clone)]
#[must_use = "nothing is downloaded yet"]
pub struct Download {
    client: Client,
    source: Source,
    options: Options,
}

crate::base::debug::short_debug! { Download { client, source, options } }

impl Download {
    pub(crate) fn new(client: &Client, source: Source) -> Self {
        Self { client: client.clone(), source, options: Options::default() }
    }

    /// Sets the most bytes to accept. Default: 256 MiB into memory, 64 GiB to anything else.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.options.limit = Some(bytes);
        self
    }

    /// Sets what to do if the file already exists. By default [`to_file`](Self::to_file) overwrites it and
    /// [`to_directory`](Self::to_directory) skips it.
    pub fn collision(mut self, collision: Collision) -> Self {
        self.options.collision = Some(collision);
        self
    }

    /// Sets the name that [`to_directory`](Self::to_directory) gives the file, without its ending: that stays the one
    /// that the file has on the server.
    pub fn named(mut self, stem: impl Into<String>) -> Self {
        self.options.stem = Some(stem.into());
        self
    }

    /// The name that [`to_directory`](Self::to_directory) gives the file, unless that is taken. `None` if its ending is
    /// known only from its bytes.
    ///
    /// # Errors
    /// [`Error::UnusableName`] if it is not a plain name of a media file.
    pub fn file_name(&self) -> Result<Option<String>> {
        let Some(name) = self.source.file_name() else { return Ok(None) };
        let name = self.with_stem(name);
        name::file_name(&name, self.source.expected())?;
        Ok(Some(name))
    }

    fn with_stem(&self, name: String) -> String {
        match (&self.options.stem, name.rsplit_once('.')) {
            (Some(stem), Some((_, ending))) => format!("{stem}.{ending}"),
            (Some(stem), None) => stem.clone(),
            (None, _) => name,
        }
    }

    /// Whether to write `<file>.json` beside the file, with the server's description of the image or video and the
    /// metadata of the run that made it. It replaces an older description of the same image or video, but no other
    /// file: if another one has that name, nothing is downloaded. Other kinds of files have no description.
    pub fn sidecar(mut self, sidecar: bool) -> Self {
        self.options.sidecar = sidecar;
        self
    }

    /// Whether to wait until the file is on disk before it gets its name. Off by default, as in other programs: a power
    /// loss moments later can then leave an empty or cut file, which later downloads report. Waiting nearly halves the
    /// speed of small files.
    pub fn durable(mut self, durable: bool) -> Self {
        self.options.durable = durable;
        self
    }

    /// Calls this at the start and after each piece, the last one included.
    pub fn progress(mut self, progress: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self {
        self.options.progress = Some(Arc::new(progress));
        self
    }

    /// Downloads the whole file into memory.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Body`] if it is cut, of another kind, or longer than the
    /// limit; any error of a call.
    pub async fn bytes(self) -> Result<Bytes> {
        // The length that the server announces is not trusted beyond this.
        const BELIEVED: u64 = 16 * 1024 * 1024;
        let mut transfer = self.open(LIMIT_IN_MEMORY).await?;
        let mut whole = BytesMut::with_capacity(transfer.total().unwrap_or(0).min(BELIEVED) as usize);
        while let Some(chunk) = self.next(&mut transfer).await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Writes the file into a writer, and returns its length in bytes.
    ///
    /// After a failure the writer may have received part of the file.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`Error::Io`] if the writer fails.
    pub async fn write_to(self, writer: &mut (impl AsyncWrite + Unpin + Send)) -> Result<u64> {
        let failed = |error| Error::io("write", self.source.name(), error);
        let mut transfer = self.open(LIMIT).await?;
        while let Some(chunk) = self.next(&mut transfer).await? {
            writer.write_all(&chunk).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        Ok(transfer.received())
    }

    /// Writes the file to this path. Its directory must exist. If a link is there, what it leads to is replaced.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`Error::Io`] if the file cannot be written, or if something else than a file is
    /// there: a directory, a device, a pipe.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the whole file or nothing.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile> {
        let path = file::aim(path.as_ref(), self.options.collision.unwrap_or(Collision::Overwrite)).await?;
        self.save(&path, Collision::Overwrite, None, None).await
    }

    /// Writes the file into this directory, which is created if it does not exist, under its name on the server or the
    /// one that was [set](Self::named).
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), and [`Error::UnusableName`] if the name is not a plain name of a media file,
    /// [`Error::Body`] if the file is of another kind than its name says. [`to_file`](Self::to_file) takes any name
    /// from its caller.
    pub async fn to_directory(self, directory: impl AsRef<Path>) -> Result<SavedFile> {
        let directory = directory.as_ref();
        let (name, begun) = match self.source.file_name() {
            Some(name) => (name, None),
            None => {
                let begun = self.begin().await?;
                let unknown = || begun.transfer.fault(BodyFault::WrongKind, "is of an unknown kind");
                let kind = begun.transfer.kind().ok_or_else(unknown)?;
                (format!("{}.{}", self.source.name(), kind.ending()), Some(begun))
            }
        };
        let name = self.with_stem(name);
        let path = directory.join(name::file_name(&name, self.source.expected())?);
        let failed = |error| Error::io("create", directory, error);
        tokio::fs::create_dir_all(directory).await.map_err(failed)?;
        self.save(&path, Collision::Skip, Kind::of_name(&name), begun).await
    }

    /// `kind` is the kind that the file's name says, if the server gave the name.
    async fn save(
        &self,
        path: &Path,
        otherwise: Collision,
        kind: Option<Kind>,
        begun: Option<Begun>,
    ) -> Result<SavedFile> {
        let collision = self.options.collision.unwrap_or(otherwise);
        let beside = sidecar::path_of(&self.source, path).filter(|_| self.options.sidecar);
        if let Some(length) = stays(path, collision).await? {
            // A file that already has something beside it needs no description.
            if let Some(beside) = beside
                && tokio::fs::symlink_metadata(&beside).await.is_err()
            {
                let text = sidecar::text(&self.client, &self.source).await?;
                sidecar::write(&beside, self.source.name(), text, self.options.durable).await?;
            }
            return Ok(self.saved(path.to_owned(), length, true));
        }
        // Whatever can fail about the description fails before the file is there.
        let text = match &beside {
            Some(beside) => {
                if collision != Collision::Rename {
                    sidecar::check(beside, self.source.name()).await?;
                }
                Some(sidecar::text(&self.client, &self.source).await?)
            }
            None => None,
        };
        let begun = match begun {
            Some(begun) => begun,
            None => self.begin().await?,
        };
        let saved = self.transfer(path, collision, kind, begun).await?;
        if let (Some(text), Some(beside)) = (text, sidecar::path_of(&self.source, &saved.path)) {
            sidecar::write(&beside, self.source.name(), text, self.options.durable).await?;
        }
        Ok(saved)
    }

    async fn transfer(&self, path: &Path, collision: Collision, kind: Option<Kind>, begun: Begun) -> Result<SavedFile> {
        let Begun { mut transfer, first } = begun;
        if let (Some(named), found) = (kind, transfer.kind())
            && found != kind
        {
            let found = found.map_or("of an unknown kind", Kind::described);
            let problem = format!("is {found}, though its name is that of {}", named.described());
            return Err(transfer.fault(BodyFault::WrongKind, problem));
        }
        let mut writer = Writer::create(path, collision).await?;
        for chunk in first {
            writer.write(chunk).await?;
        }
        while let Some(chunk) = self.next(&mut transfer).await? {
            writer.write(chunk).await?;
        }
        let placed = writer.place(self.options.durable).await?;
        let length = match placed.kept {
            // It appeared there while this was under way.
            true => stays(&placed.path, collision).await?.unwrap_or(0),
            false => transfer.received(),
        };
        Ok(self.saved(placed.path, length, placed.kept))
    }

    /// The answer, and as much of its body as it takes to know its kind.
    async fn begin(&self) -> Result<Begun> {
        let mut transfer = self.open(LIMIT).await?;
        let mut first = Vec::new();
        while transfer.received() < HEAD as u64 {
            match self.next(&mut transfer).await? {
                Some(chunk) => first.push(chunk),
                None => break,
            }
        }
        Ok(Begun { transfer, first })
    }

    fn saved(&self, path: PathBuf, bytes: u64, kept: bool) -> SavedFile {
        SavedFile { name: self.source.name().to_owned(), path, bytes, kept }
    }

    async fn open(&self, otherwise: u64) -> Result<Transfer> {
        let limit = self.options.limit.unwrap_or(otherwise);
        let transfer = Transfer::open(&self.client, &self.source, limit).await?;
        self.tell(&transfer);
        Ok(transfer)
    }

    async fn next(&self, transfer: &mut Transfer) -> Result<Option<Bytes>> {
        let chunk = transfer.next().await?;
        if chunk.is_some() {
            self.tell(transfer);
        }
        Ok(chunk)
    }

    fn tell(&self, transfer: &Transfer) {
        if let Some(progress) = &self.options.progress {
            let name = self.source.name().to_owned();
            progress(&DownloadProgress { name, received: transfer.received(), total: transfer.total() });
        }
    }
}

/// A transfer that has begun.
struct Begun {
    transfer: Transfer,
    first: Vec<Bytes>,
}

/// The length of an existing file that is kept instead of a new one.
pub(crate) async fn stays(path: &Path, collision: Collision) -> Result<Option<u64>> {
    if !matches!(collision, Collision::Skip | Collision::Error) {
        return Ok(None);
    }
    match (collision, file::look(path).await) {
        (Collision::Error, Ok(There::Whole(_))) => Err(file::taken(path, "a file of this name already exists")),
        (_, Ok(There::Nothing)) => Ok(None),
        (_, Ok(There::Whole(length))) => Ok(Some(length)),
        (_, Err(error)) => Err(error),
    }
}

/// Writes a file that is in memory, whole or not at all, to a path that somebody chose, in place of an existing one.
pub(crate) async fn write_file_at(path: &Path, bytes: Bytes) -> Result<()> {
    write_file(&file::aim(path, Collision::Overwrite).await?, bytes).await
}

/// Writes a file that is in memory, whole or not at all, in place of an existing one.
pub(crate) async fn write_file(path: &Path, bytes: Bytes) -> Result<()> {
    let mut writer = Writer::create(path, Collision::Overwrite).await?;
    writer.write(bytes).await?;
    writer.place(true).await.map(drop)
}

/// The whole of a file that is not a `Download` of its own.
pub(crate) async fn collect(
    operation: &'static str,
    client: &Client,
    answer: ResponseValue<ByteStream>,
) -> Result<Bytes> {
    let mut transfer = Transfer::of(client, operation, answer, LIMIT_IN_MEMORY)?;
    let mut whole = BytesMut::new();
    while let Some(chunk) = transfer.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Longest file in memory by default.
const LIMIT_IN_MEMORY: u64 = 256 * 1024 * 1024;

/// Longest file on disk by default: enough for any, and no disk is filled without end.
const LIMIT: u64 = 64 * 1024 * 1024 * 1024;
