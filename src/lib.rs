#![doc = include_str!("../README.md")]

pub mod api;
mod client;
mod error;
mod open_enum;
pub mod schema;
mod transport;

pub use client::{Client, ClientBuilder};
pub use error::{Detail, Error, FieldProblem, Refusal, Result};
pub use transport::TransportOptions;
