//! A workflow in the languages of Graphviz and Mermaid, which lay it out themselves.

use super::{Drawing, Node, cut};

/// Longest text in a node.
const LONGEST: usize = 48;

/// The lines of a node: title, type, inputs of the form.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![cut(&node.title, LONGEST)];
    if node.kind != node.title && !node.kind.is_empty() {
        lines.push(format!("({})", cut(&node.kind, LONGEST)));
    }
    for row in node.inputs.iter().filter(|row| row.is_form_input) {
        let value = if row.value.is_empty() { String::new() } else { format!(": {}", row.value) };
        lines.push(cut(&format!("▸ {}{value}", row.label), LONGEST));
    }
    lines
}

fn is_in_form(node: &Node) -> bool {
    node.inputs.iter().any(|row| row.is_form_input)
}

/// Both ends of each connection: the indices of the nodes, and the names of the fields.
fn edges(drawing: &Drawing) -> impl Iterator<Item = (usize, usize, &str, &str)> {
    drawing.edges.iter().filter_map(|edge| {
        let output = drawing.nodes.get(edge.from.0)?.outputs.get(edge.from.1)?;
        let input = drawing.nodes.get(edge.to.0)?.inputs.get(edge.to.1)?;
        Some((edge.from.0, edge.to.0, output.field.as_str(), input.field.as_str()))
    })
}

pub(super) fn dot(drawing: &Drawing) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    let mut text = format!("digraph \"{}\" {{\n", quoted(&drawing.title));
    text += "  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n";
    text += "  edge [fontname=\"sans-serif\", fontsize=9, color=gray50];\n";
    for (i, node) in drawing.nodes.iter().enumerate() {
        let label = lines(node).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("\\n");
        let fill = if is_in_form(node) { ", fillcolor=\"#fef3c7\"" } else { "" };
        text += &format!("  n{i} [label=\"{label}\"{fill}];\n");
    }
    for (from, to, output, input) in edges(drawing) {
        let label = if output == input { quoted(output) } else { format!("{} → {}", quoted(output), quoted(input)) };
        text += &format!("  n{from} -> n{to} [label=\"{label}\"];\n");
    }
    text + "}\n"
}

pub(super) fn mermaid(drawing: &Drawing) -> String {
    // Mermaid's own escapes. Within quotes, nothing else is special to it.
    let quoted = |text: &str| {
        let text = text.replace('#', "#35;").replace('&', "#amp;").replace('"', "#quot;");
        text.replace('<', "#lt;").replace('>', "#gt;").replace('`', "#96;").replace(['\n', '\r'], " ")
    };
    let mut text = String::from("flowchart LR\n");
    for (i, node) in drawing.nodes.iter().enumerate() {
        let label = lines(node).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("<br/>");
        let class = if is_in_form(node) { ":::form" } else { "" };
        text += &format!("  n{i}[\"{label}\"]{class}\n");
    }
    for (from, to, output, input) in edges(drawing) {
        let label = if output == input { quoted(output) } else { format!("{} → {}", quoted(output), quoted(input)) };
        text += &format!("  n{from} -->|\"{label}\"| n{to}\n");
    }
    text + "  classDef form fill:#fef3c7,stroke:#d97706\n"
}
