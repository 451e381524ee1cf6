//! Connections that can be cut from outside, which is how faults are simulated.

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// What is known about one connection.
#[derive(Default)]
struct Wire {
    is_cut: AtomicBool,
    /// Whether it became a socket for live events.
    is_socket: AtomicBool,
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Wire {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a request cut the connection that it arrived on.
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<Wire>);

impl ConnectionHandle {
    /// Resets it at once.
    pub(crate) fn cut(&self) {
        self.0.cut();
    }

    /// Records that it carries live events from now on.
    pub(crate) fn mark_as_socket(&self) {
        self.0.is_socket.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        Self(Arc::clone(&stream.io().wire))
    }
}

/// All connections of a server.
#[derive(Clone, Default)]
pub(crate) struct Connections {
    wires: Arc<Mutex<Vec<Weak<Wire>>>>,
    refuse: Arc<AtomicBool>,
}

impl Connections {
    fn each(&self, act: impl Fn(&Wire)) {
        let mut wires = lock(&self.wires);
        wires.retain(|wire| wire.strong_count() > 0);
        wires.iter().filter_map(Weak::upgrade).for_each(|wire| act(&wire));
    }

    pub(crate) fn cut_all(&self) {
        self.each(Wire::cut);
    }

    pub(crate) fn cut_sockets(&self) {
        self.each(|wire| {
            if wire.is_socket.load(Ordering::SeqCst) {
                wire.cut();
            }
        });
    }

    pub(crate) fn refuse_sockets(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::SeqCst);
    }

    /// Whether a socket that asks now is refused.
    pub(crate) fn refuses_sockets(&self) -> bool {
        self.refuse.load(Ordering::SeqCst)
    }
}

/// A listener whose connections can be cut.
pub(crate) struct CuttableListener {
    inner: TcpListener,
    connections: Connections,
}

impl CuttableListener {
    pub(crate) fn new(inner: TcpListener, connections: Connections) -> Self {
        Self { inner, connections }
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.inner).await;
        // A test must not wait for more bytes to come; the option only makes things quicker.
        _ = stream.set_nodelay(true);
        let wire = Arc::new(Wire::default());
        let mut wires = lock(&self.connections.wires);
        wires.retain(|wire| wire.strong_count() > 0);
        wires.push(Arc::downgrade(&wire));
        drop(wires);
        (CuttableStream { stream, wire }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that ends with a reset when somebody wants it to.
pub(crate) struct CuttableStream {
    stream: TcpStream,
    wire: Arc<Wire>,
}

impl CuttableStream {
    /// An error once it is cut. `side` is 0 for reading and 1 for writing, which may wait in different tasks.
    fn check(&self, context: &Context<'_>, side: usize) -> io::Result<()> {
        lock(&self.wire.wakers)[side] = Some(context.waker().clone());
        if !self.wire.is_cut.load(Ordering::SeqCst) {
            return Ok(());
        }
        // With no linger time, closing resets. If it cannot be set, the peer sees an end of the stream instead, which
        // is also a cut.
        _ = self.stream.set_zero_linger();
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context, 0)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context, 1)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context, 1)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
