//! Follows the items of one submission: events for speed, reading for truth.

use std::{pin::Pin, sync::Arc, time::Duration};

#[cfg(feature = "events")]
use futures::StreamExt as _;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    callbacks::Callbacks,
    read::{Alone, POLL, POLL_IN_TROUBLE, Reader},
    state::State,
};
use crate::Client;
#[cfg(feature = "events")]
use crate::events::{EventFilter, EventItem, EventStream, Gap};

/// How often to read although events arrive: a safety net.
const POLL_WITH_EVENTS: Duration = Duration::from_secs(15);

/// Shortest pause between two reads, whatever asks for them: a server may send events that ask as fast as it can.
const SHORTEST: Duration = Duration::from_millis(50);

/// The events of a submission.
#[derive(Debug)]
pub(crate) enum Events {
    /// Subscribed before the items existed: nothing is missing.
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    FromTheStart(EventStream),
    /// Subscribed later, or not connected yet.
    FromNow(EventStream),
    /// There are none; polling alone must do.
    None,
}

impl Events {
    /// Subscribes to the events of a batch, and waits until they arrive. Where there are none, polling does the same,
    /// only later.
    #[cfg(feature = "events")]
    pub(crate) async fn of_batch(client: &Client, queue_id: &str, batch_id: &str) -> Self {
        let stream = client.event_hub().subscribe(EventFilter::all().queue(queue_id).batch(batch_id));
        match stream.connected().await {
            Ok(()) => Self::FromTheStart(stream),
            Err(error) => {
                tracing::info!(%error, "no live events; polling instead");
                Self::FromNow(stream)
            }
        }
    }

    /// Built without events.
    #[cfg(not(feature = "events"))]
    pub(crate) async fn of_batch(_: &Client, _: &str, _: &str) -> Self {
        Self::None
    }

    /// For items that exist already: the record must be read first.
    pub(crate) fn joined_late(self) -> Self {
        match self {
            Self::FromTheStart(stream) => Self::FromNow(stream),
            other => other,
        }
    }
}

/// Built without events, there is never a stream.
#[cfg(not(feature = "events"))]
#[derive(Debug)]
pub(crate) enum EventStream {}

/// The task that follows a submission. Ends with the last item, or when dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    task: AbortHandle,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows from now on. The caller has [said so](State::take_following).
pub(crate) fn follow(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    state: Arc<State>,
    events: Events,
    callbacks: Callbacks,
) -> Follower {
    let end = End(Arc::clone(&state));
    let reader = Reader { queue: client.queue(queue_id), batch_id: batch_id.to_owned(), state: Arc::clone(&state) };
    let mut following = Following { batch_id: batch_id.to_owned(), state, callbacks, live: false };
    let task = tokio::spawn(async move {
        let _end = end;
        following.run(&reader, events).await;
    });
    Follower { task: task.abort_handle() }
}

/// Records that nobody follows any more, however the task ends: its runtime may be shut down while others still wait.
struct End(Arc<State>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end_following();
    }
}

struct Following {
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    batch_id: String,
    state: Arc<State>,
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    callbacks: Callbacks,
    /// Whether events arrive.
    live: bool,
}

impl Following {
    async fn run(&mut self, reader: &Reader, events: Events) {
        self.live = !matches!(events, Events::None);
        // What happened before the subscription is only in the record.
        let mut read_all = !matches!(events, Events::FromTheStart(_));
        let mut read_fresh = false;
        let mut events = match events {
            Events::FromTheStart(stream) | Events::FromNow(stream) => Some(stream),
            Events::None => None,
        };
        let mut alone = Alone::default();
        let mut reading = None;
        let mut last_read = Instant::now();
        let mut earliest = last_read;
        let state = Arc::clone(&self.state);
        while !state.is_done() {
            let wanted = read_all || read_fresh;
            if wanted && reading.is_none() && earliest <= Instant::now() {
                // Events are taken meanwhile: reading may last as long as the server likes.
                let fresh = state.take_fresh();
                let ids = if read_all { state.open_items() } else { fresh };
                reading = Some(Box::pin(reader.read(ids)));
                (read_all, read_fresh) = (false, false);
            }
            let next_read = if wanted { earliest } else { last_read + self.pause() };
            tokio::select! {
                must_read = self.next(&mut events) => read_all |= must_read,
                () = sleep_until(next_read), if reading.is_none() => read_all |= !wanted,
                () = state.poke.notified() => read_all = true,
                () = state.added.notified() => read_fresh = true,
                missing = ended(&mut reading) => {
                    reading = None;
                    last_read = Instant::now();
                    earliest = last_read + SHORTEST;
                    alone.add(missing);
                }
                () = alone.read(reader) => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        match (self.state.trouble_since(), self.live) {
            (Some(since), _) => since.elapsed().clamp(POLL, POLL_IN_TROUBLE),
            (None, true) if self.state.has_unreadable() => POLL_IN_TROUBLE,
            (None, true) => POLL_WITH_EVENTS,
            (None, false) => POLL,
        }
    }

    /// Built without events, none ever comes.
    #[cfg(not(feature = "events"))]
    async fn next(&mut self, _: &mut Option<EventStream>) -> bool {
        std::future::pending().await
    }

    /// Takes the next item of the stream. Returns whether the record must be read. Cancel safe.
    #[cfg(feature = "events")]
    async fn next(&mut self, events: &mut Option<EventStream>) -> bool {
        let item = match events {
            None => std::future::pending().await,
            Some(stream) => stream.next().await,
        };
        match item {
            Some(Ok(EventItem::Event(event))) => {
                self.state.apply(&event);
                self.callbacks.call(&event);
                // A cleared queue names no items.
                event.name() == "queue_cleared"
            }
            Some(Ok(EventItem::Disconnected { error })) => {
                tracing::debug!(batch_id = self.batch_id, %error, "events are down, polling");
                self.live = false;
                true
            }
            Some(Ok(EventItem::Gap(gap))) => {
                tracing::debug!(batch_id = self.batch_id, %gap, "reading the state again");
                self.live |= gap == Gap::Reconnected;
                true
            }
            Some(Err(error)) => {
                tracing::info!(batch_id = self.batch_id, %error, "no more events, polling");
                (*events, self.live) = (None, false);
                true
            }
            None => {
                (*events, self.live) = (None, false);
                true
            }
        }
    }
}

/// The result of the read under way; never resolves if there is none.
async fn ended<T>(reading: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    match reading {
        Some(reading) => reading.as_mut().await,
        None => std::future::pending().await,
    }
}
