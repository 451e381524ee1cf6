//! Faults in what comes in: names, files and texts of a server, and files of the user.

use std::{
    collections::BTreeMap,
    error::Error as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use invokeai_client::{Client, Error, download::Collision, workflow::WorkflowDefinition};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, method, path, path_regex},
};

use crate::{
    builder, names_in,
    raw_server::{Act, RawServer, whole},
    without_parts,
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";
const MP4: &[u8] = b"\0\0\0\x18ftypisom\0\0\0\0isommp41";

/// A server whose images and videos are all these bytes under this content type, and whose boards have these images.
async fn gallery(names: &[&str], bytes: &[u8], content_type: &str) -> (MockServer, Client) {
    let server = MockServer::start().await;
    let missing = ResponseTemplate::new(404).set_body_json(json!({"detail": "Not Found"}));
    Mock::given(any()).respond_with(missing).with_priority(u8::MAX).mount(&server).await;
    let listed = json!({"image_names": names, "starred_count": 0, "total_count": names.len()});
    let on = |at: &str, answer| Mock::given(method("GET")).and(path_regex(at)).respond_with(answer);
    let answer = ResponseTemplate::new(200).set_body_json(listed);
    Mock::given(path("/api/v1/images/names")).respond_with(answer).mount(&server).await;
    let answer = ResponseTemplate::new(200).set_body_raw(bytes, content_type);
    on("/(full|thumbnail)$", answer).mount(&server).await;
    on("/metadata$", ResponseTemplate::new(200).set_body_json(json!({"seed": 7}))).mount(&server).await;
    let image = |request: &Request| {
        let name = request.url.path().rsplit('/').next().unwrap_or_default();
        ResponseTemplate::new(200).set_body_json(json!({"image_name": name, "video_name": name}))
    };
    Mock::given(path_regex("/i/[^/]*$")).respond_with(image).mount(&server).await;
    let client = builder(&server.uri()).build().unwrap();
    (server, client)
}

/// Every file of a directory, and what is in it.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    names_in(directory).into_iter().map(|name| (name.clone(), fs::read(directory.join(name)).unwrap())).collect()
}

#[tokio::test]
async fn a_server_cannot_plant_files_of_its_choice() {
    let hostile = [
        "conftest.py",
        "Makefile",
        "package",
        "notes.zip",
        "run.exe",
        "photo\u{202e}gnp.exe",
        "photo\u{202e}gnp.png",
        "photo\u{200b}.png",
        "page.html",
        "drawing.svg",
        "NUL.png",
        "clip.mp4",
    ];
    let names: Vec<_> = hostile.iter().copied().chain(["good.png", "good.png", "GOOD.png"]).collect();
    let (_server, client) = gallery(&names, PNG, "image/png").await;
    for sidecar in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let report = client.board("b").download_all(directory.path()).sidecar(sidecar).await.unwrap();
        let failed: BTreeMap<_, _> =
            report.failed.iter().map(|failure| (&*failure.name, failure.error.as_ref().unwrap())).collect();
        for name in hostile {
            let error = failed[name];
            assert!(matches!(error, Error::UnusableName { .. }), "{name}: {error:?}");
            let text = error.to_string();
            assert!(!text.contains(['\u{202e}', '\u{200b}']) && text.contains("name \""), "{text}");
        }
        // A file system that ignores case would lose one of the two.
        assert!(failed["GOOD.png"].to_string().contains("gives the same file as \"good.png\""), "{failed:?}");
        assert_eq!((report.saved.len(), failed.len()), (1, hostile.len() + 1));
        let expected: &[&str] = if sidecar { &["good.png", "good.png.json"] } else { &["good.png"] };
        assert_eq!(without_parts(directory.path()).await, expected);
    }
    let directory = tempfile::tempdir().unwrap();
    let report = client.videos().download(["good.png", "conftest.py"], directory.path()).await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (0, 2));
    assert!(names_in(directory.path()).is_empty());
}

#[tokio::test]
async fn a_file_of_another_kind_than_its_name_is_not_kept() {
    let jpeg = b"\xff\xd8\xff\xe0 and more than enough";
    for (name, bytes, label, says) in [
        (
            "a.jpg",
            &b"#!/bin/sh\nrm -rf $HOME\n"[..],
            "image/jpeg",
            "is of an unknown kind, though its name is that of a JPEG",
        ),
        ("a.webp", b"MZ and a program after it", "image/webp", "is of an unknown kind"),
        ("a.png", jpeg, "image/jpeg", "is a JPEG image, though its name is that of a PNG image"),
        ("a.jpg", PNG, "image/png", "is a PNG image, though"),
        ("a.jxl", b"\xff\x0a and more than enough", "image/jxl", "does not end as names of such files do: .png, .jpg"),
        ("a.png", b"<html><script>", "image/x-of-tomorrow", "is of an unknown kind"),
        ("a.gif", b"GIF", "image/gif", "is labeled image/gif, but does not begin like any GIF image"),
    ] {
        let (_server, client) = gallery(&[name], bytes, label).await;
        let directory = tempfile::tempdir().unwrap();
        let report = client.images().download([name], directory.path()).await.unwrap();
        assert!(report.saved.is_empty(), "{name}");
        let error = report.failed[0].error.as_ref().unwrap().to_string();
        assert!(error.contains(says), "{name}: {error}");
        assert!(without_parts(directory.path()).await.is_empty());
    }
    // Here the caller chooses the names.
    let (_server, client) = gallery(&[], b"\xff\x0a and more than enough", "image/jxl").await;
    let directory = tempfile::tempdir().unwrap();
    client.image("a.jxl").download().to_file(directory.path().join("mine")).await.unwrap();
    let (_server, client) = gallery(&[], MP4, "video/mp4").await;
    client.video("a.mp4").download().to_directory(directory.path()).await.unwrap();
    assert_eq!(names_in(directory.path()), ["a.mp4", "mine"]);
}

#[tokio::test]
async fn an_existing_file_is_never_replaced() {
    let edited = [PNG, b"what a program appended"].concat();
    let cut = &PNG[..PNG.len() - 1];
    let there: [(&str, &[u8], bool); 6] = [
        ("edited.png", &edited, true),
        ("other.png", b"a text of the user", true),
        ("whole.png", PNG, true),
        ("empty.png", b"", false),
        ("cut.png", cut, false),
        ("zip.png", b"PK\x03\x04 half a zip file", false),
    ];
    let names: Vec<_> = there.iter().map(|(name, ..)| *name).chain(["new.png"]).collect();
    let (_server, client) = gallery(&names, PNG, "image/png").await;
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, _) in there {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    for round in 0..2 {
        let report = client.board("b").download_all(directory.path()).await.unwrap();
        let kept: Vec<_> = report.kept.iter().map(|saved| &*saved.name).filter(|name| *name != "new.png").collect();
        assert_eq!(kept, ["edited.png", "other.png", "whole.png"]);
        assert_eq!(report.saved.len(), 1 - round, "{report:?}");
        let failed: Vec<_> = report.failed.iter().map(|failure| &*failure.name).collect();
        assert_eq!(failed, ["empty.png", "cut.png", "zip.png"]);
        for failure in &report.failed {
            assert_says(failure.error.as_ref().unwrap(), "a file of this name already exists and stays; it is ");
        }
        let mut contents = contents(directory.path());
        assert_eq!(contents.remove("new.png").as_deref(), Some(PNG));
        for (name, bytes, _) in there {
            assert_eq!(contents.remove(name).as_deref(), Some(bytes), "{name}");
        }
        assert!(contents.is_empty(), "{contents:?}");
    }
}

#[tokio::test]
async fn a_picture_that_was_edited_survives_the_same_download_again() {
    let (_server, client) = gallery(&["a.png", "b.png"], PNG, "image/png").await;
    let directory = tempfile::tempdir().unwrap();
    let download = || client.board("b").download_all(directory.path()).sidecar(true);
    assert_eq!(download().await.unwrap().saved.len(), 2);
    // A program writes another PNG image and appends data of its own; the user notes something in the description.
    let edited = [&PNG[..8], b"\0\0\0\x02tEXta\0\x01\x02\x03\x04", &PNG[8..], b"layers"].concat();
    fs::write(directory.path().join("a.png"), &edited).unwrap();
    fs::write(directory.path().join("b.png.json"), "mine").unwrap();
    let before = contents(directory.path());
    for _ in 0..2 {
        let report = download().await.unwrap();
        assert_eq!((report.saved.len(), report.kept.len(), report.failed.len()), (0, 2, 0));
        assert_eq!(report.kept[0].bytes, edited.len() as u64);
        assert_eq!(contents(directory.path()), before);
    }
}

#[tokio::test]
async fn a_description_replaces_only_one_of_the_same_file() {
    let (server, client) = gallery(&[], PNG, "image/png").await;
    let directory = tempfile::tempdir().unwrap();
    let beside = directory.path().join("a.png.json");
    let download = |collision| client.image("a.png").download().sidecar(true).collision(collision);
    let other = json!({"image": {"image_name": "b.png"}, "metadata": null}).to_string();
    for foreign in [r#"{"name": "a package", "version": "1.0.0"}"#, "", "text", &other] {
        fs::write(&beside, foreign).unwrap();
        for collision in [Collision::Skip, Collision::Overwrite, Collision::Error] {
            let error = download(collision).to_directory(directory.path()).await.unwrap_err();
            assert_says(&error, "the existing file is not a description of `a.png`, and stays");
            assert_eq!(fs::read_to_string(&beside).unwrap(), foreign);
            assert_eq!(without_parts(directory.path()).await, ["a.png.json"], "nothing was downloaded");
        }
    }
    assert!(server.received_requests().await.unwrap().is_empty(), "it is found out before anything is asked");
    fs::remove_file(&beside).unwrap();

    // A link is not a description either.
    #[cfg(unix)]
    {
        let target = directory.path().join("target");
        fs::write(&target, json!({"image": {"image_name": "a.png"}, "metadata": null}).to_string()).unwrap();
        std::os::unix::fs::symlink(&target, &beside).unwrap();
        download(Collision::Skip).to_directory(directory.path()).await.unwrap_err();
        assert!(fs::symlink_metadata(&beside).unwrap().is_symlink());
        fs::remove_file(&beside).unwrap();
        fs::remove_file(&target).unwrap();
    }

    download(Collision::Skip).to_directory(directory.path()).await.unwrap();
    let ours: Value = serde_json::from_slice(&fs::read(&beside).unwrap()).unwrap();
    let older = json!({"image": ours["image"], "metadata": {"of": "old"}}).to_string();
    fs::write(&beside, &older).unwrap();
    download(Collision::Overwrite).to_directory(directory.path()).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&beside).unwrap()).unwrap(), ours, "an older one is renewed");
}

#[tokio::test]
async fn an_existing_zip_file_is_not_made_again() {
    let (server, client) = gallery(&[], PNG, "image/png").await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("notes.zip");
    let with_comment = [&b"PK\x05\x06"[..], &[0; 16], b"\x07\0", b"comment"].concat();
    fs::write(&target, &with_comment).unwrap();
    let saved = client.images().zip(["a.png"]).collision(Collision::Skip).to_file(&target).await.unwrap();
    assert_eq!((saved.kept, saved.bytes), (true, with_comment.len() as u64));
    fs::write(&target, "").unwrap();
    let error = client.images().zip(["a.png"]).collision(Collision::Skip).to_file(&target).await.unwrap_err();
    assert_says(&error, "it is empty");
    assert!(fs::read(&target).unwrap().is_empty());
    let error = client.images().zip(["a.png"]).collision(Collision::Error).to_file(&target).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(server.received_requests().await.unwrap().is_empty(), "the server makes none for nothing");
}

/// A pipe to which nobody writes: it blocks whoever opens it.
#[cfg(unix)]
fn pipe(directory: &Path) -> PathBuf {
    let pipe = directory.join("pipe.png");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_and_devices_are_refused_before_they_are_opened() {
    let (server, client) = gallery(&[], PNG, "image/png").await;
    let directory = tempfile::tempdir().unwrap();
    let pipe = pipe(directory.path());
    let within = Duration::from_secs(5);
    for (path, says) in [(&*pipe, "not a file but a pipe"), (Path::new("/dev/zero"), "not a file but a device")] {
        let upload = tokio::time::timeout(within, client.images().upload(path).into_future());
        let error = upload.await.expect("it does not wait").unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        let library = client.library();
        let create = library.create_from_file(path);
        let error = tokio::time::timeout(within, create).await.expect("it does not wait").unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        let error = WorkflowDefinition::from_path(path).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // In the place of a download or of its description.
    let download = client.image("pipe.png").download().to_directory(directory.path());
    let error = tokio::time::timeout(within, download).await.expect("it does not wait").unwrap_err();
    assert_says(&error, "something that is not a file has this name");
    fs::rename(&pipe, directory.path().join("a.png.json")).unwrap();
    let download = client.image("a.png").download().sidecar(true).to_directory(directory.path());
    let error = tokio::time::timeout(within, download).await.expect("it does not wait").unwrap_err();
    assert_says(&error, "is not a description");
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// Such as `<(command)` and `/dev/stdin`.
#[cfg(target_os = "linux")]
#[test]
fn files_that_a_shell_hands_over_are_read() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let workflow = crate::workflows::additions().to_string();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, workflow.as_bytes()));
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    assert!(WorkflowDefinition::from_path(path).unwrap().node_count() > 0);
    writing.join().unwrap().unwrap();
}

/// A report prints an error without its causes, so the error itself must say why.
fn assert_says(error: &Error, why: &str) {
    assert!(error.to_string().contains(why), "`{error}` does not say: {why}");
    assert!(error.source().is_none(), "what was said is not said again: {error:?}");
}

#[tokio::test]
async fn every_failure_in_a_report_says_why() {
    let server = RawServer::start(vec![Act::Answer(whole("200 OK", "image/gif", "GIF89a and more"))]).await;
    let client = builder(&server.url).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("folder.gif")).unwrap();
    let report = client.images().download(["folder.gif"], directory.path()).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "something that is not a file has this name");

    let below_a_file = directory.path().join("file");
    fs::write(&below_a_file, "").unwrap();
    let report = client.images().download(["a.gif"], below_a_file.join("sub")).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "Not a directory");
    assert_eq!(names_in(directory.path()), ["file", "folder.gif"]);

    assert_says(&client.images().upload("missing.png").await.unwrap_err(), "No such file");
    let error = WorkflowDefinition::from_path("missing.json").unwrap_err();
    assert!(error.to_string().contains("No such file") && error.source().is_none(), "{error}");

    drop(server);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = builder(&format!("http://{nobody}")).build().unwrap();
    let outcome = client.images().delete(["a.png"]).await;
    assert_says(outcome.failed[0].error.as_ref().unwrap(), "Connection refused");
    let report = client.images().download(["a.png"], directory.path()).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "Connection refused");
}
