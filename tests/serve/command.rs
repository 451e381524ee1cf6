//! `invokeai-client serve`, as a process.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use invokeai_client::testing::TestServer;
use reqwest::StatusCode;
use serde_json::Value;

use crate::stage::{Stage, data_url, flux_inputs, png};

const TOKEN: &str = "a-token-of-some-length";

/// The command, which is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, without a chance to say anything.
    pub(crate) fn kill(&self) {
        let killed = Command::new("kill").args(["-KILL", &self.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn serve(stage: &Stage, arguments: &[&str]) -> Serving {
    let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
    serve_with(&stage.invokeai, stage.folder.path(), workflow, arguments)
}

/// Starts the command with this workflow, before this server; its runs are in this folder.
pub(crate) fn serve_with(invokeai: &TestServer, folder: &Path, workflow: &str, arguments: &[&str]) -> Serving {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
    let runs = folder.join("runs-of-the-command");
    command.args(["serve", workflow, "--listen", "127.0.0.1:0", "--json", "--server", invokeai.url(), "--runs"]);
    command.arg(runs).args(arguments).env("XDG_CONFIG_HOME", "/nonexistent").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut text = String::new();
    // Indented JSON: up to the closing brace.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        text += &line.unwrap();
        if text.ends_with('}') {
            break;
        }
    }
    let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    Serving { child, url: said["url"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn the_command_serves_and_survives_being_killed() {
    let stage = Stage::with(Duration::from_millis(100), |service| service).await;
    let file = stage.folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let arguments = ["--token-file", file.to_str().unwrap()];
    let serving = serve(&stage, &arguments);
    let inputs = flux_inputs(&data_url(&png(48, 48)));
    let post = stage.http.post(format!("{}/workflows/flux-image-to-image/runs", serving.url));
    let response = post.bearer_auth(TOKEN).json(&inputs).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let run: Value = response.json().await.unwrap();
    let unknown = stage.http.get(format!("{}/openapi.json", serving.url)).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    // Killed, without a chance to say anything.
    drop(serving);
    let serving = serve(&stage, &arguments);
    let address = format!("{}{}", serving.url, run["links"]["self"].as_str().unwrap());
    let events = stage.http.get(format!("{address}/events")).bearer_auth(TOKEN).send().await.unwrap();
    let told = events.text().await.unwrap();
    assert!(told.contains("event: end"), "{told}");
    let ended: Value = stage.http.get(address).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(ended["state"], "completed", "{ended:#}");
    assert_eq!(stage.items().await.len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_sudden_end() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new());
    let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -f 0; exec \"$@\" 2>&1 | cat",
        "sh",
        env!("CARGO_BIN_EXE_invokeai-client"),
        "serve",
        workflow,
    ]);
    command.args(["--listen", "127.0.0.1:0", "--server", stage.invokeai.url(), "--runs"]);
    command.arg(stage.folder.path().join("other")).env("XDG_CONFIG_HOME", "/nonexistent");
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(said.contains("runs.log") && said.contains("too large"), "{said:?}");
}

#[test]
fn what_cannot_be_served_is_reported() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new());
    let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
    let runs = stage.folder.path().join("other").display().to_string();
    for (arguments, expected) in [
        (&[workflow, "--listen", "0.0.0.0:0"][..], "a token is needed"),
        (&[workflow, "--listen", "nowhere"], "is not an address"),
        (&[workflow, workflow], "two workflows would be called `flux-image-to-image`"),
        (&["no-such-file.json"], "no-such-file.json"),
        (&[workflow, "--token-file", "no-such-token"], "no-such-token"),
        (&["saved:nothing of this name"], "no saved workflow"),
        (&["文字=saved:x"], "no saved workflow"),
        (&[workflow, "--origin", "*"], "is not an origin"),
        (&[workflow, "--host", "http://studio.example"], "is not the name of a host"),
        (&[workflow, "--max-runs", "18446744073709551615"], "--max-runs"),
        (&[workflow, "--max-body", "18446744073709551615"], "--max-body"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.args(["serve", "--runs", &runs, "--server", stage.invokeai.url()]).args(arguments);
        let output = command.env("XDG_CONFIG_HOME", "/nonexistent").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
