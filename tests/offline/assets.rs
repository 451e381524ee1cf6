//! The record of assets and clean-up against a server that fails.

use std::path::{Path, PathBuf};

use invokeai_client::{
    Client, Error, Upload,
    assets::{Asset, Assets},
    cleanup::KeptBecause,
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path, path_regex},
};

use crate::{common::effort::assert_growth, mocked::nothing_else};

/// How many uploads and batches a small ledger holds, and how many times as many a large one.
const SMALL: usize = 1000;
const FACTOR: usize = 8;

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn image(name: &str, session: Option<&str>) -> Value {
    json!({
        "image_name": name, "image_origin": "external", "image_category": "user", "width": 1, "height": 1,
        "created_at": "2026-01-02 03:04:05.678", "updated_at": "2026-01-02 03:04:05.678", "is_intermediate": false,
        "session_id": session, "node_id": null, "starred": false, "has_workflow": false, "board_id": null,
    })
}

/// A gallery of these images, and no videos.
async fn gallery(server: &MockServer, images: Vec<Value>) {
    let names: Vec<Value> = images.iter().map(|image| image["image_name"].clone()).collect();
    on(server, "GET", "/api/v1/images/names", ok(json!({ "image_names": names }))).await;
    on(server, "GET", "/api/v1/videos/names", ok(json!({"video_names": []}))).await;
    let by_names = move |request: &Request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let asked = asked["image_names"].as_array().unwrap();
        ok(images.iter().filter(|image| asked.contains(&image["image_name"])).cloned().collect())
    };
    let by_names = Mock::given(method("POST")).and(path("/api/v1/images/images_by_names")).respond_with(by_names);
    by_names.mount(server).await;
}

async fn on(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(server).await;
}

/// The last part of a request's path.
fn last(request: &Request) -> String {
    request.url.path().rsplit('/').next().unwrap().to_owned()
}

/// A server without items, and a folder for a ledger.
async fn start() -> (MockServer, tempfile::TempDir, PathBuf) {
    let (server, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    nothing_else(&server).await;
    on(&server, "GET", "/api/v1/queue/default/item_ids", ok(json!({"item_ids": [], "total_count": 0}))).await;
    let ledger = folder.path().join("ledger");
    (server, folder, ledger)
}

fn client(server: &MockServer, ledger: &Path) -> Client {
    Client::builder(server.uri()).ledger(ledger).build().unwrap()
}

fn write(server: &MockServer, ledger: &Path, lines: &[Value]) {
    let first = json!({"record": "server", "url": format!("{}/", server.uri()), "version": 1});
    let lines: String = [&first].into_iter().chain(lines).map(|line| format!("{line}\n")).collect();
    std::fs::write(ledger, lines).unwrap();
}

/// What a process that begins after this one has ended would know.
fn known_later(server: &MockServer, ledger: &Path) -> Assets {
    Client::builder(server.uri()).read_only_ledger(ledger).build().unwrap().assets()
}

#[tokio::test]
async fn a_failure_among_five_images_keeps_none_of_the_others() {
    let (server, _folder, ledger) = start().await;
    let names = ["a", "b", "c", "d", "e"];
    let lines = names.map(|name| json!({"record": "uploaded", "id": name, "kind": "image", "name": name}));
    write(&server, &ledger, &lines);
    let there: Vec<Value> = names.iter().map(|name| image(name, None)).collect();
    on(&server, "POST", "/api/v1/images/images_by_names", ok(json!(there))).await;
    on(&server, "POST", "/api/v1/images/delete", ResponseTemplate::new(500)).await;
    let one = "/api/v1/images/i/c";
    Mock::given(method("DELETE"))
        .and(path(one))
        .respond_with(ResponseTemplate::new(500))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let delete =
        |request: &Request| ok(json!({"deleted_images": [last(request)], "failed_images": [], "affected_boards": []}));
    Mock::given(method("DELETE")).and(path_regex("^/api/v1/images/i/.$")).respond_with(delete).mount(&server).await;

    let asset = |name: &str| Asset::Image(name.into());
    let report = client(&server, &ledger).cleanup().everything().await.unwrap();
    assert_eq!(report.deleted, ["a", "b", "d", "e"].map(asset), "{report}");
    let [failure] = &report.failed[..] else { panic!("{report}") };
    assert_eq!((&failure.asset, failure.error.status()), (&asset("c"), Some(500)));
    assert!(report.kept.is_empty() && !report.is_success());

    // The next process goes on where this one was.
    assert_eq!(known_later(&server, &ledger).uploads, [asset("c")]);
    let next = client(&server, &ledger);
    let report = next.cleanup().everything().await.unwrap();
    assert_eq!((report.deleted, report.failed.len()), (vec![asset("c")], 0));
    assert!(known_later(&server, &ledger).is_empty());
}

#[tokio::test]
async fn a_failure_among_five_items_keeps_none_of_the_others() {
    let (server, _folder, ledger) = start().await;
    write(&server, &ledger, &[json!({"record": "enqueuing", "queue_id": "q", "batch_id": "b"})]);
    let item = |id: i64| {
        json!({"item_id": id, "status": "completed", "batch_id": if id < 9 { "b" } else { "of another" }, "queue_id": "q",
               "session_id": format!("s{id}"), "created_at": "2026-01-02 03:04:05.678",
               "session": {"graph": {"nodes": {}}, "results": {}}})
    };
    let all: Vec<Value> = [1, 2, 3, 4, 5, 9].map(item).to_vec();
    let counts = json!({"batch_id": "b", "completed": 5, "total": 5});
    on(&server, "GET", "/api/v1/queue/q/b/b/status", ok(counts)).await;
    on(&server, "GET", "/api/v1/queue/q/item_ids", ok(json!({"item_ids": [9, 5, 4, 3, 2, 1], "total_count": 6}))).await;
    on(&server, "POST", "/api/v1/queue/q/item_summaries_by_ids", ok(json!(all))).await;
    let read = move |request: &Request| ok(item(last(request).parse().unwrap()));
    Mock::given(method("GET")).and(path_regex("^/api/v1/queue/q/i/.$")).respond_with(read).mount(&server).await;
    gallery(&server, vec![image("ours", Some("s2")), image("foreign", Some("elsewhere"))]).await;
    on(&server, "DELETE", "/api/v1/queue/q/i/3", ResponseTemplate::new(500)).await;
    Mock::given(method("DELETE"))
        .and(path_regex("^/api/v1/queue/q/i/.$"))
        .respond_with(ok(json!(null)))
        .mount(&server)
        .await;

    let client = client(&server, &ledger);
    let report = client.cleanup().await.unwrap();
    let asset = |item_id| Asset::Item { queue_id: "q".into(), item_id };
    assert_eq!(report.deleted, [1, 2, 4, 5].map(asset), "{report}");
    assert_eq!(report.failed.len(), 1, "{report}");
    assert_eq!(report.failed[0].asset, asset(3));
    assert_eq!(report.kept.len(), 1, "{report}");
    assert_eq!(report.why_kept(&Asset::Image("ours".into())), Some(&KeptBecause::NotAsked));
    let left = client.assets();
    assert_eq!(left.batches.len(), 1, "an item and a result are left");
    assert!(left.batches[0].sessions.contains(&"s2".to_owned()));
}

/// A list of videos that the server does not have is not one that failed.
#[tokio::test]
async fn a_board_stays_if_it_is_not_known_what_is_on_it() {
    let (server, _folder, ledger) = start().await;
    write(&server, &ledger, &[json!({"record": "created_board", "id": "1", "board_id": "b"})]);
    on(&server, "GET", "/api/v1/images/names", ok(json!({"image_names": []}))).await;
    on(&server, "GET", "/api/v1/boards/b/image_names", ok(json!([]))).await;
    on(&server, "GET", "/api/v1/videos/names", ResponseTemplate::new(405)).await;
    on(&server, "GET", "/api/v1/gallery/item_names", ResponseTemplate::new(500)).await;
    let report = client(&server, &ledger).cleanup().everything().await.unwrap();
    let [failure] = &report.failed[..] else { panic!("{report}") };
    assert_eq!((&failure.asset, failure.error.status()), (&Asset::Board("b".into()), Some(500)), "{report}");
    assert_eq!(known_later(&server, &ledger).boards, ["b"]);
}

/// Uploads and batches, some of which are gone.
#[test]
fn reading_a_ledger_is_linear() {
    let (folder, url) = (tempfile::tempdir().unwrap(), "http://127.0.0.1:1/");
    let [small, large] = [SMALL, SMALL * FACTOR].map(|count| {
        let mut lines = format!("{}\n", json!({"record": "server", "url": url, "version": 1}));
        let mut add = |line: Value| lines.push_str(&format!("{line}\n"));
        for i in 0..count {
            add(json!({"record": "uploading", "id": i.to_string(), "session_id": "s", "kind": "image", "file": "f"}));
            add(json!({"record": "enqueuing", "queue_id": "q", "batch_id": i.to_string()}));
            add(json!({"record": "creating_board", "id": format!("board {i}"), "name": "n", "marker": "m"}));
        }
        for i in 0..count {
            add(json!({"record": "uploaded", "id": i.to_string(), "kind": "image", "name": i.to_string()}));
            add(json!({"record": "enqueued", "batch_id": i.to_string(), "item_ids": [i]}));
            add(json!({"record": "created_board", "id": format!("board {i}"), "board_id": i.to_string()}));
        }
        for i in (0..count).rev().step_by(2) {
            add(json!({"record": "gone", "asset": {"image": i.to_string()}}));
            add(json!({"record": "gone", "asset": {"board": i.to_string()}}));
            add(json!({"record": "batch_gone", "batch_id": i.to_string()}));
        }
        let path = folder.path().join(count.to_string());
        std::fs::write(&path, lines).unwrap();
        path
    });
    let read = |path: &Path| {
        let assets = Client::builder(url).read_only_ledger(path).build().unwrap().assets();
        let rest = [assets.uploads.len(), assets.boards.len(), assets.batches.len()];
        assert!(rest[0] > 0 && rest.iter().all(|left| *left == rest[0]), "{rest:?}");
        assert!(assets.unfinished_uploads.is_empty() && assets.unfinished_boards.is_empty());
    };
    assert_growth("reading a ledger", SMALL, FACTOR, 3.0, || read(&small), || read(&large));
}

#[tokio::test]
async fn an_upload_is_on_disk_before_it_is_sent_and_is_found_if_its_answer_is_lost() {
    let (server, _folder, ledger) = start().await;
    let file = ledger.clone();
    let lost = move |request: &Request| {
        let lines = std::fs::read_to_string(&file).unwrap();
        let line: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(line["record"], "uploading");
        let session = request.url.query_pairs().find(|(name, _)| name == "session_id").unwrap().1.into_owned();
        assert_eq!(line["session_id"], session);
        ResponseTemplate::new(504)
    };
    Mock::given(method("POST")).and(path("/api/v1/images/upload")).respond_with(lost).mount(&server).await;
    let sender = client(&server, &ledger);
    let failed = sender.images().upload(Upload::bytes("x.png", b"\x89PNG".as_slice())).await.unwrap_err();
    assert!(matches!(failed, Error::Server(_)), "{failed:?}");
    assert!(sender.uploaded_assets().is_empty());
    let unfinished = &known_later(&server, &ledger).unfinished_uploads[0];
    let session = unfinished.session_id.clone().unwrap();

    gallery(&server, vec![image("other", None), image("lost", Some(&session))]).await;
    let done = json!({"deleted_images": ["lost"], "failed_images": [], "affected_boards": []});
    on(&server, "POST", "/api/v1/images/delete", ok(done)).await;
    let later = client(&server, &ledger);
    let report = later.cleanup().await.unwrap();
    assert_eq!((report.deleted.clone(), report.is_success()), (vec![Asset::Image("lost".into())], true), "{report}");
    assert!(later.assets().is_empty());

    // A refusal leaves nothing.
    server.reset().await;
    on(&server, "POST", "/api/v1/images/upload", ResponseTemplate::new(415).set_body_json(json!({"detail": "no"})))
        .await;
    later.images().upload(Upload::bytes("x.png", b"\x89PNG".as_slice())).await.unwrap_err();
    assert!(later.assets().is_empty() && known_later(&server, &ledger).is_empty());
}
