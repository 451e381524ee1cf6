//! Fingerprints that distinguish one content from another. They are not secure against somebody who wants them equal.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;

/// Length and FNV-1a hash of bytes: the same in every release, which the standard library's hash is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    bytes: u64,
    hash: u64,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Fingerprint {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// That of a file. Anything else has none.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let mut file: File = crate::local_file::open(path)?;
        let (mut fingerprint, mut buffer) = (Self::default(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(fingerprint),
                read => fingerprint.add(&buffer[..read]),
            }
        }
    }

    /// The length of the content.
    pub(super) fn bytes(self) -> u64 {
        self.bytes
    }

    /// The hash alone, as text.
    pub(super) fn hash(self) -> String {
        format!("{:016x}", self.hash)
    }
}

/// Takes a download without storing it.
impl AsyncWrite for Fingerprint {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.add(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
