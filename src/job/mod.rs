//! Jobs: one queue item each, followed from enqueueing to its end.
//!
//! A job learns what happens from events, as soon as it happens. Events may be lost. Whenever one may have been, and
//! regularly while none arrive, the item is read over HTTP. Results never depend on events.

mod failure;
pub(crate) mod wait;

use std::sync::Arc;

use futures::Stream;

pub use crate::error::failure::JobFailure;
pub use wait::Wait;

#[cfg(feature = "events")]
use crate::events::{EventFilter, EventStream};
use crate::{
    error::{Error, Result},
    progress::Progress,
    queue::{ItemStatus, Queue, QueueItem},
    run::{Run, state::Standing},
};

/// One queue item of a [`Submission`](crate::Submission).
///
/// Cheap to clone. Dropping it changes nothing on the server; only [`cancel`](Self::cancel) stops the item.
///
/// ```no_run
/// # async fn example(job: invokeai_client::Job) -> invokeai_client::Result<()> {
/// use std::time::Duration;
///
/// let finished = job
///     .wait()
///     .timeout(Duration::from_secs(60))
///     .cancel_on_timeout(true)
///     .on_progress(|progress| println!("{:.0} %", progress.fraction() * 100.0))
///     .await?;
/// println!("item {} took {:?}", job.item_id(), finished.item().await?.elapsed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Job {
    run: Arc<Run>,
    item_id: i64,
}

crate::base::debug::short_debug! { Job { run, item_id } }

/// A job that has completed, from [`Job::wait`].
///
/// ```no_run
/// # async fn example(finished: invokeai_client::FinishedJob) -> invokeai_client::Result<()> {
/// let outputs = finished.outputs().await?;
/// println!("{} images after {:?}", outputs.final_images().len(), finished.item().await?.elapsed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FinishedJob {
    job: Job,
}

crate::base::debug::short_debug! { FinishedJob { job } }

impl FinishedJob {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The queue item in full, with its results.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has been deleted since; any error of a call.
    pub async fn item(&self) -> Result<QueueItem> {
        self.job.item().await
    }
}

impl Job {
    pub(crate) fn new(run: Arc<Run>, item_id: i64) -> Self {
        Self { run, item_id }
    }

    /// Id of the queue item.
    pub fn item_id(&self) -> i64 {
        self.item_id
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    fn queue(&self) -> Queue {
        self.run.queue()
    }

    /// The last status known, without asking the server. `None` if the item is no longer on the server and its end was
    /// not seen.
    pub fn status(&self) -> Option<ItemStatus> {
        match self.run.state().standing(self.item_id) {
            Standing::Running(status) | Standing::Ended(status) => Some(status),
            Standing::Gone => None,
        }
    }

    /// Asks the server for the status.
    ///
    /// # Errors
    /// [`Error::JobGone`] if the item is no longer on the server; any error of a call.
    pub async fn refresh(&self) -> Result<ItemStatus> {
        let item = self.queue().find_item(self.item_id).await?.filter(|item| item.batch_id == self.run.batch_id());
        let status = item.ok_or(Error::JobGone { item_id: self.item_id })?.status;
        self.run.state().set_status(self.item_id, &status);
        Ok(status)
    }

    /// The progress of the item, as far as it is known now.
    pub fn progress(&self) -> Progress {
        self.run.state().progress(self.item_id)
    }

    /// The progress of the item, now and after each change, until it ends or is deleted. Changes that follow each other
    /// quickly may be reported as one; the last one is never left out.
    pub fn progress_updates(&self) -> impl Stream<Item = Progress> + Send + Unpin + use<> {
        let mut changes = self.run.state().changes();
        changes.mark_changed();
        let told = (None, false);
        Box::pin(futures::stream::unfold((self.clone(), changes, told), async |(job, mut changes, (told, is_over))| {
            if is_over {
                return None;
            }
            loop {
                job.run.keep_following();
                changes.changed().await.ok()?;
                let gone = job.status().is_none();
                let progress = job.progress();
                let is_over = gone || progress.is_finished();
                if told.as_ref() != Some(&progress) {
                    return Some((progress.clone(), (job, changes, (Some(progress), is_over))));
                }
                if is_over {
                    return None;
                }
            }
        }))
    }

    /// The server's events about this item, from now on. Events that came before are not repeated.
    #[cfg(feature = "events")]
    pub fn events(&self) -> EventStream {
        let filter = EventFilter::all().queue(self.run.queue_id()).item(self.item_id);
        self.run.client().event_hub().subscribe(filter)
    }

    /// Waits for the item to end. See [`Wait`] for time limits and other settings.
    ///
    /// # Errors
    /// [`Error::JobFailed`], [`Error::JobCanceled`], or [`Error::JobGone`] if the item was deleted, pruned or cleared
    /// before its end was seen; [`Error::WaitTimeout`]; the error of the last read if the item cannot be read for a minute
    /// ([`Wait::unreachable_limit`]).
    pub fn wait(&self) -> Wait<'_> {
        Wait::new(self)
    }

    /// Cancels the item, and all items connected with it by called workflows. Nothing changes if it has ended.
    ///
    /// The server stops at the next node, or between two steps of denoising.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the item is no longer on the server; [`Error::JobGone`] if another batch has its number,
    /// because the server lost its database; any error of a call.
    pub async fn cancel(&self) -> Result<ItemStatus> {
        self.must_be_ours().await?;
        let item = self.queue().cancel_item(self.item_id).await?;
        self.run.state().set_status(self.item_id, &item.status);
        Ok(item.status)
    }

    /// Runs a failed or canceled item again, as a new item of the same batch. If somebody else does so at the same
    /// moment, the job may be that of their new item.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has neither failed nor been canceled; [`Error::JobGone`] if another batch has its
    /// number, because the server lost its database; otherwise as [`Queue::retry`].
    pub async fn retry(&self) -> Result<Job> {
        self.must_be_ours().await?;
        let fresh = self.queue().retry(&[self.item_id]).await?;
        let Some(id) = fresh.last().copied() else {
            let status = self.refresh().await?;
            return Err(Error::WrongState {
                what: format!("item {}", self.item_id),
                state: format!("is {status}"),
                needed: "only failed and canceled items can be retried",
                advice: "wait for its end, or submit the workflow again",
                passes: !status.is_final(),
            });
        };
        Ok(Job::new(self.run.continued_by(vec![id]).await, id))
    }

    /// A server that has lost its database gives the numbers of its items again: what is to change an item must not
    /// hit somebody else's.
    async fn must_be_ours(&self) -> Result<()> {
        match self.queue().find_summary(self.item_id).await? {
            Some(item) if item.batch_id != self.run.batch_id() => Err(Error::JobGone { item_id: self.item_id }),
            _ => Ok(()),
        }
    }

    /// The queue item in full.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is no longer on the server; [`Error::JobGone`] if another batch has its number, because
    /// the server lost its database; any error of a call.
    pub async fn item(&self) -> Result<QueueItem> {
        let item = self.queue().item(self.item_id).await?;
        if item.batch_id == self.run.batch_id() { Ok(item) } else { Err(Error::JobGone { item_id: self.item_id }) }
    }

    /// Ids of the items that `call_saved_workflow` nodes of this item created, oldest first.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn children(&self) -> Result<Vec<i64>> {
        let items = self.queue().batch_items(self.run.batch_id()).await?;
        let mut family = vec![self.item_id];
        // Children have higher ids than their parents, and grandchildren than children.
        for item in items {
            if item.parent_item_id.is_some_and(|parent| family.contains(&parent)) {
                family.push(item.item_id);
            }
        }
        Ok(family.split_off(1))
    }
}
