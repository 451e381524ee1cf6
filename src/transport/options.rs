//! Settings of the transport.

use std::time::Duration;

use crate::json::weight;

/// Time limits, retries and size limits of calls.
///
/// There is deliberately no limit on the whole time of a transfer: it may take as long as it moves. Every other call ends
/// by `read_timeout` and `answer_timeout`, and a download must not be slower than `slowest_download`.
///
/// ```
/// use invokeai_client::{Client, TransportOptions};
/// use std::time::Duration;
///
/// let mut options = TransportOptions::default();
/// options.read_timeout = Duration::from_secs(20);
/// options.retries = 0;
/// let client = Client::builder("http://127.0.0.1:9090").transport(options).build()?;
/// # drop(client);
/// # Ok::<(), invokeai_client::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Longest time to make a connection. 10 s.
    pub connect_timeout: Duration,
    /// Longest silence of the server, before and within an answer, and longest standstill of an upload. 60 s: while it collects garbage or loads a model,
    /// InvokeAI answers nobody for seconds.
    pub read_timeout: Duration,
    /// Longest time for an answer to arrive whole, from its first byte on, however steadily it drips. 5 min. Downloads
    /// have [`slowest_download`](Self::slowest_download) in its place; of a file that [`api`](crate::api) gives, whoever
    /// reads it sets the limit.
    pub answer_timeout: Duration,
    /// Fewest bytes that a download must bring within each `read_timeout`. 16 KiB. One that is slower fails, so that no
    /// server can hold up a program with a byte now and then. An HTTP client of the caller has its own limits instead.
    pub slowest_download: u64,
    /// How often a read (GET, HEAD) is sent again after a broken connection, or a 429, 502, 503 or 504. 3 times.
    /// Nothing else is ever sent twice.
    pub retries: u32,
    /// Pause before the first repetition; doubles each time, less up to half of it at random. 200 ms.
    pub retry_pause: Duration,
    /// No repetition starts later than this after the call began. 30 s.
    pub retry_deadline: Duration,
    /// How long a submission whose answer was lost is looked for on the server, by its batch id. 20 s, and up to 10 s more
    /// where the server is slow to say. If it does not turn up, the submission fails with an error that [may have been sent](crate::Error::may_have_been_sent).
    /// [Clean-up](crate::cleanup) waits as long for uploads, boards and batches whose answers were lost.
    pub lost_answer_patience: Duration,
    /// Longest JSON answer, in bytes. 256 MiB.
    pub json_limit: usize,
    /// Most memory that a JSON answer takes once it is read, in bytes, where that is more than 2.5 times its length. 64 MiB.
    /// An answer that would take more is an error, before the memory is taken. What is kept as JSON, such as the session
    /// of a queue item, takes 5 to 8 times its text.
    pub json_memory: usize,
    /// How long an idle connection is kept. 4 s: the server closes its side after 5 s.
    pub pool_idle_timeout: Duration,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(5 * 60),
            slowest_download: 16 * 1024,
            retries: 3,
            retry_pause: Duration::from_millis(200),
            retry_deadline: Duration::from_secs(30),
            lost_answer_patience: Duration::from_secs(20),
            json_limit: 256 * 1024 * 1024,
            json_memory: weight::ALWAYS,
            pool_idle_timeout: Duration::from_secs(4),
        }
    }
}
