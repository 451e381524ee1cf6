//! The request body that runs a workflow: graph, batch data and embedded workflow.

use super::batch::{self, Batch, BatchFault};
use super::document::Document;
use super::generator::ServerRequest;
use super::graph::Graph;
use super::table::Set;
use super::wiring::Wiring;
use super::working_copy::Workflow;
use crate::schema::node_ref::NodeRef;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// How a workflow is run. The defaults are the editor's.
///
/// ```
/// use invokeai_client::workflow::EnqueueOptions;
///
/// let options = EnqueueOptions::default().runs(3).auto_add_board("2f0b…");
/// assert_eq!(options.runs, 3);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct EnqueueOptions {
    /// Board for the images of nodes whose board is `auto` or unset; without one they stay uncategorized. In the editor
    /// this is the board chosen in the gallery.
    pub auto_add_board: Option<String>,
    /// How often to run everything, at least 1. Nothing is varied between runs.
    pub runs: u32,
    /// Whether to run before what is already waiting.
    pub prepend: bool,
    /// Origin of the batch; the editor sends `workflows`.
    pub origin: Option<String>,
    /// Destination of the batch; the editor sends `gallery`.
    pub destination: Option<String>,
    /// Id of the batch; the server creates one if there is none.
    pub batch_id: Option<String>,
    /// More batch data, in addition to that of the workflow's batch nodes: outer lists multiply, inner ones run side by
    /// side.
    pub extra_data: Vec<Vec<BatchDatum>>,
    /// A server's answers for generators that need one, by id of the generator node. See [`Workflow::server_requests`].
    pub generated: HashMap<String, Vec<Value>>,
}

crate::base::debug::short_debug! { EnqueueOptions { auto_add_board, runs, prepend, origin, destination, batch_id, extra_data; .. } }

/// Items for one field of one node, run by run.
#[derive(Clone, PartialEq)]
pub struct BatchDatum {
    /// The node.
    pub node_id: String,
    /// The field of the node.
    pub field: String,
    /// One item for each run.
    pub items: Vec<Value>,
}

crate::base::debug::short_debug! { BatchDatum { node_id, field, items; .. } }

impl Default for EnqueueOptions {
    fn default() -> Self {
        EnqueueOptions {
            auto_add_board: None,
            runs: 1,
            prepend: false,
            origin: Some("workflows".into()),
            destination: Some("gallery".into()),
            batch_id: None,
            extra_data: Vec::new(),
            generated: HashMap::new(),
        }
    }
}

impl EnqueueOptions {
    /// Sets the board for images of nodes that name none.
    #[must_use]
    pub fn auto_add_board(mut self, board_id: impl Into<String>) -> Self {
        self.auto_add_board = Some(board_id.into());
        self
    }

    /// Sets how often to run everything.
    #[must_use]
    pub fn runs(mut self, runs: u32) -> Self {
        self.runs = runs;
        self
    }

    /// Sets whether to run before what is already waiting.
    #[must_use]
    pub fn prepend(mut self, prepend: bool) -> Self {
        self.prepend = prepend;
        self
    }

    /// Sets the origin of the batch.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the destination of the batch.
    #[must_use]
    pub fn destination(mut self, destination: impl Into<String>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Sets the id of the batch.
    #[must_use]
    pub fn batch_id(mut self, batch_id: impl Into<String>) -> Self {
        self.batch_id = Some(batch_id.into());
        self
    }

    /// Adds batch data whose items run side by side, and multiply with all other data.
    #[must_use]
    pub fn batch(mut self, zipped: impl IntoIterator<Item = BatchDatum>) -> Self {
        self.extra_data.push(zipped.into_iter().collect());
        self
    }

    /// Supplies a server's answer for a generator node.
    #[must_use]
    pub fn generated(mut self, node_id: impl Into<String>, values: Vec<Value>) -> Self {
        self.generated.insert(node_id.into(), values);
        self
    }
}

/// Why a request body cannot be built.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The items of a batch node cannot be determined.
    #[error("{message}")]
    UnresolvedBatch {
        /// The batch node.
        node: NodeRef,
        /// Why, in words.
        message: String,
    },
    /// A generator must ask a server first; see [`EnqueueOptions::generated`].
    #[error("generator node {generator} needs an answer from the server")]
    NeedsServer {
        /// The generator node.
        generator: String,
        /// What to ask.
        request: ServerRequest,
    },
    /// The number of runs is 0.
    #[error("the number of runs must be at least 1")]
    NoRuns,
}

crate::base::debug::short_debug! {
    enum EnqueueError {
        UnresolvedBatch { node, message },
        NeedsServer { generator, request },
        NoRuns,
    }
}

/// The body of the request.
#[derive(Serialize)]
struct Request<'a> {
    batch: RequestedBatch<'a>,
    prepend: bool,
}

#[derive(Serialize)]
struct RequestedBatch<'a> {
    graph: Graph<'a>,
    workflow: &'a Document,
    runs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<&'a str>,
    data: Vec<Value>,
}

impl Workflow {
    /// The graph that the server runs. Its id is random.
    pub fn graph(&self, options: &EnqueueOptions) -> Value {
        let wiring = self.wiring();
        // Texts, numbers and JSON always serialize.
        serde_json::to_value(Graph::new(&wiring, self.catalog(), options.auto_add_board.as_deref())).unwrap_or_default()
    }

    /// The requests that generators of this workflow need a server to answer, by id of the generator node. Put the
    /// answers into [`EnqueueOptions::generated`].
    pub fn server_requests(&self) -> Vec<(String, ServerRequest)> {
        let (mut requests, mut known) = (Vec::new(), Set::default());
        for batch in batch::batches(&self.wiring(), &HashMap::new()) {
            if let Err(BatchFault::NeedsServer { generator, request }) = batch.items
                && known.insert(generator.clone())
            {
                requests.push((generator, request));
            }
        }
        requests
    }

    /// The body of `POST /api/v1/queue/{queue_id}/enqueue_batch` that runs this workflow, member for member the one the
    /// editor sends.
    ///
    /// It is built whether or not the workflow has [`problems`](Self::problems), as long as it can be.
    ///
    /// # Errors
    /// If the items of a batch node cannot be determined.
    pub fn enqueue_body(&self, options: &EnqueueOptions) -> Result<Value, EnqueueError> {
        self.with_request(options, |request| serde_json::to_value(request).unwrap_or_default())
    }

    /// The same body as JSON text: several times faster, and without the memory that a tree takes.
    ///
    /// # Errors
    /// Same as [`enqueue_body`](Self::enqueue_body).
    pub fn enqueue_bytes(&self, options: &EnqueueOptions) -> Result<Vec<u8>, EnqueueError> {
        // About as much as a node takes, including its edges and its place in the embedded workflow.
        const NODE: usize = 1024;
        let mut bytes = Vec::with_capacity(NODE * (self.document().nodes.len() + 1));
        self.with_request(options, |request| _ = serde_json::to_writer(&mut bytes, request))?;
        Ok(bytes)
    }

    /// Passes the request to a function. Texts, numbers and JSON always serialize.
    fn with_request<T>(
        &self,
        options: &EnqueueOptions,
        write: impl FnOnce(&Request<'_>) -> T,
    ) -> Result<T, EnqueueError> {
        if options.runs == 0 {
            return Err(EnqueueError::NoRuns);
        }
        let supplied = self.supplied(options.extra_data.iter().flatten());
        let wiring = supplied.wiring();
        let batches = batch::batches(&wiring, &options.generated);
        for batch in &batches {
            if let Err(fault) = &batch.items {
                let title = batch.invocation.title(self.catalog().get(&batch.invocation.node_type));
                return Err(EnqueueError::of(fault, batch, title));
            }
        }
        // No faults are left, so this is never empty because of one.
        let mut data = batch::data(&batches).unwrap_or_default();
        for zipped in &options.extra_data {
            let datums = zipped
                .iter()
                .map(|datum| json!({"node_path": datum.node_id, "field_name": datum.field, "items": datum.items}));
            data.push(datums.collect());
        }
        let batch = RequestedBatch {
            graph: Graph::new(&wiring, self.catalog(), options.auto_add_board.as_deref()),
            workflow: supplied.document(),
            runs: options.runs,
            origin: options.origin.as_deref(),
            destination: options.destination.as_deref(),
            batch_id: options.batch_id.as_deref(),
            data,
        };
        Ok(write(&Request { batch, prepend: options.prepend }))
    }

    /// This workflow, with the first item in each unset field that batch data supplies. The server checks the graph as
    /// it is sent, and inserts the values of an item only later (`create_session_nfv_tuples` in
    /// `invokeai/app/services/session_queue/session_queue_common.py`).
    pub(crate) fn supplied<'d>(&self, data: impl Iterator<Item = &'d BatchDatum>) -> Cow<'_, Self> {
        let mut supplied = Cow::Borrowed(self);
        for BatchDatum { node_id, field, items } in data {
            let is_unset = supplied.node_field(node_id, field).is_ok_and(|field| field.value().is_none());
            if let Some(item) = items.first().filter(|_| is_unset) {
                supplied.to_mut().store_value(node_id, field, Some(item.clone()));
            }
        }
        supplied
    }

    pub(super) fn wiring(&self) -> Wiring<'_> {
        Wiring::with_edges(&self.document().nodes, &self.document().edges)
    }
}

impl EnqueueError {
    fn of(fault: &BatchFault, batch: &Batch<'_>, title: &str) -> Self {
        match fault {
            BatchFault::NeedsServer { generator, request } => {
                EnqueueError::NeedsServer { generator: generator.clone(), request: request.clone() }
            }
            fault => EnqueueError::UnresolvedBatch {
                node: NodeRef::new(batch.node.id.as_str(), batch.invocation.node_type.as_str(), Some(title.to_owned())),
                message: fault.message(title),
            },
        }
    }
}

impl BatchFault {
    /// The fault in words, for a node of this title.
    pub(super) fn message(&self, title: &str) -> String {
        match self {
            BatchFault::OwnList { list } => format!("{title}: its list `{list}` is missing or not a list of that type"),
            BatchFault::Generator => {
                format!("{title}: what is connected to its list is not a generator with a valid rule")
            }
            BatchFault::Refused(reason) => format!("{title}: {reason}"),
            BatchFault::NeedsServer { generator, .. } => {
                format!("{title}: the server must generate its items first (generator node {generator})")
            }
        }
    }
}
