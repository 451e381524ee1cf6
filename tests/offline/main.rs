//! Tests that need no server of InvokeAI: they read files, or talk to small servers of their own.

// Each test binary uses its own share of these.
#[allow(dead_code)]
#[path = "../common"]
mod common {
    pub(crate) mod alone;
    #[cfg(all(feature = "bindings", feature = "testing"))]
    pub(crate) mod compiler;
    pub(crate) mod counts;
    pub(crate) mod document;
    pub(crate) mod effort;
    #[cfg(feature = "events")]
    pub(crate) mod fake_invokeai;
    pub(crate) mod http;
    pub(crate) mod instructions;
    pub(crate) mod listing;
    pub(crate) mod lowering_cases;
    pub(crate) mod mirrored;
    pub(crate) mod mutation;
    pub(crate) mod raw_server;
    pub(crate) mod reference;
    pub(crate) mod skip;
    #[cfg(feature = "events")]
    pub(crate) mod socket_server;
    pub(crate) mod workflows;
}

#[allow(dead_code)]
#[path = "../../build/enums.rs"]
mod enums;
#[path = "../../build/fault.rs"]
mod fault;
#[path = "../../build/incompatible.rs"]
mod incompatible;
#[allow(dead_code)]
#[path = "../../build/lower/mod.rs"]
mod lower;
#[path = "../../build/merge.rs"]
mod merge;
#[allow(dead_code)]
#[path = "../../build/required.rs"]
mod required;
// In `fuzz/` these are the public items of a library.
#[allow(unreachable_pub)]
#[cfg(feature = "events")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

mod assets;
#[cfg(all(feature = "bindings", feature = "testing"))]
mod bindings;
mod blocking;
mod blocking_parity;
mod debug;
mod downloads;
mod embedded_server;
mod english;
mod events;
mod events_recorded;
mod forward_answers;
mod forward_events;
mod forward_openapi;
mod fuzz_corpus;
mod handles;
mod instructions;
mod layers;
mod lowering;
mod mocked;
mod operations;
mod other_document;
mod other_nodes;
mod public_api;
mod reference_files;
mod rest_requests;
mod size;
mod supply_chain;
mod sweep;
mod transfers;
mod workflow;
mod workflow_golden;
mod workflow_growth;
mod workflow_properties;
mod workflow_reading;
