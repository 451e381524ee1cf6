//! Live events of an InvokeAI server.
//!
//! The server announces everything it does over one Socket.IO connection: items changing status, nodes starting,
//! progressing (with previews) and completing, models loading, downloads, and more. An [`EventHub`] keeps one such
//! connection per client, however many subscribers there are: it opens when the first one subscribes, reconnects with a
//! growing pause when it breaks, and closes after the last one leaves.
//!
//! Events are fast but not certain: what the server sends while a connection is down is lost for good. An
//! [`EventStream`] therefore never hides a hole. It yields [`EventItem::Disconnected`] when the connection breaks, and
//! [`EventItem::Gap`] wherever events may be missing; after a gap, read the state you care about again over HTTP.
//!
//! ```no_run
//! use futures::StreamExt;
//! use invokeai_client::events::{EventEndpoint, EventFilter, EventHub, EventItem, EventsOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = EventEndpoint::new(reqwest::Client::new(), "http://127.0.0.1:9090")?;
//! let hub = EventHub::new(endpoint, EventsOptions::default());
//! let mut events = hub.subscribe(EventFilter::all().queue("default"));
//! events.connected().await?; // from here on, nothing that happens is missed
//! while let Some(item) = events.next().await {
//!     match item? {
//!         EventItem::Event(event) => println!("{} of item {:?}", event.name(), event.item_id()),
//!         EventItem::Gap(gap) => println!("{gap}: read the queue again"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod event;
mod head;
mod payload;
mod preview;

#[cfg(feature = "events")]
#[doc(hidden)]
pub mod codec;
#[cfg(feature = "events")]
mod error;
#[cfg(feature = "events")]
mod filter;
#[cfg(feature = "events")]
mod hub;
#[cfg(feature = "events")]
mod options;
#[cfg(feature = "events")]
mod paced;
#[cfg(feature = "events")]
mod socket;

pub use event::Event;
pub use payload::{EventPayload, PayloadError};
pub use preview::{PreviewError, PreviewImage};

#[cfg(feature = "events")]
pub use {
    error::EventError,
    filter::EventFilter,
    hub::{ConnectionState, EventHub, EventItem, EventStream, Gap},
    options::EventsOptions,
    socket::EventEndpoint,
};
