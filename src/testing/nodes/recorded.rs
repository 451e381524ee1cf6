//! Compares nodes and sessions with what the real server did with the same graphs (`tests/live/nodes.rs` records it).

use super::tests::Bench;
use crate::testing::session::{Problem, batch};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::DynamicImage;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nodes").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).expect("readable")).expect("JSON")
}

fn bench() -> Bench {
    let mut bench = Bench::default();
    for name in ["photo", "glass", "mask"] {
        let picture = image::open(fixture(&format!("{name}.png"))).expect("a picture");
        bench.images.insert(name.to_owned(), Arc::new(picture));
    }
    bench
}

fn graph(case: &Value) -> Value {
    let mut graph = json!({"nodes": case["nodes"], "edges": []});
    for (id, node) in graph["nodes"].as_object_mut().expect("nodes") {
        node["id"] = json!(id);
    }
    let end = |port: &str| {
        let (node, field) = port.split_once('.').expect("a port");
        json!({"node_id": node, "field": field})
    };
    let edges = case["edges"].as_array().expect("edges").iter().filter_map(Value::as_str).map(|edge| {
        let (from, to) = edge.split_once(" -> ").expect("an edge");
        json!({"source": end(from), "destination": end(to)})
    });
    graph["edges"] = edges.collect();
    graph
}

/// Names that are new in each run become `new`.
fn without_names(value: &Value) -> Value {
    match value {
        Value::String(text) if text.ends_with(".png") || text.starts_with("Tensor_") => json!("new"),
        Value::Array(items) => items.iter().map(without_names).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), without_names(value))).collect(),
        other => other.clone(),
    }
}

/// The server leaves null members out where it shows an item.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        other => other.clone(),
    }
}

/// Where two values differ.
fn difference(real: &Value, ours: &Value) -> Option<String> {
    match (real, ours) {
        (Value::Object(a), Value::Object(b)) if a.keys().all(|key| b.contains_key(key)) && a.len() == b.len() => {
            a.iter().find_map(|(key, value)| Some(format!("{key}: {}", difference(value, &b[key])?)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| Some(format!("[{index}]: {}", difference(a, b)?)))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            ((a - b).abs() > 1e-12 * a.abs().max(1.0)).then(|| format!("really {a}, here {b}"))
        }
        _ => (real != ours).then(|| format!("really {real}, here {ours}")),
    }
}

fn picture_difference(real: &str, ours: &DynamicImage) -> Option<String> {
    let real = image::load_from_memory(&STANDARD.decode(real).expect("base64")).expect("a picture");
    if (real.color(), real.width(), real.height()) != (ours.color(), ours.width(), ours.height()) {
        let told = |image: &DynamicImage| format!("{:?} {}x{}", image.color(), image.width(), image.height());
        return Some(format!("really {}, here {}", told(&real), told(ours)));
    }
    let differing: Vec<(u8, u8)> =
        real.as_bytes().iter().zip(ours.as_bytes()).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
    (!differing.is_empty()).then(|| {
        format!(
            "{} of {} bytes differ: {:?}",
            differing.len(),
            real.as_bytes().len(),
            &differing[..differing.len().min(6)]
        )
    })
}

#[test]
fn graphs_give_what_they_give_on_the_real_server() {
    let (cases, recorded) = (read("cases.json"), read("recorded-6.14.2.json"));
    let mut differences = Vec::new();
    for (name, case) in cases["runs"].as_object().expect("runs") {
        let mut bench = bench();
        let session = bench.run(&graph(case)).to_json();
        let nodes = recorded["runs"][name]["nodes"].as_object().expect("a recorded case");
        let mapping = session["source_prepared_mapping"].as_object().expect("prepared nodes");
        if mapping.len() != nodes.len() {
            differences.push(format!("{name}: really {} nodes, here {}", nodes.len(), mapping.len()));
        }
        for (node, real) in nodes {
            let ids = mapping.get(node).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let mut ours: Vec<(Value, Option<Arc<DynamicImage>>)> = ids
                .map(|id| {
                    let mut run = json!({"path": session["prepared_iteration_paths"][id]});
                    let mut picture = None;
                    if let Some(output) = session["results"].get(id) {
                        run["output"] = without_nulls(&without_names(output));
                        let made = output["image"]["image_name"].as_str().filter(|name| name.ends_with(".png"));
                        picture = made.map(|made| Arc::clone(&bench.images[made]));
                    }
                    if let Some(error) = session["errors"].get(id).and_then(Value::as_str) {
                        run["error"] = json!(error.replace(id, "<id>"));
                    }
                    (run, picture)
                })
                .collect();
            ours.sort_by_key(|(run, _)| run["path"].to_string());
            let mut real = real.as_array().cloned().unwrap_or_default();
            let pictures: Vec<Option<String>> = real
                .iter_mut()
                .map(|run| run.as_object_mut()?.remove("picture")?.as_str().map(str::to_owned))
                .collect();
            let runs: Vec<Value> = ours.iter().map(|(run, _)| run.clone()).collect();
            let different = difference(&Value::Array(real), &Value::Array(runs));
            differences.extend(different.map(|different| format!("{name}: {node}: {different}")));
            for (real, (_, ours)) in pictures.iter().zip(&ours) {
                let different = match (real, ours) {
                    (Some(real), Some(ours)) => picture_difference(real, ours),
                    (None, None) => None,
                    _ => Some("a picture on one side only".into()),
                };
                differences.extend(different.map(|different| format!("{name}: {node}: {different}")));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn refusals_are_worded_as_on_the_real_server() {
    let (cases, recorded) = (read("cases.json"), read("recorded-6.14.2.json"));
    let mut differences = Vec::new();
    for (name, batch) in cases["refusals"].as_object().expect("refusals") {
        let told = |problem: &Problem| {
            let entry = problem.to_json(&["body", "batch"]);
            let msg = entry["msg"].as_str().unwrap_or_default().split("expected tags:").next().unwrap_or_default();
            json!({"type": entry["type"], "loc": entry["loc"], "msg": msg})
        };
        let ours: Vec<Value> = batch::expand(batch).err().unwrap_or_default().iter().map(told).collect();
        let real = &recorded["refusals"][name];
        assert!(real["status"] == 422 || real["status"] == 200, "{name}: {real}");
        let different = difference(&real["detail"], &Value::Array(ours));
        differences.extend(different.map(|different| format!("{name}: {different}")));
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}
