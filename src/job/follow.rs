//! Follows the items of one submission: events for speed, reading for truth.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use tokio::{task::AbortHandle, time::Instant};

use super::{callbacks::Callbacks, state::State};
use crate::{
    Client,
    error::Result,
    events::{EventItem, EventStream, Gap},
    queue::{ItemSummary, Queue},
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
    FromTheStart(EventStream),
    /// Subscribed later.
    FromNow(EventStream),
    /// There are none; polling alone must do.
    None,
}

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
    callbacks: Callbacks,
    /// Whether events arrive.
    live: bool,
}

impl Following {
    async fn run(&mut self, events: Events) {
        self.live = !matches!(events, Events::None);
        if !matches!(events, Events::FromTheStart(_)) {
            // What happened before the subscription is only in the record.
            self.read().await;
        }
        let mut events = match events {
            Events::FromTheStart(stream) | Events::FromNow(stream) => Some(stream),
            Events::None => None,
        };
        let mut last_read = Instant::now();
        while !self.state.is_done() {
            let next_read = last_read + self.pause();
            tokio::select! {
                item = next(&mut events) => {
                    if self.take(item, &mut events) {
                        self.read().await;
                        last_read = Instant::now();
                    }
                }
                () = tokio::time::sleep_until(next_read) => {
                    self.read().await;
                    last_read = Instant::now();
                }
                () = self.state.poke.notified() => {
                    self.read().await;
                    last_read = Instant::now();
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        match (self.state.trouble(), self.live) {
            (Some((since, _)), _) => since.elapsed().clamp(POLL, POLL_IN_TROUBLE),
            (None, true) => POLL_WITH_EVENTS,
            (None, false) => POLL,
        }
    }

    /// Takes what the event stream gave. Answers whether the record must be read.
    fn take(&mut self, item: Option<EventItem>, events: &mut Option<EventStream>) -> bool {
        match item {
            Some(EventItem::Event(event)) => {
                self.state.apply(&event);
                self.callbacks.call(&event);
                // A cleared queue names no items.
                event.name() == "queue_cleared"
            }
            Some(EventItem::Disconnected { error }) => {
                tracing::debug!(batch_id = self.batch_id, %error, "events are down, polling");
                self.live = false;
                true
            }
            Some(EventItem::Gap(gap)) => {
                tracing::debug!(batch_id = self.batch_id, %gap, "reading the state again");
                self.live |= gap == Gap::Reconnected;
                true
            }
            None => {
                (*events, self.live) = (None, false);
                true
            }
        }
    }

    async fn read(&self) {
        let outcome = self.try_read().await;
        if let Err(error) = &outcome {
            tracing::debug!(batch_id = self.batch_id, %error, "cannot read the state of the batch");
        }
        self.state.set_trouble(outcome.err());
    }

    async fn try_read(&self) -> Result<()> {
        let open = self.state.open_items();
        if open.is_empty() {
            return Ok(());
        }
        let found = self.queue.summaries(&open).await?;
        for ItemSummary { item_id, status, .. } in &found {
            self.state.set_status(*item_id, status.clone());
        }
        // The server leaves out what is gone, and what it cannot read: only the first answers 404.
        let missing = open.iter().filter(|id| found.binary_search_by_key(*id, |item| item.item_id).is_err());
        for id in missing {
            match self.queue.find_item(*id).await? {
                Some(item) => self.state.set_status(*id, item.status),
                None => self.state.set_gone(*id),
            }
        }
        Ok(())
    }
}

/// The next of a stream that may have ended, or never have been there.
async fn next(events: &mut Option<EventStream>) -> Option<EventItem> {
    match events {
        None => std::future::pending().await,
        // A stream ends with its error, which it has logged.
        Some(events) => events.next().await?.ok(),
    }
}
