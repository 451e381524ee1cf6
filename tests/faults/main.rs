//! Faults by operation: what each operation promises when something goes wrong. The whole table is `docs/faults.md`.
#![cfg(feature = "events")]

// Each test binary uses its own share of these.
#[allow(dead_code)]
#[path = "../common"]
mod common {
    pub(crate) mod fake_gallery;
    pub(crate) mod fake_invokeai;
    pub(crate) mod places;
    pub(crate) mod raw_server;
    pub(crate) mod skip;
    pub(crate) mod socket_server;
    pub(crate) mod workflows;
}

mod boards;
mod cancelled;
mod cleanup;
mod disk;
mod incoming;
mod jobs;
mod ledger;
mod operations;
mod redirects;
mod rest;
mod table;
mod uploads;

use std::{fs, path::Path, time::Duration};

use invokeai_client::{
    Client, ClientBuilder, TransportOptions,
    schema::NodeCatalogue,
    workflow::{Workflow, WorkflowDefinition},
};

use common::{fake_gallery, fake_invokeai, raw_server, skip, workflows};

/// Quick to repeat and quick to give up.
fn builder(url: &str) -> ClientBuilder {
    let mut options = TransportOptions::default();
    options.connect_timeout = Duration::from_millis(200);
    options.read_timeout = Duration::from_millis(400);
    options.retry_pause = Duration::from_millis(1);
    options.lost_answer_patience = Duration::from_millis(1);
    options.json_limit = 64 * 1024;
    Client::builder(url).transport(options)
}

fn workflow() -> Workflow {
    Workflow::new(WorkflowDefinition::from_value(workflows::additions()).unwrap(), NodeCatalogue::embedded())
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until no unfinished file is left. Parts are removed where their writer ends, a moment after a future was
/// dropped.
async fn without_parts(directory: &Path) -> Vec<String> {
    for _ in 0..500 {
        let names = names_in(directory);
        if !names.iter().any(|name| name.ends_with(".part")) {
            return names;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", names_in(directory));
}
