//! What the libraries below log of a real connection, at the finest level.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use futures::StreamExt as _;
use invokeai_client::{Client, events::EventsOptions};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{HUSH, Log, secret};

/// Collects what is logged through the `log` facade.
#[derive(Default)]
struct Facade {
    /// How many records came from each crate.
    records: Mutex<BTreeMap<String, usize>>,
    secrets: Mutex<Vec<String>>,
}

impl log::Log for Facade {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = format!("{} {}", record.target(), record.args());
        let name = record.target().split("::").next().unwrap_or_default().to_owned();
        *self.records.lock().unwrap().entry(name).or_default() += 1;
        // Logged as text, or as numbers of bytes.
        let bytes = HUSH.as_bytes();
        let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if [HUSH, &decimal, &hex, &hex.to_uppercase()].into_iter().any(|form| text.contains(form)) {
            self.secrets.lock().unwrap().push(text);
        }
    }

    fn flush(&self) {}
}

fn facade() -> &'static Facade {
    static FACADE: OnceLock<&Facade> = OnceLock::new();
    FACADE.get_or_init(|| {
        let facade: &Facade = Box::leak(Box::default());
        log::set_logger(facade).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        facade
    })
}

/// Reads a request with its body.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads a short text frame of a client and takes its mask off.
async fn frame(stream: &mut TcpStream) -> Option<String> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    assert_eq!(head[1] & 0x80, 0x80, "clients mask what they send");
    let length = match head[1] & 0x7f {
        126 => usize::from(stream.read_u16().await.ok()?),
        short => short.into(),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.ok()?;
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

async fn say(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ 0..126) => bytes.push(length),
        _ => bytes.extend([&[126][..], &u16::try_from(text.len()).unwrap().to_be_bytes()].concat()),
    }
    bytes.extend(text.as_bytes());
    // A client that has gone is the test's business.
    let _ = stream.write_all(&bytes).await;
}

/// Not built on a library, which would log as well. Sends on the texts of the frames that come.
async fn serve(mut stream: TcpStream, frames: mpsc::UnboundedSender<String>) {
    while let Some(request) = request(&mut stream).await {
        let key = request.lines().find_map(|line| {
            line.to_ascii_lowercase().starts_with("sec-websocket-key: ").then(|| line[19..].to_owned())
        });
        let Some(key) = key else {
            let user = json!({"user_id": "u", "email": "a@example.org"});
            let body = json!({"token": secret("answered"), "user": user, "expires_in": 60}).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-refreshed-token: {}\r\ncontent-length: {}\r\n\r\n{body}",
                secret("refreshed"),
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            continue;
        };
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes()).await;
        say(&mut stream, r#"0{"sid":"t","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#)
            .await;
        while let Some(text) = frame(&mut stream).await {
            if text.starts_with("40") {
                say(&mut stream, r#"40{"sid":"s"}"#).await;
                say(&mut stream, "2").await;
            }
            if let Some(emit) = text.strip_prefix("42") {
                let number: String = emit.chars().take_while(char::is_ascii_digit).collect();
                say(&mut stream, &format!("43{number}[]")).await;
            }
            let _ = frames.send(text);
        }
        return;
    }
}

/// The next frame that begins like this.
async fn next(frames: &mut mpsc::UnboundedReceiver<String>, beginning: &str) -> String {
    timeout(Duration::from_secs(20), async {
        loop {
            let text = frames.recv().await.expect("a frame");
            if text.starts_with(beginning) {
                return text;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("no frame that begins with {beginning}"))
}

#[tokio::test]
async fn no_library_logs_the_token_that_it_carries() {
    let facade = facade();
    let traces = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(traces.clone()).finish();
    // While there is only one dispatcher, a thread that has none of its own turns what it calls first off for all.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _guard = tracing::subscriber::set_default(subscriber);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut frames) = mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, sender.clone()));
        }
    });

    let mut options = EventsOptions::default();
    options.backoff_min = Duration::from_millis(10);
    let client = Client::builder(&url).token(secret("given")).events(options).build().unwrap();
    // The token as it was given, and as the answer to a login and a header renew it.
    for token in [secret("given"), secret("answered")] {
        let mut events = client.events();
        let connect = next(&mut frames, "40").await;
        assert!(connect.contains(&token), "{connect}");
        events.connected().await.unwrap();
        // A library that sends other packets logs them.
        next(&mut frames, "3").await;
        let (auth, word) = (client.auth(), secret("word"));
        let said = tokio::select! {
            _ = events.next() => false,
            said = auth.login("a@example.org", &word, false) => said.is_ok(),
        };
        assert!(said, "the login is answered");
        drop(events);
        // The connection is closed when nobody listens.
        next(&mut frames, "41").await;
    }
    server.abort();

    let secrets = facade.secrets.lock().unwrap();
    assert!(secrets.is_empty(), "{secrets:#?}");
    let records = facade.records.lock().unwrap();
    let crates: BTreeSet<&str> = records.keys().map(String::as_str).collect();
    assert!(crates.contains("reqwest"), "they log: {records:?}");
    let traces = String::from_utf8(traces.0.lock().unwrap().clone()).unwrap();
    assert!(traces.lines().count() > 10, "{traces}");
    let shown: Vec<_> = traces.lines().filter(|line| line.contains(HUSH)).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
