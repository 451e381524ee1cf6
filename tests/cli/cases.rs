//! Files of the kinds that people share, each of which once failed: what is said about them, and what runs.

use std::fs;

use serde_json::Value;

use crate::{
    program::{Ended, run},
    stage::Stage,
};

fn case(name: &str) -> String {
    format!("{}/tests/cli/cases/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

fn inspect(name: &str, more: &[&str]) -> (Option<i32>, Value) {
    let ended = run(&[&["inspect", &case(name), "--json"], more].concat());
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{name}: {ended:?}"));
    (ended.code, json)
}

/// The texts of a list of the report.
fn texts(report: &Value, list: &str) -> String {
    let items = report[list].as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap_or_else(|| item["message"].as_str().unwrap()).to_owned() + "\n").collect()
}

fn on(stage: &Stage, name: &str, more: &[&str]) -> Ended {
    let (file, server) = (case(name), stage.proxy.url.clone());
    run(&[&["run", &file, "--server", &server, "--timeout", "60"], more].concat())
}

#[test]
fn a_value_of_a_renamed_field_is_carried_over() {
    let (_, report) = inspect("prompt-lost-on-update", &[]);
    assert_eq!(report["inputs"][0]["field_name"], "prompt", "{report}");
    assert_eq!(report["inputs"][0]["value"], "a lighthouse");
    assert_eq!(report["enqueue"]["batch"]["graph"]["nodes"]["t"]["prompt"], "a lighthouse");
}

#[test]
fn a_value_without_a_place_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.json");
    // A field that no version has: nobody knows what became of it.
    let text = fs::read_to_string(case("prompt-lost-on-update")).unwrap().replace("positive_prompt", "old_prompt");
    fs::write(&file, text).unwrap();
    let ended = run(&["inspect", &file.display().to_string(), "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let warnings = texts(&report, "warnings");
    assert!(warnings.contains("old_prompt") && warnings.contains("a lighthouse"), "{warnings}");
}

#[test]
fn exposed_fields_that_do_not_exist_are_reported() {
    let (_, report) = inspect("exposed-fields-lost", &[]);
    let warnings = texts(&report, "warnings");
    assert!(warnings.contains("the exposed field z.amount was left out"), "{warnings}");
    assert_eq!(report["inputs"][0]["system_name"], "b1.width");
}

#[test]
fn what_only_an_edge_can_give_is_not_suggested_to_be_set() {
    let ended = run(&["inspect", &case("exposed-fields-lost")]);
    let line =
        |name: &str| ended.stdout.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{ended:?}"));
    assert!(line("CLIP: a value is required").ends_with("required"), "{ended:?}");
}

#[test]
fn a_form_element_of_a_new_kind_is_reported_and_the_rest_stays() {
    let (code, report) = inspect("form-new-element", &[]);
    assert_eq!(code, Some(0));
    assert_eq!(report["inputs"][0]["system_name"], "b1.width", "{report}");
    assert!(texts(&report, "warnings").contains("unknown kind node-setting"), "{report}");
}

#[test]
fn inputs_of_unknown_nodes_have_their_names() {
    let (code, report) = inspect("unknown-node-names", &[]);
    assert_eq!(code, Some(2));
    assert_eq!(report["inputs"][0]["user_name"], report["inputs"][0]["field_name"], "{report}");
    assert!(texts(&report, "problems").contains("no_such"), "{report}");
}

#[test]
fn nodes_of_other_major_versions_are_updated_on_demand() {
    let (code, report) = inspect("node-major-jump", &[]);
    assert_eq!(code, Some(2));
    assert!(texts(&report, "warnings").contains("cannot be brought"), "{report}");
    let (_, report) = inspect("node-major-jump", &["--update-nodes"]);
    let warnings = texts(&report, "warnings");
    assert!(warnings.contains("updated from version 3.0.0 to 4") && warnings.contains("new inputs: "), "{warnings}");
    assert!(!warnings.contains("cannot be brought"), "{warnings}");
}

#[test]
fn inspect_and_run_agree_on_models_that_are_elsewhere() {
    let stage = Stage::new();
    let url = stage.proxy.url.as_str();
    let (code, report) = inspect("model-elsewhere", &["--server", url]);
    assert_eq!(code, Some(2), "{report}");
    let problems = texts(&report, "problems");
    assert!(
        problems.contains("my-nice-model is not on this server; these would fit: ") && problems.contains("tiny-sd1")
    );
    let ended = on(&stage, "model-elsewhere", &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("my-nice-model is not on this server") && ended.stderr.contains("--set "),
        "{ended:?}"
    );
    for set in ["model=tiny-sd1", "main_model_loader.model=tiny-sd1", "MODEL=tiny-sd1"] {
        let ended = on(&stage, "model-elsewhere", &["--set", set, "--cleanup"]);
        assert_eq!(ended.code, Some(0), "{set}: {ended:?}");
        let (code, report) = inspect("model-elsewhere", &["--server", url, "--set", set]);
        assert_eq!(code, Some(0), "{set}: {report}");
    }
    assert!(stage.rows().items.is_empty(), "{:?}", stage.rows());
}

#[test]
fn fields_outside_the_form_are_set_by_the_name_that_the_problem_gives() {
    let stage = Stage::new();
    let ended = on(&stage, "model-not-in-form", &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--set main_model_loader.model="), "{ended:?}");
    for set in ["main_model_loader.model=tiny-sd1", "m.model=tiny-sd1"] {
        let ended = on(&stage, "model-not-in-form", &["--set", set, "--cleanup"]);
        assert_eq!(ended.code, Some(0), "{set}: {ended:?}");
    }
}

#[test]
fn images_that_are_gone_are_named_and_can_be_dropped() {
    let stage = Stage::new();
    for (name, images) in
        [("image-gone", &["deleted-long-ago.png"][..]), ("image-batch-gone", &["nope-1.png", "nope-2.png"])]
    {
        let (code, report) = inspect(name, &["--server", &stage.proxy.url]);
        assert_eq!(code, Some(2), "{name}: {report}");
        let ended = on(&stage, name, &[]);
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        for image in images {
            assert!(texts(&report, "problems").contains(image) && ended.stderr.contains(image), "{name}: {report}");
        }
    }
    let photo = stage.text("photo.png");
    let ended = on(&stage, "image-gone", &["--set", &format!("img_resize.image={photo}"), "--cleanup"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let upload = format!("image_batch.images={photo}");
    let ended = on(&stage, "image-batch-gone", &["--drop-missing", "--upload", &upload, "--cleanup"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (code, report) = inspect("image-gone", &["--server", &stage.proxy.url, "--drop-missing"]);
    assert!(code == Some(2) && texts(&report, "problems").contains("a value is required"), "{report}");
}

#[test]
fn a_queue_item_is_read_for_its_workflow() {
    let (code, report) = inspect("queue-item", &[]);
    assert_eq!((code, &report["inputs"][1]["system_name"]), (Some(0), &Value::from("b1.height")), "{report}");
}

#[test]
fn texts_that_a_run_makes_are_among_its_outputs() {
    let stage = Stage::new();
    let ended = on(&stage, "text-result", &["--json"]);
    let line: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let output = &line["outputs"][0];
    assert_eq!(
        (&output["node_id"], &output["field"], &output["value"]),
        (&"n".into(), &"value".into(), &"hello".into())
    );
    let ended = on(&stage, "text-result", &[]);
    assert!(ended.stdout.contains("hello"), "{ended:?}");
}

#[test]
fn a_file_that_already_existed_is_listed_as_such() {
    let stage = Stage::new();
    let out = stage.text("out");
    let line = |more: &[&str]| {
        let ended = on(&stage, "blank-image", &[&["--out", &out, "--json"], more].concat());
        serde_json::from_str::<Value>(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
    };
    let (first, second) = (line(&[]), line(&[]));
    assert_eq!(first["files"], second["files"], "{first} {second}");
    assert_eq!(second["files"].as_array().map(Vec::len), Some(1), "{second}");
    let existed =
        |line: &Value| line["outputs"].as_array().unwrap().iter().find_map(|output| output["existed"].as_bool());
    assert_eq!((existed(&first), existed(&second)), (Some(false), Some(true)), "{first} {second}");
    // Without a folder, the names are printed.
    let ended = on(&stage, "blank-image", &[]);
    assert!(ended.stdout.lines().any(|line| line.trim_start().ends_with(".png")), "{ended:?}");
}
