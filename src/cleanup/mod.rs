//! Clean-up: leaving a server as it was found.
//!
//! [`Client::cleanup`] is about everything that the client has [recorded](crate::assets), [`Submission::cleanup`] about
//! one submission. Each step is a choice; without any, uploads, passing results and ended queue items go, and results
//! stay.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client, submission: invokeai_client::Submission)
//! # -> invokeai_client::Result<()> {
//! // What would go?
//! println!("{}", submission.cleanup().outputs(true).dry_run(true).await?);
//!
//! // After the results are downloaded: everything, the board that was made for them as well.
//! let report = submission.cleanup().everything().await?;
//! for failure in &report.failed {
//!     eprintln!("{}: {}", failure.asset, failure.error);
//! }
//!
//! // A batch of which only the id is known.
//! client.cleanup().batch("8a1c…").keep_outputs(false).await?;
//! # Ok(())
//! # }
//! ```
//!
//! It goes on after failures and reports every one. What is gone already is no failure, so it can be done again at will,
//! and goes on where an earlier one was interrupted.
//!
//! It never deletes
//! - what this client did not make: images are told by the session that made them, not by where they are;
//! - what other runs share through the server's invocation cache, in the queues concerned and in `default`;
//! - what is starred, or what an item that has not ended is going to read;
//! - the items of others. To delete **all** ended items of a queue, there is [`Queue::prune`](crate::queue::Queue::prune).

mod report;
mod run;
mod survey;

pub use report::{CleanupFailure, CleanupReport, Kept, KeptBecause};

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use crate::{Client, Submission, error::Result, queue::DEFAULT_QUEUE};

/// What a clean-up is about.
#[derive(Debug, Clone)]
enum Scope {
    /// All that the client has recorded.
    Recorded,
    /// One batch.
    Batch(String),
}

/// A clean-up under construction, from [`Client::cleanup`] or [`Submission::cleanup`]; `.await` carries it out.
#[derive(Debug, Clone)]
#[must_use = "nothing is deleted before `.await`"]
pub struct Cleanup {
    client: Client,
    scope: Scope,
    queue_id: Option<String>,
    submission: Option<Submission>,
    uploads: bool,
    outputs: bool,
    intermediates: bool,
    boards: bool,
    items: bool,
    cancel: bool,
    dry_run: bool,
}

impl Client {
    /// Cleans up what this client has put onto the server: its uploads, and what its batches left.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup {
            client: self.clone(),
            scope: Scope::Recorded,
            queue_id: None,
            submission: None,
            uploads: true,
            outputs: false,
            intermediates: true,
            boards: false,
            items: true,
            cancel: true,
            dry_run: false,
        }
    }
}

impl Submission {
    /// Cleans up what this submission left, and those uploads of the client that it read.
    pub fn cleanup(&self) -> Cleanup {
        let cleanup = self.client().cleanup().batch(self.batch_id()).queue(self.queue_id());
        Cleanup { submission: Some(self.clone()), ..cleanup }
    }
}

impl Cleanup {
    /// Cleans up after this batch only, and those uploads of the client that it read. The batch need not be one that
    /// this client has recorded.
    pub fn batch(mut self, batch_id: impl Into<String>) -> Self {
        self.scope = Scope::Batch(batch_id.into());
        self
    }

    /// Says which queue the batch is on. That which the client has recorded for it, or `default`, without.
    pub fn queue(mut self, queue_id: impl Into<String>) -> Self {
        self.queue_id = Some(queue_id.into());
        self
    }

    /// Whether to delete images and videos that the client uploaded. On without.
    pub fn uploads(mut self, delete: bool) -> Self {
        self.uploads = delete;
        self
    }

    /// Whether to delete results, for example after they have been downloaded. Off without.
    pub fn outputs(mut self, delete: bool) -> Self {
        self.outputs = delete;
        self
    }

    /// The opposite of [`outputs`](Self::outputs).
    pub fn keep_outputs(self, keep: bool) -> Self {
        self.outputs(!keep)
    }

    /// Whether to delete intermediate images and videos that these runs made. On without.
    pub fn intermediates(mut self, delete: bool) -> Self {
        self.intermediates = delete;
        self
    }

    /// Whether to delete boards that the client made. Results that stay are on no board then. A board with files of
    /// others on it stays. Off without.
    pub fn boards(mut self, delete: bool) -> Self {
        self.boards = delete;
        self
    }

    /// Whether to delete queue items, one by one by their ids. Only those that have ended. On without.
    pub fn items(mut self, delete: bool) -> Self {
        self.items = delete;
        self
    }

    /// Whether to cancel items that have not ended, before anything else. On without.
    pub fn cancel(mut self, cancel: bool) -> Self {
        self.cancel = cancel;
        self
    }

    /// Uploads, results, intermediate ones, boards and items.
    pub fn everything(self) -> Self {
        self.uploads(true).outputs(true).intermediates(true).boards(true).items(true).cancel(true)
    }

    /// Whether only to tell what would go: [`CleanupReport::deleted`] lists it. Nothing is changed, and nothing canceled:
    /// what items make that have not ended yet is not in it.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Ids of the queue and the batches that this is about.
    fn batches(&self, assets: &crate::assets::Assets) -> Vec<(String, String)> {
        let recorded = assets.batches.iter().map(|batch| (batch.queue_id.clone(), batch.batch_id.clone()));
        match &self.scope {
            Scope::Recorded => recorded.collect(),
            Scope::Batch(id) => {
                let known = || recorded.clone().find(|(_, batch)| batch == id).map(|(queue, _)| queue);
                let queue = self.queue_id.clone().or_else(known).unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
                vec![(queue, id.clone())]
            }
        }
    }
}

/// # Errors
/// [`Error::Io`](crate::Error::Io) if the ledger cannot be written, [`Error::InvalidInput`](crate::Error::InvalidInput)
/// if it was opened only to be read and this is not a [dry run](Cleanup::dry_run). What fails on the server is in
/// [`CleanupReport::failed`].
///
/// # Cancel safety
/// Dropping the future stops the clean-up where it is; doing it again goes on.
impl IntoFuture for Cleanup {
    type Output = Result<CleanupReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
