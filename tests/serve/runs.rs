//! Runs: how they are started, what they give, and that each happens once.

use std::{collections::BTreeSet, time::Duration};

use invokeai_client::testing::Fault;
use reqwest::{
    Method, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::stage::{Stage, answer, data_url, flux_inputs, png};

fn size(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).unwrap();
    (picture.width(), picture.height())
}

#[tokio::test]
async fn inputs_come_as_json_as_a_form_and_by_name() {
    let stage = Stage::new().await;
    let picture = png(64, 48);
    let run = stage.run("resize", &json!({ "picture": data_url(&picture), "width": 40, "Height": 24 })).await;
    let output = &run["outputs"][0];
    assert_eq!((&output["width"], &output["height"]), (&json!(40), &json!(24)), "{run:#}");

    // The output of one run is the input of the next.
    let next = stage.run("resize", &json!({ "picture": output["name"], "width": 16 })).await;
    assert_eq!(next["outputs"][0]["width"], 16);

    let form = Form::new()
        // What a caller calls a file says nothing.
        .part("picture", Part::bytes(picture.clone()).file_name("../../x.exe").mime_str("text/plain").unwrap())
        .text("width", "72")
        .text("kind_of_blur", "box")
        .text("blur", "");
    let request = stage.request(Method::POST, "/workflows/resize/runs").header("prefer", "wait=60").multipart(form);
    let (status, run) = answer(request).await;
    assert_eq!(status, StatusCode::CREATED, "{run:#}");
    let file = stage.get(run["outputs"][0]["href"].as_str().unwrap()).await;
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(size(&file.bytes().await.unwrap()), (72, 64));

    let item = stage.client.queue("default").item(3).await.unwrap();
    let text = item.session.to_string();
    assert!(text.contains("\"box\"") && text.contains("\"radius\":4"), "{text}");
}

#[tokio::test]
async fn a_run_is_answered_at_once_and_watched_to_its_end() {
    let stage = Stage::with(Duration::from_millis(40), |service| service).await;
    let inputs = flux_inputs(&data_url(&png(64, 48)));
    let request = stage.request(Method::POST, "/workflows/flux/runs").json(&inputs);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let address = response.headers()["location"].to_str().unwrap().to_owned();
    let run: Value = response.json().await.unwrap();
    assert_eq!(address, format!("/runs/{}", run["id"].as_str().unwrap()));
    assert_eq!(run["links"]["self"], *address);
    let early = stage.get(&format!("{address}/outputs/0")).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);

    let events = stage.get(run["links"]["events"].as_str().unwrap()).await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let text = events.text().await.unwrap();
    let events: Vec<(&str, Value)> = text
        .split("\n\n")
        .filter_map(|event| {
            let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            Some((line("event")?, serde_json::from_str(line("data")?).unwrap()))
        })
        .collect();
    let names: BTreeSet<&str> = events.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["end", "preview", "run"].into(), "{text}");
    let (last, run) = events.last().unwrap();
    assert_eq!((*last, &run["state"]), ("end", &json!("completed")));
    let fractions: Vec<f64> = events.iter().filter_map(|(_, event)| event["progress"]["fraction"].as_f64()).collect();
    assert!(fractions.len() > 2 && fractions.is_sorted(), "{fractions:?}");
    let preview = events.iter().find(|(name, _)| *name == "preview").unwrap();
    assert!(preview.1["data"].as_str().unwrap().starts_with("data:image/"), "{preview:?}");

    // One that has ended tells its end at once.
    let again = stage.get(&format!("{address}/events")).await.text().await.unwrap();
    assert!(again.starts_with("event: end\n"), "{again}");
    let file = stage.get(run["outputs"][0]["href"].as_str().unwrap()).await.bytes().await.unwrap();
    assert!(file.starts_with(b"\x89PNG"));
    assert_eq!(stage.get(&format!("{address}/outputs/1")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refusal_names_the_field_the_value_and_what_is_accepted() {
    let stage = Stage::new().await;
    let picture = data_url(&png(8, 8));
    for (inputs, field, value, accepted) in [
        (json!({}), "picture", Value::Null, "a value is required; it accepts"),
        (json!({ "picture": picture, "width": "wide" }), "width", json!("\"wide\""), "whole number"),
        (json!({ "picture": picture, "shade": 1 }), "shade", Value::Null, "width"),
        (json!({ "picture": picture, "width": 1, "Width": 2 }), "Width", Value::Null, "twice"),
        (json!({ "picture": "http://127.0.0.1:1/x.png" }), "picture", json!("an address"), "not fetched"),
        (json!({ "picture": { "url": "file:///etc/passwd" } }), "picture", json!("an address"), "not fetched"),
        (json!({ "picture": "data:image/png;base64,!!" }), "picture", Value::Null, "data URL"),
        (
            json!({ "picture": "data:image/png;base64,aGVsbG8gaGVsbG8gaGVsbG8=" }),
            "picture",
            json!("a file of another kind"),
            "PNG",
        ),
        (json!({ "picture": 7 }), "picture", json!("7"), "image"),
    ] {
        let (status, problem) = stage.post("resize", &inputs, &[]).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_inputs")),
            "{problem:#}"
        );
        let error = &problem["errors"][0];
        assert_eq!((&error["field"], &error["value"]), (&json!(field), &value), "{inputs}: {problem:#}");
        assert!(error["accepted"].as_str().unwrap().contains(accepted), "{inputs}: {problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem:#}");
    }
    let mut inputs = flux_inputs(&picture);
    inputs["model"] = "no such model".into();
    let (_, problem) = stage.post("flux", &inputs, &[]).await;
    assert!(problem["errors"][0]["accepted"].as_str().unwrap().contains("tiny-flux-dev"), "{problem:#}");
    assert_eq!(stage.images().await, [""; 0], "nothing is uploaded for a run that is refused");
    assert_eq!(stage.items().await, []);
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_gives_the_same_run() {
    let stage = Stage::new().await;
    let picture = data_url(&png(32, 32));
    let inputs = json!({ "picture": picture, "width": 16 });
    let key = [("idempotency-key", "one")];
    let (first, second) = tokio::join!(stage.post("resize", &inputs, &key), stage.post("resize", &inputs, &key));
    assert!(first.0.is_success() && second.0.is_success(), "{first:?} {second:?}");
    assert_eq!(first.1["id"], second.1["id"]);
    let id = first.1["id"].as_str().unwrap();
    stage.end(id).await;
    let images = stage.images().await;
    // In another form, but the same.
    let form = Form::new().text("width", "16").part("picture", Part::bytes(png(32, 32)).file_name("p.png"));
    let request = stage.request(Method::POST, "/workflows/resize/runs").header(key[0].0, key[0].1).multipart(form);
    let (status, third) = answer(request).await;
    assert_eq!((status, third["id"].as_str()), (StatusCode::OK, Some(id)), "{third:#}");
    assert_eq!((stage.items().await.len(), stage.images().await), (1, images), "nothing is uploaded or run again");

    for (workflow, inputs) in [("resize", json!({ "picture": picture, "width": 24 })), ("flux", flux_inputs(&picture))]
    {
        let (status, problem) = stage.post(workflow, &inputs, &key).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("key_reused")));
    }
    let (status, other) = stage.post("resize", &inputs, &[("idempotency-key", "two")]).await;
    assert!(status.is_success() && other["id"] != id, "{other:#}");
}

#[tokio::test]
async fn a_key_is_free_again_if_nothing_came_of_its_request() {
    let stage = Stage::new().await;
    let inputs = json!({ "picture": data_url(&png(32, 32)) });
    let key = [("idempotency-key", "one")];
    stage.invokeai.faults().add("enqueue_batch", Fault::status(422), 1);
    let (status, problem) = stage.post("resize", &inputs, &key).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    let (status, run) = stage.post("resize", &inputs, &[key[0], ("prefer", "wait=60")]).await;
    assert_eq!((status, &run["state"]), (StatusCode::CREATED, &json!("completed")), "{run:#}");
}

#[tokio::test]
async fn runs_survive_a_restart_and_are_not_sent_twice() {
    let mut stage = Stage::with(Duration::from_millis(100), |service| service).await;
    let picture = data_url(&png(64, 48));
    let done = stage.run("resize", &json!({ "picture": picture })).await;
    let (_, open) = stage.post("flux", &flux_inputs(&picture), &[("idempotency-key", "kept")]).await;
    stage.stop();
    stage.start(|service| service).await;
    let kept: Value = stage.get(&format!("/runs/{}", done["id"].as_str().unwrap())).await.json().await.unwrap();
    assert_eq!(kept, done);
    let (_, again) = stage.post("flux", &flux_inputs(&picture), &[("idempotency-key", "kept")]).await;
    assert_eq!(again["id"], open["id"]);
    let ended = stage.end(open["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], ended["outputs"].as_array().unwrap().len()), (&json!("completed"), 1), "{ended:#}");
    assert_eq!(stage.items().await.len(), 2);
}

#[tokio::test]
async fn a_run_whose_enqueue_was_not_sent_is_sent_by_the_next_service() {
    let mut stage = Stage::new().await;
    let picture = data_url(&png(64, 48));
    let done = stage.run("resize", &json!({ "picture": picture, "width": 32 })).await;
    stage.stop();
    // As the log is after a sudden end between the first writing and the enqueue.
    stage.keep_lines(1);
    stage.mark_lines(">", "+");
    stage.client.queue("default").clear().await.unwrap();
    stage.start(|service| service).await;
    let ended = stage.end(done["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "completed", "{ended:#}");
    assert_eq!(stage.items().await.len(), 1);
}

#[tokio::test]
async fn a_run_that_was_taken_is_not_sent_again_when_the_queue_has_it_no_more() {
    let mut stage = Stage::new().await;
    let done = stage.run("resize", &json!({ "picture": data_url(&png(64, 48)), "width": 32 })).await;
    stage.stop();
    // As the log is after a sudden end shortly after the enqueue.
    stage.keep_lines(1);
    stage.client.queue("default").clear().await.unwrap();
    stage.start(|service| service).await;
    let ended = stage.end(done["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], &ended["problem"]["code"]), (&json!("failed"), &json!("unknown")), "{ended:#}");
    assert_eq!(stage.items().await.len(), 0);
}

#[tokio::test]
async fn a_cancellation_survives_a_restart() {
    let mut stage = Stage::with(Duration::from_millis(500), |service| service).await;
    let (_, run) = stage.post("flux", &flux_inputs(&data_url(&png(64, 48))), &[]).await;
    stage.stop();
    // As the log is if the service ended before what is behind heard of it.
    stage.mark_lines(">", "^");
    stage.start(|service| service).await;
    let ended = stage.end(run["id"].as_str().unwrap()).await;
    assert_eq!(ended["state"], "canceled", "{ended:#}");
    // Whoever is answered may count on that mark.
    let (_, run) = stage.post("flux", &flux_inputs(&data_url(&png(64, 48))), &[]).await;
    let (status, _) = answer(stage.request(Method::DELETE, run["links"]["self"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::OK);
    let log = std::fs::read_to_string(stage.log()).unwrap();
    let last = log.lines().rfind(|line| line.contains(run["id"].as_str().unwrap())).unwrap();
    assert!(last.starts_with("^ "), "{last}");
}

#[tokio::test]
async fn a_key_gives_its_run_whatever_is_behind_and_however_the_values_are_written() {
    let stage = Stage::new().await;
    let upload = invokeai_client::Upload::bytes("p.png", png(64, 48));
    let picture = stage.client.images().upload(upload).await.unwrap().image_name;
    let key = [("idempotency-key", "k")];
    let (_, first) = stage.post("resize", &json!({ "picture": picture, "width": 32 }), &key).await;
    for inputs in
        [json!({ "width": "32", "picture": { "image_name": picture } }), json!({ "Width": 32.0, "picture": picture })]
    {
        let (status, again) = stage.post("resize", &inputs, &key).await;
        assert!(status.is_success() && again["id"] == first["id"], "{inputs}: {again:#}");
    }
    let (_, other) = stage.post("resize", &json!({ "picture": picture, "width": 33 }), &key).await;
    assert_eq!(other["code"], "key_reused", "{other:#}");

    let key = [("idempotency-key", "models")];
    let inputs = flux_inputs(&data_url(&png(64, 48)));
    let (status, first) = stage.post("flux", &inputs, &key).await;
    assert!(status.is_success(), "{first:#}");
    stage.end(first["id"].as_str().unwrap()).await;
    // It is known without the models being asked for.
    let mut inputs = inputs;
    inputs["width"] = json!("no number");
    let (_, other) = stage.post("flux", &inputs, &key).await;
    assert_eq!(other["code"], "key_reused", "{other:#}");
}

#[tokio::test]
async fn who_waits_for_models_shares_one_request_and_its_failure() {
    let stage = Stage::new().await;
    stage.invokeai.faults().add("list_model_records", Fault::Delay(Duration::from_secs(1)), 1);
    stage.invokeai.faults().add("list_model_records", Fault::status(404), 100);
    let before = stage.invokeai.faults().calls("list_model_records");
    let inputs = flux_inputs("x.png");
    let asked = (0..6).map(|_| stage.post("flux", &inputs, &[]));
    for (status, problem) in futures::future::join_all(asked).await {
        assert!(!status.is_server_error(), "{problem:#}");
    }
    assert_eq!(stage.invokeai.faults().calls("list_model_records") - before, 1);

    let stage = Stage::new().await;
    stage.invokeai.faults().add("list_model_records", Fault::status(404), 100);
    let before = stage.invokeai.faults().calls("list_model_records");
    for _ in 0..6 {
        let (status, problem) = stage.post("flux", &inputs, &[]).await;
        assert!(!status.is_success(), "{problem:#}");
    }
    assert_eq!(stage.invokeai.faults().calls("list_model_records") - before, 1);
}

#[tokio::test]
async fn values_are_given_though_their_workflow_is_gone() {
    let words = async |stage: &Stage| crate::values::words(&stage.client).await;
    let mut stage = Stage::new().await;
    stage.stop();
    let workflow = words(&stage).await;
    stage.start(|service| service.workflow("words", workflow)).await;
    let done = stage.run("words", &json!({})).await;
    assert!(!done["outputs"].as_array().unwrap().is_empty(), "{done:#}");
    stage.stop();
    // As the log is after a sudden end.
    stage.keep_lines(1);
    stage.start(|service| service).await;
    let ended = stage.end(done["id"].as_str().unwrap()).await;
    assert_eq!(ended["outputs"], done["outputs"], "{ended:#}");
}

#[tokio::test]
async fn a_folder_with_runs_of_another_server_is_refused() {
    let mut stage = Stage::new().await;
    let run = stage.run("resize", &json!({ "picture": data_url(&png(64, 48)), "width": 32 })).await;
    stage.stop();
    let other = invokeai_client::testing::TestServer::builder().start().unwrap();
    let client = other.client().unwrap();
    let service = invokeai_client::serve::Server::builder(client.clone(), stage.runs_folder()).listen("127.0.0.1:0");
    let error = service.workflow("resize", crate::stage::resize(&client).await).start().unwrap_err().to_string();
    assert!(error.contains("runs of http://127.0.0.1") && error.contains("use another folder"), "{error}");
    stage.start(|service| service).await;
    let kept: Value = stage.get(run["links"]["self"].as_str().unwrap()).await.json().await.unwrap();
    assert_eq!(kept, run);
}

#[tokio::test]
async fn a_run_is_canceled_and_tells_why_one_fails() {
    let stage = Stage::with(Duration::from_millis(200), |service| service).await;
    let picture = data_url(&png(64, 48));
    let (_, run) = stage.post("flux", &flux_inputs(&picture), &[]).await;
    let address = format!("/runs/{}", run["id"].as_str().unwrap());
    let (status, _) = answer(stage.request(Method::DELETE, &address)).await;
    assert_eq!(status, StatusCode::OK);
    let ended = stage.end(run["id"].as_str().unwrap()).await;
    assert_eq!((&ended["state"], &ended["problem"]["code"]), (&json!("canceled"), &json!("canceled")), "{ended:#}");
    let (status, again) = answer(stage.request(Method::DELETE, &address)).await;
    assert_eq!((status, again), (StatusCode::OK, ended));

    let (_, failed) = stage.post("resize", &json!({ "picture": "no-such-image.png" }), &[("prefer", "wait=60")]).await;
    assert_eq!((&failed["state"], &failed["problem"]["code"]), (&json!("failed"), &json!("run_failed")), "{failed:#}");
    let detail = failed["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("node ") && !detail.contains("Traceback"), "{detail}");
}

#[tokio::test]
async fn the_document_describes_exactly_what_there_is() {
    let stage = Stage::new().await;
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let paths: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["/workflows/flux/runs", "/workflows/resize/runs", "/runs/{id}", "/runs/{id}/events", "/runs/{id}/outputs/{n}"];
    assert_eq!(paths, expected.into());
    let body = &document["paths"]["/workflows/resize/runs"]["post"]["requestBody"]["content"];
    let schema = &body["application/json"]["schema"];
    let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["picture", "width", "height", "blur", "kind_of_blur", "board"]);
    assert_eq!(schema["required"], json!(["picture"]));
    assert_eq!(
        (&schema["properties"]["width"]["default"], &schema["properties"]["width"]["title"]),
        (&json!(96), &json!("Width"))
    );
    let file = &body["multipart/form-data"]["schema"]["properties"]["picture"]["anyOf"][0];
    assert_eq!(file["format"], "binary");
    let flux =
        &document["paths"]["/workflows/flux/runs"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let models = &flux["properties"]["model"]["anyOf"][0]["examples"];
    assert!(models.as_array().unwrap().contains(&json!("tiny-flux-dev")), "{models}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let stage = Stage::new().await;
    for path in [
        "/runs/00000000-0000-4000-8000-000000000000",
        "/runs/lock",
        "/runs/..%2f..%2fetc%2fpasswd",
        "/runs/%00",
        "/runs/%ff",
        "/runs//outputs/0",
        "/runs/..%2flock/outputs/0",
        "/elsewhere",
        "/page.js/",
        "//",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
    let (status, problem) = stage.post("nothing", &json!({}), &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("flux, resize"), "{problem:#}");
    let (status, problem) = answer(stage.request(Method::PUT, "/runs/x")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("method")));
}
