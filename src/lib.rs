#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![cfg_attr(not(doctest), doc = include_str!("picture.md"))]
#![doc = include_str!("../README.md")]
// Without servers, what only they need of the lower layers has no use.
#![cfg_attr(not(feature = "client"), allow(dead_code, unreachable_pub, unused_imports, unused_macros))]

// The modules by layer, from the lowest to the highest. Each may use what is in the layers above its own in this list, and
// nothing else: `tests/offline/layers.rs` reads this list. ARCHITECTURE.md says what the layers are for.

// Layer: what knows nothing of InvokeAI.
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

// Layer: the way to a server, what was left there, and sweeps.
#[cfg(feature = "client")]
pub mod assets;
pub mod sweep;
#[cfg(feature = "client")]
mod transport;

// Layer: what is generated from the OpenAPI document.
#[cfg(feature = "client")]
pub mod api;

// Layer: events of a server.
#[cfg(feature = "client")]
pub mod events;

// Layer: the client, which has one of each.
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

// Layer: batches that run.
#[cfg(feature = "client")]
mod run;

// Layer: one item of a batch.
#[cfg(feature = "client")]
pub mod job;

// Layer: whole batches, and what items gave.
#[cfg(feature = "client")]
pub mod outputs;
#[cfg(feature = "client")]
pub mod submission;

// Layer: what needs all of these.
#[cfg(feature = "client")]
pub mod cleanup;
#[cfg(feature = "client")]
pub mod library;
pub mod typed;

// Layer: many servers.
#[cfg(feature = "fleet")]
pub mod fleet;

// Layer: what is made of these: code of workflows, the same without async, and the guide.
#[cfg(feature = "bindings")]
pub mod bindings;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(all(any(doc, doctest), feature = "events"))]
pub mod guide;

// Layer: what offers it to others.
#[cfg(feature = "serve")]
pub mod serve;

#[cfg(feature = "client")]
/// What reads this crate's streams (`futures::StreamExt`), so that a program needs no dependency of its own for that.
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

/// Includes the code that `bindings::Builder` made in the build script, by the name of its workflow in snake case.
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
