//! Code that is generated from workflows compiles without any warning, and sends the same as the workflow itself.
//!
//! The code is compiled by `rustc` against the library that this test is linked with; nothing is built anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use invokeai_client::{
    bindings::{self, Builder},
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::{Value, json};

use crate::common::{
    compiler::{Compiler, module},
    reference,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The lints that every crate of generated code must pass.
const STRICT: &str = "#![forbid(unsafe_code)]\n#![deny(warnings, missing_docs, clippy::all, rustdoc::all)]\n";

fn workflow(definition: Value) -> Workflow {
    Workflow::new(WorkflowDefinition::from_value(definition).unwrap(), NodeCatalog::embedded())
}

fn json_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            json_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
}

/// The examples, and the golden cases where the environment names them: InvokeAI's own workflows are among them.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    json_files(&Path::new(ROOT).join("examples/workflows"), &mut found);
    assert!(found.len() >= 3);
    if let Some(golden) = reference::golden("code of golden workflows") {
        json_files(&golden.join("cases"), &mut found);
    }
    found
}

/// What the compiled program does with every struct: it checks that its request is that of the workflow.
const PROGRAM: &str = r##"
use invokeai_client::schema::{ModelRecord, NodeCatalog};
use invokeai_client::typed::{DeserializeOwned, Serialize, TypedWorkflow, Value};
use invokeai_client::workflow::{EnqueueOptions, Input, Workflow, WorkflowDefinition, field::InputValue};

fn some_value(input: &Input) -> InputValue {
    let filter = &input.field.template().model_filter;
    let first = |list: &[String], otherwise: &str| list.first().cloned().unwrap_or_else(|| otherwise.to_owned());
    let mut record = ModelRecord::new("key", "some model", first(&filter.base, "flux"), first(&filter.model_type, "main"));
    record.hash = Some("blake3:00".to_owned());
    let generator = |kind: &str| InputValue::from(serde_of::<Value>(&format!("{{\"type\": \"{kind}_generator_parse_string\"}}")));
    let generators = ["float", "integer", "string"].map(generator);
    let plain = [InputValue::from("something"), record.into(), 1.into(), 8.into(), 64.into(), true.into(), vec![1].into()];
    for value in plain.into_iter().chain(generators) {
        let mut field = input.field.clone();
        if field.set(value.clone()).is_ok() {
            return value;
        }
    }
    if let Some(option) = input.field.template().options.first() {
        return InputValue::from(&option.value);
    }
    panic!("{}: nothing fits {}", input.system_name, input.field.accepts());
}

fn body(workflow: &Workflow) -> String {
    let mut body = match workflow.enqueue_body(&EnqueueOptions::default()) {
        Ok(body) => body,
        Err(error) => return error.to_string(),
    };
    body["batch"]["graph"]["id"] = "random".into();
    // Forms that are made of exposed fields get random ids as well.
    let text = body.to_string();
    let mut parts = text.split("node-field-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "node-field-" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn check<W>(path: &str)
where
    W: TypedWorkflow + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + for<'a> TryFrom<&'a Workflow>,
    for<'a> <W as TryFrom<&'a Workflow>>::Error: std::fmt::Debug,
    for<'a> Workflow: From<&'a W>,
{
    let definition = WorkflowDefinition::from_path(path).unwrap();
    let mut untyped = Workflow::new(definition, NodeCatalog::embedded());
    if let Some(input) = untyped.inputs().iter().find(|input| input.field.check().is_err()) {
        // The struct has no place for a value that the input would not accept.
        println!("{path}: only compiled, because it has a value that {} refuses", input.system_name);
        return;
    }
    let mut given = Value::from(());
    let missing: Vec<String> = untyped.missing_required_inputs().into_iter().map(str::to_owned).collect();
    for name in missing {
        let Some(info) = W::INPUTS.iter().find(|info| info.system_name() == name) else { continue };
        let value = some_value(untyped.input(name.as_str()).unwrap());
        untyped.set_input(name.as_str(), value).unwrap();
        let stored = untyped.input(name.as_str()).unwrap().value().unwrap().clone();
        given[info.name()] = stored;
    }
    if given.is_null() {
        given = serde_of("{}");
    }
    let typed: W = serde_of(&given.to_string());
    let made = Workflow::from(&typed);
    // Generators without a seed give something else each time.
    let same = |one: &Workflow| body(&untyped) != body(&untyped) || body(one) == body(&untyped);
    assert!(same(&made), "{path}:\n{}\n{}", body(&made), body(&untyped));
    let back = W::try_from(&untyped).unwrap_or_else(|error| panic!("{path}: {error:?}"));
    assert_eq!(back, typed, "{path}");
    assert!(same(&Workflow::from(&back)), "{path}");
    let again: W = serde_of(&to_text(&typed));
    assert_eq!(again, typed, "{path}");
    assert!(W::differences(&untyped).is_empty(), "{path}");
    println!("{path}: {} inputs", W::INPUTS.len());
}

fn serde_of<T: DeserializeOwned>(text: &str) -> T {
    invokeai_client::typed::from_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn to_text<T: Serialize>(value: &T) -> String {
    invokeai_client::typed::to_text(value).unwrap()
}
"##;

#[test]
fn every_workflow_becomes_code_that_sends_what_the_workflow_would_send() {
    let (mut source, mut calls) =
        (String::from("#![forbid(unsafe_code)]\n#![deny(warnings)]\n#![allow(dead_code)]\n"), String::new());
    let mut compiled = 0;
    for (number, path) in files().iter().enumerate() {
        // Some cases exist to be refused.
        let Ok(definition) = WorkflowDefinition::from_path(path) else { continue };
        let workflow = Workflow::new(definition, NodeCatalog::embedded());
        let name = format!("case {number}");
        let code = bindings::generate(&workflow, &name).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(bindings::generate(&workflow, &name).unwrap(), code, "{}", path.display());
        source += &module(&code);
        calls += &format!("    check::<{}::{}>({:?});\n", code.module, code.name, path.to_str().unwrap());
        compiled += 1;
    }
    source += &format!("{PROGRAM}\nfn main() {{\n{calls}}}\n");
    let compiler = Compiler::new();
    let program = compiler.compile("all", &source, "bin").unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}{compiled} workflows compiled and compared");
}

/// A node for each of these labels, with one input that is in the form.
fn labeled(labels: &[&str]) -> Value {
    let node = |(place, label): (usize, &&str)| {
        let id = format!("node {place}");
        json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
        "id": id, "type": "add", "version": "1.0.1", "nodePack": "invokeai", "label": label, "notes": "",
        "isOpen": true, "isIntermediate": true, "useCache": true, "inputs": {
            "a": {"name": "a", "label": label, "description": label, "value": 1},
            "b": {"name": "b", "label": "", "description": "", "value": 2},
        }}})
    };
    let nodes: Vec<Value> = labels.iter().enumerate().map(node).collect();
    let exposed: Vec<Value> =
        (0..labels.len()).map(|place| json!({"nodeId": format!("node {place}"), "fieldName": "a"})).collect();
    json!({"name": labels.first().unwrap_or(&""), "author": "", "description": labels.join("\n"), "version": "",
        "contact": "", "tags": "", "notes": "", "nodes": nodes, "edges": [], "exposedFields": exposed,
        "meta": {"version": "4.0.0", "category": "user"}})
}

#[test]
fn labels_of_any_kind_cannot_break_the_code_or_its_documentation() {
    let hostile = [
        "type",
        "fn",
        "Self",
        "self",
        "crate",
        "_",
        "__",
        "",
        " ",
        "🎨",
        "🎨 paint",
        "提示",
        "Größe",
        "\"quoted\"",
        "it's",
        "*/ pub fn evil() {}",
        "/* */",
        "// x",
        "/// y",
        "//! z",
        "\\",
        "\\\"",
        "#\"#",
        "\"#\"##",
        "r#\"raw\"#",
        "{}",
        "{0}",
        "#[doc = \"x\"]",
        "<script>alert(1)</script>",
        "[link](http://example.org)",
        "[`Missing`]",
        "[missing]",
        "http://example.org",
        "```\nfn main() {}\n```",
        "    indented",
        "1. first",
        "- item",
        "+ item",
        "# head",
        "===",
        "---",
        "> quote",
        "| a | b |",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "\u{202e}reversed\u{2066}",
        "\u{feff}mark",
        "\u{2028}",
        "\0",
        "\u{7f}",
        "&amp;",
        "&lt;b&gt;",
        "clone",
        "new",
        "default",
        "fmt",
        "eq",
        "into",
        "as ref",
        "from file",
        "into file",
        "set type",
        "clear type",
        "deref",
        "len",
        "to string",
        "unsafe",
        "async",
        "await",
        "gen",
        "union",
        "r#type",
        "a",
        "A",
        "a ",
        "set a",
        "clear a",
        "Prompt",
        "prompt",
        "PROMPT",
        "3d",
        "3",
        "x".repeat(300).leak(),
        "inputs",
        "value",
        "embedded",
        "workflow",
        "typed",
        "Option",
        "String",
    ];
    let workflow = workflow(labeled(&hostile));
    let code = bindings::generate(&workflow, "hostile").unwrap();
    assert_eq!(code.name, "Hostile");
    assert!(!code.text.contains('\u{202e}'));
    let comments = code.text.lines().filter(|line| line.trim_start().starts_with("///"));
    assert_eq!(comments.clone().filter(|line| line.contains("<script>") || line.contains("[`Missing`]")).count(), 0);
    assert!(comments.count() > hostile.len());
    assert!(!code.renamed.is_empty() && code.left_out.is_empty());
    let source = format!("{STRICT}//! Documentation.\n{}", module(&code));
    Compiler::new().compile("hostile", &source, "lib").unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_thousand_inputs_make_code_that_compiles() {
    // rustc takes four times as long for twice as many: its scopes of a struct literal with an early return in each field.
    let labels = vec!["Prompt"; 1_000];
    let code = bindings::generate(&workflow(labeled(&labels)), "huge").unwrap();
    assert_eq!(code.text.matches("pub fn set_").count(), labels.len());
    Compiler::new()
        .compile("huge", &format!("//! Huge.\n{}", module(&code)), "lib")
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The FLUX example, as a program uses it.
fn used(body: &str) -> String {
    let path = Path::new(ROOT).join("examples/workflows/flux-image-to-image.json");
    let workflow = Workflow::new(WorkflowDefinition::from_path(path).unwrap(), NodeCatalog::embedded());
    let code = bindings::generate(&workflow, "flux").unwrap();
    let body = format!("fn used() -> Result<(), Box<dyn std::error::Error>> {{\n{body}\nOk(())\n}}\n");
    format!("#![allow(dead_code, unused)]\n{}use invokeai_client::typed;\n{body}", module(&code))
}

const MADE: &str = "let mut flux = flux::Flux::new(flux::Required { prompt: \"a\".into(), image: \"a.png\".into() })?;";

#[test]
fn what_is_right_compiles_and_what_is_wrong_does_not_and_the_compiler_names_the_input() {
    let compiler = Compiler::new();
    let right = format!(
        "{MADE}\nflux.set_prompt(\"b\")?.set_num_steps(30)?;\nlet steps: Option<u64> = flux.num_steps();\n\
         let sweep = invokeai_client::Sweep::over(flux::Flux::PROMPT, [\"a\", \"b\"])?.and_over(flux::Flux::NUM_STEPS, [10_u64, 20])?;"
    );
    compiler.compile("right", &used(&right), "lib").unwrap_or_else(|error| panic!("{error}"));
    for (name, wrong, named) in [
        ("a number where a picture belongs", "flux.set_image(7)?;", "set_image"),
        ("a text where a number belongs", "flux.set_num_steps(\"30\")?;", "set_num_steps"),
        ("a number below 0", "flux.set_num_steps(-5)?;", "u64"),
        ("a misspelled input", "flux.set_num_stepz(30)?;", "set_num_stepz"),
        ("a missing required input", "flux::Flux::new(flux::Required { prompt: \"a\".into() })?;", "image"),
        (
            "a sweep over values of another type",
            "invokeai_client::Sweep::over(flux::Flux::NUM_STEPS, [\"a\"])?;",
            "u64",
        ),
    ] {
        let file: String = name.chars().map(|c| if c == ' ' { '_' } else { c }).collect();
        let said = compiler.compile(&file, &used(&format!("{MADE}\n{wrong}")), "lib").expect_err(name);
        assert!(said.contains(named), "{name}: the compiler does not name {named}:\n{said}");
    }
}

#[test]
fn a_choice_that_does_not_exist_does_not_compile() {
    let path = Path::new(ROOT).join("examples/workflows/resize-and-blur.json");
    let workflow = Workflow::new(WorkflowDefinition::from_path(path).unwrap(), NodeCatalog::embedded());
    let with_choices = workflow.inputs().iter().find(|input| !input.field.template().options.is_empty());
    let input = with_choices.expect("the example has an input with choices");
    let code = bindings::generate(&workflow, "resize").unwrap();
    let constant = code.text.lines().find(|line| line.contains(&format!("{:?}", input.system_name))).is_some();
    assert!(constant, "the input has a constant");
    let choice =
        code.text.lines().find_map(|line| line.strip_prefix("pub enum ")?.strip_suffix(" {")).expect("an enum");
    let source = |variant: &str| {
        format!("{}\npub fn chosen() -> resize::{choice} {{ resize::{choice}::{variant} }}\n", module(&code))
    };
    let compiler = Compiler::new();
    compiler
        .compile("known", &source("Unknown(String::from(\"newer\"))"), "lib")
        .unwrap_or_else(|error| panic!("{error}"));
    let said = compiler.compile("unknown", &source("NoSuchChoice"), "lib").expect_err("no such choice");
    assert!(said.contains("NoSuchChoice") && said.contains(choice), "{said}");
}

#[test]
fn a_build_script_writes_each_workflow_once_and_leaves_files_that_are_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let example = Path::new(ROOT).join("examples/workflows/flux-image-to-image.json");
    let copy = directory.path().join("FLUX Dev.json");
    fs::copy(&example, &copy).unwrap();
    let build = || Builder::new().workflow(&copy).out_dir(&out).generate();
    let made = build().unwrap();
    assert_eq!((made[0].name.as_str(), made[0].module.as_str()), ("FluxDev", "flux_dev"));
    let written = out.join("flux_dev.rs");
    assert_eq!(fs::read_to_string(&written).unwrap(), made[0].text);
    let before = fs::metadata(&written).unwrap().modified().unwrap();
    build().unwrap();
    assert_eq!(fs::metadata(&written).unwrap().modified().unwrap(), before, "it would be the same");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "nothing else is left");

    let twice = Builder::new().workflow(&copy).workflow(&copy).out_dir(&out).generate().unwrap_err();
    assert!(twice.to_string().contains("flux_dev.rs"), "{twice}");
    let none = Builder::new().workflow(directory.path().join("none.json")).out_dir(&out).generate().unwrap_err();
    assert!(none.to_string().contains("none.json"), "{none}");
    let nowhere = Builder::new().workflow(&copy).out_dir(out.join("missing")).generate().unwrap_err();
    assert!(nowhere.to_string().contains("flux_dev.rs"), "{nowhere}");
}

#[test]
fn a_file_is_compared_by_what_it_says_and_differences_of_nodes_are_reported() {
    let path = Path::new(ROOT).join("examples/workflows/flux-image-to-image.json");
    let definition = WorkflowDefinition::from_path(path).unwrap();
    let code = bindings::generate(&Workflow::new(definition, NodeCatalog::embedded()), "flux").unwrap();
    assert!(code.is_same(&code.text) && code.is_same(&code.text.replace("\n\n", "\n")));
    let older = code.text.replace("\"num_steps\":{\"type\":\"IntegerField\"", "\"num_steps\":{\"type\":\"FloatField\"");
    assert_ne!(older, code.text, "the nodes are carried as text");
    assert!(!code.is_same(&older) && !code.is_same("fn"));
    let told: Vec<String> = code.differences(&older).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["flux_denoise.num_steps was of type FloatField, is now of type IntegerField"]);
}
