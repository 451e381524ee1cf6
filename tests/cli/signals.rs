//! Signals at any moment: in every command that waits, and at every step of a run.

use std::{
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use invokeai_client::Upload;

use crate::{
    program::{Program, names_below, run, until},
    proxy::Act,
    stage::{RESIZE, Stage, strs},
};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(600);

/// What "at once" means, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

fn parts(stage: &Stage) -> Vec<String> {
    names_below(stage.folder.path()).into_iter().filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn a_signal_at_any_moment_leaves_nothing_behind() {
    let stage = Stage::with_steps(Duration::from_millis(15));
    let out = stage.text("out");
    let arguments = stage.denoise(&["--runs", "3", "--out", &out, "--cleanup", "--json"]);
    let whole = run(&strs(&arguments));
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert!(stage.rows().is_empty(), "{:?}", stage.rows());
    let moments = 40;
    for moment in 0..moments {
        let (signal, code) = if moment % 2 == 0 { ("INT", 130) } else { ("TERM", 143) };
        let writes = stage.proxy.count("POST", "");
        let program = Program::start(&strs(&arguments));
        sleep(whole.took * moment / moments);
        program.signal(signal);
        let ended = program.end();
        let rows = stage.rows();
        // A moment after its start it does not handle signals yet, nor has it sent anything.
        let was_killed = ended.code.is_none() && stage.proxy.count("POST", "") == writes;
        assert!(ended.code == Some(code) || ended.code == Some(0) || was_killed, "{signal} at {moment}: {ended:?}");
        assert!(rows.intermediates.is_empty() && rows.items.is_empty(), "{signal} at {moment}: {rows:?} {ended:?}");
        // Results that were not downloaded stay, and are reported.
        for image in &rows.images {
            assert!(ended.stderr.contains(&format!("kept image {image}")), "{signal} at {moment}: {image} {ended:?}");
        }
        stage.ask(async |client| client.images().delete(rows.images.clone()).await.into_result());
        assert_eq!(parts(&stage), [""; 0], "{signal} at {moment}");
    }
}

#[test]
fn a_signal_while_the_enqueue_has_no_answer_cancels_the_batch_and_says_its_id() {
    let (batch, said) = signaled_while_it_enqueues(Act::HoldAnswer(FOREVER));
    assert!(said.contains(&batch.expect("the server has it")), "{said}");
}

#[test]
fn a_signal_while_the_enqueue_does_not_arrive_ends_the_run_and_says_that_no_answer_came() {
    let (_, said) = signaled_while_it_enqueues(Act::Silence);
    assert!(said.contains("no answer came"), "{said}");
}

/// The batch that the server had at the signal, and what was said.
fn signaled_while_it_enqueues(act: Act) -> (Option<String>, String) {
    let stage = Stage::with_steps(Duration::from_millis(100));
    stage.proxy.on("POST", "/enqueue_batch", [act]);
    let program = Program::start(&strs(&stage.denoise(&["--runs", "3", "--cleanup"])));
    until("it enqueues", || stage.proxy.count("POST", "/enqueue_batch") == 1);
    sleep(Duration::from_millis(300));
    let batch = stage.rows().items.first().map(|(batch, _)| batch.clone());
    program.signal("TERM");
    let ended = program.end();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?} {ended:?}", stage.rows());
    (batch, ended.stderr)
}

#[test]
fn a_signal_while_an_upload_has_no_answer_deletes_it() {
    let stage = Stage::new();
    stage.proxy.on("POST", "/images/upload", [Act::HoldAnswer(FOREVER)]);
    let program = Program::start(&strs(&stage.resize(&["--cleanup"])));
    until("the upload is there", || stage.rows().intermediates.len() == 1);
    program.signal("INT");
    let ended = program.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?} {ended:?}", stage.rows());
}

#[test]
fn a_second_signal_ends_even_the_clean_up_at_once_and_says_what_is_left() {
    for part in ["/images/delete", "/cancel_by_batch_ids"] {
        let stage = Stage::with_steps(Duration::from_millis(100));
        let method = if part.contains("cancel") { "PUT" } else { "POST" };
        stage.proxy.on(method, part, [Act::Silence]);
        let mut program = Program::start(&strs(&stage.denoise(&["--cleanup"])));
        until("it runs", || stage.rows().items.iter().any(|(_, status)| status == "in_progress"));
        let batch = stage.rows().items[0].0.clone();
        program.signal("INT");
        until("it cleans up", || stage.proxy.count(method, part) == 1);
        sleep(Duration::from_millis(300));
        assert!(program.runs());
        program.signal("INT");
        let start = std::time::Instant::now();
        let ended = program.end();
        assert!(start.elapsed() < AT_ONCE, "{part}: {ended:?}");
        assert_eq!(ended.code, Some(130), "{part}: {ended:?}");
        let upload = stage.rows().intermediates.clone();
        for left in [&batch].into_iter().chain(&upload[..1]) {
            assert!(ended.stderr.contains(left), "{part}: {left} is not reported: {ended:?}");
        }
    }
}

#[test]
fn a_first_signal_during_the_clean_up_of_a_finished_run_is_heard() {
    let stage = Stage::new();
    stage.proxy.on("POST", "/images/delete", [Act::HoldAnswer(Duration::from_secs(2)), Act::Pass]);
    let program = Program::start(&strs(&stage.resize(&["--cleanup"])));
    until("it cleans up", || stage.proxy.count("POST", "/images/delete") == 1);
    program.signal("INT");
    let ended = program.end();
    assert!(ended.stderr.contains("still cleaning up"), "{ended:?}");
    assert!(stage.rows().intermediates.is_empty() && stage.rows().items.is_empty(), "{:?}", stage.rows());
}

#[test]
fn a_signal_sent_twice_at_the_same_moment_is_one() {
    // As `timeout` does: to the program, and to its group.
    let stage = Stage::with_steps(Duration::from_millis(100));
    let program = Program::start(&strs(&stage.denoise(&["--cleanup"])));
    until("it runs", || stage.rows().items.iter().any(|(_, status)| status == "in_progress"));
    program.signal("TERM");
    program.signal("TERM");
    let ended = program.end();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?} {ended:?}", stage.rows());
}

#[test]
fn closing_the_terminal_counts_except_under_nohup() {
    let stage = Stage::with_steps(Duration::from_millis(100));
    // Whoever runs the tests may have chosen to ignore it.
    let mut heeding = Command::new("env");
    heeding.arg("--default-signal=HUP").arg(env!("CARGO_BIN_EXE_invokeai-client")).args(stage.denoise(&["--cleanup"]));
    let program = Program::of(heeding.stdout(Stdio::null()));
    until("it runs", || stage.rows().items.iter().any(|(_, status)| status == "in_progress"));
    program.signal("HUP");
    assert_eq!(program.end().code, Some(129));
    assert!(stage.rows().is_empty(), "{:?}", stage.rows());

    let mut nohup = Command::new("nohup");
    nohup.arg(env!("CARGO_BIN_EXE_invokeai-client")).args(stage.resize(&["--runs", "30", "--cleanup"]));
    let program = Program::of(nohup.stdout(Stdio::null()));
    until("it runs", || stage.rows().items.iter().any(|(_, status)| status == "completed"));
    program.signal("HUP");
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_signal_leaves_no_part_of_a_download() {
    let stage = Stage::new();
    let (board, image) = stage.ask(async |client| {
        let board = client.boards().create("b").await?;
        let photo = Upload::path(stage.path("photo.png"));
        let image = client.images().upload(photo).board(&board.board_id).await?;
        Ok((board.board_id, image.image_name))
    });
    // Enough for a part to be begun: the kind of the file is checked first.
    stage.proxy.on("GET", "/full", [Act::Stall(4000)]);
    let out = stage.text("out");
    let server = stage.proxy.url.as_str();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for arguments in [
            &["images", "get", &image, "--out", &out, "--server", server][..],
            &["boards", "get", &board, "--out", &out, "--server", server],
        ] {
            let program = Program::start(arguments);
            until("a part is there", || !parts(&stage).is_empty());
            program.signal(signal);
            let ended = program.end();
            assert!(ended.code == Some(code) && ended.took < AT_ONCE, "{arguments:?}: {ended:?}");
            assert_eq!(names_below(&stage.path("out")), [""; 0], "{arguments:?}");
        }
        let program = Program::start(&strs(&stage.resize(&["--out", &out, "--cleanup"])));
        until("a part is there", || !parts(&stage).is_empty());
        program.signal(signal);
        let ended = program.end();
        assert_eq!((ended.code, names_below(&stage.path("out"))), (Some(code), vec![]), "{ended:?}");
    }
}

#[test]
fn every_command_that_waits_can_be_stopped() {
    let stage = Stage::new();
    let server = stage.proxy.url.as_str();
    stage.proxy.on("GET", "/api/v1/app/version", [Act::Silence]);
    stage.proxy.on("GET", "/api/v1/boards", [Act::Silence]);
    stage.proxy.on("GET", "/openapi.json", [Act::Silence]);
    stage.proxy.on("POST", "/images/upload", [Act::Silence]);
    let photo = stage.text("photo.png");
    for (arguments, waits_for, code) in [
        (&["boards", "list", "--server", server][..], "/api/v1/boards", 130),
        (&["nodes", "--server", server], "/openapi.json", 130),
        (&["images", "put", &photo, "--server", server], "/images/upload", 130),
        (&["watch", "--server", server], "/ws/", 0),
        (&["demo", "--port", "0"], "", 0),
    ] {
        let program = Program::start(arguments);
        until("it waits", || stage.proxy.count("", waits_for) > 0);
        sleep(Duration::from_millis(300));
        program.signal("INT");
        let ended = program.end();
        assert!(ended.code == Some(code) && ended.took < AT_ONCE, "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("error"), "{arguments:?}: {ended:?}");
        if arguments[0] == "images" {
            assert!(ended.stderr.contains("may be on the server: upload of photo.png"), "{ended:?}");
        }
    }
}

#[test]
fn a_pipe_that_nobody_writes_to_does_not_hold_it_up() {
    let stage = Stage::new();
    assert!(Command::new("mkfifo").arg(stage.path("pipe")).status().unwrap().success());
    let (pipe, server) = (stage.text("pipe"), stage.proxy.url.as_str());
    let set = format!("Width=@{pipe}");
    let upload = format!("Picture={pipe}");
    for arguments in [
        &["run", &pipe, "--server", server][..],
        &["inspect", &pipe],
        &strs(&stage.resize(&["--set", &set])),
        &["run", RESIZE, "--server", server, "--upload", &upload],
    ] {
        let ended = run(arguments);
        assert!(ended.code == Some(1) && ended.took < AT_ONCE, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("not a file but a pipe"), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn a_signal_is_heard_during_a_flood_of_events() {
    let stage = Stage::with_steps(Duration::from_millis(100));
    // Empty text frames, which are not packets.
    stage.proxy.on("GET", "/ws/", [Act::Flood(b"\x81\x054zzzz")]);
    for arguments in [&["watch"][..], &strs(&stage.denoise(&["--runs", "30"]))] {
        let program = Program::start(&[arguments, &["--server", &stage.proxy.url]].concat());
        until("it is flooded", || stage.proxy.count("GET", "/ws/") > 0);
        sleep(Duration::from_secs(1));
        program.signal("INT");
        sleep(Duration::from_secs(1));
        program.signal("INT");
        let start = std::time::Instant::now();
        let ended = program.end();
        assert!(start.elapsed() < AT_ONCE && ended.code.is_some(), "{arguments:?}: {ended:?}");
    }
}
