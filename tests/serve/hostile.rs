//! Callers that mean harm. After each the service answers others as before.

use std::{
    io,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use invokeai_client::serve::Limits;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    http,
    stage::{Stage, answer, data_url, png},
};

async fn limited(limits: Limits) -> Stage {
    Stage::with(Duration::ZERO, |service| service.limits(limits)).await
}

/// Whether somebody else is served.
async fn serves(stage: &Stage) {
    let fresh = http::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let status = fresh.get(stage.url("/openapi.json")).send().await.unwrap().status();
    assert_eq!(status, StatusCode::OK);
    stage.run("resize", &json!({ "picture": data_url(&png(16, 16)), "width": 8 })).await;
}

/// Sends bytes as they are, and gives all that comes until the connection is closed.
async fn raw(stage: &Stage, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(stage.address()).await.unwrap();
    // It may be closed before all is sent.
    _ = connection.write_all(bytes).await;
    let mut read = Vec::new();
    let end = timeout(Duration::from_secs(20), connection.read_to_end(&mut read)).await;
    assert!(end.is_ok(), "the connection stays open: {}", String::from_utf8_lossy(&read));
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn bodies_without_an_end_take_neither_memory_nor_turns() {
    let limits = Limits::default().body(1 << 20).large_bodies(2).pause(Duration::from_millis(500));
    let stage = limited(limits).await;
    let endless = || Body::wrap_stream(stream::repeat_with(|| Ok::<_, io::Error>(vec![b'x'; 65_536])));
    let path = "/workflows/resize/runs";
    let many = (0..8).map(|_| {
        let request = stage.request(Method::POST, path).header("content-type", "application/json").body(endless());
        async { request.send().await }
    });
    // Each is refused, or cut off while it still sends.
    for response in futures::future::join_all(many).await.into_iter().flatten() {
        assert!([StatusCode::PAYLOAD_TOO_LARGE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status()));
    }
    // One byte at a time is an end in time, too.
    let drip = stream::repeat(()).then(|()| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, io::Error>(" ")
    });
    let slow = limited(Limits::default().arrival(Duration::from_secs(1))).await;
    let began = Instant::now();
    let (status, _) = answer(slow.request(Method::POST, path).body(Body::wrap_stream(drip))).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(began.elapsed() < Duration::from_secs(10));
    serves(&stage).await;
}

#[tokio::test]
async fn bodies_of_many_members_keep_nobody_waiting() {
    let stage = limited(Limits::default()).await;
    let twice: Vec<String> = (0..60_000).map(|n| format!("\"{n:06x}\":0,\"{n:06x}\":0")).collect();
    let nested = format!("{{\"width\": [{}]}}", vec!["[0]"; 300_000].join(","));
    let unknown: Vec<String> = (0..900).map(|n| format!("\"{n:06x}\":0")).collect();
    let began = Instant::now();
    for (body, expected) in [
        (format!("{{{}}}", twice.join(",")), StatusCode::BAD_REQUEST),
        (nested, StatusCode::BAD_REQUEST),
        (format!("{{\"{}\": 0}}", "x".repeat(100_000)), StatusCode::BAD_REQUEST),
        (format!("{{{}}}", unknown.join(",")), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let post = stage.request(Method::POST, "/workflows/resize/runs").header("content-type", "application/json");
        let response = post.body(body).send().await.unwrap();
        assert_eq!(response.status(), expected);
        let length = response.bytes().await.unwrap().len();
        assert!(length < 20_000, "{length} bytes of refusal");
    }
    let arguments: serde_json::Map<String, Value> = (0..2000).map(|n| (format!("{n}"), json!(0))).collect();
    let (told, _) = crate::agents::ask(&stage, &crate::agents::call(2, "resize", arguments.into())).await;
    assert_eq!(
        (&told["result"]["isError"], &told["result"]["structuredContent"]["code"]),
        (&json!(true), &json!("malformed"))
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    serves(&stage).await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let limits = Limits::default().connections(100).pause(Duration::from_secs(5));
    let stage = limited(limits).await;
    let address = stage.address();
    let mut idle = Vec::new();
    for n in 0..10_000 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            // A head that never ends. The connection may be closed by now.
            _ = connection.write_all(b"GET / HTTP/1.1\r\nHost: local").await;
        }
        idle.push(connection);
        if n % 2_500 == 0 {
            serves(&stage).await;
        }
    }
    serves(&stage).await;
    // Those beyond the limit were closed at once, the others when their time was up.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let mut open = 0;
    for mut connection in idle {
        let mut byte = [0];
        if timeout(Duration::from_millis(1), connection.read(&mut byte)).await.is_err() {
            open += 1;
        }
    }
    assert_eq!(open, 0);
}

#[tokio::test]
async fn wrong_tokens_are_refused_however_many_there_are() {
    let token = "a-token-of-some-length";
    let stage = Stage::with(Duration::ZERO, |service| service.token(token)).await;
    let tries = (0..300).map(|n| {
        let guess = if n % 2 == 0 { format!("{token}{n}") } else { token[..n % token.len()].to_owned() };
        let request = stage.request(Method::POST, "/workflows/resize/runs").bearer_auth(guess).body("{}");
        async { request.send().await.unwrap().status() }
    });
    let refused = stream::iter(tries).buffer_unordered(20).all(async |status| status == StatusCode::UNAUTHORIZED).await;
    assert!(refused);
    assert_eq!(stage.items().await, []);
    let right = stage.request(Method::GET, "/openapi.json").bearer_auth(token).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::OK);
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let stage = Stage::new().await;
    let run = stage.run("resize", &json!({ "picture": data_url(&png(16, 16)) })).await;
    let id = run["id"].as_str().unwrap();
    for path in [
        "/runs/../../../../etc/passwd".to_owned(),
        "/runs/%2e%2e%2f%2e%2e%2fetc%2fpasswd".to_owned(),
        "/runs/lock".to_owned(),
        format!("/runs/{id}.json"),
        format!("/runs/{id}/outputs/..%2f0"),
        format!("/runs/{id}/outputs/-1"),
        format!("/runs/{id}/outputs/99999999999999999999999"),
        format!("/runs/{id}/outputs/0/../../lock"),
        format!("//runs/{id}"),
        format!("/runs/{id}%00"),
        format!("http://elsewhere.example/runs/{id}"),
        "*".to_owned(),
    ] {
        let told =
            raw(&stage, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
        let status = told.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404", "421"].contains(&status), "{path}: {told}");
        assert!(!told.contains("root:") && !told.contains("batch_id"), "{path}: {told}");
    }
    serves(&stage).await;
}

#[tokio::test]
async fn odd_forms_are_refused() {
    let stage = Stage::new().await;
    let part = |head: &str, body: &str| format!("--b\r\nContent-Disposition: form-data{head}\r\n\r\n{body}\r\n");
    let many = (0..2000).map(|n| part(&format!("; name=\"x{n}\""), "1")).collect::<String>();
    for (kind, body) in [
        ("multipart/form-data", String::new()),
        ("multipart/form-data; boundary=", "--\r\n".to_owned()),
        ("multipart/form-data; boundary=b", String::new()),
        ("multipart/form-data; boundary=b", "--b\r\n".to_owned()),
        ("multipart/form-data; boundary=b", "no boundary at all".to_owned()),
        ("multipart/form-data; boundary=b", part("", "no name") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", part("; name=\"\"", "an empty name") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", part("; name=\"width\"", "1")),
        ("multipart/form-data; boundary=b", part(&format!("; name=\"{}\"", "n".repeat(5000)), "1") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", many + "--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            part("; name=\"picture\"; filename=\"x.png\"", "MZ no picture") + "--b--\r\n",
        ),
        ("multipart/form-data; boundary=b", part("; name=\"width\"; filename=\"w\"", "1") + "--b--\r\n"),
        ("multipart/mixed; boundary=b", part("; name=\"width\"", "1") + "--b--\r\n"),
        // Which of two counts is nobody's to choose.
        (
            "multipart/form-data; boundary=b",
            part("; name=\"width\"", "8") + &part("; name=\"width\"", "16") + "--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            part("; name=\"width\"", "8") + &part("; name=\"Width\"", "16") + "--b--\r\n",
        ),
        ("application/json", "[".repeat(100_000)),
        ("application/json", format!("{{\"width\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000))),
        ("application/json", format!("{{\"width\": {}1{}}}", "{\"a\": ".repeat(100), "}".repeat(100))),
        (
            "application/json",
            format!("{{{}}}", (0..20_000).map(|n| format!("\"x{n}\": 1")).collect::<Vec<_>>().join(",")),
        ),
        ("application/json", "{\"width\": 1e999}".to_owned()),
        ("application/json; charset=utf-16", "\u{0}{".to_owned()),
        ("text/plain", "{}".to_owned()),
    ] {
        let shown: String = body.chars().take(80).collect();
        let request = stage.request(Method::POST, "/workflows/resize/runs").header("content-type", kind).body(body);
        let (status, problem) = answer(request).await;
        assert!([400, 415, 422].contains(&status.as_u16()), "{kind} {shown:?}: {problem:#}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem:#}");
    }
    assert_eq!((stage.items().await, stage.images().await), (vec![], vec![]));
    serves(&stage).await;
}

#[tokio::test]
async fn what_is_given_twice_in_json_is_refused_by_its_name() {
    let stage = Stage::new().await;
    let post = async |path: &str, body: String| {
        let request = stage.request(Method::POST, path).header("content-type", "application/json");
        answer(request.header("accept", "application/json, text/event-stream").body(body)).await
    };
    let path = "/workflows/resize/runs";
    let (status, problem) = post(path, r#"{"width": 8, "height": 8, "width": 16, "height": 8}"#.into()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_inputs")), "{problem:#}");
    let fields: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["width", "height"], "{problem:#}");
    let picture = r#"{"picture": {"image_name": "a.png", "image_name": "b.png"}}"#;
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "resize", "arguments": 0 } });
    for (path, body) in [(path, picture.to_owned()), ("/mcp", call.to_string().replace(":0", &format!(":{picture}")))] {
        let (status, problem) = post(path, body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("malformed")), "{problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains("`image_name` is given twice"), "{problem:#}");
    }
    assert_eq!(stage.items().await.len(), 0);
}

#[tokio::test]
async fn requests_that_are_none_end_their_connections() {
    let stage = limited(Limits::default().pause(Duration::from_millis(500))).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"POST /workflows/resize/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzzzz",
        b"POST /workflows/resize/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let told = raw(&stage, bytes).await;
        assert!(!told.starts_with("HTTP/1.1 2"), "{bytes:?}: {told}");
    }
    let endless = [b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec(), b"A: b\r\n".repeat(500_000)].concat();
    let told = raw(&stage, &endless).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    serves(&stage).await;
}

#[tokio::test]
async fn readers_that_do_not_read_are_not_waited_for() {
    let stage = limited(Limits::default().connections(20)).await;
    let run = stage.run("resize", &json!({ "picture": data_url(&png(64, 64)) })).await;
    let events = run["links"]["events"].as_str().unwrap();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut connection = TcpStream::connect(stage.address()).await.unwrap();
        // The connection may be closed by now.
        let asked = format!("GET {events} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        _ = connection.write_all(asked.repeat(20).as_bytes()).await;
        held.push(connection);
    }
    // Until room is made, others are refused with 503.
    let fresh = http::builder().timeout(Duration::from_secs(20)).build().unwrap();
    for _ in 0..240 {
        let answer = fresh.get(stage.url("/openapi.json")).send().await;
        if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    serves(&stage).await;
}

#[tokio::test]
async fn heads_that_are_huge_or_drip_are_given_up() {
    let stage = limited(Limits::default().pause(Duration::from_millis(700)).connections(50)).await;
    for head in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 << 20)),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(2 << 20)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(5000)),
    ] {
        let told = raw(&stage, head.as_bytes()).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
    // A byte now and then does not keep a connection: the head as a whole has its time.
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(TcpStream::connect(stage.address()).await.unwrap());
    }
    let began = Instant::now();
    let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for byte in head {
        for connection in &mut slow {
            // It may be closed by now.
            _ = connection.write_all(&[*byte]).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(2));
    for mut connection in slow {
        let mut read = Vec::new();
        assert!(timeout(Duration::from_secs(5), connection.read_to_end(&mut read)).await.is_ok(), "it stays open");
        let told = String::from_utf8_lossy(&read);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
    serves(&stage).await;
}

#[tokio::test]
async fn lengths_that_lie_start_nothing() {
    let stage = limited(Limits::default().pause(Duration::from_millis(500))).await;
    let post = |headers: &str, body: &str| {
        format!(
            "POST /workflows/resize/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    for request in [
        // Longer than what comes, shorter, twice, both, and none that is a number.
        post("Content-Length: 500\r\n", "{\"width\": 8}"),
        post("Content-Length: 3\r\nConnection: close\r\n", "{\"width\": 8}"),
        post("Content-Length: 12\r\nContent-Length: 13\r\n", "{\"width\": 8}"),
        post("Content-Length: 12\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n", "{\"width\": 8}"),
        post("Content-Length: 99999999999999999999999\r\n", "{}"),
        post("Content-Length: 0x10\r\n", "{}"),
        post("Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nConnection: close\r\n", "fffffffffffffffff\r\n{}"),
    ] {
        let told = raw(&stage, request.as_bytes()).await;
        assert!(!told.starts_with("HTTP/1.1 2"), "{request}: {told}");
        assert!(!told.contains("HTTP/1.1 2"), "what follows a body is not read as a second request: {told}");
    }
    assert_eq!((stage.items().await, stage.images().await), (vec![], vec![]));
    serves(&stage).await;
}
