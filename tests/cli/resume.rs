//! What a later try of a series trusts: neither names of files, nor the order of items, nor that a line of the ticket is true.

use std::{fs, os::unix::ffi::OsStrExt as _, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use crate::{
    program::{Ended, Program, command, names_below, run, until},
    proxy::Act,
    stage::{RESIZE, Stage, strs},
};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(600);

/// Arguments for a series of pictures of these widths, whose names say their widths.
fn series(stage: &Stage, widths: &str, more: &[&str]) -> Vec<String> {
    let (each, ticket) = (format!("Width={widths}"), stage.text("run.ticket"));
    stage.resize(&[&["--each", &each, "--resume", &ticket], more].concat())
}

fn done(arguments: &[String]) -> Ended {
    let ended = run(&strs(arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

fn width(path: &Path) -> u32 {
    image::image_dimensions(path).unwrap().0
}

/// Starts a series whose items cannot run yet, and kills it once they are on the queue. Returns their ids.
fn killed_before_any_item_ran(stage: &Stage, arguments: &[String], items: usize) -> Vec<i64> {
    stage.ask(async |client| client.queue("default").pause().await);
    let program = Program::start(&strs(arguments));
    until("all are on the queue", || stage.rows().items.len() == items);
    until("that is recorded", || fs::read_to_string(stage.path("run.ticket")).unwrap().contains("\"items\""));
    program.signal("KILL");
    program.end();
    stage.ask(async |client| client.queue("default").item_ids().await)
}

/// Each row has its picture, and there are no others.
fn assert_rows(stage: &Stage, widths: &[u32], whole: &Ended) {
    let mut expected: Vec<String> = widths.iter().map(|width| format!("{width}.png")).collect();
    expected.sort();
    let mut there = names_below(&stage.path("out"));
    there.sort();
    assert_eq!(there, expected, "{whole:?}");
    for wanted in widths {
        assert_eq!(width(&stage.path(&format!("out/{wanted}.png"))), *wanted, "{whole:?}");
    }
}

#[test]
fn results_are_deleted_only_if_they_are_here() {
    let stage = Stage::new();
    let out = stage.text("out");
    done(&series(&stage, "64,72", &[]));
    let with_out = series(&stage, "64,72", &["--out", &out, "--name", "{Width}"]);
    let mut cleaning = with_out.clone();
    cleaning.push("--cleanup".into());
    // What cannot be downloaded stays.
    stage.server.faults().add("get_image_full", invokeai_client::testing::Fault::status(403), 1);
    let ended = run(&strs(&cleaning));
    let left = stage.rows().images.len();
    assert!(ended.code == Some(1) && left == 1 && names_below(&stage.path("out")).len() == 1, "{ended:?}");
    // The other one is fetched later, although all rows are done.
    let ended = done(&cleaning);
    assert!(ended.stderr.contains("nothing is left to run"), "{ended:?}");
    assert_rows(&stage, &[64, 72], &ended);
    assert!(stage.rows().is_empty(), "{:?} {ended:?}", stage.rows());
    // What is nowhere is not kept secret.
    fs::remove_file(stage.path("out/64.png")).unwrap();
    let ended = run(&strs(&with_out));
    assert!(ended.code == Some(1) && ended.stderr.contains("row 1: "), "{ended:?}");
}

#[test]
fn a_folder_that_was_lost_or_is_another_one_is_filled_again() {
    let stage = Stage::new();
    let (out, other) = (stage.text("out"), stage.text("other"));
    let first = series(&stage, "64,72", &["--out", &out, "--name", "{Width}"]);
    done(&first);
    fs::remove_dir_all(stage.path("out")).unwrap();
    assert_rows(&stage, &[64, 72], &done(&first));
    let old = fs::metadata(stage.path("out/64.png")).unwrap().modified().unwrap();
    done(&series(&stage, "64,72", &["--out", &other, "--name", "{Width}"]));
    assert_eq!(names_below(&stage.path("other")).len(), 2);
    assert_eq!(fs::metadata(stage.path("out/64.png")).unwrap().modified().unwrap(), old);
    // A result whose file was changed is not here, so it stays on the server, and so does its board.
    fs::write(stage.path("out/64.png"), "mine").unwrap();
    fs::write(stage.path("other/64.png"), "mine, too").unwrap();
    done(&series(&stage, "64,72", &["--cleanup"]));
    assert_eq!(stage.rows().images.len(), 1, "{:?}", stage.rows());
}

#[test]
fn a_board_stays_as_long_as_results_are_on_it() {
    let stage = Stage::new();
    done(&series(&stage, "64,72", &["--board", "new"]));
    done(&series(&stage, "64,72", &["--board", "new", "--cleanup"]));
    let rows = stage.rows();
    assert!(rows.images.len() == 2 && rows.boards == ["new"] && rows.items.is_empty(), "{rows:?}");
    done(&series(&stage, "64,72", &["--board", "new", "--cleanup", "--out", &stage.text("out")]));
    assert!(stage.rows().images.is_empty(), "{:?}", stage.rows());
}

#[test]
fn items_that_others_deleted_do_not_shift_the_rows() {
    // The answer to the enqueue is known, or it never came.
    for is_answered in [true, false] {
        let stage = Stage::new();
        if !is_answered {
            stage.proxy.on("POST", "/enqueue_batch", [Act::HoldAnswer(FOREVER), Act::Pass]);
        }
        let arguments = series(&stage, "64,72,80,88", &["--out", &stage.text("out"), "--name", "{Width}", "--quiet"]);
        stage.ask(async |client| client.queue("default").pause().await);
        let program = Program::start(&strs(&arguments));
        until("all are on the queue", || stage.rows().items.len() == 4);
        let ticket = || fs::read_to_string(stage.path("run.ticket")).unwrap();
        until("that is recorded", || !is_answered || ticket().contains("\"items\""));
        program.signal("KILL");
        program.end();
        stage.ask(async |client| {
            let queue = client.queue("default");
            let ids = queue.item_ids().await?;
            queue.delete_item(ids[1]).await?;
            queue.resume().await
        });
        let ended = done(&arguments);
        assert_rows(&stage, &[64, 72, 80, 88], &ended);
        assert_eq!(stage.rows().items.len(), 4, "{ended:?}");
        assert_eq!(stage.server.faults().calls("enqueue_batch"), 2, "{ended:?}");
    }
}

#[test]
fn the_result_of_a_retry_counts() {
    let stage = Stage::new();
    let arguments = series(&stage, "64,72,80", &["--out", &stage.text("out"), "--name", "{Width}"]);
    let ids = killed_before_any_item_ran(&stage, &arguments, 3);
    stage.ask(async |client| {
        let queue = client.queue("default");
        queue.cancel_item(ids[1]).await?;
        queue.retry(&ids[1..2]).await?;
        queue.resume().await
    });
    let ended = done(&arguments);
    assert_rows(&stage, &[64, 72, 80], &ended);
    assert_eq!(stage.server.faults().calls("enqueue_batch"), 1, "{ended:?}");
}

#[test]
fn a_batch_that_arrives_late_is_waited_for() {
    let stage = Stage::new();
    stage.proxy.on("POST", "/enqueue_batch", [Act::Late(Duration::from_secs(4)), Act::Pass]);
    let arguments = series(&stage, "64,72", &["--out", &stage.text("out"), "--name", "{Width}"]);
    let program = Program::start(&strs(&arguments));
    until("it was sent", || stage.proxy.count("POST", "/enqueue_batch") == 1);
    program.signal("KILL");
    program.end();
    let ended = done(&arguments);
    assert!(ended.stderr.contains("may still turn up"), "{ended:?}");
    assert_rows(&stage, &[64, 72], &ended);
    assert_eq!((stage.rows().items.len(), stage.proxy.count("POST", "/enqueue_batch")), (2, 1), "{ended:?}");
}

#[test]
fn a_file_of_another_series_is_neither_taken_nor_replaced() {
    let stage = Stage::new();
    let out = stage.text("out");
    stage.proxy.on("GET", "/full", [Act::Stall(400), Act::Pass]);
    let first = series(&stage, "64", &["--out", &out, "--name", "{index}", "--cleanup"]);
    let program = Program::start(&strs(&first));
    let ticket = || fs::read_to_string(stage.path("run.ticket")).unwrap_or_default();
    until("it has chosen a name", || ticket().contains("\"file\""));
    let (workflow, upload) = (stage.text("resize.json"), format!("Picture={}", stage.text("photo.png")));
    let server = stage.server.url();
    let more = ["--server", server, "--upload", &upload, "--each", "Width=72", "--out", &out, "--name", "{index}"];
    assert_eq!(run(&[&["run", &workflow][..], &more].concat()).code, Some(0));
    program.signal("KILL");
    program.end();
    let ended = done(&first);
    let here: Vec<u32> = ["1.png", "1 (2).png"].map(|name| width(&stage.path("out").join(name))).into();
    assert_eq!(here, [72, 64], "{ended:?}");
    // The result of the other series is still there.
    assert_eq!(stage.rows().images.len(), 1, "{:?}", stage.rows());
}

#[test]
fn equal_rows_have_a_file_each() {
    let stage = Stage::new();
    let (ticket, out, photo) = (stage.text("run.ticket"), stage.text("out"), stage.text("photo.png"));
    // With the cache of the server, the second row gets the result of the first.
    let upload = format!("Picture={photo}");
    let given = ["run", RESIZE, "--server", &stage.proxy.url, "--upload", &upload, "--each", "Width=64,64"];
    let arguments = [&given[..], &["--resume", &ticket, "--out", &out, "--name", "{index}"]].concat();
    for _ in 0..2 {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let mut there = names_below(&stage.path("out"));
        there.sort();
        assert_eq!(there, ["1.png", "2.png"], "{ended:?}");
    }
}

/// What becomes of the next line is tested where lines are written.
#[test]
fn a_line_that_a_full_disk_cut_does_not_spoil_the_ticket() {
    let stage = Stage::new();
    let arguments = series(&stage, "64,72", &["--out", &stage.text("out"), "--name", "{Width}"]);
    done(&arguments);
    let ticket = fs::read_to_string(stage.path("run.ticket")).unwrap();
    let last = ticket.trim_end().rfind('\n').unwrap() + 1;
    let glued = format!("{}{}{}", &ticket[..last], "{\"done\":{\"row\":1,\"done\":{\"it", &ticket[last..]);
    fs::write(stage.path("run.ticket"), glued + "{\"saved\":{\"ro").unwrap();
    let ended = done(&arguments);
    assert!(ended.stderr.contains("of 2 rows: 2 done"), "{ended:?}");
    assert_rows(&stage, &[64, 72], &ended);
    assert!(done(&arguments).stderr.contains("nothing is left to run"));
}

#[test]
fn a_ticket_is_used_by_one_run_at_a_time_whatever_it_is_called() {
    let stage = Stage::new();
    fs::write(stage.path("ticket"), "").unwrap();
    let links = ["one", "two"].map(|name| stage.text(name));
    links.iter().for_each(|link| symlink(stage.path("ticket"), link).unwrap());
    stage.ask(async |client| client.queue("default").pause().await);
    let program = Program::start(&strs(&stage.resize(&["--resume", &links[0]])));
    until("it has begun", || fs::metadata(stage.path("ticket")).unwrap().len() > 0);
    let ended = run(&strs(&stage.resize(&["--resume", &links[1]])));
    let said = format!("--resume {}: another run is using it", links[1]);
    assert!(ended.code == Some(1) && ended.stderr.contains(&said), "{ended:?}");
    program.signal("KILL");
    program.end();
}

#[test]
fn what_cannot_be_a_ticket_is_refused_before_anything_is_sent() {
    let stage = Stage::new();
    assert!(Command::new("mkfifo").arg(stage.path("pipe")).status().unwrap().success());
    fs::write(stage.path("old"), "{\"run\":{\"rows\":1,\"print\":\"0123\"}}\n").unwrap();
    for (ticket, said) in [
        ("pipe", "it is not a regular file"),
        ("old", "the ticket of another version"),
        ("photo.png", "is not the ticket of a run"),
    ] {
        let ended = run(&strs(&stage.resize(&["--resume", &stage.text(ticket)])));
        let said = ended.stderr.contains(said) && ended.stderr.contains("--resume ");
        assert!(ended.code == Some(1) && said && ended.took < Duration::from_secs(20), "{ticket}: {ended:?}");
    }
    // A ticket is text, so it has no room for a name that is not.
    let odd = stage.folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    let mut with_odd_folder = command(&strs(&stage.resize(&["--resume", &stage.text("new")])));
    let ended = Program::of(with_odd_folder.arg("--out").arg(&odd)).end();
    assert!(ended.code == Some(1) && ended.stderr.contains("--out"), "{ended:?}");
    let pictures = stage.path("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::copy(stage.path("photo.png"), pictures.join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"))).unwrap();
    let (workflow, each) = (stage.text("resize.json"), format!("Picture={}", pictures.display()));
    let ticket = stage.text("newer");
    let ended = run(&["run", &workflow, "--server", &stage.proxy.url, "--each", &each, "--resume", &ticket]);
    assert!(ended.code == Some(1) && ended.stderr.contains("--resume cannot keep track"), "{ended:?}");
    assert_eq!(["upload_image", "enqueue_batch"].map(|operation| stage.server.faults().calls(operation)), [0, 0]);
}
