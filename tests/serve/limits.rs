//! Limits: each is met by a clear refusal, and those within it are served.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use invokeai_client::serve::Limits;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Stage, answer, data_url, flux_inputs, png};

async fn limited(limits: Limits, step: Duration) -> Stage {
    Stage::with(step, |service| service.limits(limits)).await
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let stage = limited(Limits::default().body(100_000), Duration::ZERO).await;
    let path = "/workflows/resize/runs";
    let long = vec![b' '; 1_000_000];
    let (status, problem) = answer(stage.request(Method::POST, path).body(long)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("body_too_long")), "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("100000"), "{problem:#}");
    // Without a length, too.
    let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 50_000])).take(10);
    let (status, _) = answer(stage.request(Method::POST, path).body(Body::wrap_stream(pieces))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    stage.run("resize", &json!({ "picture": data_url(&png(32, 32)) })).await;
}

#[tokio::test]
async fn a_file_in_a_form_may_be_as_long_as_the_body() {
    let stage = limited(Limits::default(), Duration::ZERO).await;
    let file = png(1200, 1200);
    assert!(file.len() > 3 << 20, "{} bytes are too few to show it", file.len());
    let head = b"--b\r\ncontent-disposition: form-data; name=\"picture\"; filename=\"p.png\"\r\n\r\n";
    let width = b"\r\n--b\r\ncontent-disposition: form-data; name=\"width\"\r\n\r\n8\r\n--b--\r\n";
    let form = [&head[..], &file, width].concat();
    let request = stage.request(Method::POST, "/workflows/resize/runs").header("prefer", "wait=60").body(form);
    let (status, run) = answer(request.header("content-type", "multipart/form-data; boundary=b")).await;
    assert_eq!((status, &run["state"]), (StatusCode::CREATED, &json!("completed")), "{run:#}");
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let stage = limited(Limits::default().pause(Duration::from_millis(300)), Duration::ZERO).await;
    let silent = futures::stream::once(async { Ok::<_, std::io::Error>("{") }).chain(futures::stream::pending());
    let began = Instant::now();
    let request = stage.request(Method::POST, "/workflows/resize/runs").body(Body::wrap_stream(silent));
    let (status, problem) = answer(request).await;
    assert_eq!((status, &problem["code"]), (StatusCode::REQUEST_TIMEOUT, &json!("body_too_slow")), "{problem:#}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn no_more_runs_are_taken_on_than_there_is_room_for() {
    let stage = limited(Limits::default().open_runs(2), Duration::from_millis(100)).await;
    let inputs = flux_inputs(&data_url(&png(32, 32)));
    let mut runs = Vec::new();
    for _ in 0..2 {
        runs.push(stage.post("flux", &inputs, &[]).await.1);
    }
    let response = stage.request(Method::POST, "/workflows/flux/runs").json(&inputs).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "too_many_runs");
    for run in runs {
        assert_eq!(stage.end(run["id"].as_str().unwrap()).await["state"], "completed");
    }
    let (status, _) = stage.post("flux", &inputs, &[]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_canceled() {
    let stage = limited(Limits::default().run(Duration::from_millis(500)), Duration::from_millis(300)).await;
    let inputs = flux_inputs(&data_url(&png(32, 32)));
    let (_, run) = stage.post("flux", &inputs, &[("prefer", "wait=30")]).await;
    assert_eq!((&run["state"], &run["problem"]["code"]), (&json!("failed"), &json!("run_too_long")), "{run:#}");
    let item = stage.client.queue("default").item(1).await.unwrap();
    assert_eq!(item.status.to_string(), "canceled");
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_up() {
    let stage = limited(Limits::default(), Duration::from_millis(200)).await;
    let inputs = flux_inputs(&data_url(&png(32, 32)));
    let (status, run) = stage.post("flux", &inputs, &[("prefer", "respond-async, wait=1")]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(["pending", "running"].contains(&run["state"].as_str().unwrap()), "{run:#}");
    let (status, problem) = stage.post("flux", &inputs, &[("prefer", "wait=soon")]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("prefer")));
}

#[tokio::test]
async fn who_waits_leaves_room_for_others() {
    let stage = limited(Limits::default().connections(3), Duration::from_millis(200)).await;
    let inputs = flux_inputs(&data_url(&png(32, 32)));
    let wait = [("prefer", "wait=60"), ("idempotency-key", "k")];
    let (first, second, third) = tokio::join!(
        stage.post("flux", &inputs, &wait),
        stage.post("flux", &inputs, &wait),
        stage.post("flux", &inputs, &wait),
    );
    let statuses = [first, second, third].map(|(status, _)| status);
    assert!(statuses.contains(&StatusCode::ACCEPTED), "one is answered at once: {statuses:?}");
    assert!(statuses.contains(&StatusCode::CREATED), "the others wait: {statuses:?}");
}

#[tokio::test]
async fn the_oldest_runs_are_forgotten() {
    let mut stage = limited(Limits::default().kept_runs(2), Duration::ZERO).await;
    let inputs = json!({ "picture": data_url(&png(32, 32)), "width": 16 });
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(stage.run("resize", &inputs).await["id"].as_str().unwrap().to_owned());
    }
    for again in [false, true] {
        if again {
            stage.stop();
            stage.start(|service| service.limits(Limits::default().kept_runs(2))).await;
        }
        for (n, id) in ids.iter().enumerate() {
            let expected = if n < 2 { StatusCode::NOT_FOUND } else { StatusCode::OK };
            assert_eq!(stage.get(&format!("/runs/{id}")).await.status(), expected, "{n}");
        }
    }
    // The first line, and two runs.
    stage.stop();
    assert_eq!(std::fs::read_to_string(stage.log()).unwrap().lines().count(), 3);
    // The lock, and the log.
    assert_eq!(std::fs::read_dir(stage.runs_folder()).unwrap().count(), 2);
}

#[tokio::test]
async fn one_folder_is_for_one_service() {
    let stage = Stage::new().await;
    let other = invokeai_client::serve::Server::builder(stage.client.clone(), stage.runs_folder())
        .listen("127.0.0.1:0")
        .workflow("resize", crate::stage::resize(&stage.client).await);
    let error = other.start().unwrap_err();
    assert!(error.to_string().contains("another service uses this folder"), "{error}");
}

#[tokio::test]
async fn streams_of_events_leave_room_for_all_else() {
    let stage = limited(Limits::default().streams(3).connections(10), Duration::from_millis(200)).await;
    let inputs = flux_inputs(&data_url(&png(32, 32)));
    let (_, run) = stage.post("flux", &inputs, &[]).await;
    let events = run["links"]["events"].as_str().unwrap();
    let mut open = Vec::new();
    for _ in 0..3 {
        let stream = stage.get(events).await;
        assert_eq!(stream.status(), StatusCode::OK);
        open.push(stream);
    }
    let refused = stage.get(events).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_many_streams");
    assert_eq!(stage.get(run["links"]["self"].as_str().unwrap()).await.status(), StatusCode::OK);
    // Whoever hangs up gives room.
    open.pop();
    let end = Instant::now() + Duration::from_secs(30);
    while stage.get(events).await.status() != StatusCode::OK {
        assert!(Instant::now() < end, "the room is not given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stage = limited(Limits::default().reading(Duration::from_secs(1)), Duration::ZERO).await;
    // Longer than what the system keeps for a connection.
    let picture = stage.client.images().upload(invokeai_client::Upload::bytes("p.png", png(600, 600))).await.unwrap();
    let run =
        stage.run("resize", &json!({ "picture": picture.image_name, "width": 1500, "height": 1500, "blur": 0 })).await;
    let href = run["outputs"][0]["href"].as_str().unwrap();
    let length = stage.get(href).await.bytes().await.unwrap().len();
    assert!(length > 5 << 20, "{length} bytes are too few to show it");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut connection = socket.connect(stage.address()).await.unwrap();
    connection.write_all(format!("GET {href} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut read = Vec::new();
    // It is closed, or cut off.
    _ = connection.read_to_end(&mut read).await;
    assert!(read.len() < length, "{} of {length} bytes", read.len());
    // Who reads slowly, but reads, gets all.
    let mut slow = stage.get(href).await;
    let mut got = 0;
    while let Some(piece) = slow.chunk().await.unwrap() {
        got += piece.len();
        if got < (2 << 20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(got, length);
}
