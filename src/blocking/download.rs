//! Downloads.

use std::{
    io::{self, Write},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::mirror::mirror;
use crate::{
    download::{self, Collision, DownloadProgress, DownloadReport, SavedFile},
    error::Result,
};

mirror! {
    /// A download of one file under construction. Comes from handles, such as
    /// [`ImageHandle::download`](super::ImageHandle::download); [`bytes`](Self::bytes),
    /// [`write_to`](Self::write_to), [`to_file`](Self::to_file) and [`to_directory`](Self::to_directory) carry it
    /// out.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct Download = download::Download;

    /// Sets the most bytes to accept. Default: 256 MiB into memory, 64 GiB to anything else.
    set fn limit(self, bytes: u64) -> Self;
    /// Sets what to do if the file already exists. By default [`to_file`](Self::to_file) overwrites it and
    /// [`to_directory`](Self::to_directory) skips it.
    set fn collision(self, collision: Collision) -> Self;
    /// Sets the name that [`to_directory`](Self::to_directory) gives the file, without its ending: that stays the one
    /// that the file has on the server.
    set fn named(self, stem: impl Into<String>) -> Self;
    /// Whether to write `<file>.json` beside the file, with the server's description of the image or video and the
    /// metadata of the run that made it. It replaces an older description of the same image or video, but no other
    /// file: if another one has that name, nothing is downloaded. Other kinds of files have no description.
    set fn sidecar(self, sidecar: bool) -> Self;
    /// Whether to wait until the file is on disk before it gets its name. Off by default, as in other programs: a power
    /// loss moments later can then leave an empty or cut file, which later downloads report. Waiting nearly halves the
    /// speed of small files.
    set fn durable(self, durable: bool) -> Self;
    /// Calls this at the start and after each piece, the last one included.
    set fn progress(self, progress: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self;
    /// Downloads the whole file into memory.
    call fn bytes(self) -> Result<Bytes>;
    /// Writes the file to this path. Its directory must exist.
    call fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile>;
    /// Writes the file into this directory, which is created if it does not exist, under its name on the server or the
    /// one that was [set](Self::named).
    call fn to_directory(self, directory: impl AsRef<Path>) -> Result<SavedFile>;
}

mirror! {
    /// A download of many files into a directory, under construction; `call` carries it out.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct DownloadMany = download::DownloadMany;

    /// Sets how many files to download at the same time. Default: 4; 0 counts as 1.
    set fn parallel(self, parallel: usize) -> Self;
    /// Whether to download thumbnails (`….webp`) instead of the files.
    set fn thumbnails(self, thumbnails: bool) -> Self;
    /// Sets what to do if a file already exists. Default: skip it.
    set fn collision(self, collision: Collision) -> Self;
    /// As [`Download::sidecar`], for each file.
    set fn sidecar(self, sidecar: bool) -> Self;
    /// As [`Download::limit`], for each file.
    set fn limit(self, bytes: u64) -> Self;
    /// As [`Download::durable`].
    set fn durable(self, durable: bool) -> Self;
    /// As [`Download::progress`]; each call says which file it is about.
    set fn progress(self, progress: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self;
    /// Downloads the files.
    finish fn call(self) -> Result<DownloadReport>;
}

impl Download {
    /// The name that [`to_directory`](Self::to_directory) gives the file, unless that is taken. `None` if its ending is
    /// known only from its bytes.
    ///
    /// # Errors
    /// The same as for [`Download::file_name`](download::Download::file_name).
    pub fn file_name(&self) -> Result<Option<String>> {
        self.inner.file_name()
    }

    /// Writes the file into a writer, and returns its length in bytes.
    ///
    /// Blocking form of [`Download::write_to`](download::Download::write_to), which lists its errors.
    pub fn write_to(self, writer: &mut (impl Write + Send)) -> Result<u64> {
        self.runtime.block_on(self.inner.write_to(&mut Blocking(writer)))
    }
}

/// A writer that waits, on the thread of the caller, who waits anyway.
struct Blocking<'a, W>(&'a mut W);

impl<W: Write> AsyncWrite for Blocking<'_, W> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
