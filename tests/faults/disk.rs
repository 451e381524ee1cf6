//! Disks that are full, directories that cannot be written, files that cannot be read.
//!
//! For root every directory can be written, and a limit on the size of files cannot be lifted from within, so parts of
//! this run in a child: this same program, with one test.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use invokeai_client::{Client, Error, Upload, assets::Asset, download::Collision};
use serde_json::json;

use crate::{
    builder,
    fake_gallery::FakeGallery,
    fake_invokeai::FakeInvokeAi,
    mounted::Mounted,
    names_in,
    raw_server::{Act, RawServer, whole},
    skip::skipped,
    without_parts, workflow,
};

/// Names the directory that a child works in.
const CHILD: &str = "INVOKEAI_TEST_DIRECTORY_OF_CHILD";

/// Runs a test of this program by way of another program, in a directory. `None` if that program cannot be run.
fn child(way: &[&str], test: &str, directory: &Path) -> Option<bool> {
    let harness = std::env::current_exe().unwrap();
    let arguments = [harness.as_os_str(), OsStr::new("--exact"), OsStr::new(test), OsStr::new("--nocapture")];
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(arguments).env(CHILD, directory);
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = said.contains("running 1 test");
    if ran && !output.status.success() {
        eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    ran.then(|| output.status.success())
}

fn directory_of_child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

async fn pictures(length: usize) -> RawServer {
    RawServer::start(vec![Act::Answer(whole("200 OK", "image/gif", &format!("GIF89a{}", "7".repeat(length - 6))))])
        .await
}

/// A server that takes every image.
async fn taker() -> RawServer {
    let image = json!({"image_name": "a.png", "image_origin": "external", "image_category": "user", "width": 1,
        "height": 1, "created_at": "2026-01-02 03:04:05.678", "is_intermediate": false, "starred": false,
        "has_workflow": false});
    RawServer::start(vec![Act::Answer(whole("200 OK", "application/json", &image.to_string()))]).await
}

fn assert_io(error: &Error, says: &str) {
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains(says), "{error}: {error:?}");
    assert!(!error.may_have_been_sent(), "{error:?}");
}

/// How large files can become on the full disks of these tests, in bytes.
const ROOM: usize = 32 * 1024;

/// What must hold where no file can grow beyond `ROOM` or, after `fill`, grow at all, until `make_room` is called.
async fn full_disk(directory: &Path, fill: impl FnOnce(), make_room: impl FnOnce()) {
    // Downloads.
    let server = pictures(300_000).await;
    let client = builder(&server.url).build().unwrap();
    let path = directory.join("a.gif");
    fs::write(&path, "an old file").unwrap();
    for collision in [Collision::Overwrite, Collision::Rename] {
        let download = client.image("a.gif").download().collision(collision);
        assert_io(&download.to_directory(directory).await.unwrap_err(), "cannot write `");
        assert_eq!(without_parts(directory).await, ["a.gif"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "an old file");
    }
    let report = client.images().download(["b.gif", "c.gif"], directory).await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (0, 2));
    assert_eq!(without_parts(directory).await, ["a.gif"]);

    // The ledger: what cannot be recorded is not sent.
    let server = FakeInvokeAi::start().await;
    let ledger = directory.join("ledger");
    let line = format!("{{\"record\": \"of_tomorrow\", \"x\": \"{}\"}}\n", "x".repeat(967));
    let first = json!({"record": "server", "url": format!("{}/", server.url), "version": 1});
    fs::write(&ledger, format!("{first}\n{}", line.repeat((ROOM - 1500) / line.len()))).unwrap();
    let client = builder(&server.url).ledger(&ledger).build().unwrap();
    // One in which there is hardly room for another line, about things that are on a server.
    let gallery = FakeGallery::start().await;
    let full = directory.join("full");
    let left = {
        let client = Client::builder(gallery.url()).ledger(&full).build().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            client.images().upload(Upload::bytes(name, &b"\x89PNG"[..])).await.unwrap();
        }
        client.submit(&workflow()).subscribe_events(false).await.unwrap();
        gallery.world().items.values_mut().for_each(|item| item.status = "completed");
        client.uploaded_assets()
    };
    let mut lines = fs::read_to_string(&full).unwrap();
    let room = ROOM - 10 - lines.len() - r#"{"record":"of_tomorrow","x":""}"#.len() - 1;
    lines.push_str(&format!("{{\"record\":\"of_tomorrow\",\"x\":\"{}\"}}\n", "x".repeat(room)));
    fs::write(&full, lines).unwrap();
    let cleaner = Client::builder(gallery.url()).ledger(&full).build().unwrap();
    fill();
    let workflow = workflow();
    let mut submitted = 0;
    let error = loop {
        match client.submit(&workflow).subscribe_events(false).await {
            Ok(_) => submitted += 1,
            Err(error) => break error,
        }
        assert!(submitted < 1000, "the disk never fills");
    };
    assert_io(&error, "cannot write the ledger `");
    assert_eq!(server.world().enqueues, submitted, "the one that could not be recorded was not sent");
    let upload = client.images().upload(Upload::bytes("x".repeat(5000), &b"\x89PNG"[..])).await.unwrap_err();
    assert_io(&upload, "cannot write the ledger `");
    let known = || builder(&server.url).read_only_ledger(&ledger).build().unwrap().assets();
    assert_eq!(known().batches.len(), submitted, "a full disk keeps nobody from reading the ledger");

    let report = cleaner.cleanup().everything().await.unwrap();
    assert_eq!(report.deleted, left, "{report}");
    assert!(gallery.world().pictures.is_empty());
    let [ledger_failed, item] = &report.failed[..] else { panic!("{report}") };
    assert_eq!(ledger_failed.asset, Asset::Ledger(full.display().to_string()));
    assert_io(&ledger_failed.error, "cannot write the ledger `");
    assert!(matches!(item.asset, Asset::Item { .. }), "nothing else leads to what it made: {report}");
    assert_io(&item.error, "cannot write the ledger `");
    assert_eq!(gallery.world().items.len(), 1);

    make_room();
    let report = cleaner.cleanup().everything().await.unwrap();
    assert!(report.is_success() && report.deleted.len() == 1, "{report}");
    drop(cleaner);
    assert!(Client::builder(gallery.url()).read_only_ledger(&full).build().unwrap().assets().is_empty());
    let last = client.submit(&workflow).subscribe_events(false).await.unwrap();
    assert_eq!(known().batches.len(), submitted + 1, "the torn line swallowed none");
    assert!(known().batches.iter().any(|batch| batch.batch_id == last.batch_id()));
}

#[tokio::test]
async fn a_full_disk_spoils_nothing() {
    let Some(disk) = Mounted::new("size=128k") else {
        return skipped(format_args!("a full disk: this user may not mount one (a limit on file sizes is tested)"));
    };
    let directory = disk.path().join("pictures");
    fs::create_dir(&directory).unwrap();
    let filler = disk.path().join("filler");
    let fill = || assert!(fs::write(&filler, [0; 256 * 1024]).is_err(), "it is full");
    full_disk(&directory, fill, || fs::remove_file(&filler).unwrap()).await;
}

#[test]
fn a_limit_on_file_sizes_spoils_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // `ROOM` in kB. Without the signal, writing fails instead.
    let limited = ["bash", "-c", "trap '' XFSZ; ulimit -S -f 32; exec \"$0\" \"$@\""];
    match child(&limited, "disk::child_with_small_files", directory.path()) {
        Some(success) => assert!(success, "see above"),
        None => skipped(format_args!("a limit on file sizes: no bash that sets one")),
    }
}

#[tokio::test]
async fn child_with_small_files() {
    let Some(directory) = directory_of_child() else { return };
    let process = std::process::id().to_string();
    let make_room = || {
        let lifted = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &process]).status();
        assert!(lifted.unwrap().success());
    };
    full_disk(&directory, || {}, make_room).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_writer_without_room_is_an_error() {
    let server = pictures(10).await;
    let mut full = tokio::fs::OpenOptions::new().write(true).open("/dev/full").await.unwrap();
    let download = builder(&server.url).build().unwrap().image("a.gif").download();
    assert_io(&download.write_to(&mut full).await.unwrap_err(), "cannot write `a.gif`");
}

/// A ledger that never ends, or one that is a directory, does not hold anybody up.
#[cfg(target_os = "linux")]
#[test]
fn a_ledger_that_is_not_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [Path::new("/dev/full"), Path::new("/dev/zero"), folder.path()] {
        let error = builder("http://127.0.0.1:1").ledger(path).build().unwrap_err();
        assert_io(&error, "cannot open the ledger `");
    }
}

/// What must hold where nothing can be written.
async fn unwritable(directory: &Path) {
    let before = names_in(directory);
    let server = pictures(10).await;
    let client = builder(&server.url).build().unwrap();
    let download = || client.image("a.gif").download();
    assert_io(&download().to_directory(directory).await.unwrap_err(), "cannot write `");
    assert_io(&download().to_directory(directory.join("new")).await.unwrap_err(), "cannot create `");
    let error = download().to_file(directory.join("b.gif")).await.unwrap_err();
    assert_io(&error, "b.gif`");
    let report = client.images().download(["a.gif", "b.gif"], directory).await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (0, 2));

    // Refused before anything is sent, not after.
    let error = builder(&server.url).ledger(directory.join("ledger")).build().unwrap_err();
    assert_io(&error, "cannot open the ledger `");
    assert_eq!(names_in(directory), before);
}

#[tokio::test]
async fn a_read_only_file_system_takes_nothing() {
    let Some(disk) = Mounted::new("ro") else {
        return skipped(format_args!("a read-only file system: this user may not mount one"));
    };
    unwritable(disk.path()).await;
}

#[test]
fn a_directory_without_permission_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret.png"), b"\x89PNG").unwrap();
    fs::set_permissions(directory.path().join("secret.png"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let way: &[&str] = if is_root() { &nobody } else { &["env"] };
    match child(way, "disk::child_without_permission", directory.path()) {
        Some(success) => assert!(success, "see above"),
        None => skipped(format_args!("a directory without permission: another user cannot run this test")),
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn child_without_permission() {
    let Some(directory) = directory_of_child() else { return };
    unwritable(&directory).await;
    let server = taker().await;
    let client = builder(&server.url).build().unwrap();
    let error = client.images().upload(Upload::path(directory.join("secret.png"))).await.unwrap_err();
    assert_io(&error, "cannot read `");
    assert!(server.requests().is_empty() && client.assets().is_empty());
}

#[tokio::test]
async fn a_path_below_a_file_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let server = pictures(10).await;
    let client = builder(&server.url).build().unwrap();
    assert_io(&client.image("a.gif").download().to_directory(&file).await.unwrap_err(), "cannot create `");
    assert_io(&client.image("a.gif").download().to_file(file.join("a.gif")).await.unwrap_err(), "cannot write `");
    assert_io(&builder(&server.url).ledger(file.join("ledger")).build().unwrap_err(), "cannot open the ledger `");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = taker().await;
    let client: Client = builder(&server.url).ledger(folder.path().join("ledger")).build().unwrap();
    let error = client.images().upload(Upload::path(folder.path().join("absent.png"))).await.unwrap_err();
    assert_io(&error, "cannot read `");
    let error = client.images().upload(Upload::path(folder.path())).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert!(server.requests().is_empty() && client.assets().is_empty());
}
