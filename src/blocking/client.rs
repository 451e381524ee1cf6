//! The client.

use std::{fmt, future::IntoFuture, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use url::Url;

use super::{
    Auth, BoardHandle, Boards, Cleanup, ImageHandle, Images, Library, ModelHandle, Models, Queue, SavedWorkflowHandle,
    Server, StylePresetHandle, StylePresets, Submission, SystemPromptHandle, SystemPrompts, UserHandle, VideoHandle,
    Videos,
    mirror::{Mirror as _, mirror},
    runtime::Runtime,
};
#[cfg(feature = "events")]
use super::{EventHub, EventStream};
#[cfg(feature = "events")]
use crate::events::EventsOptions;
use crate::{
    RawAnswer, RawRequest, TransportOptions, api,
    assets::{Asset, Assets},
    client,
    compatibility::Compatibility,
    error::Result,
    schema::NodeCatalog,
    typed::TypedWorkflow,
    workflow::{Workflow, WorkflowDefinition, WorkflowOptions},
};

mirror! {
    /// A connection to one InvokeAI server.
    ///
    /// Cheap to clone, and to be used by many threads at once. See the [module](crate::blocking).
    #[derive(Clone)]
    pub struct Client = client::Client;

    /// The server itself.
    open fn server(&self) -> Server;
    /// What this client has put onto the server and not cleaned up yet; with a
    /// [ledger](ClientBuilder::ledger), also what earlier processes have.
    get fn assets(&self) -> Assets;
    /// The images and videos that this client has uploaded and not cleaned up yet.
    get fn uploaded_assets(&self) -> Vec<Asset>;
    /// Logins and users.
    open fn auth(&self) -> Auth;
    /// The user with this id. Sends nothing yet.
    open fn user(&self, user_id: impl Into<String>) -> UserHandle;
    /// The boards of the server.
    open fn boards(&self) -> Boards;
    /// The board with this id. Sends nothing yet.
    open fn board(&self, board_id: impl Into<String>) -> BoardHandle;
    /// Cleans up what this client has put onto the server: its uploads, and what its batches left.
    open fn cleanup(&self) -> Cleanup;
    /// Every endpoint of the REST API, one method each.
    get fn api(&self) -> &api::Client;
    /// Sends a request as it is, with the token, headers, time limits and rules of this client: a read is retried after
    /// a transient failure, and follows redirects within the server's origin.
    call fn request(&self, request: RawRequest) -> Result<RawAnswer>;
    /// Address of the server, without user name and password, always ending in `/`.
    get fn base_url(&self) -> &Url;
    /// Version of the server, for example `6.14.2`. Asked for once, then remembered (`GET /api/v1/app/version`).
    call fn server_version(&self) -> Result<String>;
    /// Whether the server's version is one that this crate is tested with. Asks for it once, like
    /// [`server_version`](Self::server_version).
    call fn compatibility(&self) -> Result<Compatibility>;
    /// The nodes of this server, its custom ones included. Asked for once, then remembered (`GET /openapi.json`).
    call fn catalog(&self) -> Result<Arc<NodeCatalog>>;
    /// Creates a workflow from a definition, with the nodes of this server, and the saved workflows that it calls.
    call fn workflow(&self, definition: impl Into<Arc<WorkflowDefinition>>) -> Result<Workflow>;
    /// Like [`workflow`](Self::workflow), with options. Called workflows that the options do not have are fetched.
    call fn workflow_with(
        &self,
        definition: impl Into<Arc<WorkflowDefinition>>,
        options: WorkflowOptions
    ) -> Result<Workflow>;
    /// Creates a workflow from a generated struct, with the nodes of this server. Models given only by name are looked
    /// up.
    call fn bind(&self, typed: &impl TypedWorkflow) -> Result<Workflow>;
    /// Uses another bearer token from now on, in all clones; `None` for none.
    get fn set_token(&self, token: Option<&str>);
    /// Subscribes to everything the server announces from now on. See [`events`](crate::events).
    #[cfg(feature = "events")]
    open fn events(&self) -> EventStream;
    /// The client's event connection: for filtered subscriptions, and for its state.
    #[cfg(feature = "events")]
    open fn event_hub(&self) -> EventHub;
    /// The images of the server.
    open fn images(&self) -> Images;
    /// The image with this name. Sends nothing yet.
    open fn image(&self, image_name: impl Into<String>) -> ImageHandle;
    /// The workflow library of the server.
    open fn library(&self) -> Library;
    /// The saved workflow with this id. Sends nothing yet.
    open fn saved_workflow(&self, workflow_id: impl Into<String>) -> SavedWorkflowHandle;
    /// Submits a workflow of the library: loads it by its name or id, sets inputs from a JSON object, and submits it
    /// to the queue `default`.
    call_open fn submit_saved_workflow(&self, name_or_id: &str, inputs: impl Into<Value>) -> Result<Submission>;
    /// Loads a workflow of the library by its name or id, to set inputs and submit it.
    call fn open_saved_workflow(&self, name_or_id: &str) -> Result<Workflow>;
    /// The models of the server.
    open fn models(&self) -> Models;
    /// The model with this key. Sends nothing yet.
    open fn model(&self, key: impl Into<String>) -> ModelHandle;
    /// The queue with this id; `default` is the editor's.
    open fn queue(&self, queue_id: impl Into<String>) -> Queue;
    /// The style presets of the server.
    open fn style_presets(&self) -> StylePresets;
    /// The style preset with this id. Sends nothing yet.
    open fn style_preset(&self, id: impl Into<String>) -> StylePresetHandle;
    /// The system prompts of the server.
    open fn system_prompts(&self) -> SystemPrompts;
    /// The system prompt with this id. Sends nothing yet.
    open fn system_prompt(&self, id: impl Into<String>) -> SystemPromptHandle;
    /// The videos of the server.
    open fn videos(&self) -> Videos;
    /// The video with this name. Sends nothing yet.
    open fn video(&self, video_name: impl Into<String>) -> VideoHandle;
}

impl Client {
    /// A client with default settings for the server at `url`, for example `http://127.0.0.1:9090`.
    ///
    /// # Errors
    /// As [`crate::Client::new`], and [`Error::Io`](crate::Error::Io) if the system cannot start threads.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Returns a builder for a client with other settings.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder { inner: crate::Client::builder(url) }
    }

    /// The blocking form of an existing client. Both share everything.
    ///
    /// Connections are kept for the next call, and are served by the runtime that created them. So do not go on with
    /// the async client in a runtime that ends before this one is used.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system cannot start threads.
    pub fn from_async(client: crate::Client) -> Result<Self> {
        Ok(client.mirror(Runtime::get()?))
    }

    /// The async client behind this one, for functions that take one.
    pub fn as_async(&self) -> &crate::Client {
        &self.inner
    }

    /// Waits for any future: an endpoint of [`api`](Self::api), or several calls side by side.
    ///
    /// The future runs on the thread of the caller, in the context of the runtime that serves the blocking calls: it
    /// may spawn tasks and set timers, but what needs a runtime must be created inside of it, as in
    /// `block_on(async { tokio::time::timeout(limit, call).await })`.
    ///
    /// ```no_run
    /// # fn example(client: invokeai_client::blocking::Client) -> invokeai_client::Result<()> {
    /// let page = client.block_on(client.api().list_image_dtos().limit(10).is_intermediate(false).send())?;
    /// println!("{} images", page.total);
    /// # Ok(())
    /// # }
    /// ```
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// Settings of a [`Client`], from [`Client::builder`].
///
/// Blocking form of [`ClientBuilder`](crate::ClientBuilder).
#[derive(Clone)]
#[must_use = "no client is created before `build`"]
pub struct ClientBuilder {
    inner: crate::ClientBuilder,
}

impl ClientBuilder {
    /// Sends this bearer token with every call.
    ///
    /// As [`ClientBuilder::token`](crate::ClientBuilder::token).
    pub fn token(self, token: impl AsRef<str>) -> Self {
        Self { inner: self.inner.token(token) }
    }

    /// Sends this header with every request to the server, the one that opens the event socket included: for proxies
    /// that want a key or a cookie. Call it again for more.
    ///
    /// As [`ClientBuilder::header`](crate::ClientBuilder::header).
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self { inner: self.inner.header(name, value) }
    }

    /// Sends user name and password of a proxy with every request, as [`header`](Self::header) does.
    ///
    /// As [`ClientBuilder::basic_auth`](crate::ClientBuilder::basic_auth).
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        Self { inner: self.inner.basic_auth(user, password) }
    }

    /// Sets time limits, retries and size limits.
    ///
    /// As [`ClientBuilder::transport`](crate::ClientBuilder::transport).
    pub fn transport(self, options: TransportOptions) -> Self {
        Self { inner: self.inner.transport(options) }
    }

    /// Sets time limits, buffers and reconnection of the event connection.
    ///
    /// As [`ClientBuilder::events`](crate::ClientBuilder::events).
    #[cfg(feature = "events")]
    pub fn events(self, options: EventsOptions) -> Self {
        Self { inner: self.inner.events(options) }
    }

    /// Uses an HTTP client made by the caller, for proxies, certificates and the like.
    ///
    /// As [`ClientBuilder::http_client`](crate::ClientBuilder::http_client). It is the async one.
    pub fn http_client(self, http: reqwest::Client) -> Self {
        Self { inner: self.inner.http_client(http) }
    }

    /// Also records in this file what the client puts onto the server.
    ///
    /// As [`ClientBuilder::ledger`](crate::ClientBuilder::ledger).
    pub fn ledger(self, path: impl Into<PathBuf>) -> Self {
        Self { inner: self.inner.ledger(path) }
    }

    /// As [`ledger`](Self::ledger), but the file must exist.
    ///
    /// As [`ClientBuilder::existing_ledger`](crate::ClientBuilder::existing_ledger).
    pub fn existing_ledger(self, path: impl Into<PathBuf>) -> Self {
        Self { inner: self.inner.existing_ledger(path) }
    }

    /// Reads what an existing ledger records, and writes nothing to it.
    ///
    /// As [`ClientBuilder::read_only_ledger`](crate::ClientBuilder::read_only_ledger).
    pub fn read_only_ledger(self, path: impl Into<PathBuf>) -> Self {
        Self { inner: self.inner.read_only_ledger(path) }
    }

    /// Sets how long [`build`](Self::build) waits while another program uses the ledger.
    ///
    /// As [`ClientBuilder::ledger_wait`](crate::ClientBuilder::ledger_wait).
    pub fn ledger_wait(self, wait: Duration) -> Self {
        Self { inner: self.inner.ledger_wait(wait) }
    }

    /// Creates the client. Sends nothing. Reads the ledger, if there is one.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`](crate::ClientBuilder::build), and [`Error::Io`](crate::Error::Io) if the system
    /// cannot start threads.
    pub fn build(self) -> Result<Client> {
        Client::from_async(self.inner.build()?)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
