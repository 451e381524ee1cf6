//! Cleaning up.

use super::mirror::mirror;
use crate::{
    assets::Asset,
    cleanup::{self, CleanupReport},
    error::Result,
};

mirror! {
    /// A clean-up under construction, from [`Client::cleanup`](super::Client::cleanup) or
    /// [`Submission::cleanup`](super::Submission::cleanup); `call` carries it out.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct Cleanup = cleanup::Cleanup;

    /// Cleans up after this batch only, and those uploads of the client that it read. The batch need not be one
    /// that this client has recorded.
    set fn batch(self, batch_id: impl Into<String>) -> Self;
    /// Sets the queue that the batch is on. Default: the queue that the client has recorded for it, or else `default`.
    set fn queue(self, queue_id: impl Into<String>) -> Self;
    /// Whether to delete images and videos that the client uploaded. On by default.
    set fn uploads(self, delete: bool) -> Self;
    /// Whether to delete results, for example after they have been downloaded. Off by default.
    set fn outputs(self, delete: bool) -> Self;
    /// The opposite of [`outputs`](Self::outputs).
    set fn keep_outputs(self, keep: bool) -> Self;
    /// Whether to delete intermediate images and videos that these runs made. On by default.
    set fn intermediates(self, delete: bool) -> Self;
    /// Whether to delete boards that the client created. Results that stay are then on no board. A board with files of
    /// others on it stays. Off by default.
    set fn boards(self, delete: bool) -> Self;
    /// Whether to delete queue items, one by one by their ids. Only those that have ended. On by default.
    set fn items(self, delete: bool) -> Self;
    /// Whether to cancel items that have not ended, before anything else. On by default.
    set fn cancel(self, cancel: bool) -> Self;
    /// Deletes uploads, results, intermediate ones, boards and items.
    set fn everything(self) -> Self;
    /// Keeps these images, videos and boards, whatever else is deleted: for example results that could not be
    /// downloaded. They stay recorded. Can be called several times.
    set fn keep(self, assets: impl IntoIterator<Item = Asset>) -> Self;
    /// Also looks at these queues for items that need what would be deleted. Queues that this program uses are known
    /// anyway; those of other programs are not, because the server has no list of its queues. Can be called several
    /// times.
    set fn look_at_queues(self, queue_ids: impl IntoIterator<Item = impl Into<String>>) -> Self;
    /// Whether only to report what would be deleted: [`CleanupReport::deleted`] lists it. Nothing is changed, and
    /// nothing canceled, so files that unfinished items are still going to make are not in it.
    set fn dry_run(self, dry_run: bool) -> Self;
    /// Carries out the clean-up.
    finish fn call(self) -> Result<CleanupReport>;
}
