//! A service whose runs are jobs of a fleet: the same words, whoever runs them.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use invokeai_client::{
    fleet::Fleet,
    serve::Server,
    testing::TestServer,
    workflow::{Workflow, WorkflowDefinition},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    agents::{ask, call, read},
    command::serve_with,
    postgres::Postgres,
    stage::{Stage, answer, data_url, png, text},
};

/// A worker of a fleet in a process of its own, which is killed with this.
struct Worker(Child);

impl Worker {
    fn start(store: &str, server: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.args(["fleet", "worker", "--quiet", "--store", store, "--lease", "3", "--server", server]);
        command.env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A stage whose service has a fleet behind it, and the store of that.
async fn stage(step: Duration) -> (Stage, String) {
    let mut stage = Stage::with(step, |service| service).await;
    let store = format!("sqlite:{}", stage.folder.path().join("fleet.sqlite").display());
    stage.stop();
    start(&mut stage, &store).await;
    (stage, store)
}

async fn start(stage: &mut Stage, store: &str) {
    let fleet = Fleet::open(store).await.unwrap();
    let (words, ratio) = (crate::values::words(&stage.client).await, ratio(stage).await);
    stage.start(|service| service.workflow("words", words).workflow("ratio", ratio).fleet(fleet)).await;
}

/// One node, which fails where `b` is 0.
async fn ratio(stage: &Stage) -> Workflow {
    let mut definition = crate::values::definition();
    let mut node = definition["nodes"][0].take();
    (node["data"]["type"], node["data"]["label"]) = (json!("div"), json!("Ratio"));
    definition["nodes"] = json!([node]);
    definition["edges"] = json!([]);
    definition["exposedFields"] = json!([{ "nodeId": "sum", "fieldName": "b" }]);
    stage.client.workflow(WorkflowDefinition::from_value(definition).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_jobs_of_the_fleet_and_read_like_all_others() {
    let (stage, store) = stage(Duration::ZERO).await;
    let inputs = json!({ "picture": data_url(&png(64, 48)), "width": 40, "height": 24 });
    // Without a worker it waits, and says so.
    let (status, run) = stage.post("resize", &inputs, &[("prefer", "wait=2")]).await;
    assert_eq!((status, &run["state"]), (StatusCode::ACCEPTED, &json!("pending")), "{run:#}");
    assert_eq!(run["progress"]["message"], "no worker of the fleet runs", "{run:#}");
    let _worker = Worker::start(&store, stage.invokeai.url());
    let run = stage.end(run["id"].as_str().unwrap()).await;
    assert_eq!(run["state"], "completed", "{run:#}");
    let output = &run["outputs"][0];
    assert_eq!((&output["kind"], &output["width"], &output["height"]), (&json!("image"), &json!(40), &json!(24)));
    let file = stage.get(output["href"].as_str().unwrap()).await;
    assert_eq!(file.headers()["content-type"], "image/png");
    let picture = image::load_from_memory(&file.bytes().await.unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (40, 24));

    // The output of one run, and an image of the server that is asked, are inputs of others.
    let upload = invokeai_client::Upload::bytes("p.png", png(20, 20));
    let there = stage.client.images().upload(upload).await.unwrap().image_name;
    for name in [output["name"].clone(), there.into()] {
        let run = stage.run("resize", &json!({ "picture": name, "width": 16 })).await;
        assert_eq!(run["outputs"][0]["width"], 16, "{run:#}");
    }
    let (status, problem) = stage.post("resize", &json!({ "picture": "nothing.png" }), &[]).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_inputs")), "{problem:#}");
    let words = stage.run("words", &json!({ "string_left": "a", "a": 1 })).await;
    let values: Vec<&Value> = words["outputs"].as_array().unwrap().iter().map(|output| &output["value"]).collect();
    assert!(values.contains(&&json!("a/right")) && values.contains(&&json!(40)), "{words:#}");
    // Workers look once whether they can do a workflow, whatever the values.
    let fleet = Fleet::open(&store).await.unwrap();
    assert_eq!(fleet.jobs().label("workflow", "resize").await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_fleet_is_canceled_on_its_server() {
    let (stage, store) = stage(Duration::from_millis(500)).await;
    let _worker = Worker::start(&store, stage.invokeai.url());
    let (_, run) = stage.post("flux", &crate::stage::flux_inputs(&data_url(&png(32, 32))), &[]).await;
    let id = run["id"].as_str().unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while stage.get(&format!("/runs/{id}")).await.json::<Value>().await.unwrap()["state"] != "running" {
        assert!(tokio::time::Instant::now() < end, "no worker takes it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    answer(stage.request(Method::DELETE, &format!("/runs/{id}"))).await;
    let ended = stage.end(id).await;
    assert_eq!((&ended["state"], &ended["problem"]["code"]), (&json!("canceled"), &json!("canceled")), "{ended:#}");
    while stage.items().await.iter().any(|(_, state)| state == "in_progress" || state == "pending") {
        assert!(tokio::time::Instant::now() < end, "it goes on at the server");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_a_failed_run_wherever_it_is_read() {
    let (stage, store) = stage(Duration::ZERO).await;
    // On a server where jobs failed three times, nothing is tried for a while. So there are two.
    let other = TestServer::builder().step_time(Duration::ZERO).start().unwrap();
    let urls = [stage.invokeai.url(), other.url()];
    let _workers = urls.map(|url| Worker::start(&store, url));
    let servers = urls.map(|url| url.trim_start_matches("http://").to_owned());
    let is_told = |run: &Value| {
        assert_eq!((&run["state"], &run["problem"]["code"]), (&json!("failed"), &json!("run_failed")), "{run:#}");
        assert_eq!((&run["outputs"], run["ended"].is_string()), (&json!([]), true), "{run:#}");
        let detail = run["problem"]["detail"].as_str().unwrap();
        assert!(detail.contains("Ratio") && detail.contains("ZeroDivisionError: division by zero"), "{detail}");
        for hidden in [&*servers[0], &*servers[1], "/api/", "Traceback", ".py"] {
            assert!(!run.to_string().contains(hidden), "{hidden}: {run:#}");
        }
    };
    let (called, _) = ask(&stage, &call(2, "ratio", json!({ "b": 0 }))).await;
    assert_eq!(called["result"]["isError"], true, "{called:#}");
    let failed = called["result"]["structuredContent"].clone();
    is_told(&failed);
    let (status, again) = answer(stage.request(Method::GET, failed["links"]["self"].as_str().unwrap())).await;
    assert_eq!((status, &again), (StatusCode::OK, &failed));
    let told = stage.get(failed["links"]["events"].as_str().unwrap()).await.text().await.unwrap();
    let end = told.split("event: end\ndata: ").nth(1).and_then(|rest| rest.lines().next());
    let end: Value = serde_json::from_str(end.unwrap_or_else(|| panic!("{told}"))).unwrap();
    assert_eq!(end, failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workflows_of_a_fleet_are_tools_and_boards_are_none() {
    let (stage, store) = stage(Duration::ZERO).await;
    let _worker = Worker::start(&store, stage.invokeai.url());
    let method = |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    let (listed, _) = ask(&stage, &method("tools/list")).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["flux", "resize", "words", "ratio", "list_models"]);
    let inputs = json!({ "picture": data_url(&png(32, 16)), "width": 24, "height": 12, "blur": 0 });
    let (done, _) = ask(&stage, &call(2, "resize", inputs)).await;
    assert_eq!(done["result"]["isError"], false, "{done:#}");
    let content = done["result"]["content"].as_array().unwrap();
    let kinds: Vec<&Value> = content.iter().map(|content| &content["type"]).collect();
    assert_eq!(kinds, ["text", "image", "resource_link"]);
    let (whole, _) = ask(&stage, &read(content[2]["uri"].as_str().unwrap())).await;
    assert!(whole["result"]["contents"][0]["blob"].is_string(), "{whole:#}");

    let (none, _) = ask(&stage, &call(3, "list_boards", json!({}))).await;
    assert!(none["error"]["message"].as_str().unwrap().contains("list_boards"), "{none:#}");
    let (none, _) = ask(&stage, &read("invokeai://boards/none")).await;
    assert!(none["error"].is_object(), "{none:#}");
    let (resources, _) = ask(&stage, &method("resources/list")).await;
    assert_eq!(resources["result"]["resources"], json!([]), "{resources:#}");
    let (templates, _) = ask(&stage, &method("resources/templates/list")).await;
    let templates = templates["result"]["resourceTemplates"].as_array().unwrap();
    assert_eq!((templates.len(), &templates[0]["uriTemplate"]), (2, &json!("invokeai://images/{name}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_service_and_worker_lose_no_run_and_double_none() {
    let stage = Stage::with(Duration::from_millis(60), |service| service).await;
    let store = format!("sqlite:{}", stage.folder.path().join("fleet.sqlite").display());
    are_killed_in_turns(&stage, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_over_postgres_lose_no_run_and_double_none() {
    let Some(postgres) = Postgres::start("a service whose fleet is in Postgres") else { return };
    let stage = Stage::with(Duration::from_millis(60), |service| service).await;
    let store = postgres.url();
    let files = stage.folder.path().join("files");
    drop(Fleet::open(&store).files(files.display().to_string()).await.unwrap());
    are_killed_in_turns(&stage, &store).await;
}

/// Service and worker, while runs are taken on and carried out.
async fn are_killed_in_turns(stage: &Stage, store: &str) {
    let file = stage.folder.path().join("resize.json");
    std::fs::write(&file, text("resize-and-blur")).unwrap();
    let workflow = format!("resize={}", file.display());
    let serve = || serve_with(&stage.invokeai, stage.folder.path(), &workflow, &["--store", store]);
    let mut serving = serve();
    let mut worker = Worker::start(store, stage.invokeai.url());
    let mut runs = Vec::new();
    for n in 0..6 {
        let inputs = json!({ "picture": data_url(&png(16 + n, 16)), "width": 8 * (n + 1) });
        let address = format!("{}/workflows/resize/runs", serving.url);
        let post = stage.http.post(address).header("idempotency-key", format!("run {n}")).json(&inputs);
        let (status, run) = answer(post).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{run:#}");
        runs.push(run["links"]["self"].as_str().unwrap().to_owned());
        if n % 2 == 0 {
            drop(serving);
            serving = serve();
        } else {
            drop(worker);
            worker = Worker::start(store, stage.invokeai.url());
        }
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(90);
    for (n, run) in runs.iter().enumerate() {
        loop {
            let (status, run) = answer(stage.http.get(format!("{}{run}", serving.url))).await;
            assert_eq!(status, StatusCode::OK, "{run:#}");
            if run["state"] == "completed" {
                assert_eq!(run["outputs"][0]["width"], 8 * (n + 1), "{run:#}");
                break;
            }
            assert_ne!(run["state"], "failed", "{run:#}");
            assert!(tokio::time::Instant::now() < end, "no end: {run:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let jobs = Fleet::open(store).await.unwrap().jobs().await.unwrap();
    assert_eq!(jobs.len(), 6, "{jobs:#?}");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_not_sent_before_a_restart_is_sent_once() {
    let (mut stage, store) = stage(Duration::ZERO).await;
    let inputs = json!({ "picture": data_url(&png(16, 16)), "width": 8 });
    let (_, run) = stage.post("resize", &inputs, &[("idempotency-key", "k")]).await;
    stage.stop();
    let fleet = Fleet::open(&store).await.unwrap();
    assert_eq!(fleet.jobs().await.unwrap().len(), 1);
    // As if the answer of the store had not been seen.
    stage.keep_lines(1);
    stage.mark_lines(">", "+");
    start(&mut stage, &store).await;
    let _worker = Worker::start(&store, stage.invokeai.url());
    let ended = stage.end(run["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "completed", "{ended:#}");
    let (_, again) = stage.post("resize", &inputs, &[("idempotency-key", "k")]).await;
    assert_eq!((&again["id"], fleet.jobs().await.unwrap().len()), (&run["id"], 1));
}

#[tokio::test]
async fn images_of_one_server_in_a_workflow_are_refused_for_a_fleet() {
    let (stage, store) = stage(Duration::ZERO).await;
    let fleet = Fleet::open(&store).await.unwrap();
    let mut workflow = crate::stage::resize(&stage.client).await;
    workflow.set_input("Picture", json!({ "image_name": "of-one-server.png" })).unwrap();
    let folder = stage.folder.path().join("other");
    let service = Server::builder(stage.client.clone(), folder).listen("127.0.0.1:0").fleet(fleet);
    let service = service.workflow("resize", workflow).start().unwrap();
    let (status, problem) =
        answer(stage.http.post(format!("{}/workflows/resize/runs", service.url())).json(&json!({}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
}
