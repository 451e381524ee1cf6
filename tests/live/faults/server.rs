//! A real server, without models, that can be killed and started again.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use invokeai_client::{Client, ClientBuilder, TransportOptions};
use serde_json::Value;

use super::rows::Rows;
use crate::common::skip::skipped;

pub(super) struct Server {
    pub(super) root: tempfile::TempDir,
    pub(super) url: String,
    pid: u64,
    /// The rest of what `start` reports.
    state: Value,
}

impl Server {
    /// `None` if no server can be started, which is reported.
    pub(super) fn start(options: &[&str]) -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let state = run(root.path(), options)?;
        let mut server = Self { root, url: String::new(), pid: 0, state: Value::Null };
        server.runs(state);
        Some(server)
    }

    fn runs(&mut self, state: Value) {
        self.url = state["url"].as_str().unwrap().to_owned();
        self.pid = state["pid"].as_u64().unwrap();
        self.state = state;
    }

    /// The address and the password of its administrator, where it has users.
    pub(super) fn login(&self) -> (&str, &str) {
        (self.state["email"].as_str().unwrap(), self.state["password"].as_str().unwrap())
    }

    /// For tests that let the server settle before they look: the client does not wait for what may be on its way.
    pub(super) fn builder(&self) -> ClientBuilder {
        let mut options = TransportOptions::default();
        options.lost_answer_patience = Duration::from_secs(1);
        let builder = Client::builder(&self.url).transport(options);
        match self.state["token"].as_str() {
            Some(token) => builder.token(token),
            None => builder,
        }
    }

    /// A client that is the only one with this ledger.
    pub(super) fn client(&self, ledger: &Path) -> Client {
        self.builder().ledger(ledger).build().unwrap()
    }

    pub(super) fn rows(&self) -> Rows {
        Rows::of(self.root.path())
    }

    /// Kills it at once.
    pub(super) fn kill(&self) {
        let killed = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status().unwrap();
        assert!(killed.success());
    }

    pub(super) async fn run_again(&mut self) {
        let port = self.url.rsplit_once(':').unwrap().1.to_owned();
        let root = self.root.path().to_owned();
        let before = self.url.clone();
        // InvokeAI itself sometimes fails to start after a kill: "cannot VACUUM - SQL statements in progress".
        for tries_left in (0..10).rev() {
            let (root, port) = (root.clone(), port.clone());
            match tokio::task::spawn_blocking(move || run(&root, &["--port", &port])).await {
                Ok(again) => {
                    self.runs(again.expect("it started before"));
                    break;
                }
                Err(error) => assert!(tries_left > 0, "{error}"),
            }
        }
        assert_eq!(self.url, before);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = harness().arg("stop").arg(self.root.path()).status();
    }
}

/// A file of `tests/server/`.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server").join(name)
}

fn harness() -> Command {
    Command::new(file("run"))
}

/// Starts a server in this folder; returns what is known of it.
fn run(root: &Path, options: &[&str]) -> Option<Value> {
    let mut start = harness();
    start.args(["start", "--plain", "--root"]).arg(root).arg("--nodes").arg(file("nodes/frozen_heap"));
    let started = start.args(options).output().unwrap();
    let said = String::from_utf8_lossy(&started.stderr);
    if started.status.code() == Some(75) && env::var("CI").as_deref() != Ok("true") {
        skipped(format_args!("live faults: {said}"));
        return None;
    }
    assert!(started.status.success(), "{said}");
    Some(serde_json::from_slice(&started.stdout).unwrap())
}
