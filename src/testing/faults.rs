//! Scripted faults: what goes wrong, where, and how often.

use super::{connection::Connections, operations::Document};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// What goes wrong with a request.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered as ever, but only after this time.
    Delay(Duration),
    /// Nothing is done, and this status is the answer, with `{"detail": …}` as InvokeAI's errors have it.
    Status {
        /// From 400 to 599.
        status: u16,
        /// The header `Retry-After`, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Nothing is done, and the connection is reset.
    Reset,
    /// It is done, but the connection is reset before the answer.
    LostAnswer,
    /// It is done, and the answer is cut off in the middle.
    CutAnswer,
}

crate::base::debug::short_debug! { enum Fault { Delay(value), Status { status, retry_after }, Reset, LostAnswer, CutAnswer } }

impl Fault {
    /// Answers this status; see [`Fault::Status`].
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }
}

/// The faults of a [`TestServer`](super::TestServer).
///
/// A fault names what it hits: an operation of the API by its `operationId` (`enqueue_batch`), or a path
/// (`/api/v1/queue/default/enqueue_batch`). It counts down with each request that it hits. Where several faults name the
/// same thing, they come one after the other.
///
/// ```
/// use invokeai_client::testing::{Fault, TestServer};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let server = TestServer::start()?;
/// server.faults().add("enqueue_batch", Fault::LostAnswer, 1);
/// server.faults().add("get_image_full", Fault::Status { status: 503, retry_after: Some(Duration::from_secs(1)) }, 2);
/// assert_eq!(server.faults().outstanding(), 3);
/// # Ok(())
/// # }
/// ```
pub struct Faults {
    scripted: Mutex<Vec<Scripted>>,
    calls: Mutex<HashMap<String, usize>>,
    connections: Connections,
    /// What the whole server does at a restart.
    restart: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Scripted {
    target: String,
    fault: Fault,
    times: usize,
}

impl Faults {
    pub(crate) fn new(connections: Connections) -> Self {
        Self { scripted: Mutex::default(), calls: Mutex::default(), connections, restart: OnceLock::new() }
    }

    /// Says once what the whole server does at a restart.
    pub(crate) fn on_restart(&self, restart: impl Fn() + Send + Sync + 'static) {
        _ = self.restart.set(Box::new(restart));
    }

    /// Scripts a fault for the next `times` requests to `target`: an `operationId`, or a path that starts with `/`.
    ///
    /// What names no operation of InvokeAI 6.14.2 never happens, so it is counted by [`outstanding`](Self::outstanding)
    /// for ever; [`TestServer`](super::TestServer) also says so in its log.
    pub fn add(&self, target: impl Into<String>, fault: Fault, times: usize) {
        let target = target.into();
        if !Document::embedded().knows(&target) {
            tracing::warn!(target_of_fault = target, "no operation of InvokeAI has this name or path");
        }
        self.scripted().push(Scripted { target, fault, times });
    }

    /// Forgets all faults that are still to come.
    pub fn clear(&self) {
        self.scripted().clear();
    }

    /// How many faults are still to come: 0 when the script has been played.
    pub fn outstanding(&self) -> usize {
        self.scripted().iter().map(|scripted| scripted.times).sum()
    }

    /// How often an operation was called, by `operationId`, those that a fault hit included.
    pub fn calls(&self, operation: &str) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(operation).copied().unwrap_or_default()
    }

    /// Cuts all connections that carry live events, without a farewell.
    pub fn drop_sockets(&self) {
        self.connections.cut_sockets();
    }

    /// Takes no connections for live events until [`accept_sockets`](Self::accept_sockets).
    pub fn refuse_sockets(&self) {
        self.connections.refuse_sockets(true);
        self.connections.cut_sockets();
    }

    /// Takes connections for live events again.
    pub fn accept_sockets(&self) {
        self.connections.refuse_sockets(false);
    }

    /// What a crash and a new start do: every connection is cut, what was in progress is canceled and nobody is told,
    /// the invocation cache and the list of installations are empty. Records, images and what waits in queues stay.
    pub fn restart(&self) {
        if let Some(restart) = self.restart.get() {
            restart();
        }
        self.connections.cut_all();
    }

    /// Counts a call, and gives the fault that hits it.
    pub(crate) fn next(&self, operation: &str, path: &str) -> Option<Fault> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(operation.to_owned()).or_default() += 1;
        drop(calls);
        let mut scripted = self.scripted();
        let hit =
            |scripted: &&mut Scripted| scripted.times > 0 && (scripted.target == operation || scripted.target == path);
        let hit = scripted.iter_mut().find(hit)?;
        hit.times -= 1;
        let fault = hit.fault.clone();
        scripted.retain(|scripted| scripted.times > 0);
        Some(fault)
    }

    fn scripted(&self) -> std::sync::MutexGuard<'_, Vec<Scripted>> {
        self.scripted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("Faults").field("outstanding", &self.outstanding()).finish_non_exhaustive()
        })
    }
}
