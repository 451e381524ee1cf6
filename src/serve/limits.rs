//! How much of everything one service takes.

use std::time::Duration;

/// Limits of a [`Server`](super::Server). Whoever meets one is told so, and when to try again.
///
/// ```
/// use invokeai_client::serve::Limits;
///
/// let limits = Limits::default().body(8 << 20).open_runs(50);
/// assert_eq!(limits.body, 8 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most bytes of a request's body: 413 beyond. 32 MiB unless set.
    pub body: usize,
    /// Most large bodies that are read at the same time: 429 beyond. 32 unless set.
    pub large_bodies: usize,
    /// Most connections. Beyond them the one that was idle longest is closed. 512 unless set.
    pub connections: usize,
    /// Most runs that have not ended: 429 beyond. 1000 unless set.
    pub open_runs: usize,
    /// How long a head, and a pause in a body, may take: 408 beyond. 10 s unless set.
    pub pause: Duration,
    /// How long a whole request may take to arrive: 408 beyond. 60 s unless set.
    pub arrival: Duration,
    /// How long nothing of an answer may be taken before its connection is closed. 60 s unless set.
    pub reading: Duration,
    /// Most streams of events at the same time: 429 beyond, so that room is left for all else. 256 unless set.
    pub streams: usize,
    /// How long a run may take. It is canceled then. One hour unless set.
    pub run: Duration,
    /// How long a request may wait for the end of its run (`Prefer: wait`). 10 minutes unless set.
    pub wait: Duration,
    /// How many runs that have ended are kept. The oldest are forgotten. 10 000 unless set.
    pub kept_runs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            large_bodies: 32,
            connections: 512,
            open_runs: 1000,
            pause: Duration::from_secs(10),
            arrival: Duration::from_secs(60),
            reading: Duration::from_secs(60),
            streams: 256,
            run: Duration::from_secs(3600),
            wait: Duration::from_secs(600),
            kept_runs: 10_000,
        }
    }
}

macro_rules! setters {
    ($($name:ident: $kind:ty),*) => {
        impl Limits {
            $(
                /// Sets the limit of this name.
                #[must_use]
                pub fn $name(mut self, limit: $kind) -> Self {
                    self.$name = limit;
                    self
                }
            )*
        }
    };
}

setters! {
    body: usize,
    large_bodies: usize,
    connections: usize,
    open_runs: usize,
    pause: Duration,
    arrival: Duration,
    reading: Duration,
    streams: usize,
    run: Duration,
    wait: Duration,
    kept_runs: usize
}
