//! Every way out of `run`: what it says, how it ends, and what it leaves behind.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use invokeai_client::testing::Fault;

use crate::{
    program::{Program, command, names_below, run, until},
    proxy::Act,
    stage::{FLUX, RESIZE, Stage, strs},
};

/// How long an orderly end may take once the time is up, and a little for the machine.
const GRACE: Duration = Duration::from_secs(30 + 3);

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(600);

#[test]
fn what_can_be_known_is_checked_before_anything_is_sent() {
    let stage = Stage::new();
    stage.ask(async |client| {
        client.boards().create("twice").await?;
        client.boards().create("twice").await
    });
    fs::create_dir(stage.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(stage.path("pipe")).status().unwrap().success());
    let (rows, names) = (stage.rows(), names_below(stage.folder.path()));
    let (photo, below_a_file) = (stage.text("photo.png"), stage.text("photo.png/a/b"));
    let too_long = stage.text(&"y".repeat(300));
    let uploads = ["missing.png", "folder", "pipe"].map(|file| format!("Picture={}", stage.text(file)));
    let [missing, folder, pipe] = uploads.each_ref().map(String::as_str);
    let (wrong, unknown) = (format!("Width={photo}"), format!("Nothing={photo}"));
    let (again, long_name) = (format!("Picture={photo}"), "x".repeat(301));
    for (arguments, reason) in [
        (["--out", &photo], "photo.png: "),
        (["--out", &below_a_file], "Not a directory"),
        (["--out", &too_long], "File name too long"),
        (["--upload", missing], "No such file"),
        (["--upload", folder], "there are no images in"),
        (["--upload", pipe], "not a file but a pipe"),
        (["--upload", &again], "takes one image"),
        (["--upload", &wrong], "not an image"),
        (["--upload", &unknown], "no input"),
        (["--upload", "Picture"], "must be NAME=FILE"),
        (["--set", "Width=wide"], "wide"),
        (["--set", "Width=@missing"], "No such file"),
        (["--set", "Nothing=1"], "no input"),
        (["--board", "twice"], "twice"),
        (["--board", ""], "1 to 300 characters"),
        (["--board", &long_name], "1 to 300 characters"),
    ] {
        let ended = run(&[strs(&stage.resize(&["--cleanup"])), arguments.to_vec()].concat());
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(reason), "{arguments:?}: {ended:?}");
    }
    // A required input that is not set, and a model that the server does not have.
    let upload = format!("image={photo}");
    let flux = ["run", FLUX, "--server", &stage.proxy.url, "--upload", &upload, "--set", "prompt=x"];
    for (arguments, reason) in [
        (&["run", RESIZE, "--server", &stage.proxy.url][..], "a value is required"),
        (&flux, "FLUX Dev (Quantized) is not on this server; these would fit: tiny-flux-dev"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
    }
    let writes = ["upload_image", "enqueue_batch"].map(|operation| stage.server.faults().calls(operation));
    assert_eq!(writes, [0, 0]);
    assert_eq!(stage.rows(), rows);
    assert_eq!(names_below(stage.folder.path()), names);
}

#[test]
fn a_run_that_succeeds_leaves_its_results_here_and_nothing_on_the_server() {
    let stage = Stage::new();
    let out = stage.text("out");
    let ended = run(&strs(&stage.resize(&["--runs", "2", "--out", &out, "--board", "new", "--cleanup", "--json"])));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((ended.stdout.lines().count(), names_below(&stage.path("out")).len()), (2, 2), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?}", stage.rows());
}

#[test]
fn a_refused_or_failed_step_leaves_nothing() {
    for (operation, fault) in [
        ("upload_image", Fault::status(415)),
        ("upload_image", Fault::LostAnswer),
        ("enqueue_batch", Fault::status(400)),
        ("enqueue_batch", Fault::status(422)),
    ] {
        let stage = Stage::new();
        stage.server.faults().add(operation, fault.clone(), 1);
        let ended = run(&strs(&stage.resize(&["--cleanup", "--board", "new"])));
        assert_eq!(ended.code, Some(1), "{operation} {fault:?}: {ended:?}");
        assert!(stage.rows().is_empty(), "{operation} {fault:?}: {:?} {ended:?}", stage.rows());
    }
}

#[test]
fn one_failed_download_stops_nothing_else() {
    let stage = Stage::new();
    stage.server.faults().add("get_image_full", Fault::status(403), 1);
    let ended = run(&strs(&stage.resize(&["--runs", "3", "--out", &stage.text("out"), "--cleanup"])));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let here = names_below(&stage.path("out"));
    assert!(here.len() == 2 && ended.stdout.matches("completed").count() == 3, "{here:?} {ended:?}");
    let rows = stage.rows();
    assert!(rows.intermediates.is_empty() && rows.items.is_empty(), "{rows:?}");
    // What was downloaded is gone from the server; what was not is still there.
    let [left] = &rows.images[..] else { panic!("{rows:?}") };
    assert!(!here.contains(left), "{left} {here:?}");
    let reason = format!("{left} was not downloaded: ");
    assert!(ended.stderr.contains(&reason) && ended.stderr.contains("403"), "{ended:?}");
}

#[test]
fn the_refusal_of_the_rest_of_a_batch_ends_the_run_with_its_reason() {
    let stage = Stage::new();
    stage.server.faults().add("enqueue_batch", Fault::Delay(Duration::ZERO), 1);
    stage.server.faults().add("enqueue_batch", Fault::status(400), 100);
    // A batch has room for 500, whose pictures need not be large.
    let small = ["--set", "Width=16", "--set", "Height=16"];
    let ended = run(&strs(&stage.resize(&[&["--runs", "520", "--cleanup", "--json"], &small[..]].concat())));
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(1), 500), "{:?} {}", ended.code, ended.stderr);
    assert!(ended.stderr.contains("a scripted fault"), "{}", ended.stderr);
    assert!(stage.rows().items.is_empty() && stage.rows().intermediates.is_empty());
}

/// A run of two seconds, one request of which is treated like this. These are tests of their own, as each takes as long as an
/// orderly end may.
fn the_time_limit_holds(method: &'static str, part: &'static str, act: &Act) {
    let stage = Stage::new();
    stage.proxy.on(method, part, [act.clone()]);
    let out = stage.text("out");
    let ended = run(&strs(&stage.resize(&["--out", &out, "--cleanup", "--timeout", "2"])));
    assert!(ended.took < Duration::from_secs(2) + GRACE, "{part} {act:?}: {ended:?}");
    // Where only the clean-up is late, the run itself was in time, but something is left.
    assert_eq!(ended.code, Some(4), "{part} {act:?}: {ended:?}");
    let rows = stage.rows();
    assert!(rows.is_quiet(), "{part} {act:?}: {rows:?}");
    assert!(part.ends_with("delete") || rows.intermediates.is_empty(), "{part} {act:?}: {rows:?} {ended:?}");
    assert!(!names_below(&stage.path("out")).iter().any(|name| name.ends_with(".part")), "{part} {act:?}");
}

#[test]
fn the_time_limit_covers_reading_what_the_server_has() {
    the_time_limit_holds("GET", "/openapi.json", &Act::Silence);
}

#[test]
fn the_time_limit_covers_the_upload() {
    the_time_limit_holds("POST", "/images/upload", &Act::Silence);
}

#[test]
fn the_time_limit_covers_an_enqueue_that_does_not_arrive() {
    the_time_limit_holds("POST", "/enqueue_batch", &Act::Silence);
}

#[test]
fn the_time_limit_covers_an_enqueue_without_an_answer() {
    the_time_limit_holds("POST", "/enqueue_batch", &Act::HoldAnswer(FOREVER));
}

#[test]
fn the_time_limit_covers_downloads() {
    the_time_limit_holds("GET", "/full", &Act::Stall(400));
}

#[test]
fn the_time_limit_covers_the_clean_up() {
    the_time_limit_holds("POST", "/images/delete", &Act::Silence);
}

#[test]
fn the_time_limit_covers_a_run_that_takes_longer() {
    let stage = Stage::with_steps(Duration::from_millis(500));
    let ended = run(&strs(&stage.denoise(&["--runs", "3", "--cleanup", "--timeout", "2"])));
    assert!(ended.code == Some(4) && ended.took < Duration::from_secs(2) + GRACE, "{ended:?}");
    assert!(ended.stderr.contains("time is up"), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?} {ended:?}", stage.rows());
}

#[test]
fn a_reader_who_has_had_enough_ends_the_run_and_leaves_nothing() {
    let stage = Stage::with_steps(Duration::from_millis(20));
    let arguments = stage.denoise(&["--runs", "20", "--json", "--cleanup"]);
    let mut child = command(&strs(&arguments)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("completed"), "{first}");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let rows = stage.rows();
    assert!(rows.intermediates.is_empty() && rows.items.is_empty() && rows.images.len() < 20, "{rows:?} {said}");
}

#[test]
fn a_reader_who_does_not_read_does_not_stop_the_clean_up_after_a_signal() {
    let stage = Stage::new();
    let arguments = stage.resize(&["--runs", "5", "--json", "--cleanup"]);
    // A pipe takes 64 KiB; after that, whoever writes waits.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b' '; 65_536 - 64]).unwrap();
    let mut child = command(&strs(&arguments)).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let ended = || stage.rows().items.iter().filter(|(_, status)| status == "completed").count();
    until("all items have ended", || ended() == 5);
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stage.rows().items.is_empty() && stage.rows().intermediates.is_empty(), "{:?}", stage.rows());
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_messages() {
    let stage = Stage::new();
    let arguments = stage.resize(&["--out", &stage.text("out"), "--cleanup"]);
    let mut closed = command(&strs(&arguments));
    let child = closed.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let output = {
        let mut child = child;
        drop(child.stderr.take());
        child.wait().unwrap()
    };
    assert_eq!(output.code(), Some(0));
    // A device that is full: every write fails.
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let ended = command(&strs(&arguments)).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(ended.code(), Some(0));
    // Results that cannot be written are a failure, and end the run.
    let ended = Program::of(command(&strs(&arguments)).stdout(full())).end();
    assert!(ended.code == Some(1) && ended.stderr.contains("No space left"), "{ended:?}");
    assert!(stage.rows().items.is_empty() && stage.rows().intermediates.is_empty(), "{:?}", stage.rows());
}
