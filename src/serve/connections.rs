//! Connections: so many at once, each within its times. One that does nothing makes room for others.

use std::{
    collections::VecDeque,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, http::header, response::Response};
use futures::{TryStreamExt as _, stream};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use super::limits::Limits;

/// How often it is looked whether an answer is still taken.
const LOOK: Duration = Duration::from_secs(5);

/// Most bytes of an answer that are taken over at once.
const PIECE: usize = 64 << 10;

/// How long answers may take that are under way when the service stops.
const STOPPING: Duration = Duration::from_secs(3);

/// One connection, as the others see it.
struct Connection {
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// Answers that are being sent.
    sending: AtomicUsize,
    /// When something of an answer was last taken, in milliseconds since the connection began.
    moved: AtomicU64,
    began: Instant,
    is_over: AtomicBool,
    close: Notify,
}

impl Connection {
    fn new() -> Self {
        let began = Instant::now();
        let (busy, sending, moved) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Self { busy, sending, moved, began, is_over: AtomicBool::new(false), close: Notify::new() }
    }

    fn note(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::SeqCst) == 0
    }

    /// Whether nothing of an answer was taken for this long. Event streams send something more often than that.
    fn is_stalled(&self, limit: Duration) -> bool {
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.sending.load(Ordering::SeqCst) > 0 && self.began.elapsed().saturating_sub(moved) > limit
    }
}

/// A request that is being answered, until the last of the answer is taken.
struct Busy(Arc<Connection>);

impl Busy {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::SeqCst);
        connection.note();
        Self(Arc::clone(connection))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.note();
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An answer that is being sent.
struct Sending(Busy);

impl Sending {
    fn new(busy: Busy) -> Self {
        busy.0.note();
        busy.0.sending.fetch_add(1, Ordering::SeqCst);
        Self(busy)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.0.sending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers until it is told to stop.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let mut open: VecDeque<Arc<Connection>> = VecDeque::new();
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: some are given back soon.
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_over.load(Ordering::SeqCst));
        if open.len() >= limits.connections.max(1) {
            match open.iter().position(|connection| connection.is_idle()) {
                Some(idle) => {
                    if let Some(connection) = open.remove(idle) {
                        connection.close.notify_one();
                    }
                }
                None => {
                    refuse(&stream);
                    continue;
                }
            }
        }
        let connection = Arc::new(Connection::new());
        open.push_back(Arc::clone(&connection));
        tasks.spawn(attend(stream, connection, router.clone(), limits.clone(), stop.clone()));
    }
    drop(listener);
    _ = timeout(STOPPING, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Says that there is no room, if that can be said at once.
fn refuse(stream: &TcpStream) {
    const BUSY: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // Whoever does not read it finds the connection closed.
    let _: io::Result<usize> = stream.try_write(BUSY);
}

async fn attend(
    stream: TcpStream,
    connection: Arc<Connection>,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers must not wait for more.
    _ = stream.set_nodelay(true);
    let service = service_fn({
        let connection = Arc::clone(&connection);
        move |request: hyper::Request<Incoming>| {
            let busy = Busy::new(&connection);
            answer(router.clone(), request.map(Body::new), busy)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.pause);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut watching = interval(LOOK.min(limits.reading / 2).max(Duration::from_millis(50)));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                break;
            }
            () = connection.close.notified() => break,
            _ = watching.tick() => {
                if connection.is_stalled(limits.reading) {
                    tracing::debug!("a connection was closed, as nothing of its answer was taken");
                    break;
                }
            }
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    connection.is_over.store(true, Ordering::SeqCst);
}

async fn answer(router: Router, request: Request, busy: Busy) -> Result<Response, std::convert::Infallible> {
    let answered = hyper::service::Service::call(&TowerToHyperService::new(router), request).await;
    let sending = Sending::new(busy);
    Ok(in_pieces(answered?).map(|body| {
        Body::new(body.map_frame(move |frame| {
            sending.0.0.note();
            frame
        }))
    }))
}

/// The answer in pieces: one that is taken over as a whole looks as if it were sent, though nobody may ever read it.
fn in_pieces(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(length) = body.size_hint().exact().filter(|length| *length > PIECE as u64) else {
        return Response::from_parts(parts, body);
    };
    parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    let pieces = body.into_data_stream().map_ok(|mut bytes| {
        let pieces = std::iter::from_fn(move || {
            (!bytes.is_empty()).then(|| Ok::<_, axum::Error>(bytes.split_to(PIECE.min(bytes.len()))))
        });
        stream::iter(pieces)
    });
    Response::from_parts(parts, Body::from_stream(pieces.try_flatten()))
}
