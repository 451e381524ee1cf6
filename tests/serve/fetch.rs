//! Pictures that callers name by an address of the web.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use invokeai_client::{
    Error,
    serve::{Limits, Server},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::stage::{Stage, png};

/// A web server that answers by the path alone, and counts who asks.
struct Web {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Web {
    async fn start(elsewhere: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let elsewhere = elsewhere.clone().unwrap_or_default();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let length = stream.read(&mut head).await.unwrap_or(0);
                    let text = String::from_utf8_lossy(&head[..length]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                    let found = |body: &[u8]| {
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n",
                            body.len()
                        );
                        [head.as_bytes(), body].concat()
                    };
                    let moved = |to: &str| {
                        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
                    };
                    let answer = match &*path {
                        "/picture" => found(&png(24, 16)),
                        "/page" => found(b"<html>a page that says that it is a picture</html>"),
                        "/moved" => moved("/picture"),
                        "/round" => moved("/round"),
                        "/away" => moved(&elsewhere),
                        "/file" => moved("file:///etc/passwd"),
                        "/gone" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
                        "/long" => b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
                        "/endless" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                        // It never answers.
                        _ => Vec::new(),
                    };
                    // The caller may have had enough.
                    _ = stream.write_all(&answer).await;
                    while path == "/endless"
                        && stream.write_all(&[b"1000\r\n", &[b'x'; 4096][..], b"\r\n"].concat()).await.is_ok()
                    {
                    }
                    tokio::time::sleep(Duration::from_secs(if path == "/silent" { 60 } else { 1 })).await;
                });
            }
        });
        Self { address, asked }
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn allowed(hosts: &[String], limits: Limits) -> Stage {
    Stage::with(Duration::ZERO, |service| {
        hosts.iter().fold(service.limits(limits), |service, host| service.image_urls(host))
    })
    .await
}

async fn refused(stage: &Stage, address: &str) -> String {
    let (status, problem) = stage.post("resize", &json!({ "picture": address }), &[]).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_inputs")),
        "{address}: {problem:#}"
    );
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["errors"][0]["value"]),
        (&json!("picture"), &json!("an address"))
    );
    assert!(!problem.to_string().contains("127.0.0.1"), "nothing of where it was looked for: {problem:#}");
    problem["errors"][0]["accepted"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_picture_is_fetched_from_a_host_that_is_allowed_and_from_no_other() {
    let (web, other) = (Web::start(None).await, Web::start(None).await);
    let stage = allowed(&[web.address.to_string()], Limits::default()).await;
    for path in ["/picture", "/moved"] {
        for given in [json!(web.at(path)), json!({ "url": web.at(path) })] {
            let run = stage.run("resize", &json!({ "picture": given, "width": 12 })).await;
            assert_eq!(run["outputs"][0]["width"], 12, "{run:#}");
        }
    }
    assert_eq!(stage.invokeai.faults().calls("upload_image"), 4);
    for address in [
        other.at("/picture"),
        format!("http://localhost:{}/picture", web.address.port()),
        format!("http://user:word@{}/picture", web.address),
        format!("ftp://{}/picture", web.address),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "gopher://x".to_owned(),
    ] {
        assert!(refused(&stage, &address).await.contains("allowed"));
    }
    assert_eq!(other.asked(), 0, "who is not allowed is not asked");
    let closed = Stage::new().await;
    assert!(refused(&closed, &web.at("/picture")).await.contains("not fetched"));
}

#[tokio::test]
async fn names_that_lead_to_this_machine_are_refused_though_they_are_allowed() {
    let web = Web::start(None).await;
    let name = format!("localhost:{}", web.address.port());
    let address = format!("http://{name}/picture");
    for hosts in [vec![name.clone()], vec![format!("*:{}", web.address.port())]] {
        let stage = allowed(&hosts, Limits::default()).await;
        refused(&stage, &address).await;
    }
    // An address that is named with another port is not named.
    let other = Web::start(None).await;
    let stage = allowed(&[name.clone(), other.address.to_string()], Limits::default()).await;
    refused(&stage, &address).await;
    assert_eq!(web.asked(), 0);
    // Unless the address is named as well.
    let stage = allowed(&[name, web.address.to_string()], Limits::default()).await;
    stage.run("resize", &json!({ "picture": address })).await;
}

#[tokio::test]
async fn redirects_are_checked_as_addresses_are() {
    let other = Web::start(None).await;
    for elsewhere in [other.at("/picture"), format!("http://localhost:{}/picture", other.address.port())] {
        let web = Web::start(Some(elsewhere)).await;
        let stage = allowed(&[web.address.to_string()], Limits::default()).await;
        for path in ["/away", "/file", "/round"] {
            refused(&stage, &web.at(path)).await;
        }
        assert!(web.asked() < 10, "redirects end");
        assert_eq!(stage.items().await, []);
    }
    assert_eq!(other.asked(), 0);
}

#[tokio::test]
async fn what_is_no_picture_too_long_or_too_slow_is_refused() {
    let web = Web::start(None).await;
    let limits = Limits::default().body(100_000).pause(Duration::from_secs(1)).arrival(Duration::from_secs(2));
    let stage = allowed(&[web.address.to_string()], limits).await;
    let (status, problem) = stage.post("resize", &json!({ "picture": web.at("/page") }), &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["errors"][0]["accepted"].as_str().unwrap().contains("PNG"), "{problem:#}");
    for path in ["/gone", "/long", "/endless", "/silent"] {
        let began = Instant::now();
        refused(&stage, &web.at(path)).await;
        assert!(began.elapsed() < Duration::from_secs(8), "{path}");
    }
    assert_eq!((stage.items().await, stage.images().await), (vec![], vec![]), "nothing is uploaded");
}

#[tokio::test]
async fn a_request_that_is_sent_again_fetches_nothing_again() {
    let web = Web::start(None).await;
    let stage = allowed(&[web.address.to_string()], Limits::default()).await;
    let inputs = json!({ "picture": web.at("/picture") });
    let (_, first) = stage.post("resize", &inputs, &[("idempotency-key", "k")]).await;
    let (_, second) = stage.post("resize", &inputs, &[("idempotency-key", "k")]).await;
    assert_eq!((&first["id"], web.asked()), (&second["id"], 1));
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let picture =
        &document["paths"]["/workflows/resize/runs"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(
        picture["properties"]["picture"]["description"].as_str().unwrap().contains("http(s) address"),
        "{picture:#}"
    );
    let resize = crate::stage::resize(&stage.client).await;
    let wrong = Server::builder(stage.client.clone(), stage.folder.path().join("w")).workflow("resize", resize);
    let wrong = wrong.listen("127.0.0.1:0").image_urls("http://x/").start();
    assert!(matches!(wrong.unwrap_err(), Error::InvalidInput { ref field, .. } if field == "image_urls"));
}
