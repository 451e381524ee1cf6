//! `invokeai-client nodes`: prints the node catalog.

use clap::Args;
use invokeai_client::schema::{Constraints, InputTemplate, NodeCatalog, NodeTemplate, OutputTemplate};
use serde_json::{Map, Value, json};
use std::io;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{Out, visible},
};

/// Which part of the catalog to print, and how.
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// Only this node type, for example `flux_denoise`
    #[arg(value_name = "TYPE")]
    node_type: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Prints the catalog, or one node of it.
pub(crate) fn print(catalog: &NodeCatalog, args: &NodesArgs, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let nodes: Vec<&NodeTemplate> = match &args.node_type {
        None => catalog.iter().collect(),
        Some(name) => vec![catalog.get(name).ok_or_else(|| unknown_type(catalog, name))?],
    };
    match nodes.as_slice() {
        nodes if args.json => {
            let list: Value = nodes.iter().map(|node| node_json(node)).collect();
            out.json_document(&list)?;
        }
        [node] => print_node(node, out)?,
        nodes => {
            print_list(nodes, out)?;
            print_unreadable(catalog, out)?;
        }
    }
    Ok(Exit::Done)
}

fn unknown_type(catalog: &NodeCatalog, name: &str) -> Failure {
    let similar: Vec<_> = catalog.iter().map(|node| node.node_type.as_str()).filter(|t| t.contains(name)).collect();
    let hint = match similar.as_slice() {
        [] => String::new(),
        similar if similar.len() > 12 => format!("; {} types contain it", similar.len()),
        similar => format!("; types that contain it: {}", similar.join(", ")),
    };
    Failure::other(format!("no node type `{name}` in the catalog{hint}"))
}

fn node_json(node: &NodeTemplate) -> Value {
    json!({
        "type": node.node_type,
        "title": node.title,
        "version": node.version,
        "node_pack": node.node_pack,
        "category": category(node),
        "inputs": inputs(node).into_iter().map(input_json).collect::<Value>(),
        "outputs": node.outputs.values().map(output_json).collect::<Value>(),
    })
}

/// The editor files nodes without a category under `other`.
fn category(node: &NodeTemplate) -> &str {
    node.category.as_deref().unwrap_or("other")
}

/// All inputs: the visible ones in the editor's order, then the hidden ones.
fn inputs(node: &NodeTemplate) -> Vec<&InputTemplate> {
    let hidden = node.inputs.values().filter(|input| input.ui.hidden);
    node.editor_inputs().into_iter().chain(hidden).collect()
}

fn input_json(input: &InputTemplate) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
    put("name", json!(input.name));
    put("title", json!(input.title));
    put("field_type", input.field_type.to_json());
    put("required", json!(input.required));
    put("input_kind", json!(input.input.as_str()));
    if let Some(default) = &input.default {
        put("default", default.clone());
    }
    put("constraints", Value::Object(input.constraints.to_json()));
    // The editor has options for enums only; those of a scheduler are the server's.
    if input.field_type.name == "EnumField" {
        put("options", options(input));
    } else if !input.options.is_empty() {
        put("server_options", options(input));
    }
    if input.server_constraints != input.constraints {
        put("server_constraints", Value::Object(input.server_constraints.to_json()));
    }
    put("ui", Value::Object(input.ui.members.clone()));
    Value::Object(members)
}

fn options(input: &InputTemplate) -> Value {
    input.options.iter().map(|option| option.value.clone()).collect()
}

fn output_json(output: &OutputTemplate) -> Value {
    json!({"name": output.name, "title": output.title, "field_type": output.field_type.to_json()})
}

fn print_list(nodes: &[&NodeTemplate], out: &mut Out<'_>) -> io::Result<()> {
    let row = |node: &&NodeTemplate| {
        [node.node_type.as_str(), node.title.as_str(), category(node), node.version.as_str()].map(str::to_owned)
    };
    print_table(["TYPE", "TITLE", "CATEGORY", "VERSION"], nodes.iter().map(row).collect(), out)?;
    out.line(format!("{} node types", nodes.len()))
}

/// What the catalog had to leave out, to explain a missing field of a custom node.
fn print_unreadable(catalog: &NodeCatalog, out: &mut Out<'_>) -> io::Result<()> {
    for unreadable in catalog.unreadable() {
        let field = unreadable.field.as_ref().map(|field| format!(".{field}")).unwrap_or_default();
        out.line(format!("left out: {}{field} ({})", unreadable.schema, unreadable.reason))?;
    }
    Ok(())
}

fn print_node(node: &NodeTemplate, out: &mut Out<'_>) -> io::Result<()> {
    out.line(format!("{} ({})", node.title, node.node_type))?;
    let (version, pack) = (&node.version, &node.node_pack);
    out.line(format!("version {version}, {pack}, {}, {}", category(node), node.classification))?;
    if !node.description.is_empty() {
        node.description.lines().try_for_each(|line| out.line(line))?;
    }
    out.line("")?;
    out.line("Inputs")?;
    let inputs = inputs(node);
    let rows = inputs.iter().map(|input| {
        let required = if input.required { "required" } else { "" };
        let default = input.default.as_ref().map(Value::to_string).unwrap_or_default();
        let field_type = input.field_type.to_string();
        [input.name.clone(), field_type, input.input.to_string(), required.into(), default, rules(input)]
    });
    print_table(["NAME", "TYPE", "BY", "", "DEFAULT", "RULES"], rows.collect(), out)?;
    out.line("")?;
    out.line(format!("Outputs ({})", node.output_type))?;
    let rows = node.outputs.values().map(|output| [output.name.clone(), output.field_type.to_string()]);
    print_table(["NAME", "TYPE"], rows.collect(), out)
}

/// Everything that limits the values of an input, in a few words.
fn rules(input: &InputTemplate) -> String {
    let mut rules: Vec<String> = Vec::new();
    if input.ui.hidden {
        rules.push("hidden".into());
    }
    if !input.options.is_empty() {
        let options: Vec<_> = input.options.iter().map(|option| option.value.to_string()).collect();
        rules.push(format!("one of {}", options.join(" ")));
    }
    if !input.model_filter.is_empty() {
        rules.push(input.model_filter.to_string());
    }
    let words = |constraints: &Constraints| -> Vec<String> {
        constraints.to_json().iter().map(|(name, bound)| format!("{name} {bound}")).collect()
    };
    rules.extend(words(&input.server_constraints));
    rules.join(", ")
}

/// Prints rows in columns; the last column is as wide as it needs to be.
fn print_table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>, out: &mut Out<'_>) -> io::Result<()> {
    // Made visible first, so that the width is that of the printed text.
    let rows = std::iter::once(head.map(str::to_owned)).chain(rows);
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| visible(&cell).into_owned())).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(60).max(*width);
        }
    }
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.line(format!("  {}", cells.join("  ").trim_end()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(node_type: Option<&str>, json: bool) -> Result<String, Failure> {
        let args = NodesArgs { node_type: node_type.map(str::to_owned), json };
        let mut out = Vec::new();
        print(NodeCatalog::embedded(), &args, &mut Out::memory(&mut out))?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn one_node_as_json() {
        let nodes: Value = serde_json::from_str(&printed(Some("string_batch"), true).expect("known")).expect("JSON");
        let collection = json!({"name": "StringField", "cardinality": "COLLECTION", "batch": true});
        assert_eq!(nodes[0]["type"], "string_batch");
        assert_eq!(nodes[0]["category"], "batch");
        assert_eq!(nodes[0]["inputs"][1]["field_type"], collection);
        assert_eq!(nodes[0]["inputs"][1]["default"], json!([]));
        assert_eq!(nodes[0]["inputs"][1]["constraints"], json!({}));
        assert_eq!(nodes[0]["inputs"][1]["server_constraints"], json!({"minItems": 1}));
        assert_eq!(nodes[0]["inputs"][0]["options"][0], "None");
        assert_eq!(nodes[0]["outputs"][0]["name"], "value");
    }

    #[test]
    fn the_whole_catalog() {
        let nodes: Value = serde_json::from_str(&printed(None, true).expect("it prints")).expect("JSON");
        assert_eq!(nodes.as_array().map(Vec::len), Some(309));
        let table = printed(None, false).expect("it prints");
        assert!(table.lines().any(|line| line.trim_start().starts_with("flux_denoise ")), "{table}");
        let left_out = "left out: CallSavedWorkflowInvocation.workflow_inputs (type \"object\")\n";
        assert!(table.ends_with(&format!("309 node types\n{left_out}")), "{table}");
    }

    #[test]
    fn one_node_as_a_table() {
        let table = printed(Some("noise"), false).expect("known");
        let width = table.lines().find(|line| line.trim_start().starts_with("width ")).expect("a row");
        let cells: Vec<_> = width.split_whitespace().collect();
        assert_eq!(cells, ["width", "IntegerField", "any", "512", "exclusiveMinimum", "0,", "multipleOf", "8"]);
    }

    #[test]
    fn an_unknown_type_is_an_error_with_what_is_similar() {
        let error = printed(Some("flux_denoi"), false).expect_err("unknown").to_string();
        assert!(error.contains("`flux_denoi`") && error.contains("flux_denoise"), "{error}");
    }
}
