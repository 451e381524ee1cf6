//! Sources, inputs and many runs of one workflow.

use std::{fs, io::Write as _, process::Stdio, time::Duration};

use invokeai_client::workflow::WorkflowDefinition;
use serde_json::{Value, json};

use crate::{
    program::{Ended, Program, command, names_below, run, until},
    proxy::Act,
    stage::{RESIZE, Stage, strs},
};

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ended:?}"))).collect()
}

/// One value of each line, sorted.
fn column(lines: &[Value], of: impl Fn(&Value) -> Value) -> Vec<String> {
    let mut column: Vec<String> = lines.iter().map(|line| of(line).to_string()).collect();
    column.sort();
    column
}

/// A picture file of another size.
fn picture(stage: &Stage, name: &str, side: u32) {
    let path = stage.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(side, side, image::Rgb([side as u8; 3])).save(path).unwrap();
}

#[test]
fn rows_run_once_each_with_their_values_and_pictures() {
    let stage = Stage::new();
    picture(&stage, "in/a.png", 30);
    picture(&stage, "in/b.png", 40);
    fs::write(stage.path("rows.csv"), "\u{feff}Picture,Width,height\nin/a.png,64,32\nin/b.png,72,40\nin/a.png,80,48\n")
        .unwrap();
    let (rows, out, sheet) = (stage.text("rows.csv"), stage.text("out"), stage.text("sheet.png"));
    let (url, workflow) = (stage.proxy.url.as_str(), stage.text("resize.json"));
    let ended = run(&[
        "run",
        &workflow,
        "--server",
        url,
        "--rows",
        &rows,
        "--out",
        &out,
        "--name",
        "{index:02}-{width}",
        "--sheet",
        &sheet,
        "--cleanup",
        "--json",
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = lines(&ended);
    assert_eq!(column(&lines, |line| line["values"]["Width"].clone()), ["64", "72", "80"], "{ended:?}");
    assert_eq!(names_below(&stage.path("out")), ["01-64.png", "02-72.png", "03-80.png"]);
    let size = |name: &str| image::open(stage.path("out").join(name)).unwrap().into_rgb8().dimensions();
    assert_eq!([size("01-64.png"), size("03-80.png")], [(64, 32), (80, 48)]);
    // Each file went up once, and is gone.
    assert_eq!(stage.proxy.count("POST", "/images/upload"), 2);
    assert!(image::open(&sheet).is_ok());
    assert!(stage.rows().is_empty(), "{:?}", stage.rows());
}

#[test]
fn lists_combine_or_pair_and_rows_come_from_standard_input() {
    let stage = Stage::new();
    let count = |more: &[&str]| {
        let ended = run(&strs(&stage.resize(&[more, &["--json", "--cleanup"]].concat())));
        assert_eq!(ended.code, Some(0), "{more:?}: {ended:?}");
        column(&lines(&ended), |line| json!([line["values"]["Width"], line["values"]["Height"]]))
    };
    assert_eq!(
        count(&["--each", "width=64,72", "--each", "Height=32,40"]),
        ["[64,32]", "[64,40]", "[72,32]", "[72,40]"]
    );
    assert_eq!(count(&["--each", "width=64,72", "--each", "Height=32,40", "--zip"]), ["[64,32]", "[72,40]"]);

    let mut child = command(&strs(&stage.resize(&["--rows", "-", "--json", "--cleanup"])));
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"Width\": 64}\n{\"Width\": 72}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), printed.lines().count()), (Some(0), 2), "{printed}");

    // A folder stands for its pictures.
    picture(&stage, "in/a.png", 30);
    picture(&stage, "in/b.png", 40);
    let each = format!("Picture={}", stage.text("in"));
    let workflow = stage.text("resize.json");
    let (out, url) = (stage.text("out"), stage.proxy.url.as_str());
    let names = ["--out", &out, "--name", "{Picture}-{Width}"];
    let arguments = ["run", &workflow, "--server", url, "--each", &each, "--json", "--cleanup"];
    let ended = run(&[&arguments[..], &names].concat());
    assert_eq!((ended.code, lines(&ended).len()), (Some(0), 2), "{ended:?}");
    // Pictures are known by their files, whatever the server calls them.
    let told = column(&lines(&ended), |line| line["values"]["Picture"].clone());
    assert_eq!(told, ["a.png", "b.png"].map(|name| format!("{:?}", stage.text(&format!("in/{name}")))));
    assert_eq!(names_below(&stage.path("out")), ["a-96.png", "b-96.png"]);
}

#[test]
fn seeds_are_random_or_a_range() {
    let stage = Stage::new();
    let seeds = |more: &[&str]| {
        let ended = run(&strs(&stage.denoise(&[&["--set", "num_steps=1", "--json", "--cleanup"], more].concat())));
        assert_eq!(ended.code, Some(0), "{more:?}: {ended:?}");
        column(&lines(&ended), |line| line["values"].as_object().unwrap().values().next().unwrap().clone())
    };
    assert_eq!(seeds(&["--seed", "3..5"]), ["3", "4", "5"]);
    let random = seeds(&["--seed", "random", "--runs", "3"]);
    assert!(random.len() == 3 && random[0] != random[1], "{random:?}");
}

#[test]
fn rows_that_cannot_run_are_refused_before_anything_is_sent() {
    let stage = Stage::new();
    for (file, text, said) in [
        ("rows.csv", "Width\n64\nwide\n", "row 2, Width"),
        ("rows.csv", "Nothing\n1\n", "no input \"Nothing\""),
        ("rows.csv", "Width,\n1,2\n", "has no name"),
        ("rows.csv", "Width\n", "there are no rows"),
        ("rows.csv", "Picture\nnot-there.png\n", "image not-there.png is neither a local file nor on this server"),
        ("rows.jsonl", "{\"Width\": 64}\n{\"Height\": 64}\n", "line 2"),
        ("rows.jsonl", "{\"Width\": {}}\n", "row 1, Width"),
    ] {
        fs::write(stage.path(file), text).unwrap();
        let ended = run(&strs(&stage.resize(&["--rows", &stage.text(file)])));
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{text}: {ended:?}");
    }
    for (more, said) in [
        (["--each", "Width=64,wide"], "wide"),
        (["--seed", "random"], "no node of the workflow takes a seed"),
        (["--seed", "5..1"], "range such as 1..4"),
        (["--set-file", "gone.json"], "No such file"),
    ] {
        let ended = run(&strs(&stage.resize(&more)));
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{more:?}: {ended:?}");
    }
    assert_eq!(["upload_image", "enqueue_batch"].map(|operation| stage.server.faults().calls(operation)), [0, 0]);
}

#[test]
fn a_dry_run_prints_the_request_and_sends_nothing() {
    let stage = Stage::new();
    let rows = stage.rows();
    let ended = run(&strs(&stage.resize(&["--dry-run", "--each", "Width=64,72", "--board", "new"])));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let body: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(body["batch"]["data"][0][0]["items"], json!([64, 72]), "{body}");
    let placeholder = format!("<upload:{}>", stage.text("photo.png"));
    assert!(ended.stdout.contains(&placeholder), "{body}");
    assert_eq!(stage.rows(), rows);
    assert_eq!(["upload_image", "enqueue_batch"].map(|operation| stage.server.faults().calls(operation)), [0, 0]);
}

#[test]
fn values_come_from_files_and_names_in_any_case() {
    let stage = Stage::new();
    fs::write(stage.path("values.yaml"), "width: 64\nHeight: 40\n").unwrap();
    fs::write(stage.path("values.json"), "{\"WIDTH\": 72}").unwrap();
    fs::write(stage.path("height.txt"), "\u{feff}48\r\n").unwrap();
    let body = |more: &[&str]| {
        let ended = run(&strs(&stage.resize(&[&["--dry-run"], more].concat())));
        serde_json::from_str::<Value>(&ended.stdout).unwrap_or_else(|_| panic!("{more:?}: {ended:?}"))
    };
    let size = |body: &Value| {
        let node = &body["batch"]["graph"]["nodes"]["resize"];
        (node["width"].clone(), node["height"].clone())
    };
    let yaml = stage.text("values.yaml");
    assert_eq!(size(&body(&["--set-file", &yaml])), (json!(64), json!(40)));
    // Two inputs have the field name; one of them has the label, except for its case.
    let text_to_image = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");
    let ended = run(&["inspect", text_to_image, "--set", "prompt=a lighthouse", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(report["enqueue"]["batch"]["graph"]["nodes"]["positive"]["prompt"], "a lighthouse", "{report}");
    let (json_file, text) = (stage.text("values.json"), format!("img_resize.height=@{}", stage.text("height.txt")));
    assert_eq!(size(&body(&["--set-file", &yaml, "--set-file", &json_file, "--set", &text])), (json!(72), json!(48)));
}

#[test]
fn workflows_come_from_anywhere() {
    let stage = Stage::new();
    let definition = WorkflowDefinition::from_path(RESIZE).unwrap();
    let name = definition.name().to_owned();
    stage.ask(async |client| client.library().create(&definition).await);
    let url = stage.proxy.url.clone();
    let ended = run(&strs(&stage.resize(&["--out", &stage.text("out"), "--json"])));
    let line: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let file = line["files"][0].as_str().unwrap().to_owned();
    let image = line["outputs"].as_array().unwrap().iter().rev().find_map(|output| output["image"].as_str()).unwrap();
    let sources = [format!("saved:{name}"), format!("image:{image}"), format!("item:{}", line["item_id"]), file];
    for source in &sources {
        let ended = run(&["inspect", source, "--server", &url, "--json"]);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{source}: {ended:?}"));
        assert!(report["inputs"].as_array().unwrap().len() >= 4, "{source}: {report}");
        for verb in [&["graph"] as &[&str], &["schema"], &["bindings", "--name", "Resize"], &["diff", RESIZE]] {
            let ended = run(&[verb, &[source.as_str(), "--server", &url]].concat());
            let is_read = if verb[0] == "diff" { matches!(ended.code, Some(0 | 1)) } else { ended.code == Some(0) };
            assert!(is_read && !ended.stderr.contains("error"), "{verb:?} {source}: {ended:?}");
        }
    }
    // What is said about sources that are not workflows.
    fs::write(stage.path("comfy.json"), r#"{"3": {"class_type": "KSampler", "inputs": {}}}"#).unwrap();
    for (source, said) in [
        (stage.text("comfy.json"), "this file is from ComfyUI"),
        (name.clone(), "but a saved workflow of this name: saved:"),
        ("saved:nothing like it".into(), "there is no saved workflow"),
        ("image:gone.png".into(), "gone.png"),
        ("item:99999".into(), "99999"),
    ] {
        let ended = run(&["inspect", &source, "--server", &url]);
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{source}: {ended:?}");
    }
    // The server need not be named twice, and it need not be said that only a server has saved workflows.
    for verb in ["inspect", "graph", "schema", "bindings"] {
        let ended = crate::run(&[verb, &sources[0]], &[("INVOKEAI_URL", &url)]);
        // It was saved without a picture, so it is not ready to run.
        let code = if verb == "inspect" { 2 } else { 0 };
        assert_eq!(ended.status.code(), Some(code), "{verb}: {}", crate::stderr(&ended));
        let ended = crate::run(&[verb, "saved:x"], &[("INVOKEAI_URL", crate::NOWHERE)]);
        let said = crate::stderr(&ended);
        assert!(ended.status.code() == Some(1) && said.contains(crate::NOWHERE), "{verb}: {said}");
    }
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json");
    let ended = run(&["inspect", "saved:x", "--openapi", document]);
    assert!(ended.code == Some(1) && ended.stderr.contains("leave out --openapi"), "{ended:?}");
}

#[test]
fn every_item_has_a_line_also_when_the_run_is_stopped() {
    let stage = Stage::with_steps(Duration::from_millis(600));
    let ended = run(&strs(&stage.denoise(&["--seed", "1..5", "--json", "--timeout", "6", "--cleanup"])));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let lines = lines(&ended);
    assert_eq!(column(&lines, |line| line["index"].clone()), ["1", "2", "3", "4", "5"], "{ended:?}");
    assert!(lines.iter().any(|line| line["status"] == "canceled" && line["error"].is_string()), "{ended:?}");
}

#[test]
fn what_has_failed_is_run_once_more_on_demand() {
    let stage = Stage::new();
    // Without its encoders the FLUX model cannot be loaded, at every try.
    let workflow = crate::stage::FLUX;
    let upload = format!("image={}", stage.text("photo.png"));
    let ended = run(&[
        "run",
        workflow,
        "--server",
        &stage.proxy.url,
        "--upload",
        &upload,
        "--set",
        "model=tiny-flux-dev",
        "--set",
        "prompt=x",
        "--retry-failed",
        "--json",
        "--cleanup",
    ]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(column(&lines(&ended), |line| line["status"].clone()), ["\"failed\"", "\"failed\""], "{ended:?}");
    assert!(stage.rows().items.is_empty() && stage.rows().intermediates.is_empty(), "{:?}", stage.rows());
}

/// Arguments for two rows that fail at every try. What happens to the next retry can be prepared: there is time for that
/// once both have failed.
fn failing(stage: &Stage, more: &[&str]) -> Vec<String> {
    stage.proxy.on("GET", "/item_ids", [Act::HoldAnswer(Duration::from_secs(3)), Act::Pass]);
    // Without its encoders the FLUX model cannot be loaded.
    let upload = format!("image={}", stage.text("photo.png"));
    let given = ["run", crate::stage::FLUX, "--server", &stage.proxy.url, "--upload", &upload, "--seed", "1..2"];
    let values = ["--set", "model=tiny-flux-dev", "--set", "prompt=x", "--json"];
    [&given[..], &values, more].concat().into_iter().map(str::to_owned).collect()
}

/// Starts this, and kills it once its retries wait on the queue.
fn kill_while_retries_wait(stage: &Stage, arguments: &[String]) {
    let program = Program::start(&strs(arguments));
    until("both have failed", || stage.rows().items.iter().filter(|(_, status)| status == "failed").count() == 2);
    stage.ask(async |client| client.queue("default").pause().await);
    until("the retries wait", || stage.rows().items.len() == 4);
    program.signal("KILL");
    program.end();
    stage.ask(async |client| client.queue("default").resume().await);
}

#[test]
fn a_retry_that_was_killed_is_followed_and_not_repeated() {
    for more in [&[] as &[&str], &["--cleanup"]] {
        let stage = Stage::new();
        let ticket = stage.text("run.ticket");
        let arguments = failing(&stage, &[&["--retry-failed", "--resume", &ticket], more].concat());
        kill_while_retries_wait(&stage, &arguments);
        let ended = run(&strs(&arguments));
        assert!(ended.code == Some(3) && ended.stderr.contains("of 2 rows: 0 done, 2 failed, 0 left"), "{ended:?}");
        let told = column(&lines(&ended), |line| json!([line["index"], line["status"]]));
        assert_eq!(told, ["[1,\"failed\"]", "[2,\"failed\"]"], "{ended:?}");
        let rows = stage.rows();
        let left = if more.is_empty() { 4 } else { 0 };
        assert!(rows.items.len() == left && rows.is_quiet(), "{rows:?}");
        assert!(left > 0 || rows.is_empty(), "{rows:?}");
        assert_eq!(["retry_items_by_id", "enqueue_batch"].map(|call| stage.server.faults().calls(call)), [1, 1]);
    }
}

#[test]
fn a_wait_that_was_killed_while_it_retried_is_no_reason_to_retry_again() {
    let stage = Stage::new();
    let ended = run(&strs(&failing(&stage, &["--detach"])));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    fs::write(stage.path("ticket.json"), &ended.stdout).unwrap();
    let ticket = stage.text("ticket.json");
    let arguments = ["wait", &ticket, "--server", &stage.proxy.url, "--retry-failed", "--json"].map(str::to_owned);
    kill_while_retries_wait(&stage, &arguments);
    let ended = run(&strs(&arguments));
    assert_eq!((ended.code, lines(&ended).len()), (Some(3), 4), "{ended:?}");
    assert_eq!((stage.rows().items.len(), stage.server.faults().calls("retry_items_by_id")), (4, 1));
}

#[test]
fn what_the_server_does_not_run_again_has_failed() {
    let stage = Stage::new();
    let ticket = stage.text("run.ticket");
    let program = Program::start(&strs(&failing(&stage, &["--retry-failed", "--resume", &ticket])));
    until("both have failed", || stage.rows().items.iter().filter(|(_, status)| status == "failed").count() == 2);
    stage.ask(async |client| {
        let ids = client.queue("default").item_ids().await?;
        client.queue("default").delete_item(ids[0]).await
    });
    let ended = program.end();
    assert!(ended.code == Some(3) && ended.stderr.contains("of 2 rows: 0 done, 2 failed, 0 left"), "{ended:?}");
    assert_eq!((lines(&ended).len(), stage.rows().items.len()), (3, 2), "{ended:?}");
    // A later try knows it, too.
    let ended = run(&strs(&failing(&stage, &["--resume", &ticket])));
    assert!(ended.code == Some(3) && ended.stderr.contains("nothing is left to run"), "{ended:?}");
}

#[test]
fn rows_are_known_by_their_items_even_if_some_have_been_deleted() {
    let stage = Stage::with_steps(Duration::from_millis(100));
    let ticket = stage.text("run.ticket");
    let arguments = stage.denoise(&["--seed", "1..4", "--resume", &ticket, "--json"]);
    let program = Program::start(&strs(&arguments));
    until("one is done", || fs::read_to_string(&ticket).unwrap_or_default().contains("\"done\""));
    program.signal("KILL");
    let first = program.end();
    // As a server does that keeps only so many ended items.
    stage.ask(async |client| client.queue("default").prune().await);
    let ended = run(&strs(&arguments));
    assert!(ended.code == Some(0) && ended.stderr.contains("of 4 rows: 4 done, 0 failed, 0 left"), "{ended:?}");
    let seed = |line: &Value| json!([line["index"], line["values"].as_object().unwrap().values().next().unwrap()]);
    let mut told = column(&[lines(&first), lines(&ended)].concat(), seed);
    told.dedup();
    assert_eq!(told, ["[1,1]", "[2,2]", "[3,3]", "[4,4]"], "{first:?} {ended:?}");
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_ended() {
    let stage = Stage::with_steps(Duration::from_millis(20));
    let (ticket, out) = (stage.text("run.ticket"), stage.text("out"));
    let arguments = stage.denoise(&["--seed", "1..8", "--resume", &ticket, "--out", &out, "--json", "--cleanup"]);
    let mut seen = Vec::new();
    for (signal, code) in [("INT", 130), ("KILL", 0)] {
        let program = Program::start(&strs(&arguments));
        let before = names_below(&stage.path("out")).len();
        until("some are done", || names_below(&stage.path("out")).len() >= before + 2);
        program.signal(signal);
        let ended = program.end();
        assert_eq!(ended.code.unwrap_or(0), code, "{signal}: {ended:?}");
        seen.extend(lines(&ended));
    }
    // A kill may come while a line is written, even within a character.
    let mut file = fs::OpenOptions::new().append(true).open(&ticket).unwrap();
    file.write_all(b"{\"upload\":{\"file\":\"f\xc3").unwrap();
    let ended = run(&strs(&arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("of 8 rows: 8 done, 0 failed, 0 left"), "{ended:?}");
    seen.extend(lines(&ended));
    // Each seed has one picture; those that were being reported during a kill may be reported again.
    seen.retain(|line| line["status"] == "completed" && line["error"].is_null());
    let mut seeds = column(&seen, |line| line["values"].as_object().unwrap().values().next().unwrap().clone());
    assert!(seeds.len() <= 9, "{seeds:?}");
    seeds.dedup();
    assert_eq!(seeds, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    // A process that is killed cannot remove what it was writing; nothing mistakes that for a picture.
    let (parts, pictures): (Vec<_>, Vec<_>) =
        names_below(&stage.path("out")).into_iter().partition(|name| name.starts_with('.') && name.ends_with(".part"));
    assert!(pictures.len() == 8 && parts.len() <= 1, "{pictures:?} {parts:?}");
    // The file was uploaded once, and all is cleaned up after the last try.
    assert_eq!(stage.proxy.count("POST", "/images/upload"), 1);
    let rows = stage.rows();
    assert!(rows.intermediates.is_empty() && rows.items.iter().all(|(_, status)| status != "in_progress"), "{rows:?}");
    // What is done stays done, and a ticket is for one run only.
    let ended = run(&strs(&arguments));
    assert!(ended.code == Some(0) && ended.stderr.contains("nothing is left to run"), "{ended:?}");
    let ended = run(&strs(&stage.denoise(&["--seed", "1..9", "--resume", &ticket])));
    assert!(ended.code == Some(1) && ended.stderr.contains("the ticket of another run"), "{ended:?}");
    let photo = stage.text("photo.png");
    let ended = run(&strs(&stage.denoise(&["--seed", "1..9", "--resume", &photo])));
    assert!(ended.code == Some(1), "{ended:?}");
}
