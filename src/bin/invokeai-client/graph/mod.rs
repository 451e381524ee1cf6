//! `invokeai-client graph`: a workflow as a picture.

mod svg;
mod text;

use clap::{Args, ValueEnum};
use invokeai_client::workflow::Workflow;
use serde_json::Value;

use crate::{
    completion,
    exit::Exit,
    failure::Failure,
    print::Out,
    source::{self, Source},
};

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP, add = completion::sources())]
    pub(crate) workflow: Source,
    /// Output format: an SVG image, or the language of Graphviz or Mermaid
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Svg,
    Dot,
    Mermaid,
}

/// What to draw.
#[derive(Debug, Default)]
struct Drawing {
    title: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Node {
    id: String,
    /// The label, or the title of the type if there is no label.
    title: String,
    kind: String,
    inputs: Vec<Row>,
    outputs: Vec<Row>,
}

/// A field of a node that gets a line: an input of the form, or an end of a connection.
#[derive(Debug)]
struct Row {
    field: String,
    label: String,
    /// The value, for inputs of the form.
    value: String,
    is_form_input: bool,
    is_connected: bool,
}

#[derive(Debug)]
struct Edge {
    /// Index of a node among the nodes, and of a row among its outputs or inputs.
    from: (usize, usize),
    to: (usize, usize),
}

pub(crate) fn run(args: &GraphArgs, workflow: &Workflow, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let drawing = Drawing::of(workflow);
    let text = match args.format {
        Format::Svg => svg::draw(&drawing),
        Format::Dot => text::dot(&drawing),
        Format::Mermaid => text::mermaid(&drawing),
    };
    for line in text.lines() {
        out.line(line)?;
    }
    Ok(Exit::Done)
}

impl Drawing {
    fn of(workflow: &Workflow) -> Self {
        let definition = workflow.to_definition();
        let mut drawing = Self { title: definition.name().to_owned(), ..Self::default() };
        let document = definition.as_value();
        for node in document["nodes"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (id, label, kind) = (text(&node["id"]), text(&node["data"]["label"]), text(&node["data"]["type"]));
            let title = match (node["type"].as_str(), label.is_empty()) {
                // Notes are not part of the graph.
                (Some("notes"), _) => continue,
                (_, false) => label,
                (Some("invocation"), true) => {
                    workflow.catalog().get(&kind).map_or_else(|| kind.clone(), |template| template.title.clone())
                }
                (_, true) => kind.clone(),
            };
            drawing.nodes.push(Node { id, title, kind, inputs: Vec::new(), outputs: Vec::new() });
        }
        for input in workflow.inputs() {
            let Some(node) = drawing.nodes.iter_mut().find(|node| node.id == input.node_id) else { continue };
            if node.inputs.iter().all(|row| row.field != input.field_name) {
                node.inputs.push(Row {
                    field: input.field_name.clone(),
                    label: input.user_name.lines().next().unwrap_or_default().to_owned(),
                    value: input.value().filter(|_| !input.connected).map_or_else(String::new, shown),
                    is_form_input: true,
                    is_connected: false,
                });
            }
        }
        for edge in document["edges"].as_array().into_iter().flatten() {
            drawing.connect(workflow, edge);
        }
        drawing
    }

    fn connect(&mut self, workflow: &Workflow, edge: &Value) {
        let text = |name: &str| edge[name].as_str();
        let ends = (text("source"), text("sourceHandle"), text("target"), text("targetHandle"));
        // Collapsed edges have no handles. The edges that they represent are listed, too.
        let (Some(source), Some(output), Some(target), Some(input)) = ends else { return };
        let place = |id: &str| self.nodes.iter().position(|node| node.id == id);
        let (Some(from), Some(to)) = (place(source), place(target)) else { return };
        let title = |node: usize, field: &str, is_input: bool| {
            let template = self.nodes.get(node).and_then(|node| workflow.catalog().get(&node.kind));
            let title = template.and_then(|template| match is_input {
                true => template.inputs.get(field).map(|input| input.title.clone()),
                false => template.outputs.get(field).map(|output| output.title.clone()),
            });
            title.filter(|title| !title.is_empty()).unwrap_or_else(|| field.to_owned())
        };
        let (output_title, input_title) = (title(from, output, false), title(to, input, true));
        let Some(node) = self.nodes.get_mut(from) else { return };
        let output = row(&mut node.outputs, output, output_title);
        let Some(node) = self.nodes.get_mut(to) else { return };
        let input = row(&mut node.inputs, input, input_title);
        self.edges.push(Edge { from: (from, output), to: (to, input) });
    }
}

/// The index of a field among the rows. Adds a row if there is none.
fn row(rows: &mut Vec<Row>, field: &str, label: String) -> usize {
    let known = rows.iter().position(|row| row.field == field);
    let place = known.unwrap_or_else(|| {
        rows.push(Row {
            field: field.to_owned(),
            label,
            value: String::new(),
            is_form_input: false,
            is_connected: true,
        });
        rows.len() - 1
    });
    if let Some(row) = rows.get_mut(place) {
        row.is_connected = true;
    }
    place
}

/// A value in few words.
fn shown(value: &Value) -> String {
    let name = |key: &str| value[key].as_str().map(str::to_owned);
    match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Object(_) => name("name")
            .or_else(|| name("image_name"))
            .or_else(|| name("board_id"))
            .unwrap_or_else(|| value.to_string()),
        Value::Null => String::new(),
        Value::Array(items) => format!("{} values", items.len()),
        other => other.to_string(),
    }
}

/// A text, cut to at most `longest` characters.
fn cut(text: &str, longest: usize) -> String {
    match text.chars().count() > longest {
        true => text.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
