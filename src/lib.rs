#![doc = include_str!("../README.md")]

pub mod api;
mod client;
mod error;
pub mod events;
pub mod job;
mod open_enum;
pub mod progress;
pub mod queue;
pub mod schema;
pub mod submission;
pub mod sweep;
mod timestamp;
mod transport;
mod upload;
pub mod workflow;

pub use client::{Client, ClientBuilder};
pub use error::{Detail, Error, FieldProblem, Refusal, Result};
pub use job::{Finished, Job, JobFailure};
pub use submission::{OutputBoard, Submission, Ticket, WhenFull};
pub use sweep::Sweep;
pub use timestamp::Timestamp;
pub use transport::TransportOptions;
pub use upload::Upload;
