#![doc = include_str!("../README.md")]

// The modules by layer, from the lowest to the highest. Each may use what is in the layers above its own in this list, and
// nothing else: `tests/offline/layers.rs` reads this list. ARCHITECTURE.md says what the layers are for.

// Layer: how values are shown.
mod debug;

// Layer: what knows nothing of InvokeAI.
mod deadline;
mod local_folder;
mod member;
mod one_line;
mod open_enum;
mod similar;
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
pub mod assets;
mod bulk;
mod page;
pub mod sweep;
mod transport;

// Layer: what is generated from the OpenAPI document.
pub mod api;
mod upload;

// Layer: events of a server.
pub mod events;

// Layer: the client, which has one of each.
mod client;

// Layer: how lists are asked for.
mod lists;

// Layer: things of a server that need no others.
pub mod auth;
pub mod download;
pub mod queue;
mod raw;
pub mod server;
pub mod system_prompts;
#[cfg(feature = "testing")]
pub mod testing;

// Layer: things that can be downloaded, and what events say of queue items.
#[doc(hidden)]
pub mod fuzzing;
pub mod images;
pub mod library;
pub mod models;
pub mod progress;
pub mod style_presets;

// Layer: batches that run, and videos, which are described as images are.
mod run;
pub mod videos;

// Layer: one item of a batch, and what has images and videos.
pub mod boards;
pub mod job;

// Layer: whole batches, and what items gave.
pub mod outputs;
pub mod submission;

// Layer: what needs all of these.
pub mod cleanup;
mod library_run;
pub mod typed;

// Layer: what is made of these: code of workflows, the same without async, and the guide.
#[cfg(feature = "bindings")]
pub mod bindings;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(all(any(doc, doctest), feature = "events"))]
pub mod guide;

/// What reads this crate's streams (`futures::StreamExt`), so that a program needs no dependency of its own for that.
pub use futures;

pub use bulk::{BulkFailure, BulkOutcome};
pub use client::{Client, ClientBuilder};
pub use error::{BodyFault, Detail, Error, FieldProblem, Refusal, Result};
pub use failure::JobFailure;
pub use job::{FinishedJob, Job};
pub use node_ref::NodeRef;
pub use page::{Direction, Page};
pub use raw::{RawAnswer, RawRequest};
pub use submission::{OutputBoard, Submission, Ticket, WaitAll, WhenFull};
pub use sweep::Sweep;
pub use timestamp::Timestamp;
pub use transport::TransportOptions;
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
