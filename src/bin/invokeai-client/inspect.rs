//! `invokeai-client inspect`: the inputs, outputs and problems of a workflow, and the request that would run it.

use std::{collections::HashMap, io};

use clap::Args;
use invokeai_client::schema::ModelRecord;
use invokeai_client::workflow::{EnqueueOptions, Input, OutputNode, Problem, Workflow};
use serde_json::{Map, Value, json};

use crate::{
    catalog_source::{CatalogSource, Reader},
    completion,
    exit::Exit,
    failure::Failure,
    given::{self, InputArgs, ManyArgs, Texts},
    print::{Out, Text, paint, visible},
    ready,
    server::ServerArgs,
    source::{self, Source},
    style,
};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP, add = completion::sources())]
    workflow: Source,
    #[command(flatten)]
    inputs: InputArgs,
    /// Board for the images of nodes that name no board
    #[arg(long, value_name = "ID")]
    auto_add_board: Option<String>,
    /// How many times to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run before what is already waiting
    #[arg(long)]
    prepend: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The mark of an input that must still be set.
const MISSING: &str = "MISSING";

/// A workflow that was inspected.
struct Inspected {
    workflow: Workflow,
    problems: Vec<Problem>,
    /// The installed models, if a server was asked.
    models: Option<Vec<ModelRecord>>,
}

pub(crate) fn run(
    args: &InspectArgs,
    catalog: &CatalogSource,
    server: &ServerArgs,
    out: &mut Out<'_>,
) -> Result<Exit, Failure> {
    let inspected = catalog.read_with(&[&args.workflow], server, async |reader| look(args, reader).await)?;
    let mut options = EnqueueOptions::default().runs(args.runs).prepend(args.prepend);
    options.auto_add_board = args.auto_add_board.clone();
    let outputs = inspected.workflow.output_nodes(&options);
    let printed = match args.json {
        true => out.json_document(&report(&inspected, &options, &outputs)),
        false => print(&inspected, &outputs, out),
    };
    Failure::after(
        printed.map_err(Failure::from),
        if inspected.problems.is_empty() { Exit::Done } else { Exit::NotReady },
    )
}

/// Checks against the server if there is one, as `run` does.
async fn look(args: &InspectArgs, reader: &Reader) -> Result<Inspected, Failure> {
    let many = &ManyArgs::default();
    if let Some(client) = &reader.client {
        let ready = ready::look(client, &args.workflow, &args.inputs, many).await?;
        let (workflow, problems) = (ready.filled.workflow, ready.problems);
        return Ok(Inspected { workflow, problems, models: Some(ready.models) });
    }
    let definition = reader.definition(&args.workflow).await?;
    let workflow = Workflow::with_options(definition, &reader.catalog, &args.inputs.options());
    let filled = given::fill(&args.inputs, many, &mut Texts::default(), workflow, &[], &HashMap::new())?;
    let problems = filled.workflow.problems();
    Ok(Inspected { workflow: filled.workflow, problems, models: None })
}

fn report(inspected: &Inspected, options: &EnqueueOptions, outputs: &[OutputNode]) -> Value {
    let Inspected { workflow, problems, models } = inspected;
    let models = models.as_deref();
    json!({
        "meta_version": workflow.definition().meta_version(),
        "warnings": workflow.warnings().iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>(),
        "inputs": workflow.inputs().iter().map(|input| input_json(input, models)).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(output_json).collect::<Vec<_>>(),
        "problems": problems.iter().map(|problem| problem_json(workflow, problem)).collect::<Vec<_>>(),
        // If it cannot be built, the reason is among the problems.
        "enqueue": workflow.enqueue_body(options).unwrap_or_default(),
    })
}

fn input_json(input: &Input, models: Option<&[ModelRecord]>) -> Value {
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
    add("accepts", input.field.accepts().into());
    let template = input.field.template();
    if let Some(default) = &template.default {
        add("default", default.clone());
    }
    if !template.options.is_empty() {
        add("choices", template.options.iter().map(|option| option.value.clone()).collect());
    }
    if let Some(filter) = input.field.model_filter() {
        add("model_filter", filter.to_string().into());
        if let Some(models) = models {
            let fitting = models.iter().filter(|model| filter.matches(model));
            add("models", fitting.map(|model| json!({"key": model.key, "name": model.name})).collect());
        }
    }
    members.into()
}

fn output_json(output: &OutputNode) -> Value {
    let mut members = json!({
        "node_id": output.node.id,
        "node_type": output.node.node_type,
        "fields": output.fields,
        "intermediate": output.is_intermediate,
        "exposed": output.exposed,
    });
    if let (Some(board), Value::Object(members)) = (&output.board_id, &mut members) {
        members.insert("board".into(), board.as_str().into());
    }
    members
}

fn problem_json(workflow: &Workflow, problem: &Problem) -> Value {
    let mut members = Map::new();
    members.insert("kind".into(), problem.kind.as_str().into());
    members.insert("source".into(), problem.source.as_str().into());
    for (name, value) in [("node_id", problem.node.as_ref().map(|node| &node.id)), ("field", problem.field.as_ref())] {
        if let Some(value) = value {
            members.insert(name.into(), value.as_str().into());
        }
    }
    if let (Some(node), Some(field)) = (&problem.node, &problem.field) {
        members.insert("name".into(), workflow.name_of_field(&node.id, field).into());
    }
    members.insert("message".into(), problem.message.as_str().into());
    members.into()
}

fn print(inspected: &Inspected, outputs: &[OutputNode], out: &mut Out<'_>) -> io::Result<()> {
    let Inspected { workflow, problems, models } = inspected;
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
    for (input, [index, name, kind, state, value]) in workflow.inputs().iter().zip(&rows) {
        let (i, n, k, s) = (widths[0], widths[1], widths[2], widths[3]);
        let line = format!("  {index:>i$}  {name:<n$}  {kind:<k$}  {state:<s$}  {value}");
        let line = line.trim_end();
        out.line(if state == MISSING { paint(style::WARNING, line) } else { line.into() })?;
        let takes = format!("  {:i$}  takes {}", "", takes(input, models.as_deref()));
        out.line(paint(style::QUIET, takes))?;
    }

    title("Saves", outputs.len(), out)?;
    for output in outputs {
        let board = output.board_id.as_deref().map_or("no board".to_owned(), |board| format!("board {board}"));
        let intermediate = if output.is_intermediate { ", intermediate" } else { "" };
        out.line(format!("  {} ({}): {board}{intermediate}", output.node.name(), output.node.node_type))?;
    }

    let said: Vec<String> = problems.iter().map(|problem| ready::said(workflow, problem)).collect();
    for (heading, lines) in [
        ("Warnings", workflow.warnings().iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>()),
        ("Problems", said.iter().map(String::as_str).collect()),
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
        false => paint(style::WARNING, "Not ready to run."),
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
    // Made visible first, so that the width is that of the printed text.
    [&input.index.to_string(), name, input.field.ink_type(), state, &value].map(|cell| visible(cell).into_owned())
}

/// What an input takes, with the installed models that fit and the default, on one line.
fn takes(input: &Input, models: Option<&[ModelRecord]>) -> String {
    let mut takes = cut(input.field.accepts());
    if let Some(filter) = input.field.model_filter() {
        takes = filter.to_string();
        if let Some(models) = models {
            let fitting: Vec<&str> =
                models.iter().filter(|model| filter.matches(model)).map(|model| model.name.as_str()).collect();
            let fitting = if fitting.is_empty() { "none".to_owned() } else { cut(fitting.join(", ")) };
            takes += &format!("; installed: {fitting}");
        }
    }
    match &input.field.template().default {
        Some(default) if !default.is_null() => format!("{takes}; default {}", short(default)),
        _ => takes,
    }
}

/// Long lists of choices are in the JSON.
fn cut(text: String) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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
