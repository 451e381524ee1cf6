//! Looking for what a request has done, again and again: the server may be on its way up, or still at work on it.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    base::deadline,
    error::{Error, Result},
};

/// The pause after the first look. It doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Longest time for the last look, which begins when patience ends, and for any other beyond that.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// How long to look for something, and how often.
#[derive(Debug)]
pub(crate) struct Patience {
    end: Instant,
    pause: Duration,
    is_last: bool,
}

impl Patience {
    /// Begins now, and lasts this long.
    pub(crate) fn new(length: Duration) -> Self {
        Self { end: deadline::after(length), pause: PAUSE, is_last: false }
    }

    /// Looks once. `what` says in a few words what is looked for.
    pub(crate) async fn look<T>(&mut self, what: &str, look: impl Future<Output = Result<T>>) -> Result<T> {
        let now = Instant::now();
        // What arrives until patience ends is seen by a look that begins after that.
        self.is_last = now >= self.end;
        let limit = self.end.max(now + LONGEST_LOOK);
        let looked = timeout_at(limit, look).await.unwrap_or_else(|_| {
            Err(Error::Timeout { doing: format!("looking for {what}"), limit: limit - now, sent: false })
        });
        looked.inspect_err(|error| tracing::debug!(what, %error, "cannot look"))
    }

    /// Waits until it is time for another look. Returns whether there is one.
    pub(crate) async fn lasts(&mut self) -> bool {
        if !self.is_last {
            let now = Instant::now();
            sleep_until(self.end.max(now).min(now + self.pause)).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        !self.is_last
    }
}
