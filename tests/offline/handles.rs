//! Handles and downloads against servers that misbehave.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _};
use invokeai_client::{
    Client, Error, TransportOptions,
    download::Collision,
    models::{InstallOutcome, InstallStatus, ModelSource},
};
use raw_server::{Act, RawServer};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{method, path, path_regex, query_param},
};

use crate::common::raw_server;

/// As small as a whole PNG file can be for these tests: its beginning and its end.
fn png(filling: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", &vec![7; filling][..], b"\0\0\0\0IEND\xaeB`\x82"].concat()
}

fn zip_file() -> Vec<u8> {
    [&b"PK\x03\x04 entries PK\x05\x06"[..], &[0; 18]].concat()
}

fn quick(url: &str) -> Client {
    let mut options = TransportOptions::default();
    options.retries = 0;
    options.read_timeout = Duration::from_millis(500);
    Client::builder(url).transport(options).build().unwrap()
}

async fn mock() -> (MockServer, Client) {
    let server = MockServer::start().await;
    let client = quick(&server.uri());
    (server, client)
}

async fn on(server: &MockServer, verb: &str, place: &str, answer: ResponseTemplate) {
    Mock::given(method(verb)).and(path(place)).respond_with(answer).mount(server).await;
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn file(bytes: Vec<u8>, content_type: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(bytes, content_type)
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Parts are removed where their writer ends, a moment after a future was dropped.
async fn assert_nothing_left(directory: &Path) {
    for _ in 0..200 {
        if names_in(directory).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", names_in(directory));
}

fn image(name: &str) -> Value {
    json!({ "image_name": name, "image_origin": "internal", "image_category": "general", "width": 8, "height": 8,
        "created_at": "2026-11-22 17:04:40.063", "is_intermediate": false, "starred": false, "has_workflow": false })
}

/// Answers one after the other; the last is repeated.
struct InTurn(Mutex<Vec<ResponseTemplate>>);

impl InTurn {
    fn new(mut answers: Vec<ResponseTemplate>) -> Self {
        answers.reverse();
        Self(Mutex::new(answers))
    }
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    }
}

#[tokio::test]
async fn hostile_names_never_reach_the_disk_or_the_server() {
    let (server, client) = mock().await;
    let hostile = [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "C:\\Windows\\x.png",
        "a/b.png",
        "..\\x.png",
        "NUL.png",
        "com1",
        "a\0.png",
        "x.png:stream",
        "trailing. ",
        ".hidden",
    ];
    let listed = json!({ "image_names": hostile, "starred_count": 0, "total_count": hostile.len() });
    on(&server, "GET", "/api/v1/images/names", ok(listed)).await;
    Mock::given(path_regex("^/api/v1/images/i/")).respond_with(file(png(9), "image/png")).mount(&server).await;

    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    for sidecar in [false, true] {
        let report = client.board("b").download_all(&inner).sidecar(sidecar).await.unwrap();
        assert_eq!((report.saved.len(), report.kept.len(), report.failed.len()), (0, 0, hostile.len()));
        for failure in &report.failed {
            let error = failure.error.as_ref().unwrap();
            assert!(matches!(error, Error::UnusableName { .. }), "{:?}: {error:?}", failure.name);
        }
    }
    assert!(names_in(outer.path()).iter().all(|name| name == "inner"), "{:?}", names_in(outer.path()));
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| request.url.path().ends_with("/names")), "{requests:?}");
}

#[tokio::test]
async fn files_that_are_not_whole_leave_nothing() {
    let cut = png(100);
    for (what, answer, says) in [
        ("a PNG image without its end", file(cut[..90].to_vec(), "image/png"), "without an end"),
        ("no PNG image", file(b"GIF89a".to_vec(), "image/png"), "is no PNG image"),
        ("a text", file(b"sorry".to_vec(), "text/plain"), "is `text/plain`, not `image/"),
        ("the server's web page", file(b"<html>".to_vec(), "text/html"), "text/html"),
        ("nothing", file(Vec::new(), "image/png"), "is empty"),
        ("half a WebP image", file(b"RIFF\xff\0\0\0WEBPVP8 ".to_vec(), "image/webp"), "is a WebP image, though"),
    ] {
        let (server, client) = mock().await;
        on(&server, "GET", "/api/v1/images/i/a.png/full", answer).await;
        let directory = tempfile::tempdir().unwrap();
        let download = client.image("a.png").download();
        let error = download.clone().to_directory(directory.path()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{what}: {error}");
        assert_nothing_left(directory.path()).await;
        assert!(download.bytes().await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn broken_slow_and_endless_bodies_leave_nothing() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\n";
    let announced = format!("{head}content-length: 1000\r\n\r\n");
    for (what, act, limit, says) in [
        ("cut", Act::AnswerAndClose(format!("{announced}short")), None, "cut off after 5 bytes"),
        (
            "chunked and cut",
            Act::AnswerAndClose(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n")),
            None,
            "cut off after 5 bytes",
        ),
        ("stalled", Act::Stall(format!("{announced}short")), None, "no answer in time"),
        (
            "endless",
            Act::Endless(format!("{head}\r\nGIF89a")),
            Some(3_000_000),
            "longer than the limit of 3000000 bytes",
        ),
        ("too long by its own words", Act::Stall(announced.clone()), Some(999), "longer than the limit of 999 bytes"),
    ] {
        let server = RawServer::start(vec![act]).await;
        let client = quick(&server.url);
        let directory = tempfile::tempdir().unwrap();
        let mut download = client.image("a.gif").download();
        if let Some(limit) = limit {
            download = download.limit(limit);
        }
        let error = download.to_directory(directory.path()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{what}: {error}");
        assert_nothing_left(directory.path()).await;
    }
}

#[tokio::test]
async fn a_download_that_is_dropped_leaves_nothing() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\ncontent-length: 1000\r\n\r\n";
    let server = RawServer::start(vec![Act::Drip(head.into(), Duration::from_millis(20))]).await;
    let directory = tempfile::tempdir().unwrap();
    let received = Arc::new(Mutex::new(0));
    let seen = received.clone();
    let download = quick(&server.url)
        .image("a.gif")
        .download()
        .progress(move |progress| *seen.lock().unwrap() = progress.received)
        .to_directory(directory.path());
    assert!(tokio::time::timeout(Duration::from_millis(300), download).await.is_err(), "dripping takes 20 s");
    assert!(*received.lock().unwrap() > 0, "it was under way");
    assert_nothing_left(directory.path()).await;
}

#[tokio::test]
async fn a_directory_gets_only_what_is_missing() {
    let (server, client) = mock().await;
    let names = ["a.png", "b.png", "c.png", "gone.png"];
    let listed = json!({ "image_names": names, "starred_count": 0, "total_count": 4 });
    Mock::given(path("/api/v1/images/names"))
        .and(query_param("board_id", "b1"))
        .and(query_param("is_intermediate", "false"))
        .respond_with(ok(listed))
        .mount(&server)
        .await;
    for name in &names[..3] {
        on(&server, "GET", &format!("/api/v1/images/i/{name}/full"), file(png(1000), "image/png")).await;
        on(&server, "GET", &format!("/api/v1/images/i/{name}"), ok(image(name))).await;
        on(&server, "GET", &format!("/api/v1/images/i/{name}/metadata"), ok(json!({ "seed": 7 }))).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let sync = || client.board("b1").download_all(directory.path()).parallel(2);
    let full = || async {
        let requests = server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path().ends_with("/full")).count()
    };

    let report = sync().await.unwrap();
    assert_eq!(report.saved.iter().map(|saved| &*saved.name).collect::<Vec<_>>(), names[..3]);
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].error.as_ref().unwrap().is_not_found() && !report.is_success());
    assert_eq!((names_in(directory.path()), full().await), (names[..3].map_to_strings(), 4));

    // A file cut by somebody else is told of, and stays as the others do.
    fs::write(directory.path().join("b.png"), &png(1000)[..500]).unwrap();
    let report = sync().await.unwrap();
    assert_eq!((report.saved.len(), report.kept.len(), report.failed.len()), (0, 2, 2));
    let error = report.failed[0].error.as_ref().unwrap().to_string();
    assert!(error.contains("is there and stays; it is a PNG image without an end"), "{error}");
    assert_eq!(fs::read(directory.path().join("b.png")).unwrap(), png(1000)[..500]);
    assert_eq!(full().await, 4 + 1);
    fs::remove_file(directory.path().join("b.png")).unwrap();
    assert_eq!(sync().await.unwrap().saved[0].name, "b.png");
    assert_eq!(full().await, 4 + 1 + 2);

    // What is there gets the sidecar that it lacks.
    let report = sync().sidecar(true).await.unwrap();
    assert_eq!((report.saved.len(), report.kept.len()), (0, 3));
    let sidecar: Value = serde_json::from_slice(&fs::read(directory.path().join("a.png.json")).unwrap()).unwrap();
    assert_eq!((&sidecar["image"]["image_name"], &sidecar["metadata"]["seed"]), (&json!("a.png"), &json!(7)));
    assert_eq!(names_in(directory.path()).len(), 6);
    // Of one that is gone there is no description, and the file is not asked for.
    assert_eq!(full().await, 4 + 1 + 2);

    // Something that is no file is never replaced.
    fs::create_dir(directory.path().join("dir.png")).unwrap();
    let error = client.image("dir.png").download().to_directory(directory.path()).await.unwrap_err();
    assert!(error.to_string().contains("dir.png"), "{error}");
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for [&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|&text| text.to_owned()).collect()
    }
}

#[tokio::test]
async fn progress_is_told_in_bytes() {
    let (server, client) = mock().await;
    on(&server, "GET", "/api/v1/images/i/a.png/full", file(png(300_000), "image/png")).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("x.png");
    let download = client.image("a.png").download().progress(move |progress| {
        assert_eq!((&*progress.name, progress.total), ("a.png", Some(300_020)));
        seen.lock().unwrap().push(progress.received);
    });
    let saved = download.clone().to_file(&target).await.unwrap();
    assert_eq!((saved.bytes, saved.kept, &saved.path), (300_020, false, &target));
    let told = told.lock().unwrap().clone();
    assert_eq!((told.first(), told.last()), (Some(&0), Some(&300_020)));
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");

    let error = download.collision(Collision::Error).to_file(&target).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "what is there is looked for first");
}

#[tokio::test]
async fn deleting_goes_on_after_a_failure_and_tells_all() {
    let (server, client) = mock().await;
    on(&server, "POST", "/api/v1/images/delete", ResponseTemplate::new(500).set_body_string("Internal Server Error"))
        .await;
    for name in ["1", "2", "5"] {
        let answer = json!({ "deleted_images": [name], "failed_images": [], "affected_boards": ["none"] });
        on(&server, "DELETE", &format!("/api/v1/images/i/{name}"), ok(answer)).await;
    }
    on(&server, "DELETE", "/api/v1/images/i/3", ResponseTemplate::new(500)).await;
    // 4 does not exist: the catch-all of the mock is 404.
    let outcome = client.images().delete(["1", "2", "3", "4", "5"]).await;
    assert_eq!(outcome.done, ["1", "2", "5"]);
    assert_eq!(outcome.skipped, ["4"]);
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!((&*outcome.failed[0].name, outcome.failed[0].error.as_ref().unwrap().status()), ("3", Some(500)));
    assert_eq!(outcome.into_result().unwrap_err().status(), Some(500));
}

#[tokio::test]
async fn many_names_go_in_parts_of_a_thousand() {
    let (server, client) = mock().await;
    let echo = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        ok(json!({ "starred_images": body["image_names"], "affected_boards": [] }))
    };
    Mock::given(path("/api/v1/images/star")).respond_with(echo).expect(3).mount(&server).await;
    let names: Vec<String> = (0..2001).map(|number| number.to_string()).collect();
    let outcome = client.images().star(&names).await;
    assert_eq!((outcome.done.len(), outcome.is_success()), (2001, true));
}

#[tokio::test]
async fn a_zip_file_is_waited_for_and_made_again_if_cut() {
    let (server, client) = mock().await;
    on(&server, "POST", "/api/v1/images/images_by_names", ok(json!([image("a.png")]))).await;
    let promised = ResponseTemplate::new(202).set_body_json(json!({ "bulk_download_item_name": "my board 1.zip" }));
    Mock::given(path("/api/v1/images/download")).respond_with(promised).expect(2).mount(&server).await;
    let whole = zip_file();
    Mock::given(path("/api/v1/images/download/my%20board%201.zip"))
        .respond_with(InTurn::new(vec![
            ResponseTemplate::new(404),
            ResponseTemplate::new(404),
            file(whole[..10].to_vec(), "application/zip"),
            ResponseTemplate::new(404),
            file(whole.clone(), "application/zip"),
        ]))
        .expect(5)
        .mount(&server)
        .await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("images.zip");
    let saved = client.images().zip(["a.png"]).to_file(&target).await.unwrap();
    assert_eq!((saved.bytes, fs::read(&target).unwrap()), (whole.len() as u64, whole));
    assert_eq!(names_in(directory.path()), ["images.zip"]);
}

#[tokio::test]
async fn a_zip_file_that_cannot_come_is_an_error_in_time() {
    let (server, client) = mock().await;
    on(&server, "POST", "/api/v1/images/images_by_names", ok(json!([image("a.png")]))).await;
    let promised = json!({ "bulk_download_item_name": "x.zip" });
    on(&server, "POST", "/api/v1/images/download", ResponseTemplate::new(202).set_body_json(promised)).await;
    let late = client.images().zip(["a.png"]).timeout(Duration::from_millis(300)).bytes().await.unwrap_err();
    assert!(matches!(late, Error::WaitTimeout { .. }), "{late:?}");
    // A missing image is told by an event only, so it is looked for before.
    let missing = client.images().zip(["a.png", "b.png"]).bytes().await.unwrap_err().to_string();
    assert!(missing.contains("there is no image `b.png`"), "{missing}");
    assert!(client.board("nowhere").zip().bytes().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn one_odd_entry_does_not_spoil_a_list() {
    let (server, client) = mock().await;
    let pages = |request: &Request| {
        let offset: usize = request.url.query_pairs().find(|(key, _)| key == "offset").unwrap().1.parse().unwrap();
        let all = [image("a"), json!({ "image_name": 7 }), image("c"), image("d"), image("e")];
        let items: Vec<_> = all.iter().skip(offset).take(2).collect();
        ok(json!({ "items": items, "total": 5, "offset": offset, "limit": 2 }))
    };
    Mock::given(path("/api/v1/images/")).respond_with(pages).expect(3).mount(&server).await;
    let images: Vec<_> = client.images().list().limit(2).stream().collect().await;
    let names: Vec<_> = images.iter().map(|image| image.as_ref().ok().map(|image| &*image.image_name)).collect();
    assert_eq!(names, [Some("a"), None, Some("c"), Some("d"), Some("e")]);
    let odd = images[1].as_ref().unwrap_err().to_string();
    assert!(odd.contains("items[1].image_name"), "{odd}");

    let records = json!({ "models": [
        { "key": "k1", "name": "n", "base": "flux", "type": "main", "description": null, "new_thing": [1] },
        { "key": "k2", "name": null, "base": "from-the-future", "type": "main" },
    ] });
    on(&server, "GET", "/api/v2/models/", ok(records)).await;
    let models = client.models().list().await.unwrap();
    assert_eq!((models.items.len(), models.items[0].is_ok(), models.items[1].is_err()), (2, true, true));
    assert_eq!(client.models().records().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_board_gives_up_only_its_own_images() {
    let (server, client) = mock().await;
    on(&server, "GET", "/api/v1/boards/b1/image_names", ok(json!(["mine"]))).await;
    let echo = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        assert_eq!(body, json!({ "image_names": ["mine"] }));
        ResponseTemplate::new(201).set_body_json(json!({ "removed_images": ["mine"], "affected_boards": ["b1"] }))
    };
    Mock::given(path("/api/v1/board_images/batch/delete")).respond_with(echo).expect(1).mount(&server).await;
    let outcome = client.board("b1").remove(["mine", "of another board"]).await.unwrap();
    assert_eq!((outcome.done, outcome.skipped), (vec!["mine".into()], vec!["of another board".into()]));

    let boards = json!({ "total": 2, "items": [
        { "board_id": "x", "board_name": "Twin" }, { "board_id": "y", "board_name": "Twin" } ] });
    on(&server, "GET", "/api/v1/boards/", ok(boards)).await;
    let twins = client.boards().find("Twin").await.unwrap_err().to_string();
    assert!(twins.contains("the name of 2 boards") && twins.contains("x, y"), "{twins}");
    assert_eq!(client.boards().find("Nobody").await.unwrap(), None);
    for error in [
        client.boards().uncategorized().get().await.err(),
        client.boards().uncategorized().delete_with_contents().await.err(),
        client.boards().uncategorized().rename("x").await.err(),
    ] {
        assert!(matches!(error, Some(Error::InvalidInput { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn shipped_workflows_are_not_touched() {
    let (server, client) = mock().await;
    let workflow = client.saved_workflow("default_1b57b5a8");
    let definition = json!({ "name": "x", "author": "", "description": "", "version": "", "contact": "", "tags": "",
        "notes": "", "nodes": [], "edges": [], "exposedFields": [], "meta": { "version": "3.0.0" } });
    let definition = definition.try_into().unwrap();
    for error in [
        workflow.delete().await.unwrap_err(),
        workflow.update(&definition).await.unwrap_err(),
        workflow.set_public(true).await.unwrap_err(),
        workflow.set_thumbnail("x.png").await.unwrap_err(),
        workflow.delete_thumbnail().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("InvokeAI ships; these can only be read"), "{error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

fn job(status: &str, more: Value) -> Value {
    let mut job = json!({ "id": 4, "status": status, "source": { "type": "local", "path": "/x" }, "local_path": "/x" });
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

#[tokio::test]
async fn an_installation_ends_in_what_really_happened() {
    let model = |kind: &str| json!({ "config_out": { "key": "k", "name": "n", "base": kind, "type": kind } });
    let record = |kind| invokeai_client::schema::ModelRecord::new("k", "n", kind, kind);
    let nothing = json!({});
    for (end, outcome) in [
        (job("completed", model("main")), InstallOutcome::Installed(record("main"))),
        (job("completed", model("unknown")), InstallOutcome::UnknownType(record("unknown"))),
        // Somebody cancelled it after it was done: the model stays.
        (job("cancelled", model("main")), InstallOutcome::Installed(record("main"))),
        (job("cancelled", nothing.clone()), InstallOutcome::Canceled),
        (
            job("error", json!({ "error_reason": "DuplicateModelException", "error": "have it" })),
            InstallOutcome::Duplicate { message: "have it".into() },
        ),
        (
            job("error", json!({ "error_reason": "UnsafeDownloadURLException", "error": "no" })),
            InstallOutcome::Failed { reason: "UnsafeDownloadURLException".into(), message: "no".into() },
        ),
    ] {
        let (server, client) = mock().await;
        let started = ResponseTemplate::new(201).set_body_json(job("waiting", nothing.clone()));
        Mock::given(method("POST"))
            .and(path("/api/v2/models/install"))
            .and(query_param("source", "/x"))
            .and(query_param("inplace", "true"))
            .respond_with(started)
            .expect(1)
            .mount(&server)
            .await;
        let states = vec![ok(job("downloading", json!({ "bytes": 1, "total_bytes": 2 }))), ok(end)];
        Mock::given(method("GET"))
            .and(path("/api/v2/models/install/4"))
            .respond_with(InTurn::new(states))
            .mount(&server)
            .await;
        let install = client.models().install(ModelSource::local_in_place("/x")).name("n").await.unwrap();
        let seen: Vec<_> = install.progress().collect().await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].as_ref().unwrap().status, InstallStatus::Downloading);
        assert_eq!(install.wait().await.unwrap(), outcome);
        install.cancel().await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert!(requests.iter().all(|request| request.method != "DELETE"), "an ended one is not cancelled");
    }
}

#[tokio::test]
async fn sources_that_do_not_look_like_their_kind_are_refused() {
    let (server, client) = mock().await;
    for source in [
        ModelSource::url("ftp://x/y"),
        ModelSource::url("/etc/passwd"),
        ModelSource::hugging_face("/etc/passwd"),
        ModelSource::hugging_face("./x/y"),
        ModelSource::hugging_face("noslash"),
        ModelSource::hugging_face("https://x/y"),
        ModelSource::local_move(""),
    ] {
        let error = client.models().install(source.clone()).await.unwrap_err();
        assert!(error.to_string().contains("expected"), "{source:?}: {error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
    let secret = client.models().install(ModelSource::url("https://x/y")).access_token("hush");
    assert!(!format!("{secret:?}").contains("hush"));
}

#[tokio::test]
async fn a_login_is_sent_from_then_on() {
    let (server, client) = mock().await;
    let login = json!({ "token": "t-1", "expires_in": 86400, "user": { "user_id": "u", "email": "a@example.org",
        "created_at": "2026-11-22T17:23:01.154000", "last_login_at": "2026-11-22T17:23:01.360093Z" } });
    on(&server, "POST", "/api/v1/auth/login", ok(login)).await;
    let me = json!({ "user_id": "u", "email": "a@example.org" });
    Mock::given(path("/api/v1/auth/me"))
        .and(wiremock::matchers::header("authorization", "Bearer t-1"))
        .respond_with(ok(me))
        .expect(1)
        .mount(&server)
        .await;
    let clone = client.clone();
    let login = client.auth().login("a@example.org", "pw", false).await.unwrap();
    assert!(!format!("{login:?}").contains("t-1"));
    assert_eq!(login.user.created_at.unwrap().unix_millis(), Some(1795368181154));
    assert_eq!(clone.auth().me().await.unwrap().email, "a@example.org");
    // Logging out forgets the token even where the server fails.
    client.auth().logout().await.unwrap_err();
    assert!(client.auth().me().await.is_err());
}

#[tokio::test]
async fn an_old_server_has_no_users_and_a_wrong_address_is_no_server() {
    let (server, client) = mock().await;
    on(&server, "GET", "/api/v1/auth/status", file(b"<html>".to_vec(), "text/html")).await;
    assert!(client.auth().status().await.is_err());
    on(&server, "GET", "/api/v1/app/version", ok(json!({ "version": "6.3.0" }))).await;
    assert!(!client.auth().status().await.unwrap().multiuser_enabled);
}

#[tokio::test]
async fn lists_begin_and_end_where_they_are_told_to() {
    let (server, client) = mock().await;
    let preset = |id: usize| {
        json!({"id": format!("p{id}"), "name": "n", "preset_data": {"positive_prompt": "", "negative_prompt": ""},
            "type": "user"})
    };
    let all: Vec<_> = (0..5).map(preset).collect();
    on(&server, "GET", "/api/v1/style_presets/", ok(json!(all))).await;
    let list = client.style_presets().list();
    let page = list.clone().await.unwrap();
    assert_eq!((page.items.len(), page.total, page.has_next()), (5, 5, false));
    let page = list.clone().offset(3).limit(1).await.unwrap();
    assert_eq!((page.offset, page.total, page.has_next()), (3, 5, true));
    assert_eq!(page.into_items().unwrap()[0].id, "p3");
    assert!(list.clone().offset(9).await.unwrap().items.is_empty());
    let rest: Vec<_> = list.offset(2).limit(1).stream().try_collect().await.unwrap();
    assert_eq!(rest.iter().map(|preset| &*preset.id).collect::<Vec<_>>(), ["p2", "p3", "p4"]);
    // A stream of what the server gives as a whole asks once.
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

/// A library of so many workflows, in pages as the server makes them.
struct Library(u64);

impl Respond for Library {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query: std::collections::HashMap<_, _> = request.url.query_pairs().into_owned().collect();
        let [page, size]: [u64; 2] = ["page", "per_page"].map(|name| query[name].parse().unwrap());
        let (from, to) = if size == 0 { (0, self.0) } else { (page * size, ((page + 1) * size).min(self.0)) };
        let workflow = |id: u64| {
            json!({"workflow_id": format!("w{id}"), "name": format!("w{id}"), "description": "", "category": "user",
                "created_at": "2026-11-22 17:04:40.063", "updated_at": "2026-11-22 17:04:40.063"})
        };
        let items: Vec<_> = (from.min(to)..to).map(workflow).collect();
        ok(json!({"items": items, "page": page, "pages": 1, "per_page": size, "total": self.0}))
    }
}

#[tokio::test]
async fn the_library_is_listed_from_any_offset() {
    let (server, client) = mock().await;
    Mock::given(method("GET")).and(path("/api/v1/workflows/")).respond_with(Library(7)).mount(&server).await;
    for (offset, limit) in [(0, 3), (3, 3), (1, 3), (5, 3), (6, 3), (9, 3), (2, 0), (0, 100), (4, 100)] {
        let page = client.library().list().offset(offset).limit(limit).await.unwrap();
        assert_eq!((page.offset, page.total), (offset, 7));
        let names: Vec<_> = page.into_items().unwrap().into_iter().map(|workflow| workflow.name).collect();
        let end = if limit == 0 { 7 } else { (offset + limit).min(7) };
        let wanted: Vec<_> = (offset..end).map(|id| format!("w{id}")).collect();
        assert_eq!(names, wanted, "{limit} from {offset}");
        let rest: Vec<_> = client.library().list().offset(offset).limit(limit).stream().try_collect().await.unwrap();
        assert_eq!(rest.len() as u64, 7_u64.saturating_sub(offset), "from {offset} by {limit}");
    }
}
