//! Tools for agents, by the bytes of the protocol: what clients of others do not show.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine as _;
use invokeai_client::testing::Fault;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Stage, data_url, flux_inputs, png, text};

/// Calls over HTTP: the answer to this message, and all that came before it.
pub(crate) async fn ask(stage: &Stage, message: &Value) -> (Value, Vec<Value>) {
    let request = stage.request(Method::POST, "/mcp").header("accept", "application/json, text/event-stream");
    let told = request.json(message).send().await.unwrap().text().await.unwrap();
    let data = told.lines().filter_map(|line| line.strip_prefix("data:")).filter(|line| !line.trim().is_empty());
    let mut all: Vec<Value> = data.map(|line| serde_json::from_str(line).unwrap()).collect();
    if all.is_empty() {
        all.push(serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}")));
    }
    (all.pop().unwrap(), all)
}

pub(crate) fn call(id: i64, tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": { "progressToken": "t" },
    } })
}

pub(crate) fn read(uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 9, "method": "resources/read", "params": { "uri": uri } })
}

/// `invokeai-client mcp`, and the pipes to it.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Agent {
    fn start(stage: &Stage) -> Self {
        let file = stage.folder.path().join("flux.json");
        std::fs::write(&file, text("flux-image-to-image")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.arg("mcp").arg(&file).args(["--server", stage.invokeai.url(), "--runs"]);
        command.arg(stage.folder.path().join("runs-of-the-agent")).env("XDG_CONFIG_HOME", "/nonexistent");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The answer to a request, and what came before it.
    fn answer(&mut self, id: i64) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended: {before:?}");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return (message, before);
            }
            before.push(message);
        }
    }

    fn begin(&mut self, version: &str) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        } }));
        let (begun, _) = self.answer(1);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        begun
    }
}

async fn until_running(stage: &Stage) {
    let end = Instant::now() + Duration::from_secs(60);
    while !stage.items().await.iter().any(|(_, state)| state == "in_progress") {
        assert!(Instant::now() < end, "nothing runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_canceled(stage: &Stage) {
    let end = Instant::now() + Duration::from_secs(30);
    while !stage.items().await.iter().all(|(_, state)| state == "canceled") {
        assert!(Instant::now() < end, "{:?}", stage.items().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_cancels_a_call_cancels_its_run() {
    let stage = Stage::with(Duration::from_millis(500), |service| service).await;
    let mut agent = Agent::start(&stage);
    agent.begin("2025-06-18");
    agent.send(&call(2, "flux", flux_inputs(&data_url(&png(32, 32)))));
    until_running(&stage).await;
    agent.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } }));
    until_canceled(&stage).await;
    // It talks on.
    agent.send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }));
    assert_eq!(agent.answer(3).0["result"]["tools"][0]["name"], "flux");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hangs_up_cancels_its_run() {
    let stage = Stage::with(Duration::from_millis(500), |service| service).await;
    let message = call(2, "flux", flux_inputs(&data_url(&png(32, 32))));
    let request = stage.request(Method::POST, "/mcp").header("accept", "application/json, text/event-stream");
    let calling = tokio::spawn(request.json(&message).send());
    until_running(&stage).await;
    calling.abort();
    // Its connection lives as long as what it gave.
    drop(calling.await);
    until_canceled(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_negotiated_and_the_program_ends_with_its_input() {
    let stage = Stage::new().await;
    for (asked, answered) in [("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-11-25")]
    {
        let mut agent = Agent::start(&stage);
        let begun = agent.begin(asked);
        assert_eq!(begun["result"]["protocolVersion"], answered, "{begun:#}");
        assert_eq!(begun["result"]["serverInfo"]["name"], "invokeai-client");
        agent.input = None;
        let end = Instant::now() + Duration::from_secs(20);
        let ended = loop {
            if let Some(status) = agent.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it goes on without an input");
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(ended.success(), "{ended:?}");
    }
}

#[tokio::test]
async fn progress_grows_and_the_result_has_a_small_picture_and_a_link_to_the_whole() {
    let stage = Stage::with(Duration::from_millis(30), |service| service).await;
    let inputs = json!({ "picture": data_url(&png(64, 32)), "width": 1280, "height": 640, "blur": 0 });
    let (done, told) = ask(&stage, &call(2, "resize", inputs)).await;
    let result = &done["result"];
    assert_eq!(result["isError"], json!(false), "{done:#}");
    let kinds: Vec<&Value> = result["content"].as_array().unwrap().iter().map(|content| &content["type"]).collect();
    assert_eq!(kinds, ["text", "image", "resource_link"]);
    let small =
        base64::engine::general_purpose::STANDARD.decode(result["content"][1]["data"].as_str().unwrap()).unwrap();
    let small = image::load_from_memory(&small).unwrap();
    assert_eq!((small.width(), small.height()), (1024, 512), "scaled to the limit");
    assert_eq!(result["structuredContent"]["outputs"][0]["width"], 1280);
    let steps: Vec<f64> = told.iter().filter_map(|note| note["params"]["progress"].as_f64()).collect();
    assert!(!steps.is_empty() && steps.is_sorted(), "{told:#?}");

    let link = result["content"][2]["uri"].as_str().unwrap();
    let (whole, _) = ask(&stage, &read(link)).await;
    let bytes = whole["result"]["contents"][0]["blob"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 1280);
}

#[tokio::test]
async fn a_run_whose_picture_cannot_be_had_is_told_all_the_same() {
    let stage = Stage::new().await;
    stage.invokeai.faults().add("get_image_full", Fault::status(500), 100);
    let inputs = json!({ "picture": data_url(&png(64, 32)), "width": 16 });
    let (done, _) = ask(&stage, &call(2, "resize", inputs)).await;
    let result = &done["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["state"]), (&json!(false), &json!("completed")));
    let kinds: Vec<&Value> = result["content"].as_array().unwrap().iter().map(|content| &content["type"]).collect();
    assert_eq!(kinds, ["text", "text", "resource_link"]);
    assert!(result["content"][1]["text"].as_str().unwrap().contains("cannot be shown"), "{done:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_taken_is_answered() {
    let stage = Stage::new().await;
    let mut agent = Agent::start(&stage);
    agent.begin("2025-06-18");
    // Longer than what the library takes unless it is told otherwise, and shorter than the limit.
    let picture = format!("{}{}", data_url(&png(16, 16)), "A".repeat(18 << 20));
    agent.send(&call(2, "flux", json!({ "image": picture, "width": "wide" })));
    let (refused, _) = agent.answer(2);
    assert_eq!(refused["result"]["structuredContent"]["code"], "invalid_inputs", "{}", refused["result"]["isError"]);
    agent.send(&call(3, "flux", json!({ "image": "A".repeat(33 << 20) })));
    let (refused, _) = agent.answer(3);
    assert!(refused["error"]["message"].as_str().unwrap().contains("longer than"), "{refused:#}");
    for line in [
        "no JSON",
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"flux\",\"arguments\":{\"a\":1,\"a\":2}},\"id\":4}",
    ] {
        writeln!(agent.input.as_mut().unwrap(), "{line}").unwrap();
    }
    let (refused, _) = agent.answer(4);
    assert!(refused["error"]["message"].as_str().unwrap().contains("given twice"), "{refused:#}");
    agent.send(&json!({ "jsonrpc": "2.0", "id": 5, "method": "ping" }));
    assert!(agent.answer(5).0["result"].is_object());
}

#[tokio::test]
async fn boards_models_and_images_are_listed_and_what_is_not_there_is_said() {
    let stage = Stage::new().await;
    let board = stage.client.boards().create("Best of").await.unwrap();
    stage.run("resize", &json!({ "picture": data_url(&png(16, 16)), "board": board.board_id })).await;
    let (boards, _) = ask(&stage, &call(2, "list_boards", json!({}))).await;
    assert_eq!(boards["result"]["structuredContent"]["boards"][0]["name"], "Best of", "{boards:#}");
    let (models, _) = ask(&stage, &call(3, "list_models", json!({ "type": "main", "base": "flux" }))).await;
    let models = models["result"]["structuredContent"]["models"].as_array().unwrap().clone();
    assert!(!models.is_empty() && models.iter().all(|model| model["base"] == "flux" && model["type"] == "main"));
    for (tool, arguments) in [
        ("list_models", json!({ "typ": "main" })),
        ("list_models", json!({ "type": 1 })),
        ("list_boards", json!({ "x": 1 })),
    ] {
        let (refused, _) = ask(&stage, &call(3, tool, arguments)).await;
        assert_eq!(refused["result"]["structuredContent"]["code"], "invalid_inputs", "{tool}: {refused:#}");
    }
    let list = json!({ "jsonrpc": "2.0", "id": 4, "method": "resources/list" });
    let (listed, _) = ask(&stage, &list).await;
    let uri = format!("invokeai://boards/{}", board.board_id);
    assert!(
        listed["result"]["resources"].as_array().unwrap().iter().any(|resource| resource["uri"] == *uri),
        "{listed:#}"
    );
    let (images, _) = ask(&stage, &read(&uri)).await;
    let images: Value = serde_json::from_str(images["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(images["images"], 1, "{images:#}");
    for uri in [
        "invokeai://images/nothing.png",
        "invokeai://boards/nothing",
        "file:///etc/passwd",
        "invokeai://images/../../x",
    ] {
        let (none, _) = ask(&stage, &read(uri)).await;
        assert!(none["error"]["code"].is_i64() && none.get("result").is_none(), "{uri}: {none:#}");
    }
    let (none, _) = ask(&stage, &call(5, "delete_everything", json!({}))).await;
    assert!(none["error"]["message"].as_str().unwrap().contains("delete_everything"), "{none:#}");
    let tools = json!({ "jsonrpc": "2.0", "id": 6, "method": "tools/list" });
    let (tools, _) = ask(&stage, &tools).await;
    for tool in tools["result"]["tools"].as_array().unwrap() {
        assert_ne!(tool["annotations"]["destructiveHint"], true, "{tool:#}");
    }
}

#[tokio::test]
async fn no_session_is_kept_and_pages_elsewhere_have_no_tools() {
    let stage = Stage::new().await;
    for method in [Method::GET, Method::DELETE] {
        let answer = stage.request(method.clone(), "/mcp").header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers()["allow"], "POST");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } });
    let post =
        || stage.request(Method::POST, "/mcp").header("accept", "application/json, text/event-stream").json(&begin);
    let begun = post().send().await.unwrap();
    assert_eq!((begun.status(), begun.headers().get("mcp-session-id")), (StatusCode::OK, None));
    // By the name of another, which leads here; and from a page elsewhere.
    for (header, value, expected) in [
        ("host", "evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("host", "localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(post().header(header, value).send().await.unwrap().status(), expected, "{header}: {value}");
    }
}
