//! What runs the workflows: one InvokeAI server, or a fleet of them. The one place of the service that knows how they are
//! reached.
//!
//! With a fleet one server is still asked what workflows take, and for its models, boards and images; runs, their pictures
//! and their results are the fleet's.

mod ended;
#[cfg(feature = "fleet")]
mod fleet;
mod sent;
mod server;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{fetch::Fetcher, offer::Offer, problem::Problem};
use crate::{
    Client, Ticket, Upload,
    boards::Board,
    error::Result,
    media::{FileKind, scan},
    schema::ModelRecord,
};
pub(super) use ended::{End, Outcome};
pub(super) use sent::Sent;

/// How old a list of models may be.
const FRESH: Duration = Duration::from_secs(30);

type Models = Option<(Instant, Arc<Vec<ModelRecord>>)>;

/// What is behind.
#[derive(Debug)]
pub(super) struct Backend {
    client: Client,
    #[cfg(feature = "fleet")]
    fleet: Option<crate::fleet::Fleet>,
    models: Mutex<Models>,
    /// Fetches pictures for runs, from wherever that is allowed.
    pub(super) fetcher: Fetcher,
}

impl Backend {
    pub(super) fn new(client: Client, fetcher: Fetcher) -> Self {
        Self {
            client,
            #[cfg(feature = "fleet")]
            fleet: None,
            models: Mutex::new(None),
            fetcher,
        }
    }

    /// The same, whose runs are jobs of this fleet.
    #[cfg(feature = "fleet")]
    pub(super) fn on(mut self, fleet: Option<crate::fleet::Fleet>) -> Self {
        self.fleet = fleet;
        self
    }

    /// Whether one server has all there is: its boards are where results go. Those of a fleet are on no board.
    pub(super) fn has_boards(&self) -> bool {
        #[cfg(feature = "fleet")]
        return self.fleet.is_none();
        #[cfg(not(feature = "fleet"))]
        true
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

    /// Puts an image where runs find it, out of the gallery's sight. Gives its name there.
    pub(super) async fn upload(&self, ending: &str, bytes: Bytes) -> Result<String> {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return fleet.put_image(bytes, ending).await;
        }
        // What a caller calls it says nothing.
        let sent = self.client.images().upload(Upload::bytes(format!("upload.{ending}"), bytes)).intermediate(true);
        Ok(sent.await?.image_name)
    }

    /// An image that was given by its name, as runs take it.
    #[cfg_attr(not(feature = "fleet"), expect(unused_variables, reason = "a server takes its own names as they are"))]
    pub(super) async fn named(&self, input: &str, value: Value) -> Result<Value, Problem> {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return fleet::brought(fleet, &self.client, input, value).await;
        }
        Ok(value)
    }

    /// Sends a run, as this batch.
    pub(super) async fn submit(&self, offer: &Offer, values: &Map<String, Value>, batch_id: &str) -> Result<Sent> {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return fleet::submit(fleet, offer, values, batch_id).await.map(Sent::Fleet);
        }
        server::submit(&self.client, offer, values, batch_id).await.map(Sent::Server)
    }

    /// Takes up what was sent to the server before.
    pub(super) async fn attach(&self, ticket: &Ticket) -> Result<Sent> {
        crate::Submission::attach(&self.client, ticket).await.map(Sent::Server)
    }

    /// What an earlier life of this service sent as this batch, or may have.
    pub(super) async fn find(&self, batch_id: &str) -> Result<Option<Sent>> {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return Ok(fleet::find(fleet, batch_id).await?.map(Sent::Fleet));
        }
        Ok(server::find(&self.client, batch_id).await?.map(Sent::Server))
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
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet
            && let Some(bytes) = fleet.file_named(name).await?
        {
            return Ok(bytes);
        }
        match kind {
            FileKind::Image => self.client.image(name).download().bytes().await,
            FileKind::Video => self.client.video(name).download().bytes().await,
        }
    }
}
