//! Texts and numbers among what a run gives.

use std::time::Duration;

use invokeai_client::{
    Client,
    workflow::{Workflow, WorkflowDefinition},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Stage, answer};

/// A sum that goes on into a product, and a text that goes nowhere.
pub(crate) fn definition() -> Value {
    let node = |id: &str, kind: &str, inputs: Value| {
        json!({ "id": id, "type": "invocation", "position": { "x": 0, "y": 0 }, "data": {
            "id": id, "type": kind, "version": "1.0.1", "label": "", "notes": "", "isOpen": true,
            "isIntermediate": true, "useCache": false, "inputs": inputs,
        } })
    };
    let input = |name: &str, value: Value| json!({ "name": name, "label": name, "value": value });
    json!({
        "name": "Words", "author": "", "description": "Joins two texts, and multiplies.", "version": "1.0.0",
        "contact": "", "tags": "", "notes": "", "meta": { "version": "3.0.0", "category": "user" },
        "exposedFields": [
            { "nodeId": "join", "fieldName": "string_left" }, { "nodeId": "sum", "fieldName": "a" },
        ],
        "nodes": [
            node("sum", "add", json!({ "a": input("a", json!(2)), "b": input("b", json!(3)) })),
            node("product", "mul", json!({ "a": input("a", json!(0)), "b": input("b", json!(10)) })),
            node("join", "string_join", json!({
                "string_left": input("string_left", json!("left")), "string_right": input("string_right", json!("/right")),
            })),
        ],
        "edges": [{
            "id": "e", "type": "default", "source": "sum", "sourceHandle": "value", "target": "product", "targetHandle": "a",
        }],
    })
}

pub(crate) async fn words(client: &Client) -> Workflow {
    client.workflow(WorkflowDefinition::from_value(definition()).unwrap()).await.unwrap()
}

async fn stage() -> Stage {
    let mut stage = Stage::with(Duration::ZERO, |service| service).await;
    let workflow = words(&stage.client).await;
    stage.stop();
    stage.start(|service| service.workflow("words", workflow)).await;
    stage
}

#[tokio::test]
async fn texts_and_numbers_are_outputs_as_files_are() {
    let stage = stage().await;
    let run = stage.run("words", &json!({ "string_left": "<b>", "a": 4 })).await;
    let outputs = run["outputs"].as_array().unwrap();
    let of = |kind: &str| outputs.iter().find(|output| output["kind"] == kind).unwrap_or_else(|| panic!("{run:#}"));
    // The sum is the product's business.
    assert_eq!(outputs.len(), 2, "{run:#}");
    assert_eq!((&of("number")["value"], &of("number")["field"]), (&json!(70), &json!("value")), "{run:#}");
    assert_eq!(of("text")["value"], "<b>/right", "{run:#}");
    let text = stage.get(of("text")["href"].as_str().unwrap()).await;
    assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text.headers()["x-content-type-options"], "nosniff");
    assert_eq!(text.text().await.unwrap(), "<b>/right");
    let number = stage.get(of("number")["href"].as_str().unwrap()).await;
    assert_eq!(number.headers()["content-type"], "application/json");
    assert_eq!(number.text().await.unwrap(), "70");
}

#[tokio::test]
async fn the_document_and_the_tools_tell_of_their_types() {
    let stage = stage().await;
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let post = &document["paths"]["/workflows/words/runs"]["post"];
    let outputs =
        &post["responses"]["201"]["content"]["application/json"]["schema"]["allOf"][1]["properties"]["outputs"];
    let types: Vec<&Value> =
        outputs["items"]["anyOf"].as_array().unwrap().iter().map(|kind| &kind["properties"]["value"]["type"]).collect();
    assert_eq!(types, [&Value::Null, &json!("integer"), &json!("string")], "{outputs:#}");

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "words", "arguments": { "string_left": "agents " },
    } });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let ask = async |message: &Value| {
        let request = stage.request(Method::POST, "/mcp").header("accept", "application/json, text/event-stream");
        let text = request.json(message).send().await.unwrap().text().await.unwrap();
        let line = text.lines().filter_map(|line| line.strip_prefix("data:")).next_back().unwrap_or(&text);
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let tools = ask(&list).await;
    let tool =
        tools["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "words").unwrap().clone();
    assert_eq!(tool["outputSchema"]["type"], "object", "{tool:#}");
    let done = ask(&call).await;
    let result = &done["result"]["structuredContent"];
    let texts: Vec<&Value> = result["outputs"].as_array().unwrap().iter().map(|output| &output["value"]).collect();
    assert!(texts.contains(&&json!("agents /right")), "{done:#}");
    let required = tool["outputSchema"]["required"].as_array().unwrap();
    assert!(required.iter().all(|name| result.get(name.as_str().unwrap()).is_some()), "{result:#}");
}

#[tokio::test]
async fn a_workflow_that_gives_no_text_promises_none() {
    let stage = Stage::new().await;
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let kinds = &document["paths"]["/workflows/resize/runs"]["post"]["responses"]["201"]["content"]["application/json"];
    let kinds = &kinds["schema"]["allOf"][1]["properties"]["outputs"]["items"]["anyOf"];
    assert_eq!(kinds, &json!([{ "$ref": "#/components/schemas/File" }]));
    let (status, _) = answer(stage.request(Method::GET, "/runs/00000000-0000-4000-8000-000000000000/outputs/0")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
