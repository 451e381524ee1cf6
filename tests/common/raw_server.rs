//! A server of raw bytes, for what a well-behaved one cannot be made to do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What happens after a request has been read.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// These bytes; the connection stays open.
    Answer(String),
    /// These bytes; then the connection is closed.
    AnswerAndClose(String),
    /// The connection is reset without an answer.
    Reset,
    /// These bytes, and nothing more ever.
    Stall(String),
    /// These bytes, then a zero byte at a time, with this pause between.
    Drip(String, Duration),
    /// These bytes, then zeros forever, as fast as they are taken.
    Endless(String),
}

impl Act {
    /// A whole JSON answer that keeps the connection open.
    pub(crate) fn json(body: &str) -> Self {
        Self::Answer(whole("200 OK", "application/json", body))
    }
}

/// An answer with its length.
pub(crate) fn whole(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A server that goes through a list of acts, one per request; the last is repeated.
pub(crate) struct RawServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acts.clone(), seen.clone()));
            }
        });
        Self { url, requests }
    }

    /// First lines of the requests that came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, acts: Vec<Act>, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    while let Some(line) = request(&mut stream).await? {
        let act = {
            let mut seen = seen.lock().unwrap();
            seen.push(line);
            acts[(seen.len() - 1).min(acts.len() - 1)].clone()
        };
        match act {
            Act::Answer(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Act::AnswerAndClose(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                return stream.shutdown().await;
            }
            Act::Reset => {
                // No time to send what is left: the peer gets a reset.
                stream.set_zero_linger()?;
                return Ok(());
            }
            Act::Stall(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                std::future::pending::<()>().await;
            }
            Act::Drip(bytes, pause) => {
                stream.write_all(bytes.as_bytes()).await?;
                loop {
                    tokio::time::sleep(pause).await;
                    stream.write_all(b"0").await?;
                }
            }
            Act::Endless(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                loop {
                    stream.write_all(&[b'0'; 64 * 1024]).await?;
                }
            }
        }
    }
    Ok(())
}

/// Reads one request, with its body, and returns its first line; `None` at the end of the connection.
async fn request(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Ok(Some(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
