//! Downloads from servers that misbehave.

use std::{fs, path::Path, sync::Arc, sync::Mutex, time::Duration};

use invokeai_client::{Error, download::Collision};
use raw_server::{Act, RawServer};
use serde_json::{Value, json};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{path, path_regex, query_param},
};

use super::mocked::{InTurn, file, image, mock, ok, on, quick};
use crate::common::raw_server;

/// The smallest PNG file that counts as whole in these tests: a beginning and an end.
fn png(filling: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", &vec![7; filling][..], b"\0\0\0\0IEND\xaeB`\x82"].concat()
}

fn zip_file() -> Vec<u8> {
    [&b"PK\x03\x04 entries PK\x05\x06"[..], &[0; 18]].concat()
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
    on(&server, "GET", "/api/v1/videos/names", ok(json!({"video_names": []}))).await;
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
        ("not a PNG image", file(b"GIF89a".to_vec(), "image/png"), "like any PNG image"),
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

    // A file that somebody else cut is reported, and stays as the others do.
    fs::write(directory.path().join("b.png"), &png(1000)[..500]).unwrap();
    let report = sync().await.unwrap();
    assert_eq!((report.saved.len(), report.kept.len(), report.failed.len()), (0, 2, 2));
    let error = report.failed[0].error.as_ref().unwrap().to_string();
    assert!(error.contains("already exists and stays; it is a PNG image without an end"), "{error}");
    assert_eq!(fs::read(directory.path().join("b.png")).unwrap(), png(1000)[..500]);
    assert_eq!(full().await, 4 + 1);
    fs::remove_file(directory.path().join("b.png")).unwrap();
    assert_eq!(sync().await.unwrap().saved[0].name, "b.png");
    assert_eq!(full().await, 4 + 1 + 2);

    // An existing file gets the sidecar that it lacks.
    let report = sync().sidecar(true).await.unwrap();
    assert_eq!((report.saved.len(), report.kept.len()), (0, 3));
    let sidecar: Value = serde_json::from_slice(&fs::read(directory.path().join("a.png.json")).unwrap()).unwrap();
    assert_eq!((&sidecar["image"]["image_name"], &sidecar["metadata"]["seed"]), (&json!("a.png"), &json!(7)));
    assert_eq!(names_in(directory.path()).len(), 6);
    // There is no description of an image that is gone, and the file is not asked for.
    assert_eq!(full().await, 4 + 1 + 2);

    // Something that is not a file is never replaced.
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
async fn progress_is_reported_in_bytes() {
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
async fn a_zip_file_is_waited_for_and_made_again_if_cut() {
    let (server, client) = mock().await;
    on(&server, "POST", "/api/v1/images/images_by_names", ok(json!([image("a.png")]))).await;
    let promised = ResponseTemplate::new(202).set_body_json(json!({ "bulk_download_item_name": "my board 1.zip" }));
    Mock::given(path("/api/v1/images/download")).respond_with(promised).expect(2).mount(&server).await;
    let whole = zip_file();
    let missing = || ResponseTemplate::new(404).set_body_json(json!({"detail": "Not Found"}));
    Mock::given(path("/api/v1/images/download/my%20board%201.zip"))
        .respond_with(InTurn::new(vec![
            missing(),
            missing(),
            file(whole[..10].to_vec(), "application/zip"),
            missing(),
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
    // A missing image is only reported by an event, so it is looked for first.
    let missing = client.images().zip(["a.png", "b.png"]).bytes().await.unwrap_err().to_string();
    assert!(missing.contains("there is no image `b.png`"), "{missing}");
    assert!(client.board("nowhere").zip().bytes().await.unwrap_err().is_not_found());
}
