//! Uploading from readers that wait.

use std::{
    io::{self, Read},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use futures::stream;
use tokio_util::io::StreamReader;

use crate::Upload;

/// How many bytes are read at once.
const PIECE: usize = 256 * 1024;

impl Upload {
    /// A reader of the standard library, with a file name for the server, and its length in bytes if known.
    ///
    /// Blocking form of [`reader`](Self::reader). It is read piece by piece, on a thread of its own.
    ///
    /// ```
    /// use invokeai_client::Upload;
    ///
    /// let from_memory = Upload::blocking_reader("drawing.png", std::io::Cursor::new([0x89, b'P', b'N', b'G']), Some(4));
    /// # let _ = from_memory;
    /// ```
    pub fn blocking_reader(name: impl Into<String>, reader: impl Read + Send + 'static, length: Option<u64>) -> Self {
        // The lock is for `Sync` only; nobody else has it.
        let pieces = stream::try_unfold(Mutex::new(reader), async |reader| {
            let read = tokio::task::spawn_blocking(move || piece(reader)).await;
            read.unwrap_or_else(|error| Err(io::Error::other(error)))
        });
        Self::reader(name, StreamReader::new(Box::pin(pieces)), length)
    }
}

/// The next piece, and the reader for those after it; `None` at its end.
fn piece<R: Read>(mut reader: Mutex<R>) -> io::Result<Option<(Bytes, Mutex<R>)>> {
    let mut bytes = Vec::with_capacity(PIECE);
    let source = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
    source.take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), reader)))
}
