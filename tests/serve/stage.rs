//! An embedded server, a service before it, and a caller with nothing but HTTP.

use std::{fs, io::Cursor, path::PathBuf, time::Duration};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client,
    serve::{Server, ServerBuilder},
    testing::TestServer,
    workflow::{Workflow, WorkflowDefinition},
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;

const WORKFLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows");

/// Models of the embedded server for the FLUX workflow.
pub(crate) const MODELS: [(&str, &str); 4] = [
    ("model", "tiny-flux-dev"),
    ("t5_encoder_model", "tiny-t5"),
    ("clip_embed_model", "tiny-clip-l"),
    ("vae_model", "tiny-FLUX.1-schnell_ae"),
];

pub(crate) struct Stage {
    pub(crate) invokeai: TestServer,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    pub(crate) http: reqwest::Client,
    service: Option<Server>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Duration::from_millis(5), |service| service).await
    }

    /// With steps of pretended models that take this long, and a service of other settings.
    pub(crate) async fn with(step: Duration, more: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let invokeai = TestServer::builder().step_time(step).start().unwrap();
        let client = invokeai.client().unwrap();
        let http = http::builder().timeout(Duration::from_secs(90)).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Self { invokeai, client, folder, http, service: None };
        stage.start(more).await;
        stage
    }

    /// Starts the service, again after [`stop`](Self::stop).
    pub(crate) async fn start(&mut self, more: impl FnOnce(ServerBuilder) -> ServerBuilder) {
        let builder = Server::builder(self.client.clone(), self.runs_folder()).listen("127.0.0.1:0");
        let builder = builder.workflow("flux", flux(&self.client).await).workflow("resize", resize(&self.client).await);
        self.service = Some(more(builder).start().unwrap());
    }

    pub(crate) fn stop(&mut self) {
        self.service = None;
    }

    pub(crate) fn runs_folder(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.runs_folder().join("runs.log")
    }

    /// Cuts the log of runs after this many lines, as if the service had ended there. Its first line is not counted.
    pub(crate) fn keep_lines(&self, count: usize) {
        let log = fs::read(self.log()).unwrap();
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(lines.len() > count, "a line is missing: {}", String::from_utf8_lossy(&log));
        fs::write(self.log(), lines[..=count].concat()).unwrap();
    }

    /// Marks the lines of the log whose mark is the first as the second: `+` for neither, `>` for taken, `^` for taken and canceled.
    pub(crate) fn mark_lines(&self, before: &str, after: &str) {
        let log = fs::read_to_string(self.log()).unwrap();
        let marked = log.replace(&format!("\n{before} "), &format!("\n{after} "));
        assert_ne!(log, marked, "none is marked {before:?}");
        fs::write(self.log(), marked).unwrap();
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.service.as_ref().unwrap().address()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.service.as_ref().unwrap().url())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Starts a run with these inputs, and waits for its end.
    pub(crate) async fn run(&self, workflow: &str, inputs: &Value) -> Value {
        let (status, run) = self.post(workflow, inputs, &[("prefer", "wait=60")]).await;
        assert_eq!((status, &run["state"]), (StatusCode::CREATED, &json!("completed")), "{run:#}");
        run
    }

    pub(crate) async fn post(&self, workflow: &str, inputs: &Value, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut request = self.request(Method::POST, &format!("/workflows/{workflow}/runs")).json(inputs);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// The run, once it has ended.
    pub(crate) async fn end(&self, id: &str) -> Value {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let run: Value = self.get(&format!("/runs/{id}")).await.json().await.unwrap();
            if !["pending", "running"].contains(&run["state"].as_str().unwrap_or_default()) {
                return run;
            }
            assert!(tokio::time::Instant::now() < deadline, "the run has no end: {run:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Batches of the items on the server, with their states.
    pub(crate) async fn items(&self) -> Vec<(String, String)> {
        let items = self.client.queue("default").list().stream();
        items.map_ok(|item| (item.batch_id, item.status.to_string())).try_collect().await.unwrap()
    }

    /// Names of the images on the server, those out of sight as well.
    pub(crate) async fn images(&self) -> Vec<String> {
        let mut names = Vec::new();
        for intermediate in [true, false] {
            let images = self.client.images().list().intermediate(intermediate).stream();
            names.extend(images.map_ok(|image| image.image_name).try_collect::<Vec<_>>().await.unwrap());
        }
        names
    }
}

/// Status and JSON of an answer.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {error}: {text}")))
}

/// A workflow without the cache, with which each run but the first would give the image of the first.
pub(crate) fn text(name: &str) -> String {
    let text = fs::read_to_string(format!("{WORKFLOWS}/{name}.json")).unwrap();
    text.replace("\"useCache\": true", "\"useCache\": false")
}

async fn open(client: &Client, name: &str) -> Workflow {
    let definition = WorkflowDefinition::from_value(serde_json::from_str(&text(name)).unwrap()).unwrap();
    client.workflow(definition).await.unwrap()
}

pub(crate) async fn flux(client: &Client) -> Workflow {
    open(client, "flux-image-to-image").await
}

pub(crate) async fn resize(client: &Client) -> Workflow {
    open(client, "resize-and-blur").await
}

/// A picture of some kilobytes.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    let noise = |x: u32, y: u32| (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761).to_le_bytes();
    let noise = |x, y| image::Rgb([noise(x, y)[3], noise(x, y)[2], noise(y, x)[3]]);
    image::RgbImage::from_fn(width, height, noise).write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// The picture as an address of its own.
pub(crate) fn data_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// Inputs of the FLUX workflow.
pub(crate) fn flux_inputs(image: &str) -> Value {
    let mut inputs = json!({ "prompt": "a lighthouse", "image": image });
    for (name, model) in MODELS {
        inputs[name] = model.into();
    }
    inputs
}
