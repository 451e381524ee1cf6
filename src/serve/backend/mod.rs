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
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::{Map, Value};
use tokio::{sync::Mutex, time::timeout};

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

/// How long a failure to list the models is told to whoever asks, before it is tried again.
const FAILED: Duration = Duration::from_secs(5);

/// How long a new list is waited for where there is an older one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The models, as far as they are known.
#[derive(Debug, Default)]
struct Models {
    listed: Option<(Instant, Arc<Vec<ModelRecord>>)>,
    failed: Option<(Instant, Problem)>,
}

impl Models {
    fn any(&self) -> Option<Arc<Vec<ModelRecord>>> {
        self.listed.as_ref().map(|(_, models)| Arc::clone(models))
    }

    /// The answer that needs no request.
    fn known(&self) -> Option<Result<Arc<Vec<ModelRecord>>, Problem>> {
        match (&self.listed, &self.failed) {
            (Some((asked, models)), _) if asked.elapsed() < FRESH => Some(Ok(Arc::clone(models))),
            (_, Some((at, problem))) if at.elapsed() < FAILED => Some(self.any().ok_or_else(|| problem.clone())),
            _ => None,
        }
    }
}

/// What is behind.
#[derive(Debug)]
pub(super) struct Backend {
    client: Client,
    #[cfg(feature = "fleet")]
    fleet: Option<crate::fleet::Fleet>,
    models: std::sync::Mutex<Models>,
    /// Held by whoever asks for them.
    asking: Mutex<()>,
    /// Fetches pictures for runs, from wherever that is allowed.
    pub(super) fetcher: Fetcher,
}

impl Backend {
    pub(super) fn new(client: Client, fetcher: Fetcher) -> Self {
        Self {
            client,
            #[cfg(feature = "fleet")]
            fleet: None,
            models: std::sync::Mutex::default(),
            asking: Mutex::default(),
            fetcher,
        }
    }

    /// The same, whose runs are jobs of this fleet.
    #[cfg(feature = "fleet")]
    pub(super) fn on(mut self, fleet: Option<crate::fleet::Fleet>) -> Self {
        self.fleet = fleet;
        self
    }

    /// What runs are run by, as those of another are known from these.
    pub(super) fn place(&self) -> String {
        #[cfg(feature = "fleet")]
        if let Some(fleet) = &self.fleet {
            return format!("the fleet {}", fleet.id());
        }
        let mut url = self.client.base_url().clone();
        // These fail only where there can be none.
        _ = url.set_password(None);
        _ = url.set_username("");
        url.to_string()
    }

    /// Whether one server has all there is: its boards are where results go. Those of a fleet are on no board.
    pub(super) fn has_boards(&self) -> bool {
        #[cfg(feature = "fleet")]
        return self.fleet.is_none();
        #[cfg(not(feature = "fleet"))]
        true
    }

    /// The models, as they were a little while ago at most, or as they were last where a server does not answer.
    pub(super) async fn models(&self) -> Result<Arc<Vec<ModelRecord>>, Problem> {
        let models = || self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, older) = {
            let models = models();
            (models.known(), models.any())
        };
        if let Some(known) = known {
            return known;
        }
        // One request is for all who wait.
        let _asking = match (&older, self.asking.try_lock()) {
            (_, Ok(asking)) => asking,
            (Some(older), Err(_)) => return Ok(Arc::clone(older)),
            (None, Err(_)) => self.asking.lock().await,
        };
        if let Some(known) = models().known() {
            return known;
        }
        let all = self.client.models();
        let asked = all.records();
        let asked = match &older {
            None => asked.await.map_err(|error| Problem::of_error(&error)),
            Some(_) => match timeout(PATIENCE, asked).await {
                Ok(asked) => asked.map_err(|error| Problem::of_error(&error)),
                Err(_) => Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "InvokeAI did not answer in time")),
            },
        };
        let mut models = models();
        match asked {
            Ok(listed) => {
                let listed = Arc::new(listed);
                *models = Models { listed: Some((Instant::now(), Arc::clone(&listed))), failed: None };
                Ok(listed)
            }
            Err(problem) => {
                models.failed = Some((Instant::now(), problem.clone()));
                older.ok_or(problem)
            }
        }
    }

    /// The models, if they can be had now: what describes inputs is right without them as well.
    pub(super) async fn models_or_none(&self) -> Arc<Vec<ModelRecord>> {
        self.models().await.unwrap_or_else(|problem| {
            tracing::warn!(problem = problem.detail, "the models cannot be listed");
            Arc::default()
        })
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
