//! Every endpoint of InvokeAI's REST API, generated from its OpenAPI document.
//!
//! [`Client`] has one method per operation, named by its `operationId`. Each returns a builder: set the parameters that
//! you need, and call `send`:
//!
//! ```no_run
//! # async fn example() -> Result<(), invokeai_client::Error> {
//! let client = invokeai_client::Client::new("http://127.0.0.1:9090")?;
//! let page = client.api().list_image_dtos().limit(5).is_intermediate(false).send().await?;
//! for image in &page.items {
//!     println!("{} {}x{}", image.image_name, image.width, image.height);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An optional parameter has a second setter for values that may be missing: `maybe_limit(None)` sends no limit.
//!
//! Mistakes in the document are corrected before the code is generated; `openapi/README.md` lists them. Nodes, their
//! outputs and model configurations are JSON values here, because every release and every custom node adds some: their
//! types are data, in [`schema`](crate::schema).
//!
//! Multipart calls take their files as [`Upload`](crate::Upload): a path, bytes or a reader.

// The texts of the generated part are InvokeAI's own.
#![allow(missing_docs, unreachable_pub, rustdoc::all)]

mod operations;
pub(crate) mod runtime;

use futures::future::BoxFuture;
use progenitor_client::encode_path;

use crate::{Error, transport::Transport};

pub use crate::error::operation::Operation;
pub use progenitor_client::{ByteStream, ResponseValue};

/// The generated client: one method per operation.
///
/// Cheap to clone. Comes from [`Client::api`](crate::Client::api).
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) baseurl: String,
    pub(crate) client: reqwest::Client,
    pub(crate) transport: Transport,
}

/// String enums of the API. All are open: a value that this crate does not know is kept.
pub mod enums {
    include!(concat!(env!("OUT_DIR"), "/enums.rs"));
}

/// Payloads of Socket.IO events.
#[allow(clippy::all)]
pub mod events {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}

include!(concat!(env!("OUT_DIR"), "/client.rs"));
