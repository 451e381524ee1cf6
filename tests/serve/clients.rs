//! Clients that others wrote: each runs the FLUX workflow with a picture and gets the picture.
//!
//! They run on the server of `INVOKEAI_TEST_URL`, or else on the embedded one. `INVOKEAI_TEST_PYTHON` is a Python that has
//! `requests` and `mcp`; `INVOKEAI_TEST_NPM` a folder in which `openapi-typescript`, `openapi-fetch`, `typescript` and
//! `@modelcontextprotocol/inspector` are installed. Without them these tests are skipped, and say so.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use invokeai_client::{Client, serve::Server, testing::TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http,
    skip::skipped,
    stage::{MODELS, data_url, flux, png},
};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/clients");
const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

/// A service before the one server or the other.
pub(crate) struct Place {
    pub(crate) embedded: Option<TestServer>,
    invokeai_url: String,
    pub(crate) service: Server,
    folder: TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let (embedded, url) = match env::var("INVOKEAI_TEST_URL") {
            Ok(url) => (None, url),
            Err(_) => {
                let server = TestServer::builder().step_time(Duration::from_millis(100)).start().unwrap();
                let url = server.url().to_owned();
                (Some(server), url)
            }
        };
        let client = Client::new(&url).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("photo.png"), png(256, 256)).unwrap();
        let service = Server::builder(client.clone(), folder.path().join("runs")).listen("127.0.0.1:0");
        let service = service.workflow("flux", flux(&client).await).start().unwrap();
        Self { embedded, invokeai_url: url, service, folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn is_a_picture(&self, name: &str) {
        let picture = image::open(self.path(name)).unwrap();
        assert!(picture.width() >= 64 && picture.height() >= 64, "{} x {}", picture.width(), picture.height());
    }
}

/// What the environment names; `None`, and a word about it, if it names nothing. Where `CI` is `true` it must.
fn named(variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    if named.is_none() {
        assert!(env::var("CI").as_deref() != Ok("true"), "CI needs {variable}");
        skipped(format_args!("clients of others: {variable} names nothing"));
    }
    named
}

/// Runs a program, and gives what it prints.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}\n{wrong}");
    said.into_owned()
}

async fn apart(mut command: Command) -> String {
    tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
}

#[tokio::test]
async fn a_program_with_requests_alone() {
    let Some(python) = named("INVOKEAI_TEST_PYTHON") else { return };
    let place = Place::new().await;
    let mut command = Command::new(python);
    command.arg(format!("{CLIENTS}/plain.py")).arg(place.service.url());
    command.args([place.path("photo.png"), place.path("plain.png")]);
    let said = apart(command).await;
    assert!(said.contains("num_steps"), "{said}");
    place.is_a_picture("plain.png");
}

#[tokio::test]
async fn an_agent_by_the_official_sdk_over_http_and_stdio() {
    let Some(python) = named("INVOKEAI_TEST_PYTHON") else { return };
    let place = Place::new().await;
    let agent = |result: &str, server: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(format!("{CLIENTS}/agent.py")).args([place.path("photo.png"), place.path(result)]).args(server);
        command
    };
    let said = apart(agent("http.png", &[&format!("{}/mcp", place.service.url())])).await;
    assert!(said.contains("1.0"), "{said}");
    place.is_a_picture("http.png");
    let (runs, flux) = (place.path("runs-of-the-agent"), format!("flux={WORKFLOW}"));
    let server =
        [env!("CARGO_BIN_EXE_invokeai-client"), "mcp", &flux, "--server", &place.invokeai_url, "--runs", &runs];
    apart(agent("stdio.png", &server)).await;
    place.is_a_picture("stdio.png");
}

#[tokio::test]
async fn the_inspector_of_the_protocol() {
    let Some(npm) = named("INVOKEAI_TEST_NPM") else { return };
    let place = Place::new().await;
    let inspector = |arguments: &[&str]| {
        let mut command = Command::new(npm.join("node_modules/.bin/mcp-inspector"));
        command.args(["--cli", &format!("{}/mcp", place.service.url()), "--transport", "http"]).args(arguments);
        command
    };
    let tools: Value = serde_json::from_str(&apart(inspector(&["--method", "tools/list"])).await).unwrap();
    assert_eq!(tools["tools"][0]["name"], "flux", "{tools:#}");
    // What was uploaded by another way is named here: an address with the whole picture would be a long argument.
    let client = Client::new(&place.invokeai_url).unwrap();
    let photo = client.images().upload(invokeai_client::Upload::path(place.path("photo.png"))).await.unwrap();
    let mut arguments = vec!["--method".to_owned(), "tools/call".into(), "--tool-name".into(), "flux".into()];
    let image = ("image", &*photo.image_name);
    for (name, value) in MODELS.into_iter().chain([("prompt", "a lighthouse"), ("num_steps", "4"), image]) {
        arguments.extend(["--tool-arg".to_owned(), format!("{name}={value}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done: Value = serde_json::from_str(&apart(inspector(&arguments)).await).unwrap();
    assert_eq!((&done["content"][1]["type"], &done["isError"]), (&json!("image"), &json!(false)), "{done:#}");
    photo_is_deleted(&client, &photo.image_name).await;
}

async fn photo_is_deleted(client: &Client, name: &str) {
    client.image(name).delete().await.unwrap();
}

#[tokio::test]
async fn a_typed_client_that_is_generated() {
    let Some(npm) = named("INVOKEAI_TEST_NPM") else { return };
    let place = Place::new().await;
    let url = place.service.url();
    // In a folder inside, so that the modules are found.
    let folder = tempfile::tempdir_in(&npm).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(Path::new(CLIENTS).join("typed.ts"), at("typed.ts")).unwrap();
    fs::write(at("package.json"), r#"{"type": "module"}"#).unwrap();
    let bin = |name: &str| Command::new(npm.join("node_modules/.bin").join(name));
    let mut generate = bin("openapi-typescript");
    generate.arg(format!("{url}/openapi.json")).arg("-o").arg(at("service.d.ts"));
    apart(generate).await;
    let mut compile = bin("tsc");
    compile.current_dir(folder.path()).args([
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--skipLibCheck",
    ]);
    compile.args(["--types", "node", "typed.ts"]);
    apart(compile).await;
    let mut program = Command::new("node");
    program.arg(at("typed.js")).arg(&url).args([place.path("photo.png"), place.path("typed.png")]);
    apart(program).await;
    place.is_a_picture("typed.png");
}

#[tokio::test]
async fn the_description_holds_for_what_it_describes() {
    // The example of the guide, by hand: the name of an image that one run gave is the input of another.
    let place = Place::new().await;
    let http = http::client();
    let mut inputs = json!({ "prompt": "a lighthouse", "image": data_url(&png(64, 64)), "num_steps": 2 });
    for (name, model) in MODELS {
        inputs[name] = model.into();
    }
    for _ in 0..2 {
        let post = http.post(format!("{}/workflows/flux/runs", place.service.url())).header("prefer", "wait=300");
        let run: Value = post.json(&inputs).send().await.unwrap().json().await.unwrap();
        assert_eq!(run["state"], "completed", "{run:#}");
        inputs["image"] = run["outputs"][0]["name"].clone();
    }
}
