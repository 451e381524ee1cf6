//! A stream that lets others have their turn, however much the server sends.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

/// Bytes read before others have their turn. All frames in them are processed at once, which may be thousands of the
/// smallest. Tokio counts reads, each of which may bring much more.
const TURN: usize = 16 * 1024;

/// Reads up to [`TURN`] bytes, then lets the runtime go on with its other tasks, timers and signals before it reads
/// more.
pub(super) struct Paced<S> {
    stream: S,
    /// Bytes left in this turn.
    left: usize,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, left: TURN }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            self.left = TURN;
            // Wakes this task when the runtime has looked at everything else. Its first poll is never ready.
            ready!(pin!(yield_now()).poll(cx));
        }
        let most = buffer.remaining().min(self.left);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        self.left = self.left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn everything_arrives_and_others_have_their_turn_between() {
        let sent: Vec<u8> = (0..10 * TURN + 7).map(|n| n as u8).collect();
        let mut stream = Paced::new(std::io::Cursor::new(sent.clone()));
        let mut read = Vec::new();
        let reading = async {
            // More at once than a turn allows.
            while stream.read_buf(&mut read).await.unwrap() > 0 {
                read.reserve(4 * TURN);
            }
        };
        let mut turns = 0;
        tokio::select! {
            biased;
            () = reading => {}
            () = async { loop { turns += 1; yield_now().await } } => {}
        }
        assert!(turns >= 10, "{turns}");
        assert!(read == sent);
    }
}
