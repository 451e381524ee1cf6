//! Every fault of the connection and every kind of refusal, met by a read, a submission, an upload, a download, a
//! deletion and a clean-up.

use std::{fs, future::IntoFuture as _, time::Duration};

use invokeai_client::{Client, Error, Refusal, TransportOptions, Upload};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::{
    builder,
    common::places::{HERE, Place, answer, json},
    fake_invokeai::{FakeInvokeAi, OnEnqueue},
    raw_server::{Act, RawServer, whole},
    without_parts, workflow,
};

/// What a client that met a fault says and knows.
struct Outcome {
    operation: &'static str,
    error: Error,
    /// First lines of the requests that the server got.
    requests: Vec<String>,
    /// Whether the client still thinks that something may be on the server.
    may_exist: bool,
}

impl Outcome {
    /// Requests of the operation itself: a submission looks for its batch, too.
    fn sent(&self) -> usize {
        let verb = match self.operation {
            "read" => "GET ",
            // After anything but an answer of the API, the client asks for the version.
            "download" => "GET /api/v1/images/",
            "delete" => "DELETE ",
            _ => "POST ",
        };
        self.requests.iter().filter(|line| line.starts_with(verb)).count()
    }
}

const OPERATIONS: [&str; 5] = ["read", "submit", "upload", "download", "delete"];

/// Carries out an operation with a server that does only this, or with this address.
async fn meet(operation: &'static str, server: Result<Act, String>) -> Outcome {
    let server = match server {
        Ok(act) => Ok(RawServer::start(vec![act]).await),
        Err(url) => Err(url),
    };
    let url = server.as_ref().map_or_else(String::clone, |server| server.url.clone());
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let client = builder(&url).ledger(&ledger).build().unwrap();
    let pictures = folder.path().join("pictures");
    let carried_out = async {
        match operation {
            "read" => client.server_version().await.map(drop),
            "submit" => client.submit(&workflow()).subscribe_events(false).await.map(drop),
            "upload" => client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.map(drop),
            "download" => client.image("a.png").download().to_directory(&pictures).await.map(drop),
            _ => client.image("a.png").delete().await.map(drop),
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(20), carried_out).await.expect("it ends").unwrap_err();
    if pictures.exists() {
        assert!(without_parts(&pictures).await.is_empty(), "{operation}: nothing of a failed download is on disk");
    }
    let assets = client.assets();
    drop(client);
    let after = builder(&url).ledger(&ledger).build().unwrap().assets();
    assert_eq!(after, assets, "{operation}: a later process knows the same");
    assert!(assets.uploads.is_empty(), "{operation}: nothing that failed counts as done");
    let may_exist = !assets.batches.is_empty() || !assets.unfinished_uploads.is_empty();
    let requests = server.map(|server| server.requests()).unwrap_or_default();
    Outcome { operation, error, requests, may_exist }
}

fn is_creation(operation: &str) -> bool {
    matches!(operation, "submit" | "upload")
}

#[tokio::test]
async fn a_refusal_is_reported_as_what_it_is_and_writes_go_out_once() {
    for status in [400, 401, 403, 404, 408, 409, 413, 415, 418, 422, 429, 500, 502, 503, 504, 507, 520, 524, 599] {
        for operation in OPERATIONS {
            let answer = whole(&format!("{status} Oh"), "application/json", r#"{"detail": "the reason"}"#);
            let met = meet(operation, Ok(Act::Answer(answer))).await;
            let error = &met.error;
            let what = format!("{operation} {status}: {error:?}");
            let fits = match status {
                401 => matches!(error, Error::Unauthorized(_)),
                403 => matches!(error, Error::Forbidden(_)),
                404 => matches!(error, Error::NotFound(_)),
                409 => matches!(error, Error::Conflict(_)),
                408 | 418 => matches!(error, Error::UnexpectedStatus(_)),
                429 | 500.. => matches!(error, Error::Server(_)),
                _ => matches!(error, Error::NotAccepted(_)),
            };
            assert!(fits, "{what}");
            assert!(error.to_string().ends_with(&format!("answered {status}: the reason")), "{error}");
            let passing = matches!(status, 429 | 502 | 503 | 504);
            assert_eq!(error.is_retryable(), passing || status == 408, "{what}");
            let repeated = passing && matches!(operation, "read" | "download");
            assert_eq!(met.sent(), if repeated { 4 } else { 1 }, "{what}");
            // These are answered before anything is done; every other status may come after.
            let refused = matches!(status, 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 429 | 503);
            assert_eq!(error.may_have_been_sent(), !refused, "{what}");
            assert_eq!(met.may_exist, !refused && is_creation(operation), "{what}");
        }
    }
}

#[tokio::test]
async fn a_refusal_rules_a_write_out_only_if_it_is_the_servers_own() {
    let forms = [
        ("application/json", r#"{"detail": "Image move service unavailable"}"#, true),
        ("application/json", r#"{"detail": {"reason": "busy"}}"#, true),
        ("application/json", r#"{"detail": [{"loc": ["body"], "msg": "m", "type": "t"}]}"#, true),
        ("application/json", r#"{"message": "no healthy upstream"}"#, false),
        ("application/json", r#""detail""#, false),
        ("application/json", "", false),
        ("text/plain", "upstream connect error or disconnect/reset before headers", false),
        ("text/html", "<html><h1>503 Service Temporarily Unavailable</h1></html>", false),
        ("application/problem+json", r#"{"title": "Unavailable", "status": 503, "detail": "no"}"#, false),
    ];
    for status in [400, 401, 403, 404, 409, 413, 415, 422, 429, 503] {
        for (content_type, body, own) in forms {
            for operation in ["submit", "upload", "delete"] {
                let answer = whole(&format!("{status} Oh"), content_type, body);
                let met = meet(operation, Ok(Act::Answer(answer))).await;
                let what = format!("{operation} {status} {body}");
                assert_eq!(met.error.status(), Some(status), "{what}: {:?}", met.error);
                assert_eq!(met.error.may_have_been_sent(), !own, "{what}");
                assert_eq!(met.error.is_not_found(), own && status == 404, "{what}");
                assert_eq!(met.error.refusal().map(Refusal::is_own), Some(own), "{what}");
                assert_eq!(met.may_exist, !own && is_creation(operation), "{what}");
                assert_eq!(met.sent(), 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for operation in OPERATIONS {
        let met = meet(operation, Err(url.clone())).await;
        assert!(matches!(met.error, Error::Connect { .. }), "{operation}: {:?}", met.error);
        assert!(!met.error.may_have_been_sent() && !met.may_exist, "{operation}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_carried_a_write() {
    for operation in OPERATIONS {
        let met = meet(operation, Ok(Act::Reset)).await;
        assert!(matches!(met.error, Error::Interrupted { .. }), "{operation}: {:?}", met.error);
        assert!(met.error.may_have_been_sent() && met.error.is_retryable(), "{operation}");
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        assert_eq!(met.sent(), if matches!(operation, "read" | "download") { 4 } else { 1 }, "{operation}");
    }
}

#[tokio::test]
async fn silence_ends_in_time_and_may_have_carried_a_write() {
    for operation in OPERATIONS {
        let met = meet(operation, Ok(Act::Stall(String::new()))).await;
        assert!(matches!(met.error, Error::Timeout { sent: true, .. }), "{operation}: {:?}", met.error);
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        assert_eq!(met.sent(), 1, "{operation}: what was slow once is not asked again");
    }
}

#[tokio::test]
async fn an_answer_that_stops_or_is_cut_may_have_carried_a_write() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a";
    let head =
        |operation| if operation == "download" { head.replace("application/json", "image/png") } else { head.into() };
    for operation in OPERATIONS {
        let met = meet(operation, Ok(Act::Stall(head(operation)))).await;
        assert!(matches!(met.error, Error::Timeout { sent: true, .. }), "{operation}: {:?}", met.error);
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        let met = meet(operation, Ok(Act::AnswerAndClose(head(operation)))).await;
        assert!(matches!(met.error, Error::Body { .. }), "{operation}: {:?}", met.error);
        assert!(met.error.to_string().contains("was cut off after 3 bytes"), "{operation}: {}", met.error);
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        assert_eq!(met.sent(), 1, "{operation}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_the_limit() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    for operation in OPERATIONS.into_iter().filter(|operation| *operation != "download") {
        let met = meet(operation, Ok(Act::Endless(head.into()))).await;
        assert!(met.error.to_string().ends_with("is longer than 65536 bytes"), "{operation}: {}", met.error);
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        assert_eq!(met.sent(), 1, "{operation}");
    }
}

#[tokio::test]
async fn a_web_page_is_not_a_success() {
    for operation in OPERATIONS {
        let page = whole("200 OK", "text/html; charset=utf-8", "<!doctype html><title>Log in</title>");
        let met = meet(operation, Ok(Act::Answer(page))).await;
        assert!(matches!(met.error, Error::NotTheApi { .. }), "{operation}: {:?}", met.error);
        assert!(met.error.may_have_been_sent(), "{operation}");
        assert_eq!(met.may_exist, is_creation(operation), "{operation}: a proxy may have put it over the answer");
        assert_eq!(met.sent(), 1, "{operation}");
    }
}

/// The version can be read, so the server is InvokeAI, and the page came from something in between.
#[tokio::test]
async fn a_web_page_for_a_write_does_not_say_that_the_server_lacks_the_operation() {
    let server = Place::start(|line| match line.split(' ').nth(1).unwrap() {
        "/api/v1/app/version" => json(r#"{"version": "6.14.2"}"#),
        _ => answer("200 OK", "content-type: text/html\r\n", "<html>"),
    })
    .await;
    let client = builder(&server.at(HERE)).build().unwrap();
    for error in [
        client.submit(&workflow()).subscribe_events(false).await.unwrap_err(),
        client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap_err(),
        client.image("a.png").delete().await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotTheApi { .. }) && error.may_have_been_sent(), "{error:?}");
    }
    let assets = client.assets();
    assert_eq!((assets.batches.len(), assets.unfinished_uploads.len()), (1, 1));
}

#[tokio::test]
async fn json_of_another_shape_may_have_carried_a_write() {
    for operation in ["read", "submit", "upload"] {
        let met = meet(operation, Ok(Act::json(r#"{"enqueued": "many", "image_name": 7}"#))).await;
        assert!(matches!(met.error, Error::Decode { .. }), "{operation}: {:?}", met.error);
        assert_eq!(met.may_exist, is_creation(operation), "{operation}");
        assert_eq!(met.sent(), 1, "{operation}");
    }
}

/// A clean-up reports every failure, whatever it is, and forgets nothing that is still there.
#[tokio::test]
async fn a_clean_up_that_cannot_reach_the_server_forgets_nothing() {
    let answer = |status| Act::Answer(whole(status, "application/json", r#"{"detail": "no"}"#));
    let web_page = Act::Answer(whole("200 OK", "text/html", "<html>"));
    let acts = [
        answer("401 Oh"),
        answer("403 Oh"),
        answer("409 Oh"),
        answer("429 Oh"),
        answer("500 Oh"),
        answer("503 Oh"),
        // A proxy whose server is being replaced.
        Act::Answer(whole("404 Oh", "text/html", "\n<html>404 page not found</html>")),
        Act::Answer(whole("404 Oh", "text/plain", "404 page not found\n")),
        Act::Answer(whole("404 Oh", "application/json", r#"{"message": "no Route matched with those values"}"#)),
        Act::Answer(whole("404 Oh", "text/plain", "")),
        Act::Reset,
        Act::Stall(String::new()),
        Act::Endless("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".into()),
        web_page,
    ];
    for act in acts {
        let server = RawServer::start(vec![act.clone()]).await;
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        let lines = concat!(
            r#"{"record": "uploaded", "id": "1", "kind": "image", "name": "a.png"}"#,
            "\n",
            r#"{"record": "created_board", "id": "2", "board_id": "board"}"#,
            "\n",
            r#"{"record": "uploading", "id": "3", "session_id": "s", "kind": "image", "file": "b.png"}"#,
            "\n",
            r#"{"record": "enqueuing", "queue_id": "default", "batch_id": "batch"}"#,
            "\n",
        );
        let first = json!({"record": "server", "url": format!("{}/", server.url), "version": 1});
        fs::write(&ledger, format!("{first}\n{lines}")).unwrap();
        let client = builder(&server.url).ledger(&ledger).build().unwrap();
        let before = client.assets();
        let cleaning = async { client.cleanup().everything().await };
        let report = tokio::time::timeout(Duration::from_secs(60), cleaning).await.expect("it ends").unwrap();
        assert!(!report.is_success() && report.deleted.is_empty(), "{act:?}: {report}");
        assert_eq!(client.assets(), before, "{act:?}");
        drop(client);
        assert_eq!(builder(&server.url).ledger(&ledger).build().unwrap().assets(), before, "{act:?}");
        let deletions = server.requests().into_iter().filter(|line| line.starts_with("DELETE")).count();
        assert_eq!(deletions, 0, "{act:?}: nothing is deleted that is not known to be ours alone");
    }
}

/// Limits are added to the current time.
#[tokio::test]
async fn no_limit_is_too_long() {
    let server = FakeInvokeAi::start().await;
    let mut options = TransportOptions::default();
    options.lost_answer_patience = Duration::MAX;
    options.retry_deadline = Duration::MAX;
    options.read_timeout = Duration::MAX;
    options.connect_timeout = Duration::MAX;
    let client = Client::builder(&server.url).transport(options).build().unwrap();
    server.world().on_enqueue.push_back(OnEnqueue::AcceptBehindGateway("504 Gateway Timeout"));
    let job = client.submit(&workflow()).await.unwrap().job().unwrap();
    server.change(job.item_id(), "completed");
    let wait = job.wait().timeout(Duration::MAX).poll_interval(Duration::MAX).unreachable_limit(Duration::MAX);
    tokio::time::timeout(Duration::from_secs(20), wait.into_future()).await.expect("it ends").unwrap();
    // An upload has limits of its own.
    let refused = client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(_)), "{refused:?}");
}

// TLS

#[cfg(feature = "rustls")]
#[tokio::test]
async fn a_server_without_tls_got_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(whole("400 Bad Request", "text/plain", "no HTTP").as_bytes()).await;
        }
    });
    let error = builder(&url).build().unwrap().server_version().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.may_have_been_sent(), "{error:?}");
    assert!(error.to_string().starts_with("cannot connect to https://127.0.0.1:"), "{error}");
    plain.abort();
}

#[cfg(feature = "rustls")]
#[tokio::test]
async fn a_handshake_without_an_answer_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    // It takes connections, and says nothing.
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = listener.accept().await {
            kept.push(connection);
        }
    });
    let client: Client = builder(&url).build().unwrap();
    let error = tokio::time::timeout(Duration::from_secs(10), client.queue("q").clear()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: false, .. }), "{error:?}");
    silent.abort();
}
