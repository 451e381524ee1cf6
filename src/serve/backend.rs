//! What runs the workflows: one InvokeAI server. The one place of the service that knows how it is reached.

use std::{
    collections::HashSet,
    future::IntoFuture as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::{
    Client, Submission, Ticket, Upload,
    boards::Board,
    error::{Error, Result},
    media::{FileKind, scan},
    queue::DEFAULT_QUEUE,
    schema::ModelRecord,
    workflow::Workflow,
};

/// How old a list of models may be.
const FRESH: Duration = Duration::from_secs(30);

/// How long an enqueue without an answer may still arrive: as long as the library itself waits for one that was lost.
const LATE: Duration = Duration::from_secs(20);

/// Where the batch of a submission says it comes from.
const ORIGIN: &str = "invokeai-client serve";

type Models = Option<(Instant, Arc<Vec<ModelRecord>>)>;

/// The server behind.
#[derive(Debug)]
pub(super) struct Backend {
    client: Client,
    models: Mutex<Models>,
}

impl Backend {
    pub(super) fn new(client: Client) -> Self {
        Self { client, models: Mutex::new(None) }
    }

    /// The models, as they were a little while ago at most.
    pub(super) async fn models(&self) -> Result<Arc<Vec<ModelRecord>>> {
        let mut known = self.models.lock().await;
        if let Some((asked, models)) = &*known
            && asked.elapsed() < FRESH
        {
            return Ok(Arc::clone(models));
        }
        let models = Arc::new(self.client.models().records().await?);
        *known = Some((Instant::now(), Arc::clone(&models)));
        Ok(models)
    }

    /// Puts an image onto the server, out of the gallery's sight. Gives its name there.
    pub(super) async fn upload(&self, name: &str, bytes: Bytes) -> Result<String> {
        let sent = self.client.images().upload(Upload::bytes(name, bytes)).intermediate(true);
        Ok(sent.await?.image_name)
    }

    /// Enqueues a workflow as this batch.
    pub(super) async fn submit(&self, workflow: &Workflow, batch_id: &str) -> Result<Submission> {
        self.client.submit(workflow).batch_id(batch_id).origin(ORIGIN).into_future().await
    }

    /// Takes up what was enqueued before.
    pub(super) async fn attach(&self, ticket: &Ticket) -> Result<Submission> {
        Submission::attach(&self.client, ticket).await
    }

    /// What an earlier life of this service enqueued as this batch, or may have. One whose answer was not seen may still
    /// be on its way, so it is looked for until it cannot arrive any more.
    pub(super) async fn find(&self, batch_id: &str) -> Result<Option<Submission>> {
        let end = Instant::now() + LATE;
        loop {
            let mut ids = match self.client.queue(DEFAULT_QUEUE).batch_item_ids(batch_id).await {
                Err(error) if error.is_not_found() => Vec::new(),
                ids => ids?,
            };
            if !ids.is_empty() {
                ids.sort_unstable();
                let ticket = json!({"queue_id": DEFAULT_QUEUE, "batch_id": batch_id, "item_ids": ids});
                let ticket: Ticket =
                    serde_json::from_value(ticket).map_err(|error| Error::invalid("ticket", error.to_string()))?;
                return self.attach(&ticket).await.map(Some);
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Every board, archived ones as well.
    pub(super) async fn boards(&self) -> Result<Vec<Board>> {
        self.client.boards().list().include_archived(true).stream().try_collect().await
    }

    /// Names of the images that a board shows, newest first; `none` is that of those on no board.
    pub(super) async fn images_of(&self, board_id: &str) -> Result<Vec<String>> {
        if board_id != "none" {
            // The list of a board that does not exist is empty.
            self.client.board(board_id).get().await?;
        }
        Ok(self.client.images().list().board(board_id).intermediate(false).names().await?.image_names)
    }

    /// Forgets what a run sent, which has ended and is not going to be cleaned up.
    pub(super) fn forget(&self, batch_id: &str, inputs: &Map<String, Value>) {
        let mut names = HashSet::new();
        for value in inputs.values() {
            scan(value, &mut String::new(), &mut |_, _, name| {
                names.insert(name.to_owned());
            });
        }
        self.client.asset_log().forget(batch_id, &names);
    }

    /// A file that a run made.
    pub(super) async fn file(&self, kind: FileKind, name: &str) -> Result<Bytes> {
        match kind {
            FileKind::Image => self.client.image(name).download().bytes().await,
            FileKind::Video => self.client.video(name).download().bytes().await,
        }
    }
}
