//! The steps that need no server: reading, listing, building, decoding.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput};
use invokeai_client::{
    events::{
        Event, EventPayload,
        codec::{Packet, SocketBody, SocketPacket},
    },
    progress::ProgressTracker,
    schema::NodeCatalog,
    workflow::{EnqueueOptions, Workflow, WorkflowDefinition},
};
use plotters::prelude::*;
use serde_json::{Value, json};

use crate::{
    FLUX, Result,
    instructions::count,
    page::Page,
    statistics::{exponent, seconds, time},
};

/// Frames that a real server sent for one picture, with its previews.
const FRAMES: &str = include_str!("../../tests/fixtures/events/sd1-6.14.2.txt");

const SIZES: [usize; 5] = [5, 50, 500, 5_000, 50_000];

/// Reads a workflow from a file and lists its inputs: how many there are.
pub(crate) fn load_and_list(file: &Path) -> Result<usize> {
    Ok(Workflow::new(WorkflowDefinition::from_path(file)?, NodeCatalog::embedded()).inputs().len())
}

pub(crate) fn report(page: &mut Page, folder: &Path) -> Result {
    let home = folder.join("criterion");
    if home.exists() {
        // Measurements of other versions of this report.
        fs::remove_dir_all(&home)?;
    }
    let medians = medians(&home)?;
    page.heading("Steps");
    page.line("Medians by criterion, with the bounds of 95 % confidence.");
    page.table(&["step", "median", "from", "to"]);
    for (name, [median, from, to]) in &medians {
        page.row(&[name.clone(), time(*median), time(*from), time(*to)]);
    }
    growth(page, folder)
}

fn event(frame: &str) -> Option<Event> {
    match Packet::parse(frame).ok()? {
        Packet::Message(SocketPacket { body: SocketBody::Event { name, args, .. }, .. }) => {
            Some(Event::new(name, args.into_iter().next()?))
        }
        _ => None,
    }
}

/// Seconds of each step by name: median, and the bounds of its confidence.
fn medians(home: &Path) -> Result<BTreeMap<String, [f64; 3]>> {
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(home)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json"))?;
    let parsed: Value = serde_json::from_str(&document)?;
    let text = fs::read_to_string(FLUX)?;
    let definition: Arc<WorkflowDefinition> = Arc::new(text.parse()?);
    let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
    let packets: Vec<Packet> = FRAMES.lines().map(Packet::parse).collect::<Result<_, _>>()?;
    let events: Vec<Event> = FRAMES.lines().filter_map(event).collect();
    let item = events.iter().find_map(Event::item_id).ok_or("no item in the recording")?;

    criterion.bench_function("catalog: JSON text of the document", |b| {
        b.iter(|| serde_json::from_str::<Value>(&document).expect("JSON"));
    });
    criterion.bench_function("catalog: from the document", |b| {
        b.iter(|| NodeCatalog::from_openapi(&parsed).expect("a catalog"));
    });
    criterion.bench_function("workflow: read the definition", |b| {
        b.iter(|| text.parse::<WorkflowDefinition>().expect("a workflow"));
    });
    criterion.bench_function("workflow: open and list inputs", |b| {
        b.iter(|| Workflow::new(definition.clone(), NodeCatalog::embedded()).inputs().to_vec());
    });
    criterion.bench_function("workflow: graph", |b| b.iter(|| workflow.graph(&EnqueueOptions::default())));
    let mut group = criterion.benchmark_group("recorded frames, all");
    group.throughput(Throughput::Bytes(FRAMES.len() as u64));
    group.bench_function("read packets", |b| b.iter(|| FRAMES.lines().filter(|f| Packet::parse(f).is_ok()).count()));
    group.bench_function("write packets", |b| b.iter(|| packets.iter().map(|p| p.to_string().len()).sum::<usize>()));
    group.bench_function("read packets, decode payloads", |b| {
        let known = |event: &Event| !matches!(event.payload(), EventPayload::Unknown | EventPayload::Undecodable(_));
        b.iter(|| FRAMES.lines().filter_map(event).filter(known).count());
    });
    group.bench_function("read packets, decode, update progress", |b| {
        b.iter(|| {
            let mut tracker = ProgressTracker::new(item, std::iter::empty::<(String, Option<String>)>());
            FRAMES.lines().filter_map(event).filter(|event| tracker.apply(event)).count()
        });
    });
    group.finish();
    estimates(home)
}

/// The estimates that criterion has written below a folder.
fn estimates(folder: &Path) -> Result<BTreeMap<String, [f64; 3]>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.ends_with("new") {
            let name: Value = serde_json::from_str(&fs::read_to_string(path.join("benchmark.json"))?)?;
            let said: Value = serde_json::from_str(&fs::read_to_string(path.join("estimates.json"))?)?;
            let of = |place: &str| said.pointer(place).and_then(Value::as_f64).map(|ns| ns / 1e9);
            let bounds = "/median/confidence_interval/";
            let median = of("/median/point_estimate").ok_or("no median")?;
            let (from, to) = (of(&format!("{bounds}lower_bound")), of(&format!("{bounds}upper_bound")));
            let name = name["full_id"].as_str().ok_or("no name")?.to_owned();
            found.insert(name, [median, from.ok_or("no bound")?, to.ok_or("no bound")?]);
        } else if path.is_dir() {
            found.extend(estimates(&path)?);
        }
    }
    Ok(found)
}

/// A workflow of this many additions in a row, each with one input in the form.
fn chain(nodes: usize) -> String {
    let field = |name: &str| json!({"name": name, "label": "", "description": "", "value": 1});
    let exposed: Vec<Value> = (0..nodes).map(|id| json!({"nodeId": id.to_string(), "fieldName": "b"})).collect();
    let edge = |to: usize| {
        json!({"id": to.to_string(), "type": "default", "source": (to - 1).to_string(), "sourceHandle": "value",
            "target": to.to_string(), "targetHandle": "a"})
    };
    let node = |id: usize| {
        json!({"id": id.to_string(), "type": "invocation", "data": {
            "id": id.to_string(), "type": "add", "version": "1.0.1", "label": "", "notes": "", "isOpen": true,
            "isIntermediate": true, "useCache": true, "inputs": {"a": field("a"), "b": field("b")}}})
    };
    json!({"name": "", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "nodes": (0..nodes).map(node).collect::<Vec<_>>(), "edges": (1..nodes).map(edge).collect::<Vec<_>>(),
        "exposedFields": exposed, "meta": {"version": "4.0.0"}})
    .to_string()
}

/// How the time grows with the workflow.
fn growth(page: &mut Page, folder: &Path) -> Result {
    page.heading("Growth with the workflow");
    page.table(&["nodes", "read", "open, list inputs", "check", "build the body", "body, per node"]);
    let (mut whole, mut bodies) = (Vec::new(), Vec::new());
    for nodes in SIZES {
        let text = chain(nodes);
        let definition: Arc<WorkflowDefinition> = Arc::new(text.parse()?);
        let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
        let made = workflow.enqueue_body(&EnqueueOptions::default())?;
        let count = made.pointer("/batch/graph/nodes").and_then(Value::as_object).map(serde_json::Map::len);
        if count != Some(nodes) || !workflow.problems().is_empty() {
            return Err(format!("the chain of {nodes} nodes made a graph of {count:?}").into());
        }
        let read = seconds(|| text.parse::<WorkflowDefinition>().map(drop));
        let open = seconds(|| Workflow::new(definition.clone(), NodeCatalog::embedded()).inputs().len());
        let check = seconds(|| workflow.problems().len());
        let body = seconds(|| workflow.enqueue_body(&EnqueueOptions::default()).map(drop));
        page.row(&[nodes.to_string(), time(read), time(open), time(check), time(body), time(body / nodes as f64)]);
        whole.push((nodes as f64, read + open + check + body));
        bodies.push((nodes as f64, body));
    }
    // Below 500 nodes the constant part counts as well.
    let (of_body, of_all) = (exponent(&bodies[2..]), exponent(&whole[2..]));
    page.line(format!("\nExponent of the time from 500 to 50,000 nodes: body {of_body:.3}, all steps {of_all:.3}.\n"));
    page.line("![growth](growth.svg)");
    let (measured, growth) = match instructions()? {
        Some(points) => {
            let counts: Vec<String> = points.iter().map(|(nodes, count)| format!("{:.0}", count / nodes)).collect();
            page.line(format!(
                "\nInstructions to build the body, per node, by `valgrind`: {} for 500, 5,000 and 50,000 nodes. The time \
                 grows a little faster, because memory beyond the processor's caches is slower.",
                counts.join(", ")
            ));
            let of_instructions = exponent(&points);
            (format!("{of_instructions:.3} in instructions, {of_body:.3} in time"), of_instructions)
        }
        None => {
            page.skipped("instructions of the graph build: there is no `valgrind`");
            (format!("{of_body:.3} in time"), of_body)
        }
    };
    page.promise("graph build grows with the nodes", "linear (exponent at most 1.1)", measured, growth <= 1.1);
    plot(&folder.join("growth.svg"), &whole, &bodies)
}

/// Builds the body of a chain this many times.
pub(crate) fn build_bodies(nodes: usize, times: usize) -> Result {
    let workflow = Workflow::new(chain(nodes).parse::<WorkflowDefinition>()?, NodeCatalog::embedded());
    for _ in 0..times {
        std::hint::black_box(workflow.enqueue_body(&EnqueueOptions::default())?);
    }
    Ok(())
}

/// Instructions that it takes to build the body, by number of nodes. `None` if there is no tool to count them.
fn instructions() -> Result<Option<Vec<(f64, f64)>>> {
    let mut points = Vec::new();
    for nodes in &SIZES[2..] {
        let taken = |times| count(&["body", &nodes.to_string(), times]);
        let (Some(once), Some(start)) = (taken("1")?, taken("0")?) else { return Ok(None) };
        points.push((*nodes as f64, once - start));
    }
    Ok(Some(points))
}

fn plot(file: &Path, whole: &[(f64, f64)], bodies: &[(f64, f64)]) -> Result {
    let canvas = SVGBackend::new(file, (720, 420)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&canvas)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .caption("seconds by nodes", ("sans-serif", 16))
        .build_cartesian_2d((4.0..60_000.0).log_scale(), (1e-6..20.0).log_scale())?;
    chart.configure_mesh().x_desc("nodes").y_desc("seconds").draw()?;
    for (points, color, name) in [(whole, RED, "read, open, check, build"), (bodies, BLUE, "build")] {
        let line = chart.draw_series(LineSeries::new(points.iter().copied(), color).point_size(3))?;
        line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    canvas.present()?;
    Ok(())
}
