//! Why a job failed, as data. What reads it from a queue item is in [`job`](crate::job).

use std::fmt::{self, Write as _};

use crate::one_line::OneLine;

/// Why a job failed: the node, and the server's words. In [`Error::JobFailed`](crate::Error::JobFailed).
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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobFailure {
    /// The queue item.
    pub item_id: i64,
    /// The node that failed, if a node did.
    pub node: Option<FailedNode>,
    /// Class of the server's exception, for example `OutOfMemoryError`.
    pub error_type: String,
    /// Text of the exception.
    pub message: String,
    /// Python traceback, with paths of the server. Not part of the message.
    pub traceback: Option<String>,
}

/// A node that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedNode {
    /// Id in the workflow.
    pub id: String,
    /// Title in the workflow, if the user gave it one.
    pub title: Option<String>,
    /// Type, for example `denoise_latents`.
    pub node_type: String,
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut OneLine(f);
        let Self { item_id, node, error_type, message, .. } = self;
        write!(f, "item {item_id} failed")?;
        if let Some(node) = node {
            let name = node.title.as_deref().unwrap_or(&node.node_type);
            write!(f, " in node {name} ({}, {})", node.node_type, node.id)?;
        }
        write!(f, ": {error_type}: {message}")
    }
}

impl std::error::Error for JobFailure {}
