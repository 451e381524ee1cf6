//! Downloads: to memory, to a file, to a directory.
//!
//! A file appears whole or not at all. It is written under a passing name beside its place, checked (length, end of a
//! PNG, WebP or zip file), synced and renamed; after a failure, or when the future is dropped, nothing of it stays.
//! (A killed process cannot clean up: it may leave files `.<uuid>.part`.) Names from the server are checked before they
//! become names of files. Memory use does not depend on the size of files.
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
mod transfer;

pub(crate) use file::{parent, sync_directory};
pub use many::{DownloadMany, DownloadReport};
pub(crate) use name::file_name as checked_file_name;
pub(crate) use transfer::Source;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{
    Client,
    api::{ByteStream, ResponseValue},
    error::{Error, Result},
};
use content::Watch;
use file::Writer;
use transfer::Transfer;

/// What to do where a file of that name is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collision {
    /// Replace it.
    Overwrite,
    /// Keep it and download nothing. A PNG, WebP or zip file that is not whole is replaced.
    Skip,
    /// Write `name (2).png`, `name (3).png`, …
    Rename,
    /// Fail with [`Error::Io`] of kind `AlreadyExists`.
    Error,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Name on the server.
    pub name: String,
    /// Bytes so far.
    pub received: u64,
    /// Bytes in all, if the server said so.
    pub total: Option<u64>,
}

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedFile {
    /// Name on the server.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it was there before and nothing was downloaded.
    pub kept: bool,
}

type ProgressFn = Arc<dyn Fn(&DownloadProgress) + Send + Sync>;

#[derive(Clone, Default)]
struct Options {
    limit: Option<u64>,
    collision: Option<Collision>,
    sidecar: bool,
    durable: bool,
    progress: Option<ProgressFn>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, collision, sidecar, durable, progress: _ } = self;
        write!(f, "limit {limit:?}, collision {collision:?}, sidecar {sidecar}, durable {durable}")
    }
}

/// A download of one file under construction. Comes from handles, such as
/// [`ImageHandle::download`](crate::images::ImageHandle::download); [`bytes`](Self::bytes),
/// [`write_to`](Self::write_to), [`to_file`](Self::to_file) and [`to_directory`](Self::to_directory) carry it out.
///
/// There is no limit on its time, as long as it moves: after
/// [`read_timeout`](crate::TransportOptions::read_timeout) of silence it fails.
#[derive(Debug, Clone)]
#[must_use = "nothing is downloaded yet"]
pub struct Download {
    client: Client,
    source: Source,
    options: Options,
}

impl Download {
    pub(crate) fn new(client: &Client, source: Source) -> Self {
        Self { client: client.clone(), source, options: Options::default() }
    }

    /// Takes no more than so many bytes. 256 MiB to memory, 64 GiB to anything else without.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.options.limit = Some(bytes);
        self
    }

    /// Sets what to do where a file is there already. [`to_file`](Self::to_file) overwrites and
    /// [`to_directory`](Self::to_directory) skips without.
    pub fn collision(mut self, collision: Collision) -> Self {
        self.options.collision = Some(collision);
        self
    }

    /// Whether to write `<file>.json` beside the file, with the server's description of the image or video and the
    /// metadata of the run that made it. It replaces an older one. Other files have none.
    pub fn sidecar(mut self, sidecar: bool) -> Self {
        self.options.sidecar = sidecar;
        self
    }

    /// Whether to wait until the disk has the file before it gets its name. Off without, as with other programs: a loss
    /// of power moments later can then leave an empty or cut file. Nearly halves the speed of small files.
    pub fn durable(mut self, durable: bool) -> Self {
        self.options.durable = durable;
        self
    }

    /// Calls this at the start, after each piece, and so at the end.
    pub fn progress(mut self, progress: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self {
        self.options.progress = Some(Arc::new(progress));
        self
    }

    /// The whole file in memory.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Body`] if it is cut, of another kind, or longer than the
    /// limit; any error of a call.
    pub async fn bytes(self) -> Result<Bytes> {
        // What the server announces is not believed further than this.
        const BELIEVED: u64 = 16 * 1024 * 1024;
        let mut transfer = self.open(LIMIT_IN_MEMORY).await?;
        let mut whole = BytesMut::with_capacity(transfer.total().unwrap_or(0).min(BELIEVED) as usize);
        while let Some(chunk) = self.next(&mut transfer).await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Writes the file into a writer, and says how many bytes it has.
    ///
    /// After a failure the writer has a part of the file.
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

    /// Writes the file to this path. Its directory must exist.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`Error::Io`] if the file cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the whole file or nothing.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile> {
        self.save(path.as_ref(), Collision::Overwrite).await
    }

    /// Writes the file into this directory, which is made if it does not exist, under its name on the server.
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file), and [`Error::InvalidInput`] if the name is no plain file name.
    pub async fn to_directory(self, directory: impl AsRef<Path>) -> Result<SavedFile> {
        let file_name = self.source.file_name();
        let path = directory.as_ref().join(name::file_name(&file_name)?);
        let failed = |error| Error::io("create", directory.as_ref(), error);
        tokio::fs::create_dir_all(directory.as_ref()).await.map_err(failed)?;
        self.save(&path, Collision::Skip).await
    }

    async fn save(self, path: &Path, otherwise: Collision) -> Result<SavedFile> {
        let collision = self.options.collision.unwrap_or(otherwise);
        let saved = match existing(path, collision).await? {
            Some(bytes) => self.saved(path.to_owned(), bytes, true),
            None => self.transfer(path, collision).await?,
        };
        if self.options.sidecar {
            self.save_sidecar(&saved).await?;
        }
        Ok(saved)
    }

    async fn transfer(&self, path: &Path, collision: Collision) -> Result<SavedFile> {
        // A file that is there and not whole is replaced.
        let collision = match collision {
            Collision::Skip if tokio::fs::symlink_metadata(path).await.is_ok() => Collision::Overwrite,
            other => other,
        };
        let mut transfer = self.open(LIMIT).await?;
        let mut writer = Writer::create(path).await?;
        while let Some(chunk) = self.next(&mut transfer).await? {
            writer.write(chunk).await?;
        }
        let placed = writer.place(collision, self.options.durable).await?;
        Ok(self.saved(placed.path, transfer.received(), placed.kept))
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

    async fn save_sidecar(&self, saved: &SavedFile) -> Result<()> {
        let Some(path) = sidecar(&self.source, &saved.path) else { return Ok(()) };
        // There is nothing to add to a file that has one.
        if saved.kept && tokio::fs::symlink_metadata(&path).await.is_ok() {
            return Ok(());
        }
        let text = format!("{:#}\n", self.description().await?);
        write_file(&path, text.into()).await
    }

    /// What the server knows about an image or a video, all of it.
    async fn description(&self) -> Result<Value> {
        let api = self.client.api();
        let name = self.source.name();
        if matches!(self.source, Source::Video(_) | Source::VideoThumbnail(_)) {
            let video: Value = api.get_video_dto().video_name(name).send_as().await?;
            let metadata: Value = api.get_video_metadata().video_name(name).send_as().await?;
            return Ok(json!({ "video": video, "metadata": metadata }));
        }
        let image: Value = api.get_image_dto().image_name(name).send_as().await?;
        let metadata: Value = api.get_image_metadata().image_name(name).send_as().await?;
        Ok(json!({ "image": image, "metadata": metadata }))
    }
}

/// Writes a file that is in memory, whole or not at all, in place of one that is there.
pub(crate) async fn write_file(path: &Path, bytes: Bytes) -> Result<()> {
    let mut writer = Writer::create(path).await?;
    writer.write(bytes).await?;
    writer.place(Collision::Overwrite, true).await.map(drop)
}

/// The whole of a file that is no download of its own.
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

/// Longest file in memory, without other orders.
const LIMIT_IN_MEMORY: u64 = 256 * 1024 * 1024;

/// Longest file on disk, without other orders: enough for any, and no disk is filled without end.
const LIMIT: u64 = 64 * 1024 * 1024 * 1024;

fn sidecar(source: &Source, path: &Path) -> Option<PathBuf> {
    let described =
        matches!(source, Source::Image(_) | Source::ImageThumbnail(_) | Source::Video(_) | Source::VideoThumbnail(_));
    let mut name = path.file_name().filter(|_| described)?.to_owned();
    name.push(".json");
    Some(path.with_file_name(name))
}

/// Length of a whole file that is there, where that matters.
async fn existing(path: &Path, collision: Collision) -> Result<Option<u64>> {
    if !matches!(collision, Collision::Skip | Collision::Error) {
        return Ok(None);
    }
    let failed = |error| Error::io("read", path, error);
    let metadata = match tokio::fs::symlink_metadata(path).await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if collision == Collision::Error {
        return Err(Error::io("write", path, std::io::ErrorKind::AlreadyExists.into()));
    }
    if !metadata.is_file() {
        return Err(Error::io("write", path, std::io::Error::other("something that is no file has this name")));
    }
    let owned = path.to_owned();
    let whole = tokio::task::spawn_blocking(move || is_whole(&owned)).await;
    let whole = whole.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)?;
    Ok(whole.then_some(metadata.len()))
}

fn is_whole(path: &Path) -> std::io::Result<bool> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let mut watch = Watch::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(watch.fault("").is_none()),
            read => watch.feed(&buffer[..read]),
        }
    }
}
