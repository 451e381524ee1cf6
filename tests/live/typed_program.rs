//! A program with the structs of many workflows, which runs them on the server.
//!
//! The structs exist only once the server has said what it ships, so the test compiles the program and passes it
//! lines of JSON that say what to run.

use std::{
    env,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use invokeai_client::{bindings::Code, workflow::Workflow};
use serde::Deserialize;
use serde_json::json;

use crate::common::compiler::{Compiler, module};

/// How one run went.
#[derive(Debug, Deserialize)]
pub(crate) struct Ran {
    /// `None` if nothing was submitted.
    pub(crate) item_id: Option<i64>,
    pub(crate) elapsed_ms: u64,
    pub(crate) events: u64,
    /// Files in the struct of outputs, and those of the same nodes in the outputs without types.
    pub(crate) by_label: usize,
    pub(crate) of_output_nodes: usize,
    pub(crate) error: Option<String>,
}

pub(crate) struct TypedProgram {
    process: Child,
    tell: ChildStdin,
    answers: BufReader<ChildStdout>,
    _compiler: Compiler,
}

/// The part that is the same for all structs.
const PROGRAM: &str = r##"
use invokeai_client::blocking::{Client, Outputs};
use invokeai_client::events::Event;
use invokeai_client::typed::{TypedWorkflow, Value};
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_secs(180);

struct Order<'a> {
    client: &'a Client,
    queue: &'a str,
    definition: &'a str,
    validate: bool,
}

/// How many files the struct of outputs has, and how many there are of its nodes.
type Count = fn(&Outputs) -> (usize, usize);

fn body(workflow: &Workflow) -> String {
    let mut body = workflow.enqueue_body(&EnqueueOptions::default()).unwrap();
    body["batch"]["graph"]["id"] = "random".into();
    let text = body.to_string();
    // Forms that are made of exposed fields get random ids.
    let mut parts = text.split("node-field-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "node-field-" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn run<W>(order: &Order<'_>, count: Count, answer: &mut Value) -> Result<(), String>
where
    W: TypedWorkflow + for<'a> TryFrom<&'a Workflow>,
    for<'a> <W as TryFrom<&'a Workflow>>::Error: std::fmt::Display,
{
    let Order { client, queue, definition, validate } = *order;
    let definition = WorkflowDefinition::from_path(definition).map_err(|error| error.to_string())?;
    let untyped = client.workflow(definition).map_err(|error| error.to_string())?;
    let typed = W::try_from(&untyped).map_err(|error| error.to_string())?;
    let bound = client.bind(&typed).map_err(|error| error.to_string())?;
    // Generators without a seed give something else each time.
    if body(&untyped) == body(&untyped) && body(&bound) != body(&untyped) {
        return Err(format!("the struct's request is another:\n{}\n{}", body(&bound), body(&untyped)));
    }
    let events = Arc::new(AtomicU64::new(0));
    let counter = || {
        let events = Arc::clone(&events);
        move |_: &Event| _ = events.fetch_add(1, Ordering::Relaxed)
    };
    let began = Instant::now();
    let submission = client
        .submit(&typed)
        .queue(queue)
        .validate(validate)
        .on_status_changed(counter())
        .on_invocation_started(counter())
        .on_invocation_progress(counter())
        .on_invocation_complete(counter())
        .on_invocation_error(counter())
        .call()
        .map_err(|error| error.to_string())?;
    let job = submission.job().map_err(|error| error.to_string())?;
    answer["item_id"] = job.item_id().into();
    let end = job.wait().timeout(RUN).cancel_on_timeout(true).call();
    answer["elapsed_ms"] = (began.elapsed().as_millis() as u64).into();
    answer["events"] = events.load(Ordering::Relaxed).into();
    let finished = end.map_err(|error| error.to_string())?;
    let outputs = finished.outputs().call().map_err(|error| error.to_string())?;
    let (by_label, of_output_nodes) = count(&outputs);
    answer["by_label"] = by_label.into();
    answer["of_output_nodes"] = of_output_nodes.into();
    Ok(())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (url, token, queue) = (arguments.next().unwrap(), arguments.next().unwrap(), arguments.next().unwrap());
    let mut builder = Client::builder(url);
    if !token.is_empty() {
        builder = builder.token(token);
    }
    let client = builder.build().unwrap();
    for line in std::io::stdin().lines() {
        let told: Value = invokeai_client::typed::from_text(&line.unwrap()).unwrap();
        let order = Order {
            client: &client,
            queue: &queue,
            definition: told["definition"].as_str().unwrap(),
            validate: told["validate"].as_bool().unwrap(),
        };
        let mut answer: Value = invokeai_client::typed::from_text(
            r#"{"item_id": null, "elapsed_ms": 0, "events": 0, "by_label": 0, "of_output_nodes": 0, "error": null}"#,
        )
        .unwrap();
        if let Err(error) = one(told["module"].as_str().unwrap(), &order, &mut answer) {
            answer["error"] = error.into();
        }
        println!("{answer}");
    }
}
"##;

impl TypedProgram {
    /// Compiles and starts it.
    pub(crate) fn start(codes: &[Code], queue: &str) -> Self {
        let mut source = String::from("#![forbid(unsafe_code)]\n#![deny(warnings)]\n#![allow(dead_code)]\n");
        let mut arms = String::new();
        for code in codes {
            source += &module(code);
            let Code { module, name, .. } = code;
            _ = writeln!(arms, "        {module:?} => run::<{module}::{name}>(order, {}, answer),", count(code));
        }
        source += &format!(
            "{PROGRAM}\nfn one(module: &str, order: &Order<'_>, answer: &mut Value) -> Result<(), String> {{\n    \
             match module {{\n{arms}        other => panic!(\"no module {{other}}\"),\n    }}\n}}\n"
        );
        let compiler = Compiler::new();
        let program = compiler.compile("shipped", &source, "bin").unwrap_or_else(|error| panic!("{error}"));
        let argument = |name: &str| env::var(name).unwrap_or_default();
        let mut process = Command::new(program)
            .args([argument("INVOKEAI_TEST_URL"), argument("INVOKEAI_TEST_TOKEN"), queue.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, tell, answers, _compiler: compiler }
    }

    /// Runs the struct of this code with the values of the workflow.
    pub(crate) fn run(&mut self, code: &Code, workflow: &Workflow, validate: bool) -> Ran {
        let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
        std::fs::write(file.path(), workflow.to_definition().as_value().to_string()).unwrap();
        let order = json!({"module": code.module, "definition": file.path(), "validate": validate});
        writeln!(self.tell, "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }
}

impl Drop for TypedProgram {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A closure that counts the files in the struct of outputs, where the code has one, and those of its nodes.
fn count(code: &Code) -> String {
    let (fields, nodes) = outputs(code);
    if fields.is_empty() {
        return "|_| (0, 0)".to_owned();
    }
    let sum: String = fields.iter().map(|field| format!(" + typed.{field}.len()")).collect();
    format!(
        "|outputs| {{ let typed = {}::Outputs::from(outputs); let nodes = {nodes:?}; (0{sum}, \
         outputs.files().iter().filter(|file| nodes.contains(&file.node.id.as_str())).count()) }}",
        code.module
    )
}

/// The fields of the struct of outputs, and the ids of their nodes.
fn outputs(code: &Code) -> (Vec<&str>, Vec<&str>) {
    let lines = || code.text.lines().map(str::trim);
    let fields = lines()
        .filter_map(|line| line.strip_prefix("pub ")?.strip_suffix(": Vec<::invokeai_client::outputs::OutputFile>,"));
    let nodes = lines().filter_map(|line| line.split_once("of_node(\"")?.1.split('"').next());
    (fields.collect(), nodes.collect())
}
