//! Floods on the event connection: reads, time limits and signals go on, on one thread.

use std::{
    future::IntoFuture as _,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use invokeai_client::{
    Client, Error, Submission, Ticket,
    events::{EventFilter, EventItem, EventsOptions, Gap},
};
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message, WebSocket, accept,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::common::socket_server::within;

/// A server on threads of its own: it answers reads of one item and floods each websocket with the same frames forever.
pub(crate) struct Flood {
    pub(crate) url: String,
    sockets: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Flood {
    /// `frames` are the bytes that are sent again and again, once the websocket is open.
    fn start(frames: Vec<u8>) -> Self {
        Self::of(move |stream, stop| while !stop.load(Ordering::SeqCst) && stream.write_all(&frames).is_ok() {})
    }

    /// Writes to each websocket as `send` does.
    pub(crate) fn of(send: impl Fn(&mut TcpStream, &AtomicBool) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sockets, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        thread::spawn({
            let (sockets, stop) = (Arc::clone(&sockets), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    let (stream, send, sockets, stop) =
                        (stream.unwrap(), send.clone(), Arc::clone(&sockets), Arc::clone(&stop));
                    thread::spawn(move || {
                        let mut beginning = [0; 8];
                        while stream.peek(&mut beginning).is_ok_and(|n| (1..8).contains(&n)) {}
                        // A client that goes away is the test's business.
                        if &beginning == b"GET /ws/" {
                            sockets.fetch_add(1, Ordering::SeqCst);
                            flood(stream, &send, &stop);
                        } else {
                            let _ = answer(stream);
                        }
                    });
                }
            }
        });
        Self { url, sockets, stop }
    }

    pub(crate) fn client(&self) -> Client {
        let mut events = EventsOptions::default();
        events.backoff_min = Duration::from_millis(10);
        Client::builder(&self.url).events(events).build().unwrap()
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn flood(stream: TcpStream, send: &impl Fn(&mut TcpStream, &AtomicBool), stop: &AtomicBool) {
    let Ok(mut socket) = accept(stream) else { return };
    let open = json!({"sid": "s", "upgrades": [], "pingTimeout": 20_000, "pingInterval": 25_000});
    let greet = |socket: &mut WebSocket<TcpStream>| {
        socket.send(Message::text(format!("0{open}")))?;
        socket.read()?;
        socket.send(Message::text("40{\"sid\":\"s\"}"))?;
        // The subscription, with its number.
        let subscription = socket.read()?.into_text()?;
        let number: String = subscription.chars().skip(2).take_while(char::is_ascii_digit).collect();
        socket.send(Message::text(format!("43{number}[]")))
    };
    if greet(&mut socket).is_err() {
        return;
    }
    send(socket.get_mut(), stop);
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
    let item = json!({"item_id": 7, "batch_id": "b", "queue_id": "default", "status": "in_progress", "session": {}});
    let is_list = String::from_utf8_lossy(&bytes).contains("summaries");
    let body = if is_list { json!([item]) } else { item }.to_string();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length:";
    write!(stream, "{head} {}\r\n\r\n{body}", body.len())
}

/// As many frames of this text as fit in a turn or two.
fn texts(text: &str) -> Vec<u8> {
    frames(&Frame::message(text.to_owned(), OpCode::Data(Data::Text), true))
}

fn frames(frame: &Frame) -> Vec<u8> {
    let mut one = Vec::new();
    frame.clone().format(&mut one).unwrap();
    one.repeat((64 * 1024 / one.len()).max(1))
}

/// What a server can flood a websocket with.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let ours = json!({"item_id": 7, "batch_id": "b", "queue_id": "default", "status": "in_progress"});
    let fragment = Frame::message("", OpCode::Data(Data::Continue), false);
    let mut endless = Vec::new();
    Frame::message("x", OpCode::Data(Data::Text), false).format(&mut endless).unwrap();
    endless.extend(frames(&fragment));
    vec![
        ("unreadable", texts("4zzz")),
        ("pings", texts("2")),
        ("nothing", texts("6")),
        ("answers", texts("43999[]")),
        ("other events", texts("42[\"x\",{\"queue_id\":\"other\"}]")),
        ("cleared queues", texts("42[\"queue_cleared\",{\"queue_id\":\"default\"}]")),
        ("our item", texts(&format!("42[\"queue_item_status_changed\",{ours}]"))),
        ("websocket pings", frames(&Frame::ping(Vec::new()))),
        ("a message of empty pieces", endless),
    ]
}

pub(crate) async fn attached(client: &Client) -> Submission {
    let ticket = json!({"queue_id": "default", "batch_id": "b", "item_ids": [7]});
    let ticket: Ticket = serde_json::from_value(ticket).unwrap();
    within("a submission", Submission::attach(client, &ticket)).await.unwrap()
}

#[tokio::test]
async fn a_flood_holds_up_neither_reads_nor_limits() {
    for (what, frames) in floods() {
        let server = Flood::start(frames);
        let client = server.client();
        let submission = attached(&client).await;
        let job = submission.job().unwrap();
        // By now the flood has begun.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        let reads = within("reads", async {
            for _ in 0..5 {
                client.queue("default").item(7).await.unwrap();
            }
        });
        reads.await;
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: reads took {:?}", began.elapsed());
        let began = Instant::now();
        let limit = Duration::from_millis(300);
        let error = within("the limit", job.wait().timeout(limit).into_future()).await.unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { .. }), "{what}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: the wait took {:?}", began.elapsed());
        println!("{what}: {} websockets, {:?}", server.sockets.load(Ordering::SeqCst), began.elapsed());
    }
}

#[tokio::test]
async fn unreadable_packets_end_the_connection_and_none_is_hidden() {
    let server = Flood::start(texts("4zzz"));
    let client = server.client();
    let mut events = client.event_hub().subscribe(EventFilter::all().queue("default"));
    let (mut gaps, mut downs) = (0, 0);
    while downs < 3 {
        match within("an item", events.next()).await.unwrap().unwrap() {
            EventItem::Gap(Gap::Garbled { .. }) => gaps += 1,
            EventItem::Gap(Gap::Lagged { missed }) => gaps += missed as usize,
            EventItem::Disconnected { error } => {
                assert!(error.to_string().contains("unreadable packets"), "{error}");
                downs += 1;
            }
            EventItem::Gap(Gap::Reconnected) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gaps, 300, "a hundred for each connection");
}
