//! What an agent sends over standard input, line by line. A line that cannot be taken is answered with an error if it is
//! known whose it is, and reported in any case: an agent waits for each answer.

use std::io;

use rmcp::{
    ErrorData, RoleServer,
    model::RequestId,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::{Transport, async_rw::AsyncRwTransport},
};
use serde::Deserialize as _;
use serde_json::{Value, error::Category};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    io::{DuplexStream, duplex},
    sync::mpsc::{Receiver, Sender, channel},
};

use crate::serve::inputs::check;

/// How much of the ends of a line that is too long is kept: its id is there.
const ENDS: usize = 4096;

/// How much is passed on at once.
const PIECE: usize = 64 << 10;

/// A request that is refused, and why.
type Refused = (RequestId, String);

/// Standard input and output, without the lines that cannot be taken.
pub(super) struct Checked<W: AsyncWrite + Send + Unpin + 'static> {
    inner: AsyncRwTransport<RoleServer, DuplexStream, W>,
    refused: Receiver<Refused>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Checked<W> {
    /// Takes lines of at most this many bytes.
    pub(super) fn new(input: impl AsyncRead + Send + Unpin + 'static, output: W, most: usize) -> Self {
        let (to, from) = duplex(PIECE);
        let (refuse, refused) = channel(1);
        tokio::spawn(async move {
            if let Err(error) = pass(BufReader::new(input), to, most, refuse).await {
                tracing::error!(%error, "the input of the agent cannot be read");
            }
        });
        Self { inner: AsyncRwTransport::new_server(from, output).with_max_line_length(usize::MAX), refused }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Transport<RoleServer> for Checked<W> {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let (id, why) = tokio::select! {
                // What came before the end is answered before it.
                biased;
                Some(refused) = self.refused.recv() => refused,
                message = self.inner.receive() => return message,
            };
            let error = TxJsonRpcMessage::<RoleServer>::error(ErrorData::invalid_request(why, None), Some(id));
            let sending = self.inner.send(error);
            // Apart from this: whoever waits here may stop waiting at any moment.
            tokio::spawn(async move {
                if let Err(error) = sending.await {
                    tracing::error!(%error, "an agent does not hear that its request is refused");
                }
            });
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Passes on the lines that can be taken.
async fn pass(
    mut input: impl AsyncBufRead + Send + Unpin,
    mut to: impl AsyncWrite + Send + Unpin,
    most: usize,
    refuse: Sender<Refused>,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let length = (&mut input).take(most as u64).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() && length < most {
            continue;
        }
        let wrong = if line.ends_with(b"\n") || length < most {
            check(&line).err().map(|error| {
                let is_json = error.classify() == Category::Data;
                let id = is_json.then(|| id_of(&line, &line)).flatten();
                (id, format!("the message cannot be taken: {error}"))
            })
        } else {
            let end = rest(&mut input, &line).await?;
            Some((id_of(&line, &end), format!("the message is longer than {most} bytes, the most that is taken")))
        };
        match wrong {
            None => to.write_all(&line).await?,
            Some((id, why)) => {
                tracing::error!(why, "a line of an agent is dropped");
                if let Some(id) = id {
                    // Nobody listens any more if this fails.
                    _ = refuse.send((id, why)).await;
                }
            }
        }
    }
}

/// Reads a line to its end. Gives the last of it.
async fn rest(input: &mut (impl AsyncBufRead + Send + Unpin), begun: &[u8]) -> io::Result<Vec<u8>> {
    let mut end = begun.get(begun.len().saturating_sub(ENDS)..).unwrap_or_default().to_vec();
    loop {
        let length = (&mut *input).take(ENDS as u64).read_until(b'\n', &mut end).await?;
        if length == 0 || end.ends_with(b"\n") {
            return Ok(end);
        }
        end.drain(..end.len().saturating_sub(ENDS));
    }
}

/// The id of a message, of which the beginning and the end are known.
fn id_of(begin: &[u8], end: &[u8]) -> Option<RequestId> {
    const PARAMS: &[u8] = b"\"params\"";
    const ID: &[u8] = b"\"id\"";
    let begin = begin.get(..ENDS.min(begin.len()))?;
    let before = begin.windows(PARAMS.len()).position(|window| window == PARAMS).and_then(|at| begin.get(..at));
    let whole = |text: Vec<u8>| {
        let mut message: Value = serde_json::from_slice(&text).ok()?;
        RequestId::deserialize(message.get_mut("id")?.take()).ok()
    };
    // What comes before its content.
    let before = before.and_then(|text| whole([text.trim_ascii_end().strip_suffix(b",")?, b"}"].concat()));
    // What comes after: with the members from there on an object is whole only if they are those of the message itself.
    let end = end.get(end.len().saturating_sub(ENDS)..)?;
    let places = end.windows(ID.len()).enumerate().filter(|(_, window)| *window == ID);
    before.or_else(|| places.filter_map(|(at, _)| whole([b"{", end.get(at..)?].concat())).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_long_message_is_found_wherever_it_is() {
        let long = "x".repeat(100_000);
        let params =
            format!("{{\"name\": \"a\", \"arguments\": {{\"id\": 7, \"t\": \"{long}\\\"id\\\": 8}}\"}}, \"id\": 9}}");
        for (text, expected) in [
            (format!("{{\"jsonrpc\": \"2.0\", \"id\": 5, \"params\": {params}}}\n"), Some("5")),
            (
                format!("{{\"method\": \"m\", \"params\": {params}, \"jsonrpc\": \"2.0\", \"id\": \"six\"}}\n"),
                Some("\"six\""),
            ),
            (format!("{{\"method\": \"m\", \"params\": {params}}}\n"), None),
            (format!("{long}\n"), None),
        ] {
            let id = id_of(text.as_bytes(), text.as_bytes());
            let id = id.map(|id| serde_json::to_string(&id).expect("an id"));
            assert_eq!(id.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn lines_that_cannot_be_taken_keep_no_other_back() {
        let long = format!("{{\"id\": 1, \"params\": \"{}\"}}\n", "x".repeat(100_000));
        let twice = "{\"id\": 2, \"params\": {\"a\": 1, \"a\": 2}}\n";
        let good = "{\"id\": 3, \"params\": {}}\n";
        let input = [long.as_bytes(), b"no JSON\n", b"\"\xff\"\n", twice.as_bytes(), good.as_bytes()].concat();
        let (to, mut from) = duplex(PIECE);
        let (refuse, mut refused) = channel(10);
        pass(BufReader::new(&*input), to, 10_000, refuse).await.expect("read");
        let mut passed = String::new();
        from.read_to_string(&mut passed).await.expect("read");
        assert_eq!(passed, good);
        let mut ids = Vec::new();
        while let Some((id, why)) = refused.recv().await {
            ids.push((serde_json::to_value(&id).expect("an id"), why));
        }
        assert!(ids[0].0 == 1 && ids[0].1.contains("longer than 10000 bytes"), "{ids:?}");
        assert!(ids[1].0 == 2 && ids[1].1.contains("`a` is given twice") && ids.len() == 2, "{ids:?}");
    }
}
