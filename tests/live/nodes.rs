//! What the real server answers to the graphs of `tests/fixtures/nodes/cases.json`. The embedded server's own tests
//! (`src/testing/nodes/recorded.rs`) compare themselves with the recording; here the recording is compared with the
//! server of `INVOKEAI_TEST_URL`, or made anew from it with `INVOKEAI_RECORD=1`. The server must be InvokeAI 6.14.2.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use invokeai_client::{Client, Upload};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, path::PathBuf, time::Duration};

use crate::common::{http, live};

const PICTURES: [&str; 3] = ["photo", "glass", "mask"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nodes").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).expect("readable")).expect("JSON")
}

/// The real server, and what the tests put there.
struct Server {
    client: Client,
    http: reqwest::Client,
    names: HashMap<String, String>,
}

impl Server {
    async fn enqueue(&self, batch: &Value) -> (u16, Value) {
        let url = format!("{}api/v1/queue/nodes/enqueue_batch", self.client.base_url());
        let answer = self.http.post(url).json(&json!({"batch": batch})).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// The finished item of a graph.
    async fn run(&self, graph: &Value) -> Value {
        let (status, answer) = self.enqueue(&json!({"graph": graph})).await;
        assert_eq!(status, 200, "{answer}");
        let url = format!("{}api/v1/queue/nodes/i/{}", self.client.base_url(), answer["item_ids"][0]);
        for _ in 0..600 {
            let item: Value = self.http.get(&url).send().await.expect("an answer").json().await.expect("JSON");
            if matches!(item["status"].as_str(), Some("completed" | "failed" | "canceled")) {
                return item;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the item of {graph} does not end");
    }

    /// Deletes the queue's items and the pictures.
    async fn clean_up(&self, names: &[String]) {
        let url = format!("{}api/v1/queue/nodes/clear", self.client.base_url());
        self.http.put(url).send().await.expect("an answer").error_for_status().expect("a cleared queue");
        self.client.images().delete(names).await;
    }

    /// The pixels as PNG, without the workflow and graph that the server writes into its files.
    async fn picture(&self, name: &str) -> String {
        let file = self.client.image(name).download().bytes().await.expect("a picture");
        plain_png(&file)
    }
}

fn plain_png(file: &[u8]) -> String {
    let picture = image::load_from_memory(file).expect("a picture");
    let mut plain = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut plain, image::ImageFormat::Png).expect("PNG");
    STANDARD.encode(plain.into_inner())
}

/// The recorded pictures as this program would write them: encoders differ.
fn encoded_anew(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "picture" => {
                        *text = plain_png(&STANDARD.decode(&*text).expect("base64"));
                    }
                    value => encoded_anew(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(encoded_anew),
        _ => {}
    }
}

/// The graph of a case; `a.value -> b.a` is an edge, and pictures have the names they got on the server.
fn graph(case: &Value, names: &HashMap<String, String>) -> Value {
    let mut graph = json!({"nodes": {}, "edges": []});
    for (id, node) in case["nodes"].as_object().expect("nodes") {
        let mut node = renamed(node, names);
        node["id"] = json!(id);
        graph["nodes"][id] = node;
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

fn renamed(value: &Value, names: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => json!(names.get(text).unwrap_or(text)),
        Value::Array(items) => items.iter().map(|item| renamed(item, names)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), renamed(value, names))).collect(),
        other => other.clone(),
    }
}

/// Names of all pictures in a value.
fn made(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.ends_with(".png") => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(made).collect(),
        Value::Object(members) => members.values().flat_map(made).collect(),
        _ => Vec::new(),
    }
}

/// Names that differ from run to run become `new`.
fn without_names(value: &Value, names: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => match names.iter().find(|(_, real)| *real == text) {
            Some((name, _)) => json!(name),
            None if text.ends_with(".png") || text.starts_with("Tensor_") => json!("new"),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| without_names(item, names)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), without_names(value, names))).collect()
        }
        other => other.clone(),
    }
}

/// Outputs and errors of each node, by iteration, and the pictures it made.
async fn outcome(server: &Server, item: &Value) -> Value {
    let session = &item["session"];
    let mut nodes = Map::new();
    for (source, prepared) in session["source_prepared_mapping"].as_object().expect("prepared nodes") {
        let mut runs = Vec::new();
        for id in prepared.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let path = session["prepared_iteration_paths"].get(id).cloned().unwrap_or(json!([]));
            let mut run = json!({"path": path});
            if let Some(output) = session["results"].get(id) {
                run["output"] = without_names(output, &server.names);
                let made = output["image"]["image_name"].as_str();
                if let Some(made) = made.filter(|made| !server.names.values().any(|name| name == made)) {
                    run["picture"] = json!(server.picture(made).await);
                }
            }
            if let Some(error) = session["errors"].get(id).and_then(Value::as_str) {
                run["error"] = json!(error.replace(id, "<id>"));
            }
            runs.push(run);
        }
        runs.sort_by_key(|run| run["path"].to_string());
        nodes.insert(source.clone(), Value::Array(runs));
    }
    json!({"status": item["status"], "nodes": nodes})
}

/// The entries of a refusal, without what the client sent, and without the list of all node types.
fn refusal(status: u16, answer: &Value) -> Value {
    let entries = answer["detail"].as_array().cloned().unwrap_or_default();
    let entry = |entry: &Value| {
        let msg = entry["msg"].as_str().unwrap_or_default();
        let msg = msg.split("expected tags:").next().unwrap_or_default();
        json!({"type": entry["type"], "loc": entry["loc"], "msg": msg})
    };
    json!({"status": status, "detail": entries.iter().map(entry).collect::<Vec<_>>()})
}

#[tokio::test]
async fn the_recording_is_what_the_real_server_does() {
    let Some((client, _turn)) = live::client().await else { return };
    let mut server = Server { client, http: http::client(), names: HashMap::new() };
    for name in PICTURES {
        let upload = Upload::path(fixture(&format!("{name}.png")));
        let picture = server.client.images().upload(upload).await.expect("an upload");
        server.names.insert(name.to_owned(), picture.image_name.clone());
    }
    let cases = read("cases.json");
    let mut recorded_names: Vec<String> = server.names.values().cloned().collect();
    let mut recorded = json!({"runs": {}, "refusals": {}});
    for (name, case) in cases["runs"].as_object().expect("runs") {
        let item = server.run(&graph(case, &server.names)).await;
        recorded_names.extend(made(&item["session"]["results"]));
        recorded["runs"][name] = outcome(&server, &item).await;
    }
    for (name, batch) in cases["refusals"].as_object().expect("refusals") {
        let (status, answer) = server.enqueue(batch).await;
        recorded["refusals"][name] = refusal(status, &answer);
    }
    server.clean_up(&recorded_names).await;
    if std::env::var_os("INVOKEAI_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&recorded).expect("JSON");
        return std::fs::write(fixture("recorded-6.14.2.json"), text + "\n").expect("writable");
    }
    let mut before = read("recorded-6.14.2.json");
    encoded_anew(&mut before);
    for kind in ["runs", "refusals"] {
        for (name, now) in recorded[kind].as_object().expect("cases") {
            assert_eq!(before[kind][name], *now, "{kind}: {name}");
        }
    }
}
