//! The server as users of this crate see it.

use super::{
    connection::{ConnectionHandle, Connections, CuttableListener},
    dispatch,
    faults::Faults,
    http::Answer,
    processor, sockets,
    world::{Settings, World},
};
use crate::{Client, Result};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::Request,
    middleware::{Next, from_fn},
};
use std::{
    fmt, io,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// An InvokeAI server in this process, on a loopback port of its own.
///
/// It runs on its own threads, so it works in async and in blocking programs alike. It stops when it is dropped.
///
/// ```
/// use invokeai_client::testing::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let board = server.client()?.boards().create("Holidays").await?;
/// assert_eq!(board.board_name, "Holidays");
/// # Ok(())
/// # }
/// ```
pub struct TestServer {
    url: String,
    world: Arc<World>,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Settings of a [`TestServer`] to be started, from [`TestServer::builder`].
///
/// ```
/// use invokeai_client::testing::TestServer;
///
/// # fn main() -> std::io::Result<()> {
/// let server = TestServer::builder().multiuser(true).seed_models(false).start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct TestServerBuilder {
    port: u16,
    settings: Settings,
}

crate::base::debug::short_debug! { TestServerBuilder { port, settings } }

impl TestServer {
    /// Starts a server with the default settings: any free port, no user accounts, a model for every picker.
    ///
    /// # Errors
    /// If there is no free port, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Returns a builder for a server with other settings.
    pub fn builder() -> TestServerBuilder {
        let settings = Settings {
            multiuser: false,
            seed_models: true,
            max_queue_size: 10_000,
            step_time: Duration::from_millis(5),
        };
        TestServerBuilder { port: 0, settings }
    }

    /// The address of the server: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates a client for the server, without a token.
    ///
    /// # Errors
    /// The same as for [`Client::new`].
    pub fn client(&self) -> Result<Client> {
        Client::new(&self.url)
    }

    /// The faults to simulate, and the calls made so far.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Stops the server: when this returns, the port is free and the threads have ended. Dropping it does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl TestServerBuilder {
    /// Sets the port. Default: 0, which means any free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether the server has users, like InvokeAI with `multiuser: true`. Off by default. The first administrator is
    /// created by `POST /api/v1/auth/setup`.
    pub fn multiuser(mut self, multiuser: bool) -> Self {
        self.settings.multiuser = multiuser;
        self
    }

    /// Whether the server has models. On by default.
    pub fn seed_models(mut self, seed_models: bool) -> Self {
        self.settings.seed_models = seed_models;
        self
    }

    /// Sets how many items may wait in the queues. Default: 10000, as in InvokeAI.
    pub fn max_queue_size(mut self, items: usize) -> Self {
        self.settings.max_queue_size = items;
        self
    }

    /// Sets how long each simulated step of a model takes. Default: 5 ms. A longer time makes progress visible to
    /// people.
    pub fn step_time(mut self, time: Duration) -> Self {
        self.settings.step_time = time;
        self
    }

    /// Starts the server. It accepts requests when this returns.
    ///
    /// # Errors
    /// If the port is taken, there is no free port, or no thread can be started.
    pub fn start(self) -> io::Result<TestServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let connections = Connections::default();
        let (outgoing, announced) = mpsc::unbounded_channel();
        let world = World::new(self.settings, connections.clone(), outgoing);
        let (layer, io) = sockets::layer(&world);
        let app = Router::new().fallback({
            let world = Arc::clone(&world);
            move |request: Request<Body>| {
                let connection = request.extensions().get::<ConnectInfo<ConnectionHandle>>().cloned();
                dispatch::answer(Arc::clone(&world), connection, request)
            }
        });
        let gate = connections.clone();
        let app = app.layer(layer).layer(from_fn(move |request: Request<Body>, next: Next| {
            let refused = gate.refuses_sockets() && request.uri().path().starts_with("/ws/");
            async move {
                if refused { Answer::refusal(503, "no sockets now").into_response() } else { next.run(request).await }
            }
        }));
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => CuttableListener::new(listener, connections),
                    Err(error) => return tracing::error!(%error, "the test server cannot listen"),
                };
                tokio::spawn(sockets::send(io, announced));
                let app = app.into_make_service_with_connect_info::<ConnectionHandle>();
                let serving = axum::serve(listener, app);
                tokio::select! {
                    // It never ends by itself.
                    _ = serving => {}
                    _ = stopped => {}
                }
            });
            // Requests in flight end with their connections.
            runtime.shutdown_background();
        };
        let mut server = TestServer { url, world: Arc::clone(&world), stop: Some(stop), threads: Vec::new() };
        server.threads.push(std::thread::Builder::new().name("invokeai-test-server".into()).spawn(serve)?);
        let work = move || processor::run(&world);
        server.threads.push(std::thread::Builder::new().name("invokeai-test-processor".into()).spawn(work)?);
        Ok(server)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.world.stopping.store(true, Ordering::SeqCst);
        self.world.wake.notify_all();
        self.world.connections.cut_all();
        if let Some(stop) = self.stop.take() {
            // If it has already ended, there is nobody to notify.
            _ = stop.send(());
        }
        for thread in self.threads.drain(..) {
            // A panic of the server was reported when it happened.
            _ = thread.join();
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("TestServer").field("url", &self.url).field("faults", &self.faults()).finish_non_exhaustive()
        })
    }
}
