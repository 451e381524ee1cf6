//! Deadlines of waits. A limit may be longer than any clock can count.

use std::time::Duration;

use tokio::time::Instant;

/// As good as forever, and within the range of every clock: 30 years.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The time when this limit is over.
pub(crate) fn after(limit: Duration) -> Instant {
    Instant::now() + bounded(limit)
}

/// The limit, cut to the range of every clock.
pub(crate) fn bounded(limit: Duration) -> Duration {
    limit.min(FOR_EVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_too_long() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(3600)));
        assert!(after(Duration::ZERO) <= Instant::now());
    }
}
