//! Faults while a body is sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use invokeai_client::{Error, Upload};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf},
    net::TcpListener,
};

use crate::{
    builder,
    raw_server::{Act, RawServer, whole},
};

const IMAGE: &str = r#"{"image_name": "a.png", "image_origin": "external", "image_category": "user", "width": 1,
    "height": 1, "created_at": "2026-01-02 03:04:05.678", "is_intermediate": false, "starred": false,
    "has_workflow": false}"#;

/// Gives a piece every 100 ms, as a disk or a network may.
struct Slow {
    pieces: usize,
    pause: Pin<Box<tokio::time::Sleep>>,
    /// After the last piece.
    fails: bool,
}

/// As long as the first read, which checks what the file is.
const PIECE: &[u8] = b"\x89PNG, so to say.";

const PAUSE: Duration = Duration::from_millis(100);

impl Slow {
    fn new(pieces: usize, fails: bool) -> Self {
        Self { pieces, pause: Box::pin(tokio::time::sleep(PAUSE)), fails }
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::task::ready!(self.pause.as_mut().poll(context));
        if self.pieces == 0 {
            let end = if self.fails { Err(std::io::Error::other("the disk is gone")) } else { Ok(()) };
            return Poll::Ready(end);
        }
        self.pieces -= 1;
        self.pause = Box::pin(tokio::time::sleep(PAUSE));
        let length = PIECE.len().min(buffer.remaining());
        buffer.put_slice(&PIECE[..length]);
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_slow_upload_that_moves_has_all_the_time_it_needs() {
    // Its length is given, because the server of this test reads no other bodies.
    let (pieces, length) = (12, 12 * PIECE.len() as u64);
    let server = RawServer::start(vec![Act::Answer(whole("200 OK", "application/json", IMAGE))]).await;
    let client = builder(&server.url).build().unwrap();
    let began = Instant::now();
    let image = client.images().upload(Upload::reader("a.png", Slow::new(pieces, false), Some(length))).await.unwrap();
    assert_eq!(image.image_name, "a.png");
    assert!(began.elapsed() > Duration::from_secs(1), "longer in all than any single silence may be");
}

/// JSON may be as long as a file: a batch with thousands of rows.
#[tokio::test]
async fn long_json_that_moves_has_all_the_time_it_needs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taker = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut seen, mut buffer) = (Vec::new(), vec![0; 2 * 1024 * 1024]);
        let length = loop {
            let read = stream.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..read]);
            let head = String::from_utf8_lossy(&seen[..seen.len().min(2048)]).into_owned();
            if let Some((head, _)) = head.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break head.len() + 4 + length.parse::<usize>().unwrap();
            }
        };
        let mut taken = seen.len();
        while taken < length {
            tokio::time::sleep(Duration::from_millis(25)).await;
            taken += stream.read(&mut buffer).await.unwrap();
        }
        stream.write_all(whole("200 OK", "application/json", "{}").as_bytes()).await.unwrap();
        taken == length
    });
    let client = builder(&url).build().unwrap();
    let body = json!({"batch": "x".repeat(64 * 1024 * 1024)});
    let began = Instant::now();
    let call = client.api().enqueue_batch().queue_id("default").send_json_as::<serde_json::Value>(&body);
    assert_eq!(call.await.unwrap(), json!({}));
    assert!(began.elapsed() > Duration::from_millis(600), "longer in all than any single silence may be");
    assert!(taker.await.unwrap(), "it was announced as long as it is");
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_sent_is_sent_as_long_as_it_was() {
    let server = RawServer::start(vec![Act::Answer(whole("200 OK", "application/json", IMAGE))]).await;
    let client = builder(&server.url).build().unwrap();
    let upload = Upload::reader("a.png", Slow::new(5, false), Some(3 * PIECE.len() as u64));
    assert_eq!(client.images().upload(upload).await.unwrap().image_name, "a.png");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_not_a_success() {
    let server = RawServer::start(vec![Act::Answer(whole("200 OK", "application/json", IMAGE))]).await;
    let client = builder(&server.url).build().unwrap();
    let upload = Upload::reader("a.png", Slow::new(3, true), Some(1000));
    let error = client.images().upload(upload).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert_eq!(server.requests(), Vec::<String>::new(), "no whole request came");
    assert!(client.uploaded_assets().is_empty());
    assert_eq!(client.assets().unfinished_uploads.len(), 1, "what the server made of its part is not known");
}

#[tokio::test]
async fn a_server_that_stops_reading_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reader = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = builder(&url).build().unwrap();
    // More than all buffers on the way can hold.
    let upload = Upload::bytes("a.png", vec![0; 64 * 1024 * 1024]);
    let began = Instant::now();
    let error = client.images().upload(upload).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: true, .. }), "{error:?}");
    assert!(error.to_string().contains("sending to upload_image"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(client.assets().unfinished_uploads.len(), 1);
    reader.abort();
}

#[tokio::test]
async fn a_server_that_refuses_before_it_has_read_all_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refuser = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).await.unwrap();
        let answer = whole("413 Content Too Large", "application/json", r#"{"detail": "too large"}"#);
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Takes the rest, as a polite proxy does.
        let mut rest = vec![0; 256 * 1024];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    });
    let client = builder(&url).build().unwrap();
    let error = client.images().upload(Upload::bytes("a.png", vec![0; 8 * 1024 * 1024])).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)) && error.status() == Some(413), "{error:?}");
    assert!(client.assets().is_empty());
    refuser.abort();
}

#[tokio::test]
async fn a_server_that_closes_while_a_body_is_sent_may_have_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let closer = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 1024];
            stream.read_exact(&mut some).await.unwrap();
            stream.set_zero_linger().unwrap();
        }
    });
    let client = builder(&url).build().unwrap();
    let error = client.images().upload(Upload::bytes("a.png", vec![0; 8 * 1024 * 1024])).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }) && error.may_have_been_sent(), "{error:?}");
    assert_eq!(client.assets().unfinished_uploads.len(), 1);
    closer.abort();
}
