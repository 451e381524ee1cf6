//! What goes wrong on the way: each fault is an error of its own that says what to do about it.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use invokeai_client::{Client, Detail, Error, TransportOptions, Upload, api::types};
use raw_server::{Act, RawServer, whole};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::common::raw_server;

/// Quick to repeat and quick to give up.
fn options() -> TransportOptions {
    let mut options = TransportOptions::default();
    options.connect_timeout = Duration::from_millis(200);
    options.read_timeout = Duration::from_millis(300);
    options.retry_pause = Duration::from_millis(1);
    options.json_limit = 1024 * 1024;
    options
}

fn client(url: &str) -> Client {
    Client::builder(url).token("top-secret-token").transport(options()).build().unwrap()
}

async fn answering(answer: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = client(&server.uri());
    (server, client)
}

/// The error of reading the version from a server that answers like this.
async fn read(answer: ResponseTemplate) -> Error {
    let (_server, client) = answering(answer).await;
    no_secrets(client.api().app_version().send().await.unwrap_err())
}

/// The error of a write to a server that answers like this, which must have got it exactly once.
async fn write(answer: ResponseTemplate) -> Error {
    let (server, client) = answering(answer).await;
    let body = types::BodyEnqueueBatch::builder().batch(json!({"graph": {}, "runs": 0}));
    let error = client.api().enqueue_batch().queue_id("default").body(body).send().await.unwrap_err();
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "a write goes out once");
    no_secrets(error)
}

fn no_secrets(error: Error) -> Error {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        shown += &format!("{inner} {inner:?}");
        cause = inner.source();
    }
    assert!(!shown.contains("top-secret"), "{shown}");
    error
}

fn plain(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text.as_bytes().to_vec(), "text/plain; charset=utf-8")
}

fn detail(status: u16, detail: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"detail": detail}))
}

// Connections

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = no_secrets(client(&url).api().app_version().send().await.unwrap_err());
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot connect to {url}/api/v1/app/version: Connection refused")), "{text}");
    assert!(matches!(error, Error::Connect { .. }) && error.source().is_none(), "the cause is reported once");
    assert!(error.is_retryable() && !error.may_have_been_sent());
}

#[tokio::test]
async fn nobody_accepts_the_connection() {
    // A listener whose queue is full drops further connections silently.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let (mut waiting, mut refused) = (Vec::new(), 0);
    // On a busy machine one connection may be late even though there is room.
    while refused < 3 {
        match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => waiting.push(stream),
            Err(_) => refused += 1,
        }
        assert!(waiting.len() < 100, "the queue never fills");
    }
    let error = client(&format!("http://{address}")).api().clear().queue_id("q").send().await.unwrap_err();
    let said = format!("no answer in time while connecting to http://{address}/api/v1/queue/q/clear (limit 0.2 s)");
    assert_eq!(error.to_string(), said);
    assert!(error.is_retryable() && !error.may_have_been_sent());
}

#[tokio::test]
async fn no_answer_in_time() {
    let server = RawServer::start(vec![Act::Stall(String::new())]).await;
    let error = no_secrets(client(&server.url).api().app_version().send().await.unwrap_err());
    assert_eq!(error.to_string(), "no answer in time while waiting for the answer to app_version (limit 0.3 s)");
    assert!(error.is_retryable() && error.may_have_been_sent());
    assert_eq!(server.requests().len(), 1, "a timeout is not repeated: the next would take as long");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"vers";
    let server = RawServer::start(vec![Act::Stall(head.into())]).await;
    let error = client(&server.url).api().app_version().send().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: true, .. }), "{error:?}");
}

#[tokio::test]
async fn a_slow_answer_that_moves_has_all_the_time_it_needs() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 12\r\n\r\n";
    let server = RawServer::start(vec![Act::Drip(head.into(), Duration::from_millis(60))]).await;
    let began = Instant::now();
    let file = client(&server.url).api().get_image_full().image_name("a.png").send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
    let bytes = file.into_inner().into_inner().try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(bytes.len(), 12);
    assert!(began.elapsed() > options().read_timeout, "longer in all than any single silence may be");
}

#[tokio::test]
async fn an_answer_that_drips_ends_in_time() {
    let statuses = ["200 OK", "422 Unprocessable Entity", "404 Not Found", "503 Service Unavailable"];
    let kinds = ["application/json", "image/png", "text/html"];
    let lengths = ["content-length: 100000", "transfer-encoding: chunked"];
    let cases = statuses.into_iter().flat_map(|status| kinds.map(|kind| lengths.map(|length| (status, kind, length))));
    futures::future::join_all(cases.flatten().map(|(status, kind, length)| async move {
        let mut options = options();
        options.retries = 0;
        options.answer_timeout = Duration::from_millis(500);
        options.slowest_download = 100;
        // Never silent for even a tenth of the allowed time. If chunked, a size without an end.
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{length}\r\n\r\n");
        let server = RawServer::start(vec![Act::Drip(head, Duration::from_millis(20))]).await;
        let client = Client::builder(&server.url).token("top-secret-token").transport(options).build().unwrap();
        let what = format!("{status}, {kind}, {length}");
        let ends = async {
            let read = client.server_version().await.map(drop);
            let write = client.board("b").delete().await.map(drop);
            let upload = client.images().upload(Upload::bytes("x.png", &b"x"[..])).await.map(drop);
            let download = client.image("x.png").download().bytes().await.map(drop);
            [read, write, upload, download]
        };
        let ends = tokio::time::timeout(Duration::from_secs(20), ends).await;
        let ends = ends.unwrap_or_else(|_| panic!("{what}: no end")).map(|end| no_secrets(end.unwrap_err()));
        let [_, write, upload, _] = &ends;
        // None has the form of the server's own refusals.
        assert!(write.may_have_been_sent(), "{what}: {write:?}");
        assert_eq!(client.assets().unfinished_uploads.len(), 1, "{what}: {upload:?}");
        let writes = server.requests().iter().filter(|line| !line.starts_with("GET")).count();
        assert_eq!(writes, 2, "{what}: {:?}", server.requests());
    }))
    .await;
}

#[tokio::test]
async fn a_download_that_is_too_slow_says_so() {
    let mut options = options();
    options.slowest_download = 100;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 100000\r\n\r\n";
    let server = RawServer::start(vec![Act::Drip(head.into(), Duration::from_millis(20))]).await;
    let client = |options| Client::builder(&server.url).transport(options).build().unwrap();
    let error = no_secrets(client(options.clone()).image("a.png").download().bytes().await.unwrap_err());
    let said = error.to_string();
    assert!(said.starts_with("no answer in time while waiting for the answer to get_image_full: "), "{said}");
    assert!(said.ends_with(" bytes came instead of 100 (limit 0.3 s)"), "{said}");
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    // Those who want to wait can.
    options.slowest_download = 1;
    let download = client(options).image("a.png").download();
    assert!(tokio::time::timeout(Duration::from_millis(1500), download.bytes()).await.is_err());
}

#[tokio::test]
async fn a_body_that_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"vers";
    let server = RawServer::start(vec![Act::AnswerAndClose(head.into())]).await;
    let error = client(&server.url).api().app_version().send().await.unwrap_err();
    assert!(error.to_string().starts_with("the answer to app_version was cut off after "), "{error}");
    assert!(error.may_have_been_sent());
}

#[tokio::test]
async fn an_endless_body() {
    for head in ["", "transfer-encoding: chunked\r\n", "content-length: 999999999999\r\n"] {
        let chunk = if head.contains("chunked") { "fffffff\r\n" } else { "" };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n{chunk}");
        let server = RawServer::start(vec![Act::Endless(head)]).await;
        let error = client(&server.url).api().app_version().send().await.unwrap_err();
        assert_eq!(error.to_string(), "the answer to app_version is longer than 1048576 bytes");
    }
}

#[tokio::test]
async fn an_endless_error_is_still_that_error() {
    let head = "HTTP/1.1 500 Oh\r\ncontent-type: text/plain\r\n\r\n";
    let server = RawServer::start(vec![Act::Endless(head.into())]).await;
    let error = client(&server.url).api().app_version().send().await.unwrap_err();
    assert!(matches!(error, Error::Server(_)), "{error:?}");
    assert!(error.to_string().len() < 1000, "{error}");
}

#[tokio::test]
async fn a_pooled_connection_that_is_reset() {
    let version = || Act::json(r#"{"version": "6.14.2"}"#);
    let server = RawServer::start(vec![version(), Act::Reset, version()]).await;
    let client = client(&server.url);
    client.api().app_version().send().await.unwrap();
    let again = client.api().app_version().send().await.unwrap();
    assert_eq!(again.version, "6.14.2");
    assert_eq!(server.requests().len(), 3, "a read is sent again");

    let server = RawServer::start(vec![version(), Act::Reset, Act::json(r#"{"deleted": 1}"#)]).await;
    let client = self::client(&server.url);
    client.api().app_version().send().await.unwrap();
    let error = no_secrets(client.api().clear().queue_id("q").send().await.unwrap_err());
    let text = error.to_string();
    let why = text.strip_prefix("the connection broke during clear: ").unwrap_or_else(|| panic!("{text}"));
    assert!(!why.is_empty() && error.source().is_none(), "the cause is reported, and once: {text}");
    assert!(error.is_retryable() && error.may_have_been_sent());
    assert_eq!(server.requests().len(), 2, "a write is not");
}

#[tokio::test]
async fn after_an_unhandled_failure_the_server_closes_the_connection() {
    let failure = whole("500 Internal Server Error", "text/plain; charset=utf-8", "Internal Server Error");
    let server = RawServer::start(vec![Act::AnswerAndClose(failure), Act::json(r#"{"deleted": 1}"#)]).await;
    let client = client(&server.url);
    assert_eq!(client.api().app_version().send().await.unwrap_err().status(), Some(500));
    assert_eq!(client.api().clear().queue_id("q").send().await.unwrap().deleted, 1);
}

// Refusals

#[tokio::test]
async fn each_refusal_has_its_kind() {
    let cases = [
        (401, "not logged in: app_version (GET /api/v1/app/version) answered 401: why"),
        (403, "not allowed: app_version (GET /api/v1/app/version) answered 403: why"),
        (404, "not found: app_version (GET /api/v1/app/version) answered 404: why"),
        (409, "conflict: app_version (GET /api/v1/app/version) answered 409: why"),
        (413, "not accepted: app_version (GET /api/v1/app/version) answered 413: why"),
        (418, "unexpected answer: app_version (GET /api/v1/app/version) answered 418: why"),
        (501, "server failure: app_version (GET /api/v1/app/version) answered 501: why"),
    ];
    for (status, said) in cases {
        let error = read(detail(status, json!("why"))).await;
        assert_eq!(error.to_string(), said);
        assert_eq!((error.status(), error.detail()), (Some(status), Some(&Detail::Text("why".into()))));
        assert_eq!((error.is_retryable(), error.may_have_been_sent()), (false, matches!(status, 418 | 501)), "{said}");
    }
}

#[tokio::test]
async fn validation_names_field_and_reason() {
    let problem = json!({
        "type": "greater_than_equal", "loc": ["body", "batch", "runs"], "input": 0, "ctx": {"error": {}},
        "msg": "Input should be greater than or equal to 1",
    });
    let error = write(detail(422, json!([problem.clone()]))).await;
    assert_eq!(
        error.to_string(),
        "not accepted: enqueue_batch (POST /api/v1/queue/{queue_id}/enqueue_batch) answered 422: body.batch.runs: Input \
         should be greater than or equal to 1"
    );
    let Some(Detail::Fields(fields)) = error.detail() else { panic!("{error:?}") };
    assert_eq!((fields[0].location.as_str(), fields[0].kind.as_str()), ("body.batch.runs", "greater_than_equal"));
    let many = write(detail(422, vec![problem; 1001].into())).await.to_string();
    assert!(many.ends_with("; and 996 more"), "{many}");
    let text = write(detail(422, json!("Model keys cannot be changed"))).await;
    assert!(text.to_string().ends_with("answered 422: Model keys cannot be changed"), "{text}");
}

#[tokio::test]
async fn other_error_bodies() {
    let object = write(detail(500, json!({"deleted": [], "failed": ["a"]}))).await;
    assert!(object.to_string().ends_with(r#"answered 500: {"deleted":[],"failed":["a"]}"#), "{object}");
    let unhandled = write(plain(500, "Internal Server Error")).await;
    assert!(unhandled.to_string().ends_with("answered 500: Internal Server Error"), "{unhandled}");
    assert!(write(ResponseTemplate::new(500)).await.to_string().ends_with("answered 500: (no text)"));
    let long = write(plain(500, &"ä".repeat(100_000))).await.to_string();
    assert!(long.chars().count() < 500 && long.ends_with('…'), "{long}");
}

// Repetition

#[tokio::test]
async fn gateway_failures_repeat_reads_only() {
    for status in [429, 502, 503, 504] {
        let (server, client) = answering(plain(status, "busy")).await;
        let error = client.api().app_version().send().await.unwrap_err();
        assert_eq!((error.status(), error.is_retryable()), (Some(status), true));
        assert_eq!(server.received_requests().await.unwrap().len(), 4, "GET {status}");
        assert!(client.api().get_image_full_head().image_name("a").send().await.is_err());
        assert_eq!(server.received_requests().await.unwrap().len(), 8, "HEAD {status}");
        client.api().create_board().board_name("a").send().await.unwrap_err();
        client.api().clear().queue_id("q").send().await.unwrap_err();
        client.api().delete_image().image_name("a").send().await.unwrap_err();
        let body = types::BoardChanges::builder().archived(true);
        client.api().update_board().board_id("b").body(body).send().await.unwrap_err();
        assert_eq!(server.received_requests().await.unwrap().len(), 12, "POST, PUT, DELETE, PATCH {status}");
    }
    let (server, client) = answering(plain(500, "no")).await;
    client.api().app_version().send().await.unwrap_err();
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "500 is not a transient state");
}

#[tokio::test]
async fn a_read_succeeds_as_soon_as_the_server_is_back() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(plain(503, "starting")).up_to_n_times(2).mount(&server).await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"version": "1"})))
        .mount(&server)
        .await;
    assert_eq!(client(&server.uri()).server_version().await.unwrap(), "1");
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    let busy = |seconds: &str| detail(429, json!("busy")).insert_header("retry-after", seconds);
    let error = write(busy("7")).await;
    assert_eq!(error.refusal().unwrap().retry_after, Some(Duration::from_secs(7)));
    // Longer than the client goes on repeating: the error comes at once, and no number overflows.
    for seconds in ["3600", "18446744073709551615"] {
        let began = Instant::now();
        assert_eq!(read(busy(seconds)).await.status(), Some(429));
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(busy("1")).up_to_n_times(1).mount(&server).await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"version": "1"})))
        .mount(&server)
        .await;
    let began = Instant::now();
    client(&server.uri()).server_version().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
}

// Answers of another shape

#[tokio::test]
async fn the_web_page_is_not_the_api() {
    let page = || ResponseTemplate::new(200).set_body_raw("<!doctype html><html>", "text/html; charset=utf-8");
    let error = read(page()).await;
    assert_eq!(
        error.to_string(),
        "app_version (GET /api/v1/app/version) got text/html; charset=utf-8 instead of application/json: is the address \
         that of InvokeAI, with the right path prefix, and does this version have the operation?"
    );
    assert!(!error.is_retryable());
    let (_server, client) = answering(page()).await;
    let api = client.api();
    for error in [
        api.get_image_full().image_name("a").send().await.err(),
        api.delete_queue_item().queue_id("q").item_id(1).send().await.err(),
        api.get_video_full_head().video_name("a").send().await.err(),
    ] {
        assert!(matches!(error, Some(Error::NotTheApi { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn success_that_is_not_json() {
    let text = read(plain(200, "hello")).await;
    assert!(text.to_string().contains("got text/plain; charset=utf-8 instead of application/json"), "{text}");
    let nothing = read(ResponseTemplate::new(200)).await;
    assert!(nothing.to_string().contains("got no content type instead of application/json"), "{nothing}");
    let json = |body: &str| ResponseTemplate::new(200).set_body_raw(body.as_bytes().to_vec(), "application/json");
    let cut = read(json(r#"{"version": "6.1"#)).await.to_string();
    assert!(cut.starts_with("cannot read the answer to app_version at `version`: EOF"), "{cut}");
    assert!(cut.ends_with(r#"it begins with: {"version": "6.1"#), "{cut}");
    let twice = read(json(r#"{"version": "6.1"} {}"#)).await.to_string();
    assert!(twice.contains("trailing characters"), "{twice}");
    let empty = read(json("")).await.to_string();
    assert!(empty.starts_with("cannot read the answer to app_version at `.`: EOF"), "{empty}");
}

#[tokio::test]
async fn a_wrong_type_is_named_by_its_path() {
    let page = json!({"limit": 1, "offset": 0, "total": 1, "items": [{"image_name": 5}]});
    let (_server, client) = answering(ResponseTemplate::new(200).set_body_json(page)).await;
    let error = client.api().list_image_dtos().send().await.unwrap_err();
    let said = "cannot read the answer to list_image_dtos at `items[0].image_name`: invalid type: integer `5`, expected a \
                string";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[tokio::test]
async fn an_unreadable_login_answer_is_not_shown() {
    let answer = json!({"token": "top-secret", "user": 5, "expires_in": 1});
    let (_server, client) = answering(ResponseTemplate::new(200).set_body_json(answer)).await;
    let body = types::LoginRequest::builder().email("a@example.org").password("top-secret");
    let error = no_secrets(client.api().login().body(body).send().await.unwrap_err());
    assert!(!error.to_string().contains("it begins with"), "{error}");
}

#[tokio::test]
async fn a_renewed_token_does_not_replace_another_that_was_set_meanwhile() {
    let server = wiremock::MockServer::start().await;
    let renewed = wiremock::ResponseTemplate::new(200)
        .set_body_json(json!({"starred_images": ["a"], "affected_boards": []}))
        .insert_header("X-Refreshed-Token", "renewed")
        .set_delay(Duration::from_millis(300));
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(renewed).mount(&server).await;
    let client = Client::builder(server.uri()).token("first").build().unwrap();
    let star = tokio::spawn({
        let client = client.clone();
        async move { client.images().star(["a"]).await }
    });
    while server.received_requests().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.set_token(Some("another user's"));
    assert!(star.await.unwrap().is_success());
    client.images().star(["b"]).await;
    let sent = server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(sent.headers["authorization"], "Bearer another user's");
    // Nothing else was set, so now it does.
    client.images().star(["c"]).await;
    let sent = server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(sent.headers["authorization"], "Bearer renewed");
}
