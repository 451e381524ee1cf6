//! A subscriber's end: the stream of events, with every hole marked.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use tokio::task::consume_budget;

use super::{ConnectionState, Link, Shared, Subscriber};
use crate::events::{Event, EventError, EventFilter};

/// What an [`EventStream`] yields.
#[derive(Clone)]
#[non_exhaustive]
pub enum EventItem {
    /// Something happened on the server.
    Event(Event),
    /// The connection is down, or could not be made. Nothing arrives until a [`Gap::Reconnected`] follows; poll over
    /// HTTP meanwhile.
    Disconnected {
        /// Why it is down.
        error: EventError,
    },
    /// Events may be missing between the item before this one and the next. Read the state you care about again over
    /// HTTP.
    Gap(Gap),
}

crate::base::debug::short_debug! { enum EventItem { Event(value), Disconnected { error }, Gap(value) } }

/// Why events may be missing.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The connection was down. It is up again now, and all subscriptions are confirmed.
    Reconnected,
    /// The subscriber was too slow, and its buffer overflowed.
    Lagged {
        /// How many items were dropped, not counting progress events.
        missed: u64,
    },
    /// The server sent something unreadable, which may have been an event.
    Garbled {
        /// What was wrong with it.
        detail: String,
    },
}

crate::base::debug::short_debug! { enum Gap { Reconnected, Lagged { missed }, Garbled { detail } } }

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reconnected => f.write_str("events may have been lost while the connection was down"),
            Self::Lagged { missed } => write!(f, "{missed} events were dropped because they were not read in time"),
            Self::Garbled { detail } => write!(f, "an unreadable packet was skipped: {detail}"),
        }
    }
}

/// A stream of the server's events, from [`EventHub::subscribe`](crate::events::EventHub::subscribe).
///
/// It ends only with an error: when the server refuses the connection for good, or when the attempts allowed by
/// [`EventsOptions::max_attempts`](crate::events::EventsOptions::max_attempts) are used up. Short of that it reconnects, and
/// yields [`EventItem::Disconnected`] and [`EventItem::Gap`] as it does.
///
/// Events arrive in the server's order. The order is usual, not guaranteed: the server sends each event on its own.
/// Compare [`Event::status_sequence`].
///
/// Dropping the stream ends the subscription. Reading it is cancel safe: an item is either yielded or still there.
pub struct EventStream {
    shared: Arc<Shared>,
    subscriber: Arc<Subscriber>,
}

crate::base::debug::short_debug! { EventStream { shared, subscriber } }

impl EventStream {
    pub(super) fn new(shared: Arc<Shared>, subscriber: Arc<Subscriber>) -> Self {
        Self { shared, subscriber }
    }

    /// Waits until the connection is up and the server has confirmed this stream's subscriptions. From then on, what
    /// happens is seen: await this before you enqueue something if you want all its events.
    ///
    /// Takes at most as long as one attempt to connect and subscribe may take
    /// ([`connect_timeout`](crate::events::EventsOptions::connect_timeout) and
    /// [`ack_timeout`](crate::events::EventsOptions::ack_timeout)). Cancel safe.
    ///
    /// # Errors
    ///
    /// When the last attempt failed. The stream goes on trying, unless the error is permanent, so it is fine to go on
    /// without events and to poll.
    pub async fn connected(&self) -> Result<(), EventError> {
        let mut link = self.subscriber.link.subscribe();
        let settled = link.wait_for(|link| !matches!(link, Link::Pending)).await;
        match settled.as_deref() {
            Ok(Link::Live) => Ok(()),
            Ok(Link::Down(error)) => Err(error.clone()),
            Ok(Link::Pending) | Err(_) => Err(EventError::Closed { reason: None }),
        }
    }

    /// The state of the connection now.
    pub fn state(&self) -> ConnectionState {
        self.shared.state.borrow().clone()
    }

    /// Selects other events from now on. What is already buffered stays.
    pub fn set_filter(&self, filter: EventFilter) {
        self.subscriber.set_filter(filter);
        self.shared.changed.notify_one();
    }

    /// How many progress events were dropped because they were not read in time. They leave no gap, because the next
    /// one supersedes them.
    pub fn progress_dropped(&self) -> u64 {
        self.subscriber.buffer().progress_dropped()
    }
}

impl Stream for EventStream {
    type Item = Result<EventItem, EventError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Events may come as fast as they are read.
        ready!(pin!(consume_budget()).poll(cx));
        self.subscriber.buffer().poll_next(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.shared.remove(&self.subscriber);
    }
}
