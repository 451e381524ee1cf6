#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![cfg_attr(not(doctest), doc = include_str!("picture.md"))]
#![doc = include_str!("../README.md")]
// Without the client, parts of the lower layers are unused.
#![cfg_attr(not(feature = "client"), allow(dead_code, unreachable_pub, unused_imports, unused_macros))]

// The modules by layer, from the lowest to the highest. Each may use what is in the layers above its own in this list,
// and nothing else: `tests/offline/layers.rs` reads this list. ARCHITECTURE.md says what the layers are for.

// Layer: helpers that know nothing of InvokeAI.
mod base;

// Layer: reading JSON.
mod json;

// Layer: plain data.
pub mod compatibility;
mod media;
pub mod schema;

// Layer: workflows as data.
pub mod workflow;

// Layer: the one error.
mod error;

// Layer: transport to a server, records of what was left there, and sweeps.
#[cfg(feature = "client")]
pub mod assets;
pub mod sweep;
#[cfg(feature = "client")]
mod transport;

// Layer: code generated from the OpenAPI document.
#[cfg(feature = "client")]
pub mod api;

// Layer: events of a server.
#[cfg(feature = "client")]
pub mod events;

// Layer: the client, which holds transport, API, events and records.
#[cfg(feature = "client")]
mod client;

// Layer: things of a server that need no others.
#[cfg(feature = "client")]
pub mod auth;
#[cfg(feature = "client")]
pub mod download;
#[cfg(feature = "client")]
pub mod queue;
#[cfg(feature = "client")]
pub mod server;
#[cfg(feature = "testing")]
pub mod testing;

// Layer: things that can be downloaded, and what events say of queue items.
#[cfg(feature = "client")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "client")]
mod gallery;
#[cfg(feature = "client")]
pub mod models;
#[cfg(feature = "client")]
mod presets;
#[cfg(feature = "client")]
pub mod progress;

// Layer: running batches.
#[cfg(feature = "client")]
mod run;

// Layer: one item of a batch.
#[cfg(feature = "client")]
pub mod job;

// Layer: whole batches, and the results of items.
#[cfg(feature = "client")]
pub mod outputs;
#[cfg(feature = "client")]
pub mod submission;

// Layer: modules that need all of these.
#[cfg(feature = "client")]
pub mod cleanup;
#[cfg(feature = "client")]
pub mod library;
pub mod typed;

// Layer: many servers.
#[cfg(feature = "fleet")]
pub mod fleet;

// Layer: generated code for workflows, the same API without async, and the guide.
#[cfg(feature = "bindings")]
pub mod bindings;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(all(any(doc, doctest), feature = "events"))]
pub mod guide;

// Layer: the service that offers it to others.
#[cfg(feature = "serve")]
pub mod serve;

#[cfg(feature = "client")]
/// The `futures` crate, whose `StreamExt` reads this crate's streams, so that a program needs no dependency of its own
/// for that.
pub use futures;

#[cfg(feature = "client")]
pub use base::timestamp::Timestamp;
#[cfg(feature = "client")]
pub use client::{
    Client, ClientBuilder,
    raw::{RawAnswer, RawRequest},
};
pub use error::{BodyFault, Detail, Error, FieldProblem, Refusal, Result, failure::JobFailure};
#[cfg(feature = "client")]
pub use gallery::{boards, images, videos};
#[cfg(feature = "client")]
pub use job::{FinishedJob, Job};
#[cfg(feature = "client")]
pub use presets::{style_presets, system_prompts};
pub use schema::node_ref::NodeRef;
#[cfg(feature = "client")]
pub use submission::{OutputBoard, Submission, Ticket, WaitAll, WhenFull};
pub use sweep::Sweep;
#[cfg(feature = "client")]
pub use transport::{
    TransportOptions,
    bulk::{BulkFailure, BulkOutcome},
    page::{Direction, Page},
    upload::Upload,
};

/// Includes the code that `bindings::Builder` generated in the build script, by the name of its workflow in snake case.
///
/// ```text
/// /// FLUX text to image.
/// mod flux {
///     invokeai_client::include_bindings!("flux");
/// }
/// ```
#[macro_export]
macro_rules! include_bindings {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}
