//! Faults by operation: what each operation promises when something goes wrong. The whole table is `docs/faults.md`.
#![cfg(feature = "events")]

// Each test binary uses its own share of these.
#[allow(dead_code)]
#[path = "../common"]
mod common {
    #[cfg(target_os = "linux")]
    pub(crate) mod alone;
    pub(crate) mod dropped;
    pub(crate) mod fake_gallery;
    pub(crate) mod fake_invokeai;
    pub(crate) mod http;
    pub(crate) mod mounted;
    pub(crate) mod mutation;
    pub(crate) mod places;
    pub(crate) mod raw_server;
    pub(crate) mod skip;
    pub(crate) mod socket_server;
    pub(crate) mod workflows;
}

mod addresses;
mod boards;
mod cancelled;
mod cleanup;
mod disk;
mod enqueues;
mod floods;
#[cfg(target_os = "linux")]
mod frames;
mod hostile;
mod incoming;
mod jobs;
mod ledger;
mod memory;
mod operations;
mod redirects;
mod rest;
mod retries;
mod table;
mod uploads;
mod waits;

use std::time::Duration;

use invokeai_client::{
    Client, ClientBuilder, TransportOptions,
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};

use common::{
    dropped::{self, names_in, without_parts},
    fake_gallery, fake_invokeai, mounted, raw_server, skip, workflows,
};

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
    Workflow::new(WorkflowDefinition::from_value(workflows::additions()).unwrap(), NodeCatalog::embedded())
}
