//! Live events.

use std::time::Duration;

use futures::StreamExt as _;

use super::{
    iter::{Iter, in_time},
    mirror::{Mirror as _, mirror},
    runtime::Runtime,
};
use crate::{
    error,
    events::{self, ConnectionState, EventEndpoint, EventError, EventFilter, EventItem, EventsOptions},
};

mirror! {
    /// The event connection of one client, shared by all its subscribers.
    #[derive(Clone)]
    pub struct EventHub = events::EventHub;

    /// Subscribes to the events the filter lets pass.
    open fn subscribe(&self, filter: EventFilter) -> EventStream;
    /// The state of the connection now.
    get fn state(&self) -> ConnectionState;
    /// The state of the connection now and after each change. States that follow each other quickly may be skipped;
    /// the last one never is.
    iter fn states(&self) -> Iter<ConnectionState>;
}

mirror! {
    /// The server's events, one after another, from [`EventHub::subscribe`].
    ///
    /// It ends only after an error, and never because nothing happens: [`next_timeout`](Self::next_timeout) waits no
    /// longer than you say.
    ///
    /// ```no_run
    /// # fn example(client: invokeai_client::blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use invokeai_client::events::EventItem;
    ///
    /// let mut events = client.events();
    /// events.connected()?; // from here on, nothing that happens is missed
    /// while let Some(item) = events.next_timeout(Duration::from_secs(60))? {
    ///     match item? {
    ///         EventItem::Event(event) => println!("{} of item {:?}", event.name(), event.item_id()),
    ///         EventItem::Gap(gap) => println!("{gap}: read the queue again"),
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "events that are not read are lost"]
    pub struct EventStream = events::EventStream;

    /// Waits until the connection is up and the server has confirmed this stream's subscriptions. From then on, what
    /// happens is seen: call this before you enqueue something if you want all its events.
    call fn connected(&self) -> Result<(), EventError>;
    /// The state of the connection now.
    get fn state(&self) -> ConnectionState;
    /// Selects other events from now on. What is already buffered stays.
    get fn set_filter(&self, filter: EventFilter);
    /// How many progress events were dropped because they were not read in time. They leave no gap, because the next
    /// one supersedes them.
    get fn progress_dropped(&self) -> u64;
}

impl EventHub {
    /// Creates a hub for the server at `endpoint`. It does not connect until somebody subscribes.
    ///
    /// As [`EventHub::new`](events::EventHub::new).
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system cannot start threads.
    pub fn new(endpoint: EventEndpoint, options: EventsOptions) -> error::Result<Self> {
        Ok(events::EventHub::new(endpoint, options).mirror(Runtime::get()?))
    }
}

impl EventStream {
    /// The next item, or `None` after the last one, if it comes in time.
    ///
    /// Nothing is lost when it does not: the next call goes on waiting for it.
    ///
    /// # Errors
    /// [`Error::WaitTimeout`](crate::Error::WaitTimeout) if it does not.
    pub fn next_timeout(&mut self, limit: Duration) -> error::Result<Option<Result<EventItem, EventError>>> {
        in_time(self.runtime, &mut self.inner, limit)
    }
}

impl Iterator for EventStream {
    type Item = Result<EventItem, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.inner.next())
    }
}
