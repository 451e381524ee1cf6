//! A workflow as an SVG image. A library finds the positions of the nodes; how they look is defined here.

use std::{collections::BTreeSet, fmt::Write as _};

use rust_sugiyama::{configure::Config, from_vertices_and_edges};

use super::{Drawing, Node, Row, cut};

const MARGIN: f64 = 32.0;
const HEAD: f64 = 44.0;
const ROW: f64 = 22.0;
/// Below the last row.
const FOOT: f64 = 8.0;
/// Between columns, where the lines are.
const GAP: f64 = 72.0;
/// Between nodes of a column.
const SPACE: f64 = 28.0;
const NARROWEST: f64 = 150.0;
/// For the title above the drawing, and the legend below it.
const TITLE: f64 = 44.0;
const LEGEND: f64 = 36.0;

/// Where a node is: its upper left corner, and its size.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn row(self, row: usize) -> f64 {
        self.y + HEAD + ROW * (row as f64 + 0.5)
    }
}

pub(super) fn draw(drawing: &Drawing) -> String {
    let places = layout(drawing);
    let right = places.iter().map(|place| place.x + place.width).fold(NARROWEST * 2.0, f64::max);
    let bottom = places.iter().map(|place| place.y + place.height).fold(TITLE + MARGIN, f64::max);
    let (width, height) = (right + MARGIN, bottom + MARGIN + LEGEND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Inter, 'Segoe UI', Helvetica, Arial, sans-serif\">\n{STYLE}"
    );
    let title = if drawing.title.is_empty() { "Workflow" } else { &drawing.title };
    let _ =
        writeln!(svg, "<title>{0}</title>\n<text class=\"name\" x=\"{MARGIN}\" y=\"36\">{0}</text>", escaped(title));
    for edge in &drawing.edges {
        let ends = (places.get(edge.from.0), places.get(edge.to.0), drawing.nodes.get(edge.from.0));
        if let (Some(from), Some(to), Some(node)) = ends {
            let begin = (from.x + from.width, from.row(node.inputs.len() + edge.from.1));
            line(&mut svg, begin, (to.x, to.row(edge.to.1)));
        }
    }
    for (node, place) in drawing.nodes.iter().zip(&places) {
        draw_node(&mut svg, node, *place);
    }
    let y = height - LEGEND + 8.0;
    let _ = writeln!(
        svg,
        "<rect class=\"form\" x=\"{MARGIN}\" y=\"{y}\" width=\"18\" height=\"14\" rx=\"3\"/>\
         <text class=\"legend\" x=\"{}\" y=\"{}\">input of the form</text>\n</svg>",
        MARGIN + 26.0,
        y + 11.0
    );
    svg
}

const STYLE: &str = "<style>\n\
    .paper { fill: #f8fafc } .name { font-size: 18px; font-weight: 600; fill: #0f172a }\n\
    .box { fill: #ffffff; stroke: #cbd5e1; stroke-width: 1.2 } .head { fill: #e0e7ff }\n\
    .title { font-size: 13px; font-weight: 600; fill: #1e293b } .kind { font-size: 10px; fill: #64748b }\n\
    .row { font-size: 11.5px; fill: #475569 } .given { font-size: 11.5px; font-weight: 600; fill: #78350f }\n\
    .value { font-size: 11px; fill: #92400e } .legend { font-size: 11px; fill: #64748b }\n\
    .form { fill: #fef3c7; stroke: #f59e0b; stroke-width: 1 }\n\
    .line { fill: none; stroke: #94a3b8; stroke-width: 1.6 } .port { fill: #6366f1; stroke: #ffffff; stroke-width: 1.2 }\n\
    </style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";

/// A curve that leaves to the right and arrives from the left.
fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let bend = ((x2 - x1).abs() / 2.0).clamp(36.0, 160.0);
    let _ = writeln!(
        svg,
        "<path class=\"line\" d=\"M{x1:.1} {y1:.1} C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\"/>",
        x1 + bend,
        x2 - bend
    );
}

fn draw_node(svg: &mut String, node: &Node, place: Place) {
    let Place { x, y, width, height } = place;
    let _ = writeln!(
        svg,
        "<g><title>{}</title>\n<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"8\"/>\n<path class=\"head\" d=\"M{:.1} {:.1} v-{:.1} a7 7 0 0 1 7 -7 h{:.1} a7 7 0 0 1 7 7 v{:.1} z\"/>\n\
         <text class=\"title\" x=\"{tx:.1}\" y=\"{:.1}\">{}</text>\n<text class=\"kind\" x=\"{tx:.1}\" y=\"{:.1}\">{}</text>",
        escaped(&node.id),
        x + 1.0,
        y + HEAD - 8.0,
        HEAD - 16.0,
        width - 16.0,
        HEAD - 16.0,
        y + 17.0,
        escaped(&title(node)),
        y + 30.0,
        escaped(&cut(&node.kind, 40)),
        tx = x + 12.0,
    );
    for (i, row) in node.inputs.iter().enumerate() {
        let middle = place.row(i);
        if row.is_form_input {
            let _ = writeln!(
                svg,
                "<rect class=\"form\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>",
                x + 6.0,
                middle - ROW / 2.0 + 1.0,
                width - 12.0,
                ROW - 2.0
            );
        }
        let class = if row.is_form_input { "given" } else { "row" };
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 12.0,
            middle + 4.0,
            escaped(&label(row))
        );
        if !row.value.is_empty() {
            let _ = writeln!(
                svg,
                "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                x + width - 12.0,
                middle + 4.0,
                escaped(&value(row))
            );
        }
        if row.is_connected {
            let _ = writeln!(svg, "<circle class=\"port\" cx=\"{x:.1}\" cy=\"{middle:.1}\" r=\"4\"/>");
        }
    }
    for (i, row) in node.outputs.iter().enumerate() {
        let middle = place.row(node.inputs.len() + i);
        let right = x + width;
        let _ = writeln!(
            svg,
            "<text class=\"row\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <circle class=\"port\" cx=\"{right:.1}\" cy=\"{middle:.1}\" r=\"4\"/>",
            right - 12.0,
            middle + 4.0,
            escaped(&label(row))
        );
    }
    svg.push_str("</g>\n");
}

fn title(node: &Node) -> String {
    cut(&node.title, 40)
}

fn label(row: &Row) -> String {
    cut(&row.label, 30)
}

fn value(row: &Row) -> String {
    cut(&row.value, 26)
}

/// Finds a place for every node: left to right, in the direction of the connections.
fn layout(drawing: &Drawing) -> Vec<Place> {
    let mut places: Vec<Place> = drawing.nodes.iter().map(size).collect();
    // The library puts layers below each other, so the axes are swapped.
    let vertices: Vec<(u32, (f64, f64))> =
        (0..).zip(&places).map(|(i, p)| (i, (p.height + SPACE, p.width + GAP))).collect();
    let pairs: BTreeSet<(u32, u32)> = drawing
        .edges
        .iter()
        .filter(|edge| edge.from.0 != edge.to.0)
        .filter_map(|edge| Some((u32::try_from(edge.from.0).ok()?, u32::try_from(edge.to.0).ok()?)))
        .collect();
    let config = Config {
        vertex_spacing: 1.0,
        dummy_size: SPACE,
        // This may take minutes for hundreds of nodes, and changes little.
        transpose: drawing.nodes.len() < 60,
        ..Config::default()
    };
    let mut top = TITLE + MARGIN;
    for component in components(vertices.len(), &pairs) {
        // The library copies the whole graph for each component, so it gets one at a time.
        let vertices: Vec<_> = component.iter().filter_map(|&i| vertices.get(i as usize).copied()).collect();
        let pairs: Vec<_> = component.iter().flat_map(|&i| pairs.range((i, 0)..=(i, u32::MAX)).copied()).collect();
        let placed: Vec<(usize, (f64, f64))> = match pairs.is_empty() {
            true => vertices.iter().map(|&(i, _)| (i as usize, (0.0, 0.0))).collect(),
            false => {
                let placed = from_vertices_and_edges(&vertices, &pairs, &config).into_iter().flat_map(|(all, ..)| all);
                // It numbers what it was given from 0.
                placed.filter_map(|(at, middle)| Some((vertices.get(at)?.0 as usize, middle))).collect()
            }
        };
        top = place(&mut places, &placed, top) + SPACE;
    }
    places
}

/// The nodes that edges connect, in the order of the first of each.
fn components(count: usize, pairs: &BTreeSet<(u32, u32)>) -> Vec<BTreeSet<u32>> {
    let mut beside = vec![Vec::new(); count];
    for &(from, to) in pairs {
        for (one, other) in [(from, to), (to, from)] {
            if let Some(beside) = beside.get_mut(one as usize) {
                beside.push(other);
            }
        }
    }
    let mut seen = vec![false; count];
    let mut all = Vec::new();
    for first in 0..count {
        let (mut component, mut left) = (BTreeSet::new(), vec![first as u32]);
        while let Some(node) = left.pop() {
            if seen.get_mut(node as usize).is_some_and(|seen| !std::mem::replace(seen, true)) {
                component.insert(node);
                left.extend(beside.get(node as usize).into_iter().flatten());
            }
        }
        if !component.is_empty() {
            all.push(component);
        }
    }
    all
}

/// Places the nodes of a component below `top`, and returns where it ends.
fn place(places: &mut [Place], component: &[(usize, (f64, f64))], top: f64) -> f64 {
    // Coordinates are those of the middle.
    let corners: Vec<(usize, f64, f64)> = component
        .iter()
        .filter_map(|&(i, (across, along))| {
            let place = places.get(i)?;
            Some((i, along - place.width / 2.0, across - place.height / 2.0))
        })
        .collect();
    let left = corners.iter().map(|(_, x, _)| *x).fold(f64::INFINITY, f64::min);
    let above = corners.iter().map(|(_, _, y)| *y).fold(f64::INFINITY, f64::min);
    let mut bottom = top;
    for (i, x, y) in corners {
        if let Some(place) = places.get_mut(i) {
            (place.x, place.y) = (x - left + MARGIN, y - above + top);
            bottom = bottom.max(place.y + place.height);
        }
    }
    bottom
}

fn size(node: &Node) -> Place {
    let of_row = |row: &Row| {
        let value = if row.value.is_empty() { 0.0 } else { width(&value(row), 6.2) + 18.0 };
        width(&label(row), 6.6) + value
    };
    let rows = node.inputs.iter().chain(&node.outputs).map(of_row);
    let widest = rows.chain([width(&title(node), 7.4), width(&node.kind, 5.6)]).fold(0.0, f64::max);
    let rows = (node.inputs.len() + node.outputs.len()) as f64;
    Place { x: 0.0, y: 0.0, width: (widest + 28.0).max(NARROWEST), height: HEAD + ROW * rows + FOOT }
}

/// About how wide a text is. Characters of East Asian scripts are twice as wide as letters.
fn width(text: &str, letter: f64) -> f64 {
    text.chars().map(|sign| if sign > '\u{2e7f}' { 1.9 * letter } else { letter }).sum()
}

/// A text for XML, where some control characters are not allowed, not even escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            sign if sign.is_control() || matches!(sign, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_without_edges_are_below_each_other_and_cost_little() {
        let node = |id: usize| Node {
            id: id.to_string(),
            title: String::new(),
            kind: "integer".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let pair = |from: usize| super::super::Edge { from: (from, 0), to: (from + 1, 0) };
        let nodes = (0..20_000).map(node).collect();
        let edges = (0..10_000).step_by(2).map(pair).collect();
        let places = layout(&Drawing { title: String::new(), nodes, edges });
        let tops: Vec<f64> = places[10_000..].iter().map(|place| place.y).collect();
        assert!(tops.windows(2).all(|two| two[0] < two[1]) && places[9_999].y < tops[0]);
        assert!(places[0].x < places[1].x && places[0].y < places[2].y, "an edge leads to the right");
    }
}
