//! The client: entry to everything.

pub(crate) mod lists;
pub(crate) mod raw;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::Value;
use url::Url;

use crate::{
    api::{self, runtime},
    assets::{Access, Asset, AssetLog, Assets, LedgerFile},
    base::{
        deadline::bounded,
        secrets::{self, Token},
    },
    compatibility::{Compatibility, OLDEST_RUNNING},
    error::{Error, Result},
    schema::{CatalogError, NodeCatalog},
    transport::{ExtraHeaders, Transport, TransportOptions, base_url, bearer, http_builders},
    workflow::{Workflow, WorkflowDefinition, WorkflowOptions},
};

#[cfg(feature = "events")]
use crate::events::{EventEndpoint, EventFilter, EventHub, EventStream, EventsOptions};

/// A connection to one InvokeAI server.
///
/// Cheap to clone; clones share connections, token and limits. Creating one sends nothing.
///
/// # Cancel safety
/// Every future of this crate may be dropped at any time. Dropping one that reads leaves nothing behind. Dropping one
/// that changes something leaves it done or not done, as after a lost answer: the server may have received it. Uploads,
/// boards and batches are [recorded](crate::assets), so that clean-up finds them. Where there is more to say, the
/// method says it.
///
/// # Example
///
/// ```no_run
/// # async fn example() -> invokeai_client::Result<()> {
/// use invokeai_client::Client;
///
/// let client = Client::new("http://127.0.0.1:9090")?;
/// println!("InvokeAI {}", client.server_version().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

crate::base::debug::short_debug! { Client { inner } }

#[derive(Debug)]
struct Inner {
    base: Url,
    api: api::Client,
    assets: Arc<AssetLog>,
    #[cfg(feature = "events")]
    events: EventHub,
    catalog: OnceLock<Arc<NodeCatalog>>,
}

struct SavedWorkflow {
    workflow: Value,
}

crate::json::record::readable! { SavedWorkflow { 0 workflow } }

/// Settings of a [`Client`], from [`Client::builder`].
///
/// ```
/// use invokeai_client::Client;
///
/// let client = Client::builder("https://example.org/invoke").token("eyJ…").build()?;
/// assert_eq!(client.base_url().as_str(), "https://example.org/invoke/");
/// # Ok::<(), invokeai_client::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    url: String,
    token: Option<Token>,
    headers: ExtraHeaders,
    http: Option<reqwest::Client>,
    options: TransportOptions,
    ledger: Option<LedgerFile>,
    ledger_wait: Duration,
    #[cfg(feature = "events")]
    events: EventsOptions,
}

impl Client {
    /// A client with default settings for the server at `url`, for example `http://127.0.0.1:9090`.
    ///
    /// The address may lack a scheme (`localhost:9090`), or be that of a page of the server (`…/docs`, `…/api/v1`). Any
    /// other path is kept: `https://example.org/invoke` is a server behind a reverse proxy, or one with `base_url` set.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if it is not the address of a web server.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Returns a builder for a client with other settings.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            headers: ExtraHeaders::default(),
            http: None,
            options: TransportOptions::default(),
            ledger: None,
            ledger_wait: Duration::ZERO,
            #[cfg(feature = "events")]
            events: EventsOptions::default(),
        }
    }

    /// Every endpoint of the REST API, one method each.
    pub fn api(&self) -> &api::Client {
        &self.inner.api
    }

    /// Address of the server, without user name and password, always ending in `/`.
    pub fn base_url(&self) -> &Url {
        &self.inner.base
    }

    /// Version of the server, for example `6.14.2`. Asked for once, then remembered (`GET /api/v1/app/version`).
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn server_version(&self) -> Result<String> {
        runtime::server_version(self.api()).await
    }

    /// Whether the server's version is one that this crate is tested with. Asks for it once, like
    /// [`server_version`](Self::server_version).
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn compatibility(&self) -> Result<Compatibility> {
        Ok(Compatibility::of(self.server_version().await?))
    }

    /// Learns the version, so that a version outside the tested range causes a warning. An error here shows in the
    /// calls that follow.
    pub(crate) async fn note_version(&self) -> Option<Compatibility> {
        self.compatibility()
            .await
            .inspect_err(|error| tracing::debug!(%error, "the version of the server cannot be determined"))
            .ok()
    }

    /// Refuses to submit to a server on which the submission could not be found again.
    pub(crate) async fn must_run(&self) -> Result<()> {
        match self.note_version().await {
            Some(found) if !found.can_run() => {
                Err(Error::TooOld { server_version: found.server_version, needed: OLDEST_RUNNING })
            }
            _ => Ok(()),
        }
    }

    /// The nodes of this server, its custom ones included. Asked for once, then remembered (`GET /openapi.json`).
    ///
    /// # Errors
    /// Any error of a call; [`Error::Decode`] if the document describes no nodes; [`Error::Body`] if it would take far
    /// more memory than its length.
    pub async fn catalog(&self) -> Result<Arc<NodeCatalog>> {
        if let Some(catalog) = self.inner.catalog.get() {
            return Ok(Arc::clone(catalog));
        }
        let document = runtime::openapi(self.api()).await?;
        let catalog = NodeCatalog::from_openapi_text(&document).map_err(|error| match error {
            CatalogError::TooCostly { .. } => runtime::costly_document(&error),
            error => runtime::not_a_document(&error, document.as_bytes()),
        })?;
        _ = self.note_version().await;
        Ok(Arc::clone(self.inner.catalog.get_or_init(|| Arc::new(catalog))))
    }

    /// Creates a workflow from a definition, with the nodes of this server, and the saved workflows that it calls.
    ///
    /// If a called workflow cannot be read, its node has the inputs of its last save, as in the editor; a warning is
    /// logged.
    ///
    /// # Errors
    /// Any error of a call, except refusals of called workflows other than [`Error::Unauthorized`].
    pub async fn workflow(&self, definition: impl Into<Arc<WorkflowDefinition>>) -> Result<Workflow> {
        self.workflow_with(definition, WorkflowOptions::default()).await
    }

    /// Like [`workflow`](Self::workflow), with options. Called workflows that the options do not have are fetched.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn workflow_with(
        &self,
        definition: impl Into<Arc<WorkflowDefinition>>,
        options: WorkflowOptions,
    ) -> Result<Workflow> {
        self.open(definition.into(), options).await
    }

    /// Boxed, so that it is compiled with this crate and not in every program that opens a workflow.
    fn open(
        &self,
        definition: Arc<WorkflowDefinition>,
        mut options: WorkflowOptions,
    ) -> BoxFuture<'_, Result<Workflow>> {
        Box::pin(async move {
            for id in definition.called_workflow_ids() {
                if options.saved_workflows.contains_key(id) {
                    continue;
                }
                let api = self.api();
                let saved = api.get_workflow().workflow_id(id).send_as::<SavedWorkflow>().await;
                let called = match saved {
                    Ok(saved) => WorkflowDefinition::from_value(saved.workflow).map_err(Error::from),
                    Err(error) => Err(error),
                };
                match called {
                    Ok(called) => _ = options.saved_workflows.insert(id.to_owned(), called),
                    Err(error) if is_of_it_alone(&error) => {
                        tracing::warn!(workflow_id = id, %error, "a called workflow cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(Workflow::with_options(definition, self.catalog().await?, &options))
        })
    }

    /// The nodes of this server, if a workflow may have been read with others. `None` if it was not, and also if it was
    /// read with the nodes of this crate while the server's are not known yet: those are not another server's.
    pub(crate) async fn other_nodes(&self, workflow: &Workflow) -> Result<Option<Arc<NodeCatalog>>> {
        let own = workflow.catalog();
        match self.inner.catalog.get() {
            Some(known) if own.is(known) => Ok(None),
            None if own.is_embedded() => Ok(None),
            _ => self.catalog().await.map(Some),
        }
    }

    /// Uses another bearer token from now on, in all clones; `None` for none.
    pub fn set_token(&self, token: Option<&str>) {
        self.transport().set_token(token.map(Token::new));
    }

    /// Subscribes to everything the server announces from now on. See [`events`](crate::events).
    ///
    /// All subscriptions of a client, those of its jobs included, share one connection.
    #[cfg(feature = "events")]
    pub fn events(&self) -> EventStream {
        self.event_hub().subscribe(EventFilter::all())
    }

    /// The client's event connection: for filtered subscriptions, and for its state.
    #[cfg(feature = "events")]
    pub fn event_hub(&self) -> &EventHub {
        &self.inner.events
    }

    /// What this client has put onto the server and not cleaned up yet; with a
    /// [ledger](crate::ClientBuilder::ledger), also what earlier processes have.
    pub fn assets(&self) -> Assets {
        self.asset_log().assets()
    }

    /// The images and videos that this client has uploaded and not cleaned up yet.
    pub fn uploaded_assets(&self) -> Vec<Asset> {
        self.asset_log().uploads()
    }

    pub(crate) fn asset_log(&self) -> &Arc<AssetLog> {
        &self.inner.assets
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.inner.api.transport
    }
}

impl ClientBuilder {
    /// Sends this bearer token with every call (multi-user servers: from `POST /api/v1/auth/login`).
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.token = Some(Token::new(token.as_ref()));
        self
    }

    /// Sends this header with every request to the server, the one that opens the event socket included: for proxies
    /// that want a key or a cookie. Call it again for more.
    ///
    /// The header goes to the origin of the server's address and nowhere else. Its value counts as a secret: no message
    /// and no log shows it. A header that a call sets itself is left as the call has it.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.headers.push(name.as_ref(), value.as_ref());
        self
    }

    /// Sends user name and password of a proxy with every request, as [`header`](Self::header) does.
    ///
    /// HTTP has one place for this and for the [token](Self::token) of a server with users, so it is one or the other.
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.headers.basic_auth(user.as_ref(), password.as_ref());
        self
    }

    /// Sets time limits, retries and size limits.
    pub fn transport(mut self, options: TransportOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets time limits, buffers and reconnection of the event connection.
    #[cfg(feature = "events")]
    pub fn events(mut self, options: EventsOptions) -> Self {
        self.events = options;
        self
    }

    /// Uses an HTTP client made by the caller, for proxies, certificates and the like.
    ///
    /// Its own timeouts apply instead of `connect_timeout` and `read_timeout` of [`TransportOptions`]. Leave
    /// compression off: some InvokeAI releases answer 500 to successful calls when gzip is accepted.
    ///
    /// Build it with [`redirect::Policy::none()`](reqwest::redirect::Policy::none). The rule for redirects holds for
    /// it, too ([`Error::Redirected`]), but a client that follows them does so before anything can be checked. What it
    /// cannot do then is to take a body or the token of this crate to another origin: bodies are sent in a form that
    /// cannot be sent again, and reqwest removes `Authorization` on the way. The other origin does see a request (for a
    /// POST a GET), with whatever default headers of your own the client adds; its answer is refused.
    ///
    /// With the feature `rustls`, reqwest has TLS but no cryptography of its own: a program that makes such a client
    /// gives reqwest the feature `rustls` (which is among its default ones), or installs a provider of rustls
    /// (`rustls::crypto::ring::default_provider().install_default()`). Otherwise reqwest panics. A provider that is
    /// installed is also what the clients of this crate use.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Also records in this file what the client puts onto the server: see [`assets`](crate::assets). The file is
    /// created if it does not exist, readable and writable for its owner only.
    ///
    /// A file that is neither empty nor a ledger is refused and left as it is. One program at a time can use a ledger:
    /// for another one, [`build`](Self::build) fails with [`Error::LedgerInUse`], unless it
    /// [waits](Self::ledger_wait). Clients of one program that name the same file share what it records.
    pub fn ledger(mut self, path: impl Into<PathBuf>) -> Self {
        self.ledger = Some(LedgerFile { path: path.into(), access: Access::Create });
        self
    }

    /// As [`ledger`](Self::ledger), but the file must exist: for a program that cleans up after another one, where a
    /// mistyped name should be an error.
    pub fn existing_ledger(mut self, path: impl Into<PathBuf>) -> Self {
        self.ledger = Some(LedgerFile { path: path.into(), access: Access::Existing });
        self
    }

    /// Reads what an existing ledger records, and writes nothing to it. Another program may be using it.
    ///
    /// The client can then read, and clean up with [`dry_run`](crate::cleanup::Cleanup::dry_run). What would have to be
    /// recorded (uploads, new boards, submissions, a clean-up that deletes) fails before anything is sent.
    pub fn read_only_ledger(mut self, path: impl Into<PathBuf>) -> Self {
        self.ledger = Some(LedgerFile { path: path.into(), access: Access::ReadOnly });
        self
    }

    /// Sets how long [`build`](Self::build) waits while another program uses the ledger. Default: not at all.
    ///
    /// It blocks the thread meanwhile.
    pub fn ledger_wait(mut self, wait: Duration) -> Self {
        self.ledger_wait = wait;
        self
    }

    /// Creates the client. Sends nothing. Reads the ledger, if there is one.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if the address is unusable, [`Error::InvalidInput`] if the token or a header is,
    /// [`Error::HttpClient`] if the TLS set-up is; [`Error::UnusableLedger`] if the ledger is about another server or
    /// is not a ledger; [`Error::LedgerInUse`] if another program uses it; [`Error::Io`] if it cannot be read, written
    /// or locked.
    pub fn build(self) -> Result<Client> {
        let base = base_url(&self.url)?;
        if let Some(token) = &self.token {
            bearer(token)?;
        }
        let headers = self.headers.into_map(self.http.is_none())?;
        let made = |builder: reqwest::ClientBuilder| {
            let builder = builder
                .connect_timeout(bounded(self.options.connect_timeout))
                .pool_idle_timeout(bounded(self.options.pool_idle_timeout))
                // The transport follows redirects itself, where they may be followed.
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("invokeai-client/", env!("CARGO_PKG_VERSION")));
            builder.build().map_err(|error| Error::HttpClient { cause: Arc::new(error) })
        };
        let (http, uploads) = match self.http {
            Some(http) => (http, None),
            None => {
                let [plain, uploads] = http_builders()?;
                (made(plain.read_timeout(bounded(self.options.read_timeout)))?, Some(made(uploads)?))
            }
        };
        let assets = AssetLog::open(self.ledger.as_ref(), base.as_str(), self.ledger_wait)?;
        let transport = Transport::new(http.clone(), uploads, self.token, headers, self.options);
        #[cfg(feature = "events")]
        let events = {
            let token = transport.clone();
            let endpoint = EventEndpoint::new(http.clone(), base.as_str())
                .map_err(|error| Error::InvalidUrl { url: base.to_string(), problem: error.to_string() })?
                .clear_text(transport.clear_text().clone())
                .headers(Arc::clone(transport.headers()))
                .token(move || token.token().map(|token| token.reveal().to_owned()));
            EventHub::new(endpoint, self.events)
        };
        let baseurl = base.as_str().trim_end_matches('/').to_owned();
        let api = api::Client { baseurl, client: http, transport };
        Ok(Client {
            inner: Arc::new(Inner {
                base,
                api,
                assets,
                #[cfg(feature = "events")]
                events,
                catalog: OnceLock::new(),
            }),
        })
    }
}

/// Whether the reason why a called workflow cannot be read is one of this workflow: it is private, gone or damaged. The
/// others concern all calls.
fn is_of_it_alone(error: &Error) -> bool {
    let concerns_all = matches!(error, Error::Unauthorized(_));
    (error.status().is_some() && !concerns_all) || matches!(error, Error::Decode { .. } | Error::Definition(_))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let Self { url, token, headers, options, ledger, .. } = self;
            let ledger = &ledger.as_ref().map(|ledger| &ledger.path);
            let mut out = f.debug_struct("ClientBuilder");
            out.field("url", &secrets::address_text(url))
                .field("token", token)
                .field("headers", headers)
                .field("options", options)
                .field("ledger", ledger);
            out.finish_non_exhaustive()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_kept() {
        for (given, kept) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("http://127.0.0.1:9090/", "http://127.0.0.1:9090"),
            ("https://example.org/a/b", "https://example.org/a/b"),
            (" https://example.org/a/b/ ", "https://example.org/a/b"),
        ] {
            assert_eq!(Client::new(given).unwrap().api().baseurl, kept);
        }
    }

    #[test]
    fn no_debug_output_shows_the_token() {
        let client = Client::builder("http://127.0.0.1").token("top-secret").build().unwrap();
        assert!(!format!("{client:?}").contains("top-secret"));
        assert!(!format!("{:?}", Client::builder("http://127.0.0.1").token("top-secret")).contains("top-secret"));
    }
}
