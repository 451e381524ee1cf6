#![doc = include_str!("../README.md")]

pub mod api;
mod batch;
pub mod boards;
mod client;
pub mod download;
mod error;
pub mod events;
pub mod images;
pub mod job;
pub mod library;
mod open_enum;
mod page;
pub mod progress;
pub mod queue;
pub mod schema;
pub mod submission;
pub mod sweep;
mod timestamp;
mod transport;
mod upload;
pub mod videos;
pub mod workflow;

pub use batch::{BatchFailure, BatchOutcome};
pub use client::{Client, ClientBuilder};
pub use error::{Detail, Error, FieldProblem, Refusal, Result};
pub use job::{Finished, Job, JobFailure};
pub use submission::{OutputBoard, Submission, Ticket, WhenFull};
pub use sweep::Sweep;
pub use page::{Direction, Page};
pub use timestamp::Timestamp;
pub use transport::TransportOptions;
pub use upload::Upload;
