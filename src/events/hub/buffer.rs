//! What waits for one subscriber: bounded, and honest about what it had to drop.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use super::{EventItem, Gap};
use crate::events::{EventError, EventsOptions};

#[derive(Debug)]
pub(super) struct Buffer {
    /// Each with its size, as received.
    items: VecDeque<(EventItem, usize)>,
    /// The sum of their sizes.
    bytes: usize,
    /// Buffered progress events; saves the search for one when there is none.
    progress: usize,
    /// Events dropped from in front of `items`.
    missed: u64,
    progress_dropped: u64,
    end: Option<End>,
    waker: Option<Waker>,
    max_events: usize,
    max_bytes: usize,
}

#[derive(Debug)]
enum End {
    Failed(EventError),
    Done,
}

impl Buffer {
    pub(super) fn new(options: &EventsOptions) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            progress: 0,
            missed: 0,
            progress_dropped: 0,
            end: None,
            waker: None,
            max_events: options.buffer_events.max(1),
            max_bytes: options.buffer_bytes,
        }
    }

    /// Appends an item, dropping others if it must: progress first, then the oldest.
    pub(super) fn push(&mut self, item: EventItem, size: usize) {
        while self.is_full_for(size) {
            if self.progress > 0 {
                let oldest = self.items.iter().position(|(item, _)| is_progress(item));
                let dropped = oldest.and_then(|at| self.items.remove(at));
                self.account_for(dropped);
                self.progress_dropped += 1;
            } else if is_progress(&item) {
                self.progress_dropped += 1;
                return;
            } else {
                let dropped = self.items.pop_front();
                self.account_for(dropped);
                // A marker needs no count: the gap that now stands there says as much.
                self.missed += 1;
            }
        }
        self.bytes += size;
        self.progress += usize::from(is_progress(&item));
        self.items.push_back((item, size));
        self.wake();
    }

    /// Ends the stream with an error, once everything buffered is read.
    pub(super) fn fail(&mut self, error: EventError) {
        self.end = Some(End::Failed(error));
        self.wake();
    }

    pub(super) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Result<EventItem, EventError>>> {
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            return Poll::Ready(Some(Ok(EventItem::Gap(Gap::Lagged { missed }))));
        }
        let oldest = self.items.pop_front();
        if let Some(item) = self.account_for(oldest) {
            return Poll::Ready(Some(Ok(item)));
        }
        match self.end.take() {
            Some(End::Failed(error)) => {
                self.end = Some(End::Done);
                Poll::Ready(Some(Err(error)))
            }
            Some(End::Done) => {
                self.end = Some(End::Done);
                Poll::Ready(None)
            }
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn progress_dropped(&self) -> u64 {
        self.progress_dropped
    }

    /// An empty buffer takes anything, however large.
    fn is_full_for(&self, size: usize) -> bool {
        let full = self.items.len() >= self.max_events || self.bytes.saturating_add(size) > self.max_bytes;
        full && !self.items.is_empty()
    }

    /// Settles the sums for an item that was taken out.
    fn account_for(&mut self, taken: Option<(EventItem, usize)>) -> Option<EventItem> {
        let (item, size) = taken?;
        self.bytes = self.bytes.saturating_sub(size);
        self.progress = self.progress.saturating_sub(usize::from(is_progress(&item)));
        Some(item)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn is_progress(item: &EventItem) -> bool {
    matches!(item, EventItem::Event(event) if event.is_progress())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Event;

    fn buffer(max_events: usize, max_bytes: usize) -> Buffer {
        let mut options = EventsOptions::default();
        (options.buffer_events, options.buffer_bytes) = (max_events, max_bytes);
        Buffer::new(&options)
    }

    fn put(buffer: &mut Buffer, name: &str, id: i64, size: usize) {
        buffer.push(EventItem::Event(Event::new(name, json!({"item_id": id}))), size);
    }

    fn drain(buffer: &mut Buffer) -> Vec<String> {
        let cx = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        while let Poll::Ready(Some(item)) = buffer.poll_next(&cx) {
            seen.push(match item {
                Ok(EventItem::Event(event)) => format!("{}{}", &event.name()[..1], event.item_id().unwrap()),
                Ok(EventItem::Gap(Gap::Lagged { missed })) => format!("-{missed}"),
                other => format!("{other:?}"),
            });
        }
        seen
    }

    #[test]
    fn progress_goes_first_and_without_a_gap() {
        let mut buffer = buffer(3, 1000);
        put(&mut buffer, "x_progress", 1, 1);
        put(&mut buffer, "y_progress", 2, 1);
        put(&mut buffer, "done", 3, 1);
        put(&mut buffer, "done", 4, 1);
        put(&mut buffer, "x_progress", 5, 1);
        put(&mut buffer, "done", 6, 1);
        put(&mut buffer, "x_progress", 7, 1);
        assert_eq!(drain(&mut buffer), ["d3", "d4", "d6"]);
        assert_eq!(buffer.progress_dropped(), 4);
        assert_eq!((buffer.bytes, buffer.progress), (0, 0));
    }

    #[test]
    fn other_events_leave_a_gap_where_they_were() {
        let mut buffer = buffer(2, 1000);
        for id in 1..=5 {
            put(&mut buffer, "done", id, 1);
        }
        assert_eq!(drain(&mut buffer), ["-3", "d4", "d5"]);
        put(&mut buffer, "done", 6, 1);
        assert_eq!(drain(&mut buffer), ["d6"], "the gap is reported once");
    }

    #[test]
    fn bytes_count_too() {
        let mut buffer = buffer(100, 10);
        put(&mut buffer, "x_progress", 1, 50);
        put(&mut buffer, "done", 2, 4);
        put(&mut buffer, "done", 3, 6);
        put(&mut buffer, "done", 4, 1);
        assert_eq!(drain(&mut buffer), ["-1", "d3", "d4"]);
        assert_eq!((buffer.bytes, buffer.progress_dropped()), (0, 1));
    }

    #[test]
    fn an_error_comes_last_and_once() {
        let mut buffer = buffer(2, 10);
        put(&mut buffer, "done", 1, 1);
        buffer.fail(EventError::NoRuntime);
        assert_eq!(drain(&mut buffer), ["d1", "Err(NoRuntime)"]);
        let cx = Context::from_waker(Waker::noop());
        assert!(matches!(buffer.poll_next(&cx), Poll::Ready(None)));
    }
}
