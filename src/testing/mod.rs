//! An InvokeAI server inside your program, for demos and for tests of programs that use this crate. Feature `testing`.
//!
//! It needs no GPU, no model and no installation: real HTTP and real Socket.IO on a loopback port, records and images
//! in memory, nothing on disk. It speaks like InvokeAI 6.14.2 and is checked against it: the suite `tests/contract` of
//! this crate sends both the same requests and compares their answers and events.
//!
//! * It **executes** nodes that need no model: images, masks, text, numbers, collections, iteration, metadata.
//! * It **simulates** nodes that need one: there is progress with previews, and a picture that depends on prompt, seed,
//!   size and input picture. Equal inputs give equal pictures.
//! * It **refuses** everything else with status 501, and says what it does not support. It never makes up an answer.
//!
//! # A test of your own program
//!
//! ```
//! use invokeai_client::{Upload, images::ImageCategory, testing::{Fault, TestServer}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::start()?;
//! let client = server.client()?; // or give `server.url()` to your program
//!
//! // Here your program runs.
//! let mut png = std::io::Cursor::new(Vec::new());
//! image::RgbImage::new(64, 48).write_to(&mut png, image::ImageFormat::Png)?;
//! let image = client.images().upload(Upload::bytes("photo.png", png.into_inner())).await?;
//!
//! // What did it do?
//! assert_eq!(client.image(&image.image_name).get().await?.image_category, ImageCategory::User);
//! assert_eq!(server.faults().calls("upload_image"), 1);
//!
//! // And how does it cope if the server fails?
//! server.faults().add("get_image_dto", Fault::status(403), 1);
//! assert!(client.image(&image.image_name).get().await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What differs from the real server
//!
//! * Its library of workflows and its style presets start empty; the models are the tiny ones of this crate's
//!   `tests/server`, of which only the records exist.
//! * Videos (there are none in its lists), downloads from the network, custom node packs and a few operations for
//!   administrators answer 501.
//! * An installed model is a record: its source is not read, and base and type are guessed from its name.
//! * Tokens only look like JSON Web Tokens.

mod connection;
mod dispatch;
mod events;
mod faults;
mod http;
mod node_error;
pub(crate) mod nodes;
pub(crate) mod openapi;
mod operations;
mod outgoing;
mod png;
mod processor;
mod routes;
mod server;
pub(crate) mod session;
mod sockets;
mod store;
mod validate;
mod world;
mod zip;

pub use faults::{Fault, Faults};
pub use server::{TestServer, TestServerBuilder};
