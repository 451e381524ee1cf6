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
    /// The request is answered as usual, but only after this time.
    Delay(Duration),
    /// Nothing is done, and this status is the answer, with `{"detail": …}` as in InvokeAI's errors.
    Status {
        /// From 400 to 599.
        status: u16,
        /// The header `Retry-After`, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Nothing is done, and the connection is reset.
    Reset,
    /// The request is carried out, but the connection is reset before the answer.
    LostAnswer,
    /// The request is carried out, and the answer is cut off in the middle.
    CutAnswer,
}

crate::base::debug::short_debug! { enum Fault { Delay(value), Status { status, retry_after }, Reset, LostAnswer, CutAnswer } }

impl Fault {
    /// Answers with this status; see [`Fault::Status`].
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }
}

/// The faults of a [`TestServer`](super::TestServer).
///
/// A fault names its target: an operation of the API by its `operationId` (`enqueue_batch`), or a path
/// (`/api/v1/queue/default/enqueue_batch`). It counts down with each request that it hits. Faults with the same target
/// come one after the other.
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

    /// Sets, once, what the whole server does at a restart.
    pub(crate) fn on_restart(&self, restart: impl Fn() + Send + Sync + 'static) {
        _ = self.restart.set(Box::new(restart));
    }

    /// Scripts a fault for the next `times` requests to `target`: an `operationId`, or a path that starts with `/`.
    ///
    /// A fault whose target is not an operation of InvokeAI 6.14.2 never happens, so [`outstanding`](Self::outstanding)
    /// counts it forever; the log of the [`TestServer`](super::TestServer) also warns of it.
    pub fn add(&self, target: impl Into<String>, fault: Fault, times: usize) {
        let target = target.into();
        if !Document::embedded().knows(&target) {
            tracing::warn!(target_of_fault = target, "no operation of InvokeAI has this name or path");
        }
        self.scripted().push(Scripted { target, fault, times });
    }

    /// Removes all faults that are still to come.
    pub fn clear(&self) {
        self.scripted().clear();
    }

    /// How many faults are still to come: 0 once all have happened.
    pub fn outstanding(&self) -> usize {
        self.scripted().iter().map(|scripted| scripted.times).sum()
    }

    /// How often the operation with this `operationId` was called, including calls that a fault hit.
    pub fn calls(&self, operation: &str) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(operation).copied().unwrap_or_default()
    }

    /// Cuts all connections that carry live events, without closing them properly.
    pub fn drop_sockets(&self) {
        self.connections.cut_sockets();
    }

    /// Refuses connections for live events until [`accept_sockets`](Self::accept_sockets).
    pub fn refuse_sockets(&self) {
        self.connections.refuse_sockets(true);
        self.connections.cut_sockets();
    }

    /// Accepts connections for live events again.
    pub fn accept_sockets(&self) {
        self.connections.refuse_sockets(false);
    }

    /// Simulates a crash and a new start: every connection is cut, items in progress are canceled without an event, and
    /// the invocation cache and the list of installations are empty. Records, images and waiting items stay.
    pub fn restart(&self) {
        if let Some(restart) = self.restart.get() {
            restart();
        }
        self.connections.cut_all();
    }

    /// Counts a call, and returns the fault that hits it.
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
