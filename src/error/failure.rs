//! Why a job failed, as data. It is read from queue items in [`job`](crate::job), and from events in
//! [`progress`](crate::progress).

use std::fmt::{self, Write as _};

use crate::{base::one_line::OneLine, schema::node_ref::NodeRef};

/// Why a job failed: the node, and the server's words. Part of [`Error::JobFailed`](crate::Error::JobFailed) and of
/// [`Progress`](crate::progress::Progress).
///
/// ```no_run
/// # async fn example(job: invokeai_client::Job) -> invokeai_client::Result<()> {
/// use invokeai_client::Error;
///
/// match job.wait().await {
///     Err(Error::JobFailed(failure)) => {
///         println!("{failure}"); // item 7 failed in node Upscale (esrgan, 4c1b…): OutOfMemoryError: …
///         println!("{}", failure.traceback.as_deref().unwrap_or_default());
///     }
///     other => drop(other?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobFailure {
    /// The queue item.
    pub item_id: i64,
    /// The node that failed, if a node did. The server names it a moment after it reports that the item failed.
    pub node: Option<NodeRef>,
    /// Class of the server's exception, for example `OutOfMemoryError`; `Error` if it does not say.
    pub error_type: String,
    /// Text of the exception.
    pub message: String,
    /// Python traceback, with paths of the server. Not part of the message.
    pub traceback: Option<String>,
}

crate::base::debug::short_debug! { JobFailure { item_id, node, error_type, message, traceback } }

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        let Self { item_id, node, error_type, message, .. } = self;
        write!(f, "item {item_id} failed")?;
        if let Some(node) = node {
            write!(f, " in node {node}")?;
        }
        write!(f, ": {error_type}: {message}")
    }
}

impl std::error::Error for JobFailure {}
