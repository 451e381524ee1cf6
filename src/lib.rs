#![doc = include_str!("../README.md")]

pub mod api;
mod client;
mod error;
pub mod events;
mod open_enum;
pub mod progress;
pub mod queue;
pub mod schema;
mod transport;
mod upload;

pub use client::{Client, ClientBuilder};
pub use error::{Detail, Error, FieldProblem, Refusal, Result};
pub use transport::TransportOptions;
pub use upload::Upload;
