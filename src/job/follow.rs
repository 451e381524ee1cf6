//! Follows the items of one submission: events for speed, reading for truth.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "events")]
use futures::StreamExt as _;
use tokio::{task::AbortHandle, time::Instant};

use super::{callbacks::Callbacks, state::State};
#[cfg(feature = "events")]
use crate::events::{EventFilter, EventItem, EventStream, Gap};
use crate::{
    Client,
    error::Result,
    queue::{IDS_AT_ONCE, ItemSummary, Queue},
};

/// How often to read while no events arrive.
const POLL: Duration = Duration::from_millis(500);

/// How often to read although events arrive: a safety net.
const POLL_WITH_EVENTS: Duration = Duration::from_secs(15);

/// Longest pause between reads of a server that does not answer.
const POLL_IN_TROUBLE: Duration = Duration::from_secs(5);

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
    /// Subscribes to the events of a batch, and waits until they arrive. Where they cannot be had, polling does the
    /// same, only later.
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

/// Starts to follow.
pub(crate) fn follow(
    client: &Client,
    queue_id: &str,
    batch_id: &str,
    state: Arc<State>,
    events: Events,
    callbacks: Callbacks,
) -> Follower {
    let (queue, batch_id) = (client.queue(queue_id), batch_id.to_owned());
    let task = tokio::spawn(async move {
        let mut following = Following { queue, batch_id, state, callbacks, live: false };
        following.run(events).await;
    });
    Follower { task: task.abort_handle() }
}

struct Following {
    queue: Queue,
    batch_id: String,
    state: Arc<State>,
    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    callbacks: Callbacks,
    /// Whether events arrive.
    live: bool,
}

impl Following {
    async fn run(&mut self, events: Events) {
        self.live = !matches!(events, Events::None);
        if !matches!(events, Events::FromTheStart(_)) {
            // What happened before the subscription is only in the record.
            self.read(self.state.open_items()).await;
        }
        let mut events = match events {
            Events::FromTheStart(stream) | Events::FromNow(stream) => Some(stream),
            Events::None => None,
        };
        let mut last_read = Instant::now();
        let state = Arc::clone(&self.state);
        while !state.is_done() {
            let next_read = last_read + self.pause();
            tokio::select! {
                must_read = self.next(&mut events) => {
                    if !must_read {
                        continue;
                    }
                }
                () = tokio::time::sleep_until(next_read) => {}
                () = state.poke.notified() => {}
                () = state.added.notified() => {
                    self.read(state.take_fresh()).await;
                    continue;
                }
            }
            self.read(state.open_items()).await;
            last_read = Instant::now();
        }
    }

    fn pause(&self) -> Duration {
        match (self.state.trouble(), self.live) {
            (Some((since, _)), _) => since.elapsed().clamp(POLL, POLL_IN_TROUBLE),
            (None, true) => POLL_WITH_EVENTS,
            (None, false) => POLL,
        }
    }

    /// Built without events, none ever comes.
    #[cfg(not(feature = "events"))]
    async fn next(&mut self, _: &mut Option<EventStream>) -> bool {
        std::future::pending().await
    }

    /// Takes the next item of the stream. Answers whether the record must be read. Cancel safe.
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

    /// Reads how these items stand.
    async fn read(&self, item_ids: Vec<i64>) {
        let outcome = self.try_read(&item_ids).await;
        if let Err(error) = &outcome {
            tracing::debug!(batch_id = self.batch_id, %error, "cannot read the state of the batch");
        }
        self.state.set_trouble(outcome.err());
    }

    async fn try_read(&self, item_ids: &[i64]) -> Result<()> {
        let mut unreadable = Ok(());
        // Only so many are held in memory at once.
        for ids in item_ids.chunks(IDS_AT_ONCE) {
            // One that cannot be read is asked for alone below, and its error told.
            let found: Vec<ItemSummary> = self.queue.summaries(ids).await?.into_iter().flatten().collect();
            for ItemSummary { item_id, status, .. } in &found {
                self.state.set_status(*item_id, status);
            }
            // The server leaves out what is gone, and what it cannot read: only the first answers 404.
            let missing = ids.iter().filter(|id| found.binary_search_by_key(*id, |item| item.item_id).is_err());
            for id in missing {
                match self.queue.find_item(*id).await {
                    Ok(Some(item)) => self.state.set_status(*id, &item.status),
                    Ok(None) => self.state.set_gone(*id),
                    // One item must not keep the others from being read.
                    Err(error) => unreadable = Err(error),
                }
            }
        }
        unreadable
    }
}
