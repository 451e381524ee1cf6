#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![cfg_attr(not(doctest), doc = include_str!("picture.md"))]
#![doc = include_str!("../README.md")]
// Without servers, what only they need of the lower layers has no use.
#![cfg_attr(not(feature = "client"), allow(dead_code, unreachable_pub, unused_imports, unused_macros))]

// The modules by layer, from the lowest to the highest. Each may use what is in the layers above its own in this list, and
// nothing else: `tests/offline/layers.rs` reads this list. ARCHITECTURE.md says what the layers are for.

// Layer: how values are shown.
mod debug;

// Layer: what knows nothing of InvokeAI.
#[cfg(feature = "client")]
mod deadline;
mod local_folder;
mod member;
mod one_line;
mod open_enum;
mod similar;
#[cfg(feature = "client")]
mod timestamp;
mod weight;

// Layer: plain data.
pub mod compatibility;
mod local_file;
mod media;
mod node_ref;
mod operation;
pub mod schema;
mod secrets;

// Layer: why jobs fail, reading JSON leniently, and workflows as data.
mod failure;
mod lenient;
pub mod workflow;

// Layer: the one error.
mod error;

// Layer: the way to a server, what was left there, and lists.
#[cfg(feature = "client")]
pub mod assets;
#[cfg(feature = "client")]
mod bulk;
#[cfg(feature = "client")]
mod page;
pub mod sweep;
#[cfg(feature = "client")]
mod transport;

// Layer: what is generated from the OpenAPI document.
#[cfg(feature = "client")]
pub mod api;
#[cfg(feature = "client")]
mod upload;

// Layer: events of a server.
#[cfg(feature = "client")]
pub mod events;

// Layer: the client, which has one of each.
#[cfg(feature = "client")]
mod client;

// Layer: how lists are asked for.
#[cfg(feature = "client")]
mod lists;

// Layer: things of a server that need no others.
#[cfg(feature = "client")]
pub mod auth;
#[cfg(feature = "client")]
pub mod download;
#[cfg(feature = "client")]
pub mod queue;
#[cfg(feature = "client")]
mod raw;
#[cfg(feature = "client")]
pub mod server;
#[cfg(feature = "client")]
pub mod system_prompts;
#[cfg(feature = "testing")]
pub mod testing;

// Layer: things that can be downloaded, and what events say of queue items.
#[cfg(feature = "client")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "client")]
pub mod images;
#[cfg(feature = "client")]
pub mod library;
#[cfg(feature = "client")]
pub mod models;
#[cfg(feature = "client")]
pub mod progress;
#[cfg(feature = "client")]
pub mod style_presets;

// Layer: batches that run, and videos, which are described as images are.
#[cfg(feature = "client")]
mod run;
#[cfg(feature = "client")]
pub mod videos;

// Layer: one item of a batch, and what has images and videos.
#[cfg(feature = "client")]
pub mod boards;
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
mod library_run;
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
pub use bulk::{BulkFailure, BulkOutcome};
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder};
pub use error::{BodyFault, Detail, Error, FieldProblem, Refusal, Result};
pub use failure::JobFailure;
#[cfg(feature = "client")]
pub use job::{FinishedJob, Job};
pub use node_ref::NodeRef;
#[cfg(feature = "client")]
pub use page::{Direction, Page};
#[cfg(feature = "client")]
pub use raw::{RawAnswer, RawRequest};
#[cfg(feature = "client")]
pub use submission::{OutputBoard, Submission, Ticket, WaitAll, WhenFull};
pub use sweep::Sweep;
#[cfg(feature = "client")]
pub use timestamp::Timestamp;
#[cfg(feature = "client")]
pub use transport::TransportOptions;
#[cfg(feature = "client")]
pub use upload::Upload;

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
