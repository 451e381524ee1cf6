//! Settings of the event connection.

use std::time::Duration;

/// Settings of an [`EventHub`](super::EventHub). Start from [`EventsOptions::default`] and change fields.
///
/// ```
/// use std::time::Duration;
/// use invokeai_client::events::EventsOptions;
///
/// let mut options = EventsOptions::default();
/// options.max_attempts = Some(5);
/// options.backoff_max = Duration::from_secs(30);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventsOptions {
    /// Longest time one attempt to connect may take, handshakes included. Default 10 s: a busy server pauses for
    /// seconds.
    pub connect_timeout: Duration,
    /// Longest time the server may take to confirm a subscription. Default 10 s.
    pub ack_timeout: Duration,
    /// Pause before the first attempt to reconnect. Doubles with each failure; each pause is shortened at random by up
    /// to a half, so that many clients do not return at once. Default 200 ms.
    pub backoff_min: Duration,
    /// Longest pause between two attempts. Default 5 s.
    pub backoff_max: Duration,
    /// Failed attempts in a row after which streams end with the last error. Default `None`: try forever.
    pub max_attempts: Option<u32>,
    /// Events a subscriber may be behind before some are dropped. Default 1024, at least 1. Progress events are
    /// dropped first; if others must go, the stream shows a [`Gap::Lagged`](super::Gap::Lagged) in their place.
    pub buffer_events: usize,
    /// Bytes (as received) a subscriber may be behind before some events are dropped. Default 32 MiB.
    pub buffer_bytes: usize,
    /// Largest message accepted from the server, in bytes. A larger one breaks the connection. Default 16 MiB.
    pub max_message_bytes: usize,
    /// How long the connection stays open without subscribers, so that jobs run one after the other share it. It
    /// closes at once when the last handle of the hub is dropped. Default 1 s.
    pub linger: Duration,
}

impl Default for EventsOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            max_attempts: None,
            buffer_events: 1024,
            buffer_bytes: 32 << 20,
            max_message_bytes: 16 << 20,
            linger: Duration::from_secs(1),
        }
    }
}

impl EventsOptions {
    /// The pause before attempt number `attempt` (from 1), before it is shortened at random.
    pub(super) fn backoff(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.backoff_min.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let options = EventsOptions::default();
        let pauses: Vec<_> = [0, 1, 2, 3, 5, 6, 1000, u32::MAX].map(|n| options.backoff(n).as_millis()).to_vec();
        assert_eq!(pauses, [200, 200, 400, 800, 3200, 5000, 5000, 5000]);
    }
}
