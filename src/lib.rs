#![doc = include_str!("../README.md")]

pub mod api;
pub mod assets;
pub mod auth;
#[cfg(feature = "bindings")]
pub mod bindings;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod boards;
mod bulk;
pub mod cleanup;
mod client;
pub mod compatibility;
mod deadline;
mod debug;
pub mod download;
mod error;
pub mod events;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(any(doc, doctest), feature = "events"))]
pub mod guide;
pub mod images;
pub mod job;
mod lenient;
pub mod library;
mod library_run;
mod local_file;
mod local_folder;
mod media;
mod member;
pub mod models;
mod node_ref;
mod one_line;
mod open_enum;
mod operation;
pub mod outputs;
mod page;
pub mod progress;
pub mod queue;
mod raw;
mod run;
pub mod schema;
mod secrets;
pub mod server;
mod similar;
pub mod style_presets;
pub mod submission;
pub mod sweep;
pub mod system_prompts;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
mod transport;
pub mod typed;
mod upload;
pub mod videos;
mod weight;
pub mod workflow;

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
