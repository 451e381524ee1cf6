//! Clean-up: leaving a server as it was found.
//!
//! [`Client::cleanup`] is about everything that the client has [recorded](crate::assets), [`Submission::cleanup`] about
//! one submission. Each step can be turned on or off. By default, uploads, intermediate results and ended queue items
//! are deleted, and results stay.
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
//! It goes on after failures and reports every one. Something that is already deleted is not a failure, so a clean-up
//! can be repeated at will, and continues where an earlier one was interrupted.
//!
//! It never deletes
//! - things that this client did not create. Files are identified by the session that made them, or by the name that
//!   the server gave to an upload; boards by the id that the server gave, or by a temporary name that no other board
//!   can have;
//! - files that other runs share through the server's invocation cache;
//! - things that are starred, or that an item that has not ended is going to read or write to;
//! - the items of others. To delete **all** ended items of a queue, use [`Queue::prune`](crate::queue::Queue::prune).
//!
//! What others share and need is looked up in the queues that are known: `default`, those of all batches that this
//! client has recorded, those to which any client of this program has submitted, and those of
//! [`look_at_queues`](Cleanup::look_at_queues). The server has no list of its queues.
//!
//! What could not be determined is in the [report](CleanupReport::undetermined), and then the clean-up does not count
//! as a success. A ledger that cannot be written is a failure in the report, and keeps only items from being deleted,
//! because nothing else would lead to the files they made. The clocks of the server and of this machine do not matter.
//!
//! # What it costs
//!
//! Items are read one by one, and files of items that completed are asked for by the names in their results, 1000 in a
//! call. Items that failed or were canceled, and those with nodes that are not part of InvokeAI, may have left files
//! that no result names. For these, the names of all images are read in one call, and the records of those that are not
//! known in one call for each 1000. In a gallery of 100,000 images that is 101 calls, 4 MB of names and 56 MB of
//! records, which InvokeAI 6.14.2 answers within 10 to 20 s.

mod boards;
mod cancel;
mod report;
mod run;
mod survey;
mod unfinished;

#[cfg(feature = "fleet")]
pub(crate) use survey::gallery::uploads_of_session;

pub use report::{CleanupFailure, CleanupReport, Kept, KeptBecause, Undetermined, UndeterminedBecause};

use std::{
    collections::{BTreeSet, HashSet},
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use crate::{Client, Submission, assets::Asset, error::Result, queue::DEFAULT_QUEUE};

/// How long to wait for canceled items.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for the node that ran when an item was canceled.
const PATIENCE_WITH_NODE: Duration = Duration::from_secs(15);

/// How often to look.
const PAUSE: Duration = Duration::from_millis(200);

/// A batch on a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BatchRef {
    queue_id: String,
    batch_id: String,
}

/// What a clean-up covers.
#[derive(Debug, Clone)]
enum Scope {
    /// Everything that the client has recorded.
    Recorded,
    /// One batch.
    Batch(String),
}

/// A clean-up under construction, from [`Client::cleanup`] or [`Submission::cleanup`]; `.await` carries it out.
#[derive(Clone)]
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
    spared: HashSet<Asset>,
    more_queues: BTreeSet<String>,
}

crate::base::debug::short_debug! {
    Cleanup {
        client, scope, queue_id, submission, uploads, outputs, intermediates, boards, items, cancel, dry_run, spared,
        more_queues
    }
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
            spared: HashSet::new(),
            more_queues: BTreeSet::new(),
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
    /// this client has recorded. If it is not, all that can be known of items that others deleted are gaps between those
    /// that are there, and a batch without items may as well be none.
    pub fn batch(mut self, batch_id: impl Into<String>) -> Self {
        self.scope = Scope::Batch(batch_id.into());
        self
    }

    /// Sets the queue that the batch is on. Default: the queue that the client has recorded for it, or else `default`.
    pub fn queue(mut self, queue_id: impl Into<String>) -> Self {
        self.queue_id = Some(queue_id.into());
        self
    }

    /// Whether to delete images and videos that the client uploaded. On by default.
    pub fn uploads(mut self, delete: bool) -> Self {
        self.uploads = delete;
        self
    }

    /// Whether to delete results, for example after they have been downloaded. Off by default.
    pub fn outputs(mut self, delete: bool) -> Self {
        self.outputs = delete;
        self
    }

    /// The opposite of [`outputs`](Self::outputs).
    pub fn keep_outputs(self, keep: bool) -> Self {
        self.outputs(!keep)
    }

    /// Whether to delete intermediate images and videos that these runs made. On by default.
    pub fn intermediates(mut self, delete: bool) -> Self {
        self.intermediates = delete;
        self
    }

    /// Whether to delete boards that the client created. Results that stay are then on no board. A board with files of
    /// others on it stays. Off by default.
    pub fn boards(mut self, delete: bool) -> Self {
        self.boards = delete;
        self
    }

    /// Whether to delete queue items, one by one by their ids. Only those that have ended. On by default.
    pub fn items(mut self, delete: bool) -> Self {
        self.items = delete;
        self
    }

    /// Whether to cancel items that have not ended, before anything else. On by default.
    pub fn cancel(mut self, cancel: bool) -> Self {
        self.cancel = cancel;
        self
    }

    /// Deletes uploads, results, intermediate ones, boards and items.
    pub fn everything(self) -> Self {
        self.uploads(true).outputs(true).intermediates(true).boards(true).items(true).cancel(true)
    }

    /// Whether only to report what would be deleted: [`CleanupReport::deleted`] lists it. Nothing is changed, and
    /// nothing canceled, so files that unfinished items are still going to make are not in it.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Keeps these images, videos and boards, whatever else is deleted: for example results that could not be
    /// downloaded. They stay recorded. Can be called several times.
    pub fn keep(mut self, assets: impl IntoIterator<Item = Asset>) -> Self {
        self.spared.extend(assets);
        self
    }

    /// Also looks at these queues for items that need what would be deleted. Queues that this program uses are known
    /// anyway; those of other programs are not, because the server has no list of its queues. Can be called several
    /// times.
    pub fn look_at_queues(mut self, queue_ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.more_queues.extend(queue_ids.into_iter().map(Into::into));
        self
    }

    /// The batches that this is about.
    fn batches(&self, assets: &crate::assets::Assets) -> Vec<BatchRef> {
        let recorded = assets
            .batches
            .iter()
            .map(|batch| BatchRef { queue_id: batch.queue_id.clone(), batch_id: batch.batch_id.clone() });
        match &self.scope {
            Scope::Recorded => recorded.collect(),
            Scope::Batch(id) => {
                let known = || recorded.clone().find(|batch| batch.batch_id == *id).map(|batch| batch.queue_id);
                let queue_id = self.queue_id.clone().or_else(known).unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
                vec![BatchRef { queue_id, batch_id: id.clone() }]
            }
        }
    }

    /// All known queues, whose items may need what would be deleted.
    fn queues(&self, batches: &[BatchRef], assets: &crate::assets::Assets) -> BTreeSet<String> {
        let mut queues = self.client.asset_log().queues();
        queues.extend(batches.iter().map(|batch| batch.queue_id.clone()));
        queues.extend(assets.batches.iter().map(|batch| batch.queue_id.clone()));
        queues.extend(self.more_queues.iter().cloned());
        queues.insert(DEFAULT_QUEUE.to_owned());
        queues
    }
}

/// # Errors
/// [`Error::WrongState`](crate::Error::WrongState) if the ledger was opened read-only and this is not a
/// [dry run](Cleanup::dry_run). What fails on the server is in [`CleanupReport::failed`], and so is a ledger that cannot
/// be written.
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
