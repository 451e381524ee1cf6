//! Workflows as a service: an HTTP API, a page for people, and tools for agents.
//!
//! Each workflow becomes an address that runs it, with its inputs as JSON or as a form with files. A run has an address of
//! its own, where it can be watched, read and canceled; it survives a restart of the service. The guide tells what callers
//! see (`docs/serve.md`).
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client, workflow: invokeai_client::workflow::Workflow)
//! # -> invokeai_client::Result<()> {
//! use invokeai_client::serve::Server;
//!
//! let server = Server::builder(client, "runs").workflow("flux", workflow).listen("127.0.0.1:8080").start()?;
//! println!("{}", server.url());
//! # server.stop();
//! # Ok(())
//! # }
//! ```

mod access;
mod agents;
mod backend;
mod connections;
mod events;
mod fetch;
mod inputs;
mod limits;
mod offer;
mod openapi;
mod outputs;
mod page;
mod problem;
mod routes;
mod runs;
mod schemas;
mod state;
mod wording;

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use axum::http::HeaderName;
use tokio::{
    runtime::Runtime,
    sync::{Semaphore, watch},
};

use crate::{
    Client,
    base::secrets::Token,
    error::{Error, Result},
    workflow::Workflow,
};
use access::Access;
use agents::Agents;
use backend::Backend;
use fetch::Fetcher;
use inputs::Reader;
pub use limits::Limits;
use offer::Offer;
use routes::Service;
use runs::{Resume, Runs};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Where a service listens unless it is told otherwise.
const ADDRESS: &str = "127.0.0.1:8080";

/// How long what a service does may take to end with it.
const ENDING: Duration = Duration::from_secs(2);

/// A service that runs workflows for others, from [`Server::builder`].
///
/// It runs on threads of its own, so it works in async and in blocking programs alike. It stops when it is dropped; runs
/// that have not ended go on at InvokeAI, and the next service with the same folder takes them up.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A service to be started, from [`Server::builder`].
#[must_use = "nothing is served before `start`"]
pub struct ServerBuilder {
    client: Client,
    #[cfg(feature = "fleet")]
    fleet: Option<crate::fleet::Fleet>,
    folder: PathBuf,
    workflows: Vec<(String, Workflow)>,
    listen: String,
    token: Option<Token>,
    hosts: Vec<String>,
    origins: Vec<String>,
    image_urls: Vec<String>,
    limits: Limits,
}

crate::base::debug::short_debug! {
    Server { address; .. }
    ServerBuilder { client, folder, workflows, listen, token, hosts, origins, image_urls, limits; .. }
}

impl Server {
    /// For a service that runs workflows on the server of this client, and keeps its runs in this folder, which is made
    /// if there is none. One folder is for one service at a time.
    pub fn builder(client: Client, folder: impl Into<PathBuf>) -> ServerBuilder {
        ServerBuilder {
            client,
            #[cfg(feature = "fleet")]
            fleet: None,
            folder: folder.into(),
            workflows: Vec::new(),
            listen: ADDRESS.to_owned(),
            token: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            image_urls: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its page.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it: answers that are under way have 3 seconds. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            _ = thread.join();
        }
    }
}

impl ServerBuilder {
    /// Runs the workflows as jobs of this fleet, whose workers it needs. The server of the client is still asked what
    /// workflows take, and for its models, boards and images; it gets no runs.
    #[cfg(feature = "fleet")]
    pub fn fleet(mut self, fleet: crate::fleet::Fleet) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// Offers a workflow under this name, of which letters of a to z and digits are kept: `My Workflow` is
    /// `/workflows/my-workflow/runs`. At least one is needed.
    pub fn workflow(mut self, name: impl Into<String>, workflow: Workflow) -> Self {
        self.workflows.push((name.into(), workflow));
        self
    }

    /// Listens at this address, `HOST:PORT`; port 0 is any free one. Default: `127.0.0.1:8080`. An address that other
    /// machines reach needs a [`token`](Self::token).
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Answers only who knows this token: at least 16 characters of ASCII. Programs send it as a bearer token; browsers
    /// ask for it as the password of a login.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.token = Some(Token::new(token.as_ref()));
        self
    }

    /// Answers also by this name. Without, only by `localhost` and by addresses of digits, so that no page elsewhere can
    /// make its own name point here.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Lets pages of this origin, such as `https://example.org`, use the service in browsers. Default: no page may.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Fetches pictures that callers name by an address of this host: `images.example.org`, `*.example.org`, or `*` for
    /// all, of ports 80 and 443 or of that which is named (`images.example.org:8080`). Default: none.
    ///
    /// A name must lead to public addresses, also after a redirect. One that is not public, such as `10.0.0.7`, has to be
    /// named itself.
    pub fn image_urls(mut self, host: impl Into<String>) -> Self {
        self.image_urls.push(host.into());
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Offers the workflows as tools to an agent that talks over standard input and output (MCP), until the input ends.
    /// Where it would listen, and who may ask, counts for nothing.
    ///
    /// It takes this thread until then.
    ///
    /// # Errors
    /// As [`start`](Self::start); [`Error::InvalidInput`] if what comes is not of that protocol.
    pub fn talk(self) -> Result<()> {
        let failed = |problem: String| Error::invalid("standard input", problem);
        let offers = offers(self.workflows, !self.image_urls.is_empty())?;
        let backend = Backend::new(self.client, Fetcher::new(&self.image_urls, &self.limits)?);
        #[cfg(feature = "fleet")]
        let backend = backend.on(self.fleet);
        let backend = Arc::new(backend);
        let (runs, resumed) = Runs::open(&self.folder, &self.limits, Arc::clone(&backend), Arc::clone(&offers))?;
        let runtime = runtime().map_err(|error| failed(error.to_string()))?;
        let talked = runtime.block_on(async move {
            take_up(&runs, resumed);
            let talked = Agents { backend, offers, runs: runs.clone() }.over_stdio(&self.limits).await;
            runs.write_again().await;
            talked
        });
        runtime.shutdown_timeout(ENDING);
        talked.map_err(failed)
    }

    /// Starts it. It answers when this returns, and has taken up the runs of an earlier service.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the address cannot be listened at, or would be open to others without a token, if there
    /// is no workflow or two have one name; [`Error::Io`] if the folder cannot be used, as when another service uses it.
    pub fn start(self) -> Result<Server> {
        let access = Access::new(self.token.as_ref().map(Token::reveal), &self.hosts, &self.origins)?;
        let offers = offers(self.workflows, !self.image_urls.is_empty())?;
        let listener = listener(&self.listen, access.has_token())?;
        let failed = |what: &str, error: std::io::Error| Error::invalid("listen", format!("{what}: {error}"));
        let address = listener.local_addr().map_err(|error| failed("no address", error))?;
        let backend = Backend::new(self.client, Fetcher::new(&self.image_urls, &self.limits)?);
        #[cfg(feature = "fleet")]
        let backend = backend.on(self.fleet);
        let backend = Arc::new(backend);
        let (runs, resumed) = Runs::open(&self.folder, &self.limits, Arc::clone(&backend), Arc::clone(&offers))?;
        let runtime = runtime().map_err(|error| failed("no threads", error))?;
        let (stop, stopped) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(|error| failed("cannot listen", error))?
        };
        let reader = Reader::new(&self.limits);
        let limits = self.limits;
        let streams = Arc::new(Semaphore::new(limits.streams.min(Semaphore::MAX_PERMITS)));
        // Some connections are left to those who do not wait.
        let waiting = limits.connections.saturating_sub((limits.connections / 8).max(1)).min(Semaphore::MAX_PERMITS);
        let waiting = Semaphore::new(waiting);
        let (limits_of_all, runs_of_all) = (limits.clone(), runs.clone());
        let service =
            Service { access, backend, offers, limits: limits_of_all, runs: runs_of_all, reader, waiting, streams };
        let router = routes::router(Arc::new(service));
        let serve = move || {
            runtime.block_on(async move {
                take_up(&runs, resumed);
                connections::serve(listener, router, limits, stopped).await;
                runs.write_again().await;
            });
            // Runs that are followed are taken up by the next service.
            runtime.shutdown_timeout(ENDING);
        };
        let thread = std::thread::Builder::new().name("invokeai-serve".into()).spawn(serve);
        let thread = thread.map_err(|error| failed("no thread", error))?;
        Ok(Server { address, stop, thread: Some(thread) })
    }
}

fn offers(workflows: Vec<(String, Workflow)>, takes_urls: bool) -> Result<Arc<Vec<Offer>>> {
    let offers: Result<Vec<Offer>> =
        workflows.into_iter().map(|(name, workflow)| Offer::new(&name, workflow, takes_urls)).collect();
    Ok(Arc::new(offer::distinct(offers?)?))
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Takes up what an earlier service left.
fn take_up(runs: &Runs, resumed: Vec<Resume>) {
    for resume in resumed {
        let runs = runs.clone();
        tokio::spawn(async move { runs.resume(resume).await });
    }
}

/// Listens at an address. Who is not of this machine has to show a token.
fn listener(address: &str, has_token: bool) -> Result<TcpListener> {
    let refused = |problem: String| Error::invalid("listen", problem);
    let found = address.to_socket_addrs();
    let found =
        found.map_err(|error| refused(format!("`{address}` is not an address: {error}; one is `{ADDRESS}`")))?;
    let found: Vec<SocketAddr> = found.collect();
    if !has_token && found.iter().any(|address| !address.ip().is_loopback()) {
        let problem =
            format!("`{address}` can be reached by other machines, so a token is needed; `{ADDRESS}` needs none");
        return Err(refused(problem));
    }
    let listener = TcpListener::bind(&*found);
    let listener = listener.map_err(|error| refused(format!("cannot listen at `{address}`: {error}")))?;
    listener.set_nonblocking(true).map_err(|error| refused(error.to_string()))?;
    Ok(listener)
}
