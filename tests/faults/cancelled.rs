//! Futures that are dropped at each point where they wait: nothing is done twice, nothing is half done, what may exist
//! is known, and a second try works.

use std::{
    collections::BTreeSet,
    fs,
    future::IntoFuture as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use invokeai_client::{Client, Error, Upload, assets::Assets, download::Collision};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    builder,
    dropped::polled,
    fake_gallery::FakeGallery,
    fake_invokeai::{FakeInvokeAi, OnEnqueue},
    raw_server::{Act, RawServer, whole},
    without_parts, workflow,
};

/// More polls than any operation here needs.
const MANY: usize = 10_000;

/// A future that is dropped at once takes its request back. If it is held for a moment, the request goes out.
const HOLDS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(10)];

/// Waits until what was on its way to the server has arrived.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(15)).await;
}

fn batch_ids(assets: &Assets) -> BTreeSet<String> {
    assets.batches.iter().map(|batch| batch.batch_id.clone()).collect()
}

/// What a process that begins after this one has ended would know.
fn known_later(url: &str, ledger: &Path) -> Assets {
    builder(url).read_only_ledger(ledger).build().unwrap().assets()
}

#[tokio::test]
async fn a_submission_dropped_anywhere_is_enqueued_at_most_once_and_known() {
    let gateway = OnEnqueue::AcceptBehindGateway("504 Gateway Timeout");
    for (events, hold, answer) in [
        (false, HOLDS[0], OnEnqueue::Answer),
        (false, HOLDS[1], OnEnqueue::Answer),
        (true, HOLDS[1], OnEnqueue::Answer),
        (false, HOLDS[0], gateway),
    ] {
        let mut dropped_after_sending = 0;
        for polls in 0..=MANY {
            assert!(polls < MANY, "it ends");
            let server = FakeInvokeAi::start().await;
            server.world().on_enqueue.push_back(answer.clone());
            let folder = tempfile::tempdir().unwrap();
            let ledger = folder.path().join("ledger");
            let client = builder(&server.url).ledger(&ledger).build().unwrap();
            let workflow = workflow();
            let end = polled(polls, hold, client.submit(&workflow).subscribe_events(events).into_future()).await;
            settle().await;
            let what = format!("{polls} polls, events {events}, {answer:?}");
            let enqueues = server.world().enqueues;
            assert!(enqueues <= 1, "{what}");
            let there: BTreeSet<String> = server.world().items.values().map(|item| item.batch_id.clone()).collect();
            let known = batch_ids(&client.assets());
            assert!(there.is_subset(&known), "{what}: {there:?} {known:?}");
            assert!(known.is_subset(&batch_ids(&known_later(&server.url, &ledger))), "{what}");

            if let Some(end) = end {
                assert!(there.contains(end.unwrap().batch_id()), "{what}");
                break;
            }
            dropped_after_sending += enqueues;
            let again = client.submit(&workflow).subscribe_events(events).await.unwrap();
            assert_eq!(server.world().enqueues, enqueues + 1, "{what}");
            assert!(!there.contains(again.batch_id()), "{what}: another batch");
        }
        assert!(dropped_after_sending > 0, "some of them were dropped after the request was sent");
    }
}

#[tokio::test]
async fn a_submission_to_a_full_queue_dropped_anywhere_is_known() {
    for polls in 0..=MANY {
        assert!(polls < MANY, "it ends");
        let server = FakeInvokeAi::start().await;
        server.world().room = 1;
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        let client = builder(&server.url).ledger(&ledger).build().unwrap();
        let workflow = workflow();
        let end =
            polled(polls, HOLDS[polls % 2], client.submit(&workflow).runs(3).subscribe_events(false).into_future())
                .await;
        settle().await;
        assert!(server.world().enqueues <= 1, "{polls} polls");
        let left: BTreeSet<String> = server.world().items.values().map(|item| item.batch_id.clone()).collect();
        assert!(left.is_subset(&batch_ids(&client.assets())), "{polls} polls");
        assert!(left.is_subset(&batch_ids(&known_later(&server.url, &ledger))), "{polls} polls");
        if let Some(end) = end {
            assert!(matches!(end, Err(Error::QueueFull { enqueued: 1, requested: 3, .. })), "{end:?}");
            assert!(server.world().items.values().all(|item| item.status == "canceled"));
            break;
        }
    }
}

#[tokio::test]
async fn a_wait_dropped_anywhere_changes_nothing() {
    for polls in 0..=MANY {
        assert!(polls < MANY, "it ends");
        let server = FakeInvokeAi::start().await;
        let client = builder(&server.url).build().unwrap();
        let job = client.submit(&workflow()).await.unwrap().job().unwrap();
        let changes = async {
            for (status, node) in [("in_progress", "first"), ("completed", "second")] {
                settle().await;
                server.tell_node(job.item_id(), "invocation_started", node);
                server.change(job.item_id(), status);
            }
            // A future that is not dropped runs to its end.
            std::future::pending::<()>().await;
        };
        let end = tokio::select! {
            end = polled(polls, HOLDS[polls % 2], job.wait().into_future()) => end,
            () = changes => unreachable!("it does not end"),
        };
        assert_eq!(server.world().enqueues, 1, "{polls} polls");
        if let Some(end) = end {
            end.unwrap();
            assert!(polls > 1, "it was dropped while it waited");
            break;
        }
        assert_ne!(server.world().items[&job.item_id()].status, "canceled", "{polls} polls");
        server.change(job.item_id(), "completed");
        tokio::time::timeout(Duration::from_secs(8), job.wait().into_future()).await.expect("the end is seen").unwrap();
    }
}

const WHOLE: &str = "GIF89a000000";

const LENGTH: usize = WHOLE.len();

#[tokio::test]
async fn a_download_dropped_anywhere_leaves_the_whole_file_or_what_was_there() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\ncontent-length: {LENGTH}\r\n\r\nGIF89a");
    for old in [None, Some("an old file")] {
        let mut dropped = 0;
        for polls in 0..=MANY {
            assert!(polls < MANY, "it ends");
            let server = RawServer::start(vec![Act::Drip(head.clone(), Duration::from_millis(1))]).await;
            let client = builder(&server.url).build().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.gif");
            if let Some(old) = old {
                fs::write(&path, old).unwrap();
            }
            let download = client.image("a.gif").download().collision(Collision::Overwrite).durable(true);
            let end = polled(polls, HOLDS[0], Box::pin(download.clone().to_directory(folder.path()))).await;
            let left = without_parts(folder.path()).await;
            let text = fs::read_to_string(&path).ok();
            let is_whole = text.as_deref().is_some_and(|text| text == WHOLE);
            assert!(is_whole || text.as_deref() == old, "{polls} polls: {text:?}");
            assert!(left.iter().all(|name| name == "a.gif"), "{polls} polls: {left:?}");
            if let Some(end) = end {
                assert!(is_whole && end.unwrap().path == path);
                break;
            }
            dropped += 1;
            download.to_directory(folder.path()).await.unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), WHOLE, "{polls} polls");
            assert_eq!(without_parts(folder.path()).await, ["a.gif"]);
        }
        assert!(dropped > 5, "it was dropped {dropped} times");
    }
}

#[tokio::test]
async fn an_upload_dropped_anywhere_is_sent_at_most_once_and_known() {
    let image = json!({"image_name": "a.png", "image_origin": "external", "image_category": "user", "width": 1,
        "height": 1, "created_at": "2026-01-02 03:04:05.678", "is_intermediate": false, "starred": false,
        "has_workflow": false});
    let mut dropped_after_sending = 0;
    for (hold, polls) in (0..=MANY).flat_map(|polls| HOLDS.map(|hold| (hold, polls))) {
        assert!(polls < MANY, "it ends");
        let answer = whole("200 OK", "application/json", &image.to_string());
        let server = RawServer::start(vec![Act::Answer(answer)]).await;
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        let client = builder(&server.url).ledger(&ledger).build().unwrap();
        let file = || Upload::bytes("a.png", b"\x89PNG".repeat(100_000));
        let end = polled(polls, hold, client.images().upload(file()).into_future()).await;
        settle().await;
        let sent = server.requests().len();
        assert!(sent <= 1, "{polls} polls");
        let known = |assets: &Assets| assets.uploads.len() + assets.unfinished_uploads.len();
        assert!(known(&client.assets()) >= sent, "{polls} polls");
        assert!(known(&known_later(&server.url, &ledger)) >= sent, "{polls} polls");
        if let Some(end) = end {
            end.unwrap();
            assert_eq!((client.assets().uploads.len(), client.assets().unfinished_uploads.len()), (1, 0));
            break;
        }
        dropped_after_sending += sent;
        client.images().upload(file()).await.unwrap();
        assert_eq!(server.requests().len(), sent + 1, "{polls} polls");
        assert_eq!(client.assets().uploads.len(), 1, "{polls} polls");
    }
    assert!(dropped_after_sending > 0, "some of them were dropped after the request was sent");
}

#[tokio::test]
async fn a_creation_of_a_board_dropped_anywhere_is_known() {
    let mut dropped_between = 0;
    for (hold, polls) in (0..=MANY).flat_map(|polls| HOLDS.map(|hold| (hold, polls))) {
        assert!(polls < MANY, "it ends");
        let server = FakeGallery::start().await;
        server.world().boards.insert("theirs".into(), "samples".into());
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        let client = builder(&server.url()).ledger(&ledger).build().unwrap();
        let boards = client.boards();
        let end = polled(polls, hold, Box::pin(boards.create("samples"))).await;
        settle().await;
        let left = server.world().boards.clone();
        assert!(left.len() <= 2 && left["theirs"] == "samples", "{polls} polls: {left:?}");
        if let Some(end) = end {
            assert_eq!(left[&end.unwrap().board_id], "samples");
            break;
        }
        dropped_between += usize::from(left.values().any(|name| name.contains("being created")));
        // The next process finds it, and only that one.
        drop((boards, client));
        let later = builder(&server.url()).ledger(&ledger).build().unwrap();
        let report = later.cleanup().everything().await.unwrap();
        assert!(report.is_success() && report.deleted.len() == left.len() - 1, "{polls} polls: {report}");
        assert_eq!(server.world().boards.keys().collect::<Vec<_>>(), ["theirs"], "{polls} polls");
        assert!(later.assets().is_empty(), "{polls} polls");
    }
    assert!(dropped_between > 0, "some of them were dropped when the board had no name of its own yet");
}

/// What is on a server that can be cleaned up.
#[derive(Clone)]
struct Stock(Arc<Mutex<BTreeSet<&'static str>>>);

const ALL: [&str; 6] = ["upload.png", "out.png", "intermediate.png", "board", "41", "42"];

impl Stock {
    fn full() -> Self {
        Self(Arc::new(Mutex::new(ALL.into())))
    }

    fn there(&self) -> BTreeSet<&'static str> {
        self.0.lock().unwrap().clone()
    }

    fn image(name: &str) -> Value {
        let session = if name == "out.png" { Some("s41") } else { Some("s42") }.filter(|_| name != "upload.png");
        json!({"image_name": name, "image_origin": "internal", "image_category": "general", "width": 1, "height": 1,
            "created_at": "2026-01-02 03:04:06.000", "is_intermediate": name == "intermediate.png", "starred": false,
            "session_id": session, "has_workflow": false, "board_id": null})
    }

    fn item(id: &str) -> Value {
        json!({"item_id": id.parse::<i64>().unwrap(), "status": "completed", "batch_id": "batch", "queue_id": "default",
            "session_id": format!("s{id}"), "created_at": "2026-01-02 03:04:05.678",
            "session": {"graph": {"nodes": {"n": {"image": {"image_name": "upload.png"}}}}, "results": {}}})
    }
}

impl Respond for Stock {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut stock = self.0.lock().unwrap();
        let items: Vec<&str> = ALL[4..].iter().copied().filter(|id| stock.contains(id)).collect();
        let images: Vec<&str> = ALL[..3].iter().copied().filter(|name| stock.contains(name)).collect();
        let path = request.url.path().strip_prefix("/api/v1/").unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let asked = |name: &str| -> Vec<String> { serde_json::from_value(body[name].clone()).unwrap_or_default() };
        let missing = || ResponseTemplate::new(404).set_body_json(json!({"detail": "Not Found"}));
        let answer = match (request.method.as_str(), path) {
            ("GET", "queue/default/item_ids") => {
                let ids: Vec<i64> = items.iter().rev().map(|id| id.parse().unwrap()).collect();
                json!({"total_count": ids.len(), "item_ids": ids})
            }
            ("POST", "queue/default/item_summaries_by_ids") => items.iter().map(|id| Self::item(id)).collect(),
            ("GET", "queue/default/b/batch/status") => {
                json!({"batch_id": "batch", "completed": items.len(), "total": items.len()})
            }
            ("GET", _) if path.starts_with("queue/default/i/") => match items.contains(&last) {
                true => Self::item(last),
                false => return missing(),
            },
            ("DELETE", _) if path.starts_with("queue/default/i/") => match stock.remove(last) {
                true => Value::Null,
                false => return missing(),
            },
            ("GET", "images/names") => json!({"image_names": images}),
            ("GET", "videos/names") => json!({"video_names": []}),
            ("GET", _) if path.starts_with("images/i/") => match images.contains(&last) {
                true => Self::image(last),
                false => return missing(),
            },
            ("POST", "images/images_by_names") => {
                let names = asked("image_names");
                images
                    .iter()
                    .filter(|name| names.iter().any(|asked| asked == *name))
                    .map(|name| Self::image(name))
                    .collect()
            }
            ("POST", "images/delete") => {
                let gone: Vec<String> =
                    asked("image_names").into_iter().filter(|name| stock.remove(name.as_str())).collect();
                json!({"deleted_images": gone, "failed_images": [], "affected_boards": []})
            }
            (verb, "boards/board") if stock.contains("board") => match verb {
                "DELETE" => {
                    stock.remove("board");
                    json!({"board_id": "board", "deleted_board_images": [], "deleted_images": []})
                }
                _ => json!({"board_id": "board", "board_name": "results", "created_at": "2026-01-02 03:04:05.678",
                    "updated_at": "2026-01-02 03:04:05.678", "archived": false, "image_count": 0, "asset_count": 0}),
            },
            (_, "boards/board") => return missing(),
            (_, "boards/board/image_names") => json!([]),
            _ => return ResponseTemplate::new(500).set_body_string(format!("not scripted: {} {path}", request.method)),
        };
        ResponseTemplate::new(200).set_body_json(answer)
    }
}

#[tokio::test]
async fn a_clean_up_dropped_anywhere_goes_on_when_done_again() {
    let mut dropped_between = 0;
    for polls in 0..=MANY {
        assert!(polls < MANY, "it ends");
        let (server, stock) = (MockServer::start().await, Stock::full());
        Mock::given(any()).respond_with(stock.clone()).mount(&server).await;
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        let lines = [
            json!({"record": "server", "url": format!("{}/", server.uri()), "version": 1}),
            json!({"record": "uploaded", "id": "1", "kind": "image", "name": "upload.png"}),
            json!({"record": "created_board", "id": "2", "board_id": "board"}),
            json!({"record": "enqueuing", "queue_id": "default", "batch_id": "batch"}),
        ];
        fs::write(&ledger, lines.map(|line| format!("{line}\n")).concat()).unwrap();
        let client = || -> Client { builder(&server.uri()).ledger(&ledger).build().unwrap() };
        let first = client();
        let end = polled(polls, HOLDS[polls % 2], first.cleanup().everything().into_future()).await;
        settle().await;
        drop(first);
        let left = stock.there();
        if let Some(end) = end {
            let report = end.unwrap();
            assert!(report.is_success() && report.kept.is_empty(), "{report}");
            assert!(left.is_empty(), "{left:?}");
            assert!(known_later(&server.uri(), &ledger).is_empty());
            break;
        }
        dropped_between += usize::from(!left.is_empty() && left.len() < ALL.len());
        // The next process goes on where this one was.
        let report = client().cleanup().everything().await.unwrap();
        assert!(report.is_success() && report.kept.is_empty(), "{polls} polls: {report}");
        assert!(stock.there().is_empty(), "{polls} polls: {:?}", stock.there());
        let left = known_later(&server.uri(), &ledger);
        assert!(left.is_empty(), "{polls} polls: {left:?}");
    }
    assert!(dropped_between > 0, "some of them were dropped when a part was gone");
}
