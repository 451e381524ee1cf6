//! `invokeai-client inspect`: what a workflow takes, gives and lacks, and what running it would send.

use crate::{
    exit::Exit,
    failure::Failure,
    local_file,
    print::{Out, Text, paint, visible},
    style,
};
use clap::Args;
use invokeai_client::schema::ModelRecord;
use invokeai_client::workflow::{
    DefinitionError, EnqueueOptions, Input, InputError, OutputNode, Problem, SharedCatalogue, Workflow,
    WorkflowDefinition, field::InkField,
};
use serde_json::{Map, Value, json};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// An exported workflow, or a PNG image made by InvokeAI
    #[arg(value_name = "WORKFLOW")]
    workflow: PathBuf,
    /// Set an input: system name, user name or unique field name = plain text for strings, else JSON; @FILE reads it
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Board for images of nodes that name none
    #[arg(long, value_name = "ID")]
    auto_add_board: Option<String>,
    /// How often to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run before what is already waiting
    #[arg(long)]
    prepend: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// How an input is marked that must still be set.
const MISSING: &str = "MISSING";

/// Why a workflow cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("cannot load {path}")]
    Definition { path: PathBuf, source: DefinitionError },
    #[error("--set {argument}: {message}")]
    Set { argument: String, message: String },
    #[error("--set {argument}")]
    Input { argument: String, source: InputError },
}

pub(crate) fn run(args: &InspectArgs, catalogue: &SharedCatalogue, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let mut workflow = Workflow::new(definition(&args.workflow).map_err(Failure::other)?, catalogue);
    for argument in &args.set {
        set(&mut workflow, argument, &[]).map_err(Failure::other)?;
    }
    let mut options = EnqueueOptions::default().runs(args.runs).prepend(args.prepend);
    options.auto_add_board = args.auto_add_board.clone();
    let problems = workflow.problems();
    let outputs = workflow.output_nodes(&options);
    if args.json {
        out.json_document(&report(&workflow, &options, &outputs, &problems))?;
    } else {
        print(&workflow, &outputs, &problems, out)?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::NotReady })
}

/// Reads a workflow file.
pub(crate) fn definition(path: &Path) -> Result<WorkflowDefinition, InspectError> {
    WorkflowDefinition::from_path(path).map_err(|source| InspectError::Definition { path: path.to_owned(), source })
}

/// Name and value of `NAME=VALUE`. Names may contain `=`, so the first split that names an input counts.
pub(crate) fn split<'a>(workflow: &Workflow, argument: &'a str) -> Option<(&'a str, &'a str)> {
    let mut splits = argument.match_indices('=').map(|(at, _)| (&argument[..at], &argument[at + 1..]));
    let first = splits.clone().next()?;
    Some(splits.find(|(name, _)| workflow.input(*name).is_ok()).unwrap_or(first))
}

/// Sets an input from `NAME=VALUE`. A model may be
/// named, or given by its key, if it is among these.
pub(crate) fn set(workflow: &mut Workflow, argument: &str, models: &[ModelRecord]) -> Result<(), InspectError> {
    let fail = |message: String| InspectError::Set { argument: shown(argument), message };
    let (name, value) = split(workflow, argument).ok_or_else(|| fail("must be NAME=VALUE".into()))?;
    let input_error = |source| InspectError::Input { argument: shown(argument), source };
    let text = match value.strip_prefix('@') {
        Some(file) => {
            let read = local_file::open_or_inherited(Path::new(file)).and_then(io::read_to_string);
            read.map_err(|error| fail(format!("cannot read {file}: {error}")))?
        }
        None => value.to_owned(),
    };
    let input = workflow.input(name).map_err(input_error)?;
    let takes_text = matches!(input.field, InkField::String(_));
    let fitting: Vec<&ModelRecord> = models_named(text.trim(), input, models).collect();
    match fitting[..] {
        [] => {}
        [model] => return workflow.set_input(name, model).map_err(input_error),
        _ => {
            let keys: Vec<&str> = fitting.iter().map(|model| model.key.as_str()).collect();
            return Err(fail(format!("{} models have this name; use a key: {}", keys.len(), keys.join(", "))));
        }
    }
    let text = if takes_text { text } else { text.trim().to_owned() };
    // A word that is no JSON, or JSON that the field refuses, may still be the name of an image or a scheduler.
    let json = serde_json::from_str::<Value>(&text).ok().filter(|_| !takes_text);
    let refused = match json.map(|value| workflow.set_input(name, value)) {
        Some(Ok(())) => return Ok(()),
        Some(Err(refused)) => Some(refused),
        None => None,
    };
    workflow.set_input(name, text).map_err(|error| input_error(refused.unwrap_or(error)))
}

/// Models of this name or key that an input takes.
fn models_named<'a>(text: &str, input: &Input, models: &'a [ModelRecord]) -> impl Iterator<Item = &'a ModelRecord> {
    let picks_models = input.field_type().is_some_and(|kind| kind.name == "ModelIdentifierField");
    let filter = &input.field.template().model_filter;
    models
        .iter()
        .filter(move |model| picks_models && (model.name == text || model.key == text) && filter.matches(model))
}

/// An argument without a value that may be long or secret.
fn shown(argument: &str) -> String {
    argument.split_once('=').map_or_else(|| argument.to_owned(), |(name, _)| format!("{name}=…"))
}

fn report(workflow: &Workflow, options: &EnqueueOptions, outputs: &[OutputNode], problems: &[Problem]) -> Value {
    json!({
        "meta_version": workflow.definition().meta_version(),
        "warnings": workflow.warnings().iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>(),
        "inputs": workflow.inputs().iter().map(input_json).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(output_json).collect::<Vec<_>>(),
        "problems": problems.iter().map(problem_json).collect::<Vec<_>>(),
        // What keeps it from being built is among the problems.
        "enqueue": workflow.enqueue_body(options).unwrap_or_default(),
    })
}

fn input_json(input: &Input) -> Value {
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
    add("index", input.index.into());
    add("system_name", input.system_name.as_str().into());
    add("user_name", input.user_name.as_str().into());
    add("node_id", input.node_id.as_str().into());
    add("field_name", input.field_name.as_str().into());
    add("ink_type", input.field.ink_type().into());
    if let Some(field_type) = input.field_type() {
        let cardinality = field_type.cardinality.as_str();
        add("field_type", json!({"name": field_type.name, "cardinality": cardinality, "batch": field_type.batch}));
        add("required", input.required.into());
    }
    if let Some(kind) = input.input_kind() {
        add("input_kind", kind.as_str().into());
    }
    add("connected", input.connected.into());
    if let Some(value) = input.value() {
        add("value", value.clone());
    }
    add("constraints", input.bounds().to_json().into());
    members.into()
}

fn output_json(output: &OutputNode) -> Value {
    let mut members = json!({
        "node_id": output.node_id,
        "node_type": output.node_type,
        "fields": output.fields,
        "intermediate": output.is_intermediate,
        "exposed": output.exposed,
    });
    if let (Some(board), Value::Object(members)) = (&output.board_id, &mut members) {
        members.insert("board".into(), board.as_str().into());
    }
    members
}

fn problem_json(problem: &Problem) -> Value {
    let mut members = Map::new();
    members.insert("kind".into(), problem.kind.as_str().into());
    members.insert("source".into(), problem.source.as_str().into());
    for (name, value) in [("node_id", &problem.node_id), ("field", &problem.field)] {
        if let Some(value) = value {
            members.insert(name.into(), value.as_str().into());
        }
    }
    members.insert("message".into(), problem.message.as_str().into());
    members.into()
}

fn print(workflow: &Workflow, outputs: &[OutputNode], problems: &[Problem], out: &mut Out<'_>) -> io::Result<()> {
    let definition = workflow.definition();
    out.line(paint(style::TITLE, or_unnamed(definition.name())))?;
    for (title, text) in [("description", definition.description()), ("author", definition.author())] {
        for (at, line) in text.lines().enumerate() {
            out.line(if at == 0 { format!("  {title}: {line}") } else { format!("    {line}") })?;
        }
    }
    out.line(format!("  schema version {}, {} nodes", definition.meta_version(), definition.node_count()))?;

    title("Inputs", workflow.inputs().len(), out)?;
    let rows: Vec<[String; 5]> = workflow.inputs().iter().map(row).collect();
    let widths: Vec<usize> = (0..4).map(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
    for [index, name, kind, state, value] in &rows {
        let (i, n, k, s) = (widths[0], widths[1], widths[2], widths[3]);
        let line = format!("  {index:>i$}  {name:<n$}  {kind:<k$}  {state:<s$}  {value}");
        let line = line.trim_end();
        out.line(if state == MISSING { paint(style::WARNING, line) } else { line.into() })?;
    }

    title("Saves", outputs.len(), out)?;
    for output in outputs {
        let board = output.board_id.as_deref().map_or("no board".to_owned(), |board| format!("board {board}"));
        let intermediate = if output.is_intermediate { ", intermediate" } else { "" };
        out.line(format!("  {} ({}): {board}{intermediate}", output.title, output.node_type))?;
    }

    for (heading, lines) in [
        ("Warnings", workflow.warnings().iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>()),
        ("Problems", problems.iter().map(|problem| problem.message.as_str()).collect()),
    ] {
        if !lines.is_empty() {
            title(heading, lines.len(), out)?;
        }
        for line in lines {
            out.line(format!("  {line}"))?;
        }
    }
    out.line("")?;
    out.line(match problems.is_empty() {
        true => paint(style::GOOD, "Ready to run."),
        false => paint(style::WARNING, "Not ready to run: set what is missing with --set NAME=VALUE."),
    })
}

fn title(text: &str, count: usize, out: &mut Out<'_>) -> io::Result<()> {
    out.line("")?;
    out.line(Text::from("").then(paint(style::TITLE, text)).then(format!(" ({count})")))
}

fn or_unnamed(name: &str) -> &str {
    if name.is_empty() { "(unnamed workflow)" } else { name }
}

/// Index, name, type, state and value of an input, as they are shown.
fn row(input: &Input) -> [String; 5] {
    let state = match (input.connected, input.required, input.value()) {
        (true, _, _) => "connected",
        (_, true, None) => MISSING,
        (_, true, Some(_)) => "required",
        (_, false, _) => "",
    };
    let value = input.value().filter(|_| !input.connected).map(short).unwrap_or_default();
    let name = input.user_name.lines().next().unwrap_or_default();
    // As wide as they are shown.
    [&input.index.to_string(), name, input.field.ink_type(), state, &value].map(|cell| visible(cell).into_owned())
}

/// A value on one line. Models and images go by their names.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let name = ["name", "image_name", "video_name"].into_iter().find_map(|key| value.get(key)?.as_str());
    let text = name.map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
