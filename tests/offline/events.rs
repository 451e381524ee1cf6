//! The event connection against a scripted server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{FutureExt, SinkExt, StreamExt};
use invokeai_client::events::codec::{Packet, SocketBody};
use invokeai_client::events::{
    ConnectionState, EventEndpoint, EventError, EventFilter, EventHub, EventItem, EventStream, EventsOptions, Gap,
};
use serde_json::{Value, json};
use socket_server::{DEADLINE, Peer, SocketServer, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::common::{http, socket_server};

fn options() -> EventsOptions {
    let mut options = EventsOptions::default();
    options.backoff_min = Duration::from_millis(10);
    options.backoff_max = Duration::from_millis(50);
    options.linger = Duration::ZERO;
    options
}

fn hub(server: &SocketServer, options: EventsOptions) -> EventHub {
    EventHub::new(EventEndpoint::new(http::client(), &server.url()).unwrap(), options)
}

fn queue() -> EventFilter {
    EventFilter::all().queue("default")
}

async fn next(events: &mut EventStream) -> EventItem {
    within("an item", events.next()).await.expect("the stream goes on").expect("no error")
}

/// The items as short texts: `name item`, `down`, `gap …`.
async fn texts(events: &mut EventStream, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(match next(events).await {
            EventItem::Event(event) => format!("{} {}", event.name(), event.item_id().unwrap_or(-1)),
            EventItem::Disconnected { .. } => "down".to_owned(),
            EventItem::Gap(Gap::Reconnected) => "gap".to_owned(),
            EventItem::Gap(Gap::Lagged { missed }) => format!("lagged {missed}"),
            EventItem::Gap(Gap::Garbled { .. }) => "garbled".to_owned(),
            other => format!("{other:?}"),
        });
    }
    seen
}

fn item(id: i64) -> Value {
    json!({"queue_id": "default", "item_id": id, "batch_id": format!("b{}", id % 2)})
}

async fn last_error(events: &mut EventStream) -> EventError {
    let error = within("the end", async {
        loop {
            match events.next().await.expect("an error before the end") {
                Ok(item) => assert!(!matches!(item, EventItem::Event(_)), "{item:?}"),
                Err(error) => return error,
            }
        }
    });
    let error = error.await;
    assert!(within("the end", events.next()).await.is_none(), "nothing follows the error");
    error
}

#[tokio::test]
async fn events_arrive_in_order_and_the_socket_closes_after_the_last_subscriber() {
    let (said_goodbye, goodbye) = oneshot::channel();
    let said_goodbye = Arc::new(std::sync::Mutex::new(Some(said_goodbye)));
    let server = SocketServer::start(move |_, stream| {
        let said_goodbye = said_goodbye.lock().unwrap().take();
        async move {
            let mut peer = Peer::welcome(stream, 0).await;
            assert_eq!(peer.path, "/ws/socket.io/?EIO=4&transport=websocket");
            assert_eq!(
                peer.confirm_subscription().await,
                ("subscribe_queue".to_owned(), json!({"queue_id": "default"}))
            );
            for id in 0..100 {
                peer.event("invocation_started", item(id)).await;
            }
            let _ = said_goodbye.unwrap().send(peer.gone().await);
        }
    })
    .await;
    let hub = hub(&server, options());
    assert!(matches!(hub.state(), ConnectionState::Idle));
    let mut events = hub.subscribe(queue());
    let mut odd = hub.subscribe(queue().batch("b1"));
    let mut one = hub.subscribe(queue().item(42));
    within("connected", events.connected()).await.unwrap();
    assert!(matches!(events.state(), ConnectionState::Connected));
    let expected: Vec<_> = (0..100).map(|id| format!("invocation_started {id}")).collect();
    assert_eq!(texts(&mut events, 100).await, expected);
    assert_eq!(texts(&mut odd, 50).await, expected.iter().skip(1).step_by(2).cloned().collect::<Vec<_>>());
    assert_eq!(texts(&mut one, 1).await, ["invocation_started 42"]);
    assert_eq!(server.connections(), 1, "one socket for all");
    drop((events, odd));
    assert!(matches!(hub.state(), ConnectionState::Connected));
    drop(one);
    assert!(within("goodbye", goodbye).await.unwrap(), "the client leaves the namespace");
    let mut states = Box::pin(hub.states());
    while !matches!(within("a state", states.next()).await.unwrap(), ConnectionState::Idle) {}
}

#[tokio::test]
async fn a_url_prefix_goes_in_front_and_a_token_into_the_connect_packet() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = SocketServer::start(move |_, stream| {
        let tell = tell.clone();
        async move {
            let mut peer = Peer::accept(stream).await;
            peer.open(25_000, 20_000).await;
            tell.send((peer.path.clone(), peer.expect_connect().await)).unwrap();
            peer.grant().await;
            // Returning drops the connection, so that the client comes again.
        }
    })
    .await;
    let asked = AtomicUsize::new(0);
    let endpoint = EventEndpoint::new(http::client(), &format!("{}/some/prefix/?x=1#y", server.url())).unwrap();
    let endpoint = endpoint.token(move || Some(format!("secret-{}", asked.fetch_add(1, Ordering::SeqCst))));
    assert!(!format!("{endpoint:?}").contains("secret"));
    let hub = EventHub::new(endpoint, options());
    let _events = hub.subscribe(queue());
    for n in 0..3 {
        let (path, payload) = within("a connection", told.recv()).await.unwrap();
        assert_eq!(path, "/some/prefix/ws/socket.io/?EIO=4&transport=websocket");
        assert_eq!(payload, Some(json!({"token": format!("secret-{n}")})), "the source is asked each time");
    }
    assert!(!format!("{hub:?}").contains("secret"));
}

#[tokio::test]
async fn a_refusal_ends_the_stream_and_closes_the_transport() {
    let (tell, mut closed) = mpsc::unbounded_channel();
    let server = SocketServer::start(move |_, stream| {
        let tell = tell.clone();
        async move {
            let mut peer = Peer::accept(stream).await;
            peer.open(25_000, 20_000).await;
            peer.expect_connect().await;
            peer.body(SocketBody::ConnectError(Some(json!({"message": "Connection rejected by server"})))).await;
            peer.gone().await;
            tell.send(()).unwrap();
        }
    })
    .await;
    let hub = hub(&server, options());
    let mut events = hub.subscribe(queue());
    let error = within("connected", events.connected()).await.unwrap_err();
    assert!(matches!(&error, EventError::Refused { message } if message == "Connection rejected by server"), "{error}");
    assert!(matches!(last_error(&mut events).await, EventError::Refused { .. }));
    assert!(matches!(hub.state(), ConnectionState::Failed { error: EventError::Refused { .. } }));
    within("the close", closed.recv()).await.unwrap();
    assert_eq!(server.connections(), 1, "no second attempt");
    let again = hub.subscribe(queue());
    assert!(within("connected", again.connected()).await.is_err());
    assert_eq!(server.connections(), 2, "a new subscription tries again");
}

#[tokio::test]
async fn a_refused_token_that_was_refreshed_meanwhile_is_tried_once() {
    let server = SocketServer::start(|_, stream| async move {
        let mut peer = Peer::accept(stream).await;
        peer.open(25_000, 20_000).await;
        if peer.expect_connect().await == Some(json!({"token": "new"})) {
            peer.grant().await;
            peer.confirm_subscription().await;
        } else {
            peer.body(SocketBody::ConnectError(None)).await;
        }
        peer.gone().await;
    })
    .await;
    let asked = AtomicUsize::new(0);
    let endpoint = EventEndpoint::new(http::client(), &server.url()).unwrap();
    let endpoint = endpoint.token(move || {
        Some(if asked.fetch_add(1, Ordering::SeqCst) == 0 { "old".to_owned() } else { "new".to_owned() })
    });
    let events = EventHub::new(endpoint, options()).subscribe(queue());
    within("connected", events.connected()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

/// Answers each request with this text and closes.
async fn http_server(answer: &'static str) -> SocketServer {
    SocketServer::start(move |_, mut stream| async move {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await
}

#[tokio::test]
async fn answers_that_are_not_a_websocket_are_distinguished() {
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    let not_found = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let error = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, code) in [(html, 200), (not_found, 404), (forbidden, 403), (error, 500)] {
        let server = http_server(answer).await;
        let mut events = hub(&server, options()).subscribe(queue());
        let error = last_error(&mut events).await;
        assert!(matches!(error, EventError::NotWebSocket { status, .. } if status == code), "{error}");
        assert_eq!(server.connections(), 1, "HTTP {code} is permanent");
    }
    let server = http_server(html).await;
    let error = hub(&server, options()).subscribe(queue()).connected().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no event socket at {}/ws/socket.io/: the answer was HTTP 200 (text/html); \
             check the address, its path prefix, and that proxies pass websockets on",
            server.url()
        )
    );
}

#[tokio::test]
async fn once_connected_an_answer_that_is_not_a_websocket_means_a_restarting_server() {
    let server = SocketServer::start(|number, mut stream| async move {
        if number == 1 {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            return;
        }
        let mut peer = Peer::welcome(stream, 1).await;
        peer.event("queue_cleared", item(number as i64)).await;
        if number > 0 {
            peer.gone().await;
        }
    })
    .await;
    let mut events = hub(&server, options()).subscribe(queue());
    assert_eq!(texts(&mut events, 1).await, ["queue_cleared 0"]);
    let down = next(&mut events).await;
    assert!(matches!(&down, EventItem::Disconnected { error: EventError::Closed { .. } }), "{down:?}");
    assert_eq!(texts(&mut events, 2).await, ["gap", "queue_cleared 2"]);
}

#[tokio::test]
async fn a_bad_gateway_is_tried_again_as_often_as_allowed() {
    let server = http_server("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let mut options = options();
    options.max_attempts = Some(3);
    let mut events = hub(&server, options).subscribe(queue());
    let error = last_error(&mut events).await;
    assert!(matches!(error, EventError::NotWebSocket { status: 502, .. }), "{error}");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_lie_about_switching_protocols_is_noticed() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                  sec-websocket-accept: bm90IHRoZSBrZXk=\r\n\r\n";
    let server = http_server(answer).await;
    let error = hub(&server, options()).subscribe(queue()).connected().await.unwrap_err();
    assert!(matches!(error, EventError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_dead_port_is_an_error_at_once_and_recovery_is_seen() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = EventEndpoint::new(http::client(), &format!("http://user:hush@{address}")).unwrap();
    assert!(!format!("{endpoint:?}").contains("hush"));
    let mut events = EventHub::new(endpoint, options()).subscribe(queue());
    let error = within("connected", events.connected()).await.unwrap_err();
    assert!(matches!(error, EventError::Connect { .. }), "{error}");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &error.to_string();
        cause = error.source();
    }
    assert!(!text.contains("hush") && text.contains("refused"), "{text}");
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        Peer::welcome(stream, 1).await.gone().await;
    });
    assert_eq!(texts(&mut events, 2).await, ["down", "gap"]);
    within("connected", events.connected()).await.unwrap();
}

#[tokio::test]
async fn silence_is_noticed_and_pings_are_answered() {
    let server = SocketServer::start(|number, stream| async move {
        let mut peer = Peer::accept(stream).await;
        peer.open(60, 60).await;
        peer.expect_connect().await;
        peer.grant().await;
        peer.confirm_subscription().await;
        if number == 0 {
            for n in 0..10 {
                peer.send(Packet::Ping(n.to_string())).await;
                assert_eq!(peer.packet().await, Some(Packet::Pong(n.to_string())));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            peer.event("queue_cleared", item(1)).await;
            // Now says nothing, and keeps the connection.
            peer.gone().await;
        } else {
            peer.event("queue_cleared", item(2)).await;
            peer.gone().await;
        }
    })
    .await;
    let mut events = hub(&server, options()).subscribe(queue());
    assert_eq!(texts(&mut events, 1).await, ["queue_cleared 1"], "pings keep the connection alive");
    let begin = Instant::now();
    let down = next(&mut events).await;
    let EventItem::Disconnected { error: EventError::Timeout { what, after } } = down else { panic!("{down:?}") };
    assert_eq!((what, after), ("the server's ping", Duration::from_millis(120)));
    assert!(begin.elapsed() >= Duration::from_millis(80), "{:?}", begin.elapsed());
    assert_eq!(texts(&mut events, 2).await, ["gap", "queue_cleared 2"]);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_hits_the_deadline() {
    let server = SocketServer::start(|_, mut stream| async move {
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let mut options = options();
    options.connect_timeout = Duration::from_millis(100);
    let events = hub(&server, options).subscribe(queue());
    let error = within("connected", events.connected()).await.unwrap_err();
    assert!(matches!(error, EventError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_subscription_that_is_never_confirmed_is_an_error() {
    let server = SocketServer::start(|number, stream| async move {
        let mut peer = Peer::welcome(stream, 0).await;
        peer.event("queue_cleared", item(number as i64)).await;
        peer.gone().await;
    })
    .await;
    let mut options = options();
    options.ack_timeout = Duration::from_millis(100);
    let mut events = hub(&server, options).subscribe(queue());
    let error = within("connected", events.connected()).await.unwrap_err();
    assert!(matches!(error, EventError::Timeout { what: "a subscription to be confirmed", .. }), "{error}");
    assert_eq!(texts(&mut events, 2).await, ["queue_cleared 0", "down"], "what came anyway is not withheld");
}

#[tokio::test]
async fn time_limits_of_the_http_client_do_not_cut_the_socket() {
    let server = SocketServer::start(|_, stream| async move {
        let mut peer = Peer::welcome(stream, 1).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        peer.event("queue_cleared", item(1)).await;
        peer.gone().await;
    })
    .await;
    let limit = Duration::from_millis(200);
    let http = http::builder().timeout(limit).read_timeout(limit).pool_idle_timeout(limit).build().unwrap();
    let hub = EventHub::new(EventEndpoint::new(http, &server.url()).unwrap(), options());
    assert_eq!(texts(&mut hub.subscribe(queue()), 1).await, ["queue_cleared 1"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn garbage_leaves_a_mark_and_the_connection_stands() {
    let garbage = ["", "9", "42", "42{}", "4\u{1F600}", "42[1]", "45-[\"a\"]", "430", "42[\"x\"", "é"];
    let server = SocketServer::start(move |_, stream| async move {
        let mut peer = Peer::welcome(stream, 1).await;
        for text in garbage {
            peer.raw(text).await;
        }
        peer.socket.send(tokio_tungstenite::tungstenite::Message::binary(vec![0, 1])).await.unwrap();
        for harmless in ["6", "3", "5", "42/other,[\"x\"]", "439999[]"] {
            peer.raw(harmless).await;
        }
        peer.event("queue_cleared", item(1)).await;
        peer.gone().await;
    })
    .await;
    let mut events = hub(&server, options()).subscribe(queue());
    let seen = texts(&mut events, garbage.len() + 2).await;
    assert!(seen[..garbage.len() + 1].iter().all(|text| text == "garbled"), "{seen:?}");
    assert_eq!(seen.last().unwrap(), "queue_cleared 1");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_is_an_error() {
    for script in ["x", "40{}", "2", "0{}", "0nonsense"] {
        let server = SocketServer::start(move |_, stream| async move {
            let mut peer = Peer::accept(stream).await;
            peer.raw(script).await;
            peer.gone().await;
        })
        .await;
        let error = within("connected", hub(&server, options()).subscribe(queue()).connected()).await.unwrap_err();
        assert!(matches!(error, EventError::Protocol { .. }), "{script}: {error}");
    }
}

#[tokio::test]
async fn after_a_loss_everything_is_subscribed_again_and_the_gap_is_marked() {
    let (tell, mut rooms) = mpsc::unbounded_channel();
    let server = SocketServer::start(move |number, stream| {
        let tell = tell.clone();
        async move {
            let mut peer = Peer::welcome(stream, 0).await;
            for _ in 0..3 {
                tell.send((number, peer.confirm_subscription().await)).unwrap();
            }
            peer.event("invocation_started", item(number as i64)).await;
            // The answer shows that the client has read it all: a reset throws unread data away.
            peer.send(Packet::Ping(String::new())).await;
            assert_eq!(peer.packet().await, Some(Packet::Pong(String::new())));
            match number {
                0 => drop(peer),                                       // without a close frame
                1 => peer.body(SocketBody::Disconnect).await,          // as after a change of password
                2 => peer.socket.close(None).await.unwrap(),           // properly
                3 => peer.socket.get_ref().set_zero_linger().unwrap(), // reset
                4 => peer.raw(&"x".repeat(200_000)).await,             // too large
                _ => assert!(peer.gone().await),
            }
        }
    })
    .await;
    let mut options = options();
    options.max_message_bytes = 100_000;
    let hub = hub(&server, options);
    let mut all = hub.subscribe(EventFilter::all());
    let mut other = hub.subscribe(EventFilter::all().queue("other").queue("default"));
    let mut expected = vec!["invocation_started 0".to_owned()];
    for number in 1..=5 {
        expected.extend(["down".to_owned(), "gap".to_owned(), format!("invocation_started {number}")]);
    }
    assert_eq!(texts(&mut all, expected.len()).await, expected);
    assert_eq!(texts(&mut other, expected.len()).await, expected);
    for number in 0..=5 {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (connection, room) = within("a room", rooms.recv()).await.unwrap();
            assert_eq!(connection, number);
            seen.push(room.1);
        }
        let expected =
            [json!({"queue_id": "default"}), json!({"queue_id": "other"}), json!({"bulk_download_id": "default"})];
        assert!(expected.iter().all(|room| seen.contains(room)), "{seen:?}");
    }
}

#[tokio::test]
async fn a_slow_reader_loses_progress_first_and_gets_a_gap_for_the_rest() {
    let (done, sent) = oneshot::channel();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    let server = SocketServer::start(move |_, stream| {
        let done = done.lock().unwrap().take();
        async move {
            let mut peer = Peer::welcome(stream, 1).await;
            for id in 0..1000 {
                peer.event("invocation_progress", item(id)).await;
                if id % 100 == 0 {
                    peer.event("queue_item_status_changed", item(id)).await;
                }
            }
            peer.event("queue_cleared", item(0)).await;
            let _ = done.unwrap().send(());
            peer.gone().await;
        }
    })
    .await;
    let mut options = options();
    options.buffer_events = 8;
    let hub = hub(&server, options);
    let mut slow = hub.subscribe(queue());
    let mut quick = hub.subscribe(queue());
    let reader = tokio::spawn(async move {
        let mut count = 0;
        loop {
            match next(&mut quick).await {
                EventItem::Event(event) if event.name() == "queue_cleared" => return count,
                EventItem::Event(_) => count += 1,
                EventItem::Gap(Gap::Lagged { missed }) => count += missed as usize,
                other => panic!("{other:?}"),
            }
        }
    });
    within("sending", sent).await.unwrap();
    let quick = within("the quick one", reader).await.unwrap();
    assert!(quick > 10, "the quick one is not held up: {quick}");
    let seen = texts(&mut slow, 9).await;
    assert_eq!(seen[0], "lagged 3", "10 status changes and the last event, less 8 that fit: {seen:?}");
    let ids: Vec<_> = (3..10).map(|n| format!("queue_item_status_changed {}", n * 100)).collect();
    assert_eq!(seen[1..8], ids);
    assert_eq!(seen[8], "queue_cleared 0");
    assert_eq!(slow.progress_dropped(), 1000);
}

#[tokio::test]
async fn subscribers_come_and_go_on_one_connection() {
    let server = SocketServer::start(|_, stream| async move {
        let mut peer = Peer::welcome(stream, 0).await;
        while let Some(Packet::Message(packet)) = peer.packet().await {
            let SocketBody::Event { ack: Some(id), args, .. } = packet.body else {
                break;
            };
            peer.body(SocketBody::Ack { id, args: vec![] }).await;
            peer.event("queue_cleared", args[0].clone()).await;
        }
    })
    .await;
    let mut options = options();
    options.linger = DEADLINE;
    let hub = hub(&server, options);
    for n in 0..20 {
        let mut events = hub.subscribe(EventFilter::all().queue(format!("q{n}")));
        within("connected", events.connected()).await.unwrap();
        assert_eq!(texts(&mut events, 1).await, ["queue_cleared -1"]);
    }
    let mut events = hub.subscribe(EventFilter::all().queue("q1"));
    within("connected", events.connected()).await.unwrap();
    events.set_filter(EventFilter::all().queue("new"));
    within("connected", events.connected()).await.unwrap();
    assert_eq!(texts(&mut events, 1).await, ["queue_cleared -1"]);
    assert_eq!(server.connections(), 1, "the connection lingers between them");
    drop(events);
    let mut states = Box::pin(hub.states());
    assert!(matches!(states.next().await, Some(ConnectionState::Connected)));
    drop(hub);
    // Without a handle it does not linger.
    while let Some(state) = within("the end", states.next()).await {
        if matches!(state, ConnectionState::Idle) {
            break;
        }
    }
}

#[test]
fn without_a_runtime_the_stream_says_so() {
    let endpoint = EventEndpoint::new(http::client(), "http://127.0.0.1:9").unwrap();
    let hub = EventHub::new(endpoint, options());
    let mut events = hub.subscribe(queue());
    let first = events.next().now_or_never().expect("at once");
    assert!(matches!(first, Some(Err(EventError::NoRuntime))), "{first:?}");
    // A runtime that is shut down takes the connection with it, and the next one gets a new connection.
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut events = runtime.block_on(async { hub.subscribe(queue()) });
        drop(runtime);
        assert!(matches!(events.next().now_or_never(), Some(Some(Err(EventError::NoRuntime)))));
    }
}

#[test]
fn unusable_addresses_are_refused() {
    for url in ["", "nonsense", "ftp://user:hush@host", "//host", "ws://host", "file:///x"] {
        let error = EventEndpoint::new(http::client(), url).unwrap_err();
        assert!(matches!(error, EventError::InvalidUrl { .. }) && !error.to_string().contains("hush"), "{error}");
    }
}

#[test]
fn public_futures_and_streams_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let endpoint = EventEndpoint::new(http::client(), "http://127.0.0.1:9").unwrap();
    let hub = EventHub::new(endpoint, options());
    let events = hub.subscribe(queue());
    is_send(&hub);
    is_send(&hub.states());
    is_send(&events.connected());
    is_send(&events);
}
