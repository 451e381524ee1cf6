//! Golden cases: workflow files and what the editor of InvokeAI 6.14 makes of each.
//!
//! Those of the editor are too many for the package: see [`reference::golden`]. The package's own, in
//! `tests/fixtures/golden`, are records of what this crate makes of the example workflows.

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Input, ProblemSource, Workflow, WorkflowDefinition};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{listing, reference};

/// What a case may differ in, where the editor has a known bug.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    /// An object of no known shape becomes a float generator; here it is unset, with a warning.
    ObjectBecomesGenerator,
    /// `core_metadata` takes any extra member, yet the editor makes a float generator of objects; here they are kept.
    ExtraBecomesGenerator,
    /// A form field that was removed on loading leaves its id behind, and the embedded workflow becomes `null`; here the
    /// id goes too and the workflow is embedded.
    NullWorkflow,
    /// Inputs of a node whose type is missing are named by the editor's message about them; here they go by label or
    /// name, and the message is the problem's.
    NamedByMessage,
}

/// All cases in which we differ from the editor, and why. Nothing else may differ.
const KNOWN: [(&str, Bug); 12] = [
    ("default-v3.5.0/Prompt from File", Bug::ObjectBecomesGenerator),
    ("default-v3.5.0/TextToImage_SD15", Bug::ObjectBecomesGenerator),
    ("docs-v3.3.0/FaceOff_FaceScale2x", Bug::ObjectBecomesGenerator),
    ("docs-v3.3.0/SDXL_Text_to_Image", Bug::ObjectBecomesGenerator),
    ("docs-v3.5.0/FaceOff_FaceScale2x", Bug::ObjectBecomesGenerator),
    ("docs-v3.5.0/Multi_ControlNet_Canny_and_Depth", Bug::ObjectBecomesGenerator),
    ("docs-v3.5.0/Prompt_from_File", Bug::ObjectBecomesGenerator),
    ("extra/board_values", Bug::ObjectBecomesGenerator),
    ("extra/core_metadata_extras", Bug::ExtraBecomesGenerator),
    ("extra/core_metadata_old", Bug::ExtraBecomesGenerator),
    ("extra/node_version-older-minor", Bug::NullWorkflow),
    ("extra/unknown_invocation", Bug::NamedByMessage),
];

#[test]
fn every_case_is_as_in_the_editor() {
    let Some(root) = reference::golden("golden cases of the editor") else { return };
    let mut checked = 0;
    let mut faults = Vec::new();
    for expected in json_files(&root.join("expected")) {
        let case = expected.strip_prefix(root.join("expected")).unwrap().with_extension("");
        let case = case.to_str().unwrap().replace('\\', "/");
        let golden: Value = serde_json::from_str(&fs::read_to_string(&expected).unwrap()).unwrap();
        let file = root.join("cases").join(format!("{case}.json"));
        if golden.get("server_answers").is_some() || !file.exists() {
            continue;
        }
        checked += 1;
        let bug = KNOWN.iter().find(|(name, _)| *name == case).map(|(_, bug)| *bug);
        let found = check(&file, golden, bug);
        if !found.is_empty() {
            faults.push(format!("{case}: {found:#?}"));
        }
    }
    assert!(checked > 0, "there are golden cases, but none was read");
    assert!(faults.is_empty(), "{} of {checked} cases differ:\n{}", faults.len(), faults.join("\n"));
    println!("{checked} golden cases are as in the editor, {} of them except for its known bugs", KNOWN.len());
}

/// Requests, inputs and problems of the examples are those that were looked through when they were recorded.
#[test]
fn the_example_workflows_are_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = json_files(&root.join("examples/workflows"));
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let definition = WorkflowDefinition::from_path(&file).unwrap();
        let workflow = Workflow::new(definition, NodeCatalog::embedded());
        let mut body = workflow.enqueue_body(&EnqueueOptions::default()).unwrap();
        body["batch"]["graph"]["id"] = "<random>".into();
        let problems = workflow.problems().into_iter().map(|problem| problem.to_string());
        let record = json!({
            "inputs": workflow.inputs().iter().map(found_input).collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(),
            "enqueue_body": body,
        });
        let name = file.file_name().unwrap().to_str().unwrap();
        listing::check(&format!("tests/fixtures/golden/{name}"), &format!("{record:#}\n"));
    }
}

fn json_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// All differences between a case and ours; for a known bug, between what would be right and ours.
fn check(file: &Path, mut golden: Value, bug: Option<Bug>) -> Vec<String> {
    let mut out = Vec::new();
    let definition = match (WorkflowDefinition::from_path(file), golden.get("load_error")) {
        (Err(_), Some(_)) => return out,
        (Ok(_), Some(error)) => return vec![format!("loads, the editor refuses: {error}")],
        (Err(error), None) => return vec![format!("does not load: {error}")],
        (Ok(definition), None) => definition,
    };
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(definition.as_value(), &serde_json::from_str::<Value>(&text).unwrap(), "the definition is kept whole");

    let workflow = Workflow::new(definition, NodeCatalog::embedded());
    let body = workflow.enqueue_body(&EnqueueOptions::default()).ok();
    if let Some(bug) = bug {
        correct(&mut golden, bug, &workflow, body.as_ref());
    }
    let expected: Vec<Value> = golden["inputs"].as_array().into_iter().flatten().map(expected_input).collect();
    let inputs: Vec<Value> = workflow.inputs().iter().map(found_input).collect();
    differ(&Value::from(expected), &Value::from(inputs), "inputs", &mut out);

    match (golden["enqueue_body"].clone(), body) {
        (Value::Null, None) => {}
        (Value::Null, Some(_)) => out.push("we send a body, the editor sends none".into()),
        (_, None) => out.push("we send no body".into()),
        (expected, Some(body)) => differ(&by_edge(expected), &by_edge(body), "body", &mut out),
    }
    let mut expected: Vec<String> =
        golden["reasons_not_ready"].as_array().into_iter().flatten().map(|reason| kind(&reason["content"])).collect();
    let found = workflow.problems().into_iter().filter(|problem| problem.source == ProblemSource::Editor);
    let mut found: Vec<String> = found.map(|problem| problem.kind.as_str().to_owned()).collect();
    expected.sort();
    found.sort();
    if expected != found {
        out.push(format!("problems: wanted {expected:?}, found {found:?}"));
    }
    out
}

/// Turns the result of the editor's bug into what would be right.
fn correct(golden: &mut Value, bug: Bug, workflow: &Workflow, body: Option<&Value>) {
    let is_generator = |value: &Value| {
        *value == json!({"type": "float_generator_arithmetic_sequence", "start": 0, "step": 0.1, "count": 10})
    };
    let mut corrected = 0;
    match bug {
        Bug::ObjectBecomesGenerator => {
            remove(golden, &is_generator, &mut corrected);
            assert!(!workflow.warnings().is_empty(), "a value that is dropped is worth a warning");
        }
        Bug::ExtraBecomesGenerator => {
            let original = workflow.definition().as_value().clone();
            let nodes = original["nodes"].as_array().unwrap();
            for (place, node) in nodes.iter().enumerate() {
                let id = node["id"].as_str().unwrap();
                for (name, field) in node["data"]["inputs"].as_object().unwrap() {
                    let batch = &mut golden["enqueue_body"]["batch"];
                    if batch["graph"]["nodes"][id].get(name).is_some_and(is_generator) {
                        batch["graph"]["nodes"][id][name] = field["value"].clone();
                        batch["workflow"]["nodes"][place]["data"]["inputs"][name]["value"] = field["value"].clone();
                        corrected += 1;
                    }
                }
            }
        }
        Bug::NamedByMessage => {
            for input in golden["inputs"].as_array_mut().unwrap() {
                if input["label"].as_str().is_some_and(|label| label.starts_with("Workflow contains an unknown field"))
                {
                    let (_, field) = input["system_name"].as_str().unwrap().rsplit_once('.').unwrap();
                    input["label"] = field.to_owned().into();
                    corrected += 1;
                }
            }
        }
        Bug::NullWorkflow => {
            let workflow = &mut golden["enqueue_body"]["batch"]["workflow"];
            assert!(workflow.is_null());
            let embedded = &body.unwrap()["batch"]["workflow"];
            // The embedded workflow must load, and must not have the field that is gone.
            let again = WorkflowDefinition::from_value(embedded.clone()).unwrap();
            assert!(!again.as_value()["form"].to_string().contains("\"c\""));
            *workflow = embedded.clone();
            corrected += 1;
        }
    }
    assert!(corrected > 0, "the known bug no longer shows: take the case off the list");
}

/// Removes members whose value is a bug's.
fn remove(value: &mut Value, is_bug: &impl Fn(&Value) -> bool, removed: &mut usize) {
    match value {
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, member| name == "default" || !is_bug(member));
            *removed += before - members.len();
            members.values_mut().for_each(|member| remove(member, is_bug, removed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, is_bug, removed)),
        _ => {}
    }
}

fn expected_input(input: &Value) -> Value {
    let mut found = Map::new();
    found.insert("user_name".into(), input["label"].clone());
    for name in ["system_name", "required", "connected", "field_type", "value"] {
        if let Some(value) = input.get(name).filter(|value| !value.is_null()) {
            found.insert(name.into(), value.clone());
        }
    }
    found.into()
}

fn found_input(input: &Input) -> Value {
    let mut found = json!({
        "user_name": input.user_name,
        "system_name": input.system_name,
        "connected": input.connected,
    });
    if let Some(field_type) = input.field_type() {
        let cardinality = field_type.cardinality.as_str();
        found["field_type"] = json!({"name": field_type.name, "cardinality": cardinality, "batch": field_type.batch});
        found["required"] = input.required.into();
    }
    if let Some(value) = input.value() {
        found["value"] = value.clone();
    }
    found
}

/// Edges are a set.
fn by_edge(mut body: Value) -> Value {
    if let Some(edges) = body.pointer_mut("/batch/graph/edges").and_then(Value::as_array_mut) {
        edges.sort_by_key(Value::to_string);
    }
    body
}

/// The kind behind the editor's words.
fn kind(content: &Value) -> String {
    let text = content.as_str().unwrap();
    let bound = ["(inc min)", "(exc min)", "(inc max)", "(exc max)"].iter().any(|bound| text.ends_with(bound));
    let kind = match text {
        "parameters.invoke.missingInputForField" => "missing_input",
        "Missing field template" => "missing_field_template",
        "Missing node template" => "missing_node_template",
        _ if text.starts_with("Some batch nodes have empty") => "empty_batch",
        _ if text.starts_with("Batch node not connected") => "batch_not_connected",
        _ if text.starts_with("No nodes") => "no_nodes",
        _ if text.starts_with("Collection size mismatch") => "batch_size_mismatch",
        _ if text.contains("not multiple of") => "not_multiple_of",
        _ if bound => "out_of_range",
        other => other,
    };
    kind.to_owned()
}

/// Collects differences. 1 and 1.0 are equal; what the editor makes up is masked as `<random>`.
fn differ(expected: &Value, found: &Value, path: &str, out: &mut Vec<String>) {
    let masked = |text: &str| text.starts_with("<random");
    match (expected, found) {
        (Value::String(text), _) if masked(text) => {}
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() > 1e-12 * a.abs().max(b.abs()) {
                out.push(format!("{path}: wanted {a}, found {b}"));
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            let random: Vec<&Value> = a.iter().filter(|(name, _)| masked(name)).map(|(_, value)| value).collect();
            let extra: Vec<(&String, &Value)> = b.iter().filter(|(name, _)| !a.contains_key(*name)).collect();
            for (name, value) in a.iter().filter(|(name, _)| !masked(name)) {
                match b.get(name) {
                    Some(found) => differ(value, found, &format!("{path}.{name}"), out),
                    None => out.push(format!("{path}.{name}: missing")),
                }
            }
            if extra.len() != random.len() {
                out.push(format!("{path}: unexpected {:?}", extra.iter().map(|(name, _)| name).collect::<Vec<_>>()));
            } else if let ([random], [(_, extra)]) = (random.as_slice(), extra.as_slice()) {
                differ(random, extra, &format!("{path}.*"), out);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                out.push(format!("{path}: {} items wanted, {} found", a.len(), b.len()));
            }
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{path}[{place}]"), out);
            }
        }
        (a, b) if a != b => out.push(format!("{path}: wanted {a}, found {b}")),
        _ => {}
    }
}
