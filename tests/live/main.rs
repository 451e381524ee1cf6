//! Tests against a real InvokeAI server, named by `INVOKEAI_TEST_URL`; `tests/server/run` gives one.
//!
//! Without a server they are skipped, loudly. Tests that compare all rows of the server before and after run alone, the
//! others side by side: see `common/live.rs`. `INVOKEAI_TEST_SHARED=1` is for a server that other programs use as well.

// Each test binary uses its own share of these.
#[allow(dead_code)]
#[path = "../common"]
mod common {
    pub(crate) mod artifacts;
    #[cfg(all(feature = "bindings", feature = "blocking", feature = "testing"))]
    pub(crate) mod compiler;
    pub(crate) mod dropped;
    pub(crate) mod http;
    pub(crate) mod live;
    pub(crate) mod skip;
    pub(crate) mod workflows;
}

mod blocking;
mod cleanup;
mod custom_nodes;
mod events;
mod faults;
mod handles;
mod jobs;
mod nodes;
mod outputs;
mod releases;
mod rest;
#[cfg(all(feature = "bindings", feature = "blocking", feature = "testing"))]
mod typed_program;
mod users;
#[cfg(all(feature = "bindings", feature = "blocking", feature = "testing"))]
mod workflows;
