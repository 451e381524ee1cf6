//! Settings of the transport.

use std::time::Duration;

use crate::json::weight;

/// Time limits, retries and size limits of calls.
///
/// There is deliberately no limit on the whole time of a transfer: it may take any time, as long as it moves. Every
/// other call is limited by `read_timeout` and `answer_timeout`, and a download must not be slower than
/// `slowest_download`.
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
    /// Longest time to make a connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest silence of the server, before and within an answer, and longest standstill of an upload. Default: 60 s,
    /// because InvokeAI answers nobody for seconds while it collects garbage or loads a model.
    pub read_timeout: Duration,
    /// Longest time for an answer to arrive whole, from its first byte on, however steadily it drips. Default: 5 min.
    /// Downloads have [`slowest_download`](Self::slowest_download) instead; for a file that [`api`](crate::api)
    /// returns, whoever reads it sets the limit.
    pub answer_timeout: Duration,
    /// Fewest bytes that a download must bring within each `read_timeout`. Default: 16 KiB. A slower download fails, so
    /// that no server can hold up a program with a byte now and then. An HTTP client that the caller made has its own
    /// limits instead.
    pub slowest_download: u64,
    /// How often a read (GET, HEAD) is sent again after a broken connection, or a 429, 502, 503 or 504. Default: 3
    /// times. Nothing else is ever sent twice.
    pub retries: u32,
    /// Pause before the first retry. It doubles each time, and is shortened by up to half at random. Default: 200 ms.
    pub retry_pause: Duration,
    /// No retry starts later than this after the call began. Default: 30 s.
    pub retry_deadline: Duration,
    /// How long to look on the server, by its batch id, for a submission whose answer was lost. Default: 20 s, and up
    /// to 10 s more if the server is slow to answer. If it does not turn up, the submission fails with an error that
    /// [may have been sent](crate::Error::may_have_been_sent). [Clean-up](crate::cleanup) waits just as long for
    /// uploads, boards and batches whose answers were lost.
    pub lost_answer_patience: Duration,
    /// Longest JSON answer, in bytes. Default: 256 MiB.
    pub json_limit: usize,
    /// Most memory that a JSON answer may take once it is read, in bytes, where that is more than 2.5 times its length.
    /// Default: 64 MiB. An answer that would take more is an error, before the memory is taken. What is kept as JSON,
    /// such as the session of a queue item, takes 5 to 8 times as much as its text.
    pub json_memory: usize,
    /// How long an idle connection is kept. Default: 4 s, because the server closes its side after 5 s.
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
