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
//!
//! A node of the graph is *prepared* when everything before it is: it then has one execution for each combination of
//! the iterations it depends on. The order in which executions run is the real server's.

pub(crate) mod batch;
mod branches;
pub(crate) mod class;
mod collect;
mod execution;
mod graph;
mod node_rules;
mod prepare;
mod problem;
mod schedule;
mod types;
mod values;

pub(crate) use problem::Problem;

use super::node_error::NodeError;
use execution::{Execution, State};
use graph::Graph;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A node with all its inputs, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Id of this execution of the node; a key of `results`.
    pub(crate) id: String,
    /// Id of the node in the graph that was sent.
    pub(crate) source_id: String,
    /// Invocation type, for example `img_resize`.
    pub(crate) node_type: String,
    /// The whole node, defaults and values that came over edges included, `id` and `type`, too.
    pub(crate) node: Map<String, Value>,
}

impl Prepared {
    /// The `invocation` of the events: without the list that `iterate` and `collect` pass on, which may be long.
    pub(crate) fn event_node(&self) -> Map<String, Value> {
        let mut node = self.node.clone();
        if matches!(self.node_type.as_str(), "iterate" | "collect") {
            node.insert("collection".into(), json!([]));
        }
        node
    }
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
    graph: Graph,
    execution_graph_id: String,
    executions: Vec<Execution>,
    by_id: HashMap<String, usize>,
    /// Executions of each node that is prepared, by node id.
    prepared: IndexMap<String, Vec<usize>>,
    /// Node and execution ids that have run or need not run.
    executed: IndexSet<String>,
    history: Vec<String>,
    results: IndexMap<String, Value>,
    errors: IndexMap<String, String>,
    /// Executions that can run, by class name.
    ready: BTreeMap<String, VecDeque<usize>>,
    /// The class whose executions run until there are none.
    active: Option<String>,
}

impl Session {
    /// Checks a graph as sent in `batch.graph` and prepares its run under a new session id.
    ///
    /// # Errors
    /// All problems of the nodes, or the first of the graph as a whole, with places inside the graph.
    pub(crate) fn new(graph: &Value) -> Result<Self, Vec<Problem>> {
        Ok(Session {
            id: uuid::Uuid::new_v4().to_string(),
            graph: Graph::read(graph)?,
            execution_graph_id: uuid::Uuid::new_v4().to_string(),
            executions: Vec::new(),
            by_id: HashMap::new(),
            prepared: IndexMap::new(),
            executed: IndexSet::new(),
            history: Vec::new(),
            results: IndexMap::new(),
            errors: IndexMap::new(),
            ready: BTreeMap::new(),
            active: None,
        })
    }

    /// The next node to run, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Prepared>, Box<InputError>> {
        let Some(index) = self.next_ready().or_else(|| self.prepare_until_ready()) else {
            return Ok(None);
        };
        let given = self.give_inputs(index);
        let prepared = self.executions[index].to_prepared();
        match given {
            Ok(()) => Ok(Some(prepared)),
            Err(field) => {
                let message = format!("Node {} has invalid incoming input for {field}", prepared.id);
                let error = NodeError::new("NodeInputError", message);
                self.fail(&prepared.id, &error);
                Err(Box::new(InputError { prepared, error }))
            }
        }
    }

    /// Records the output of a node.
    pub(crate) fn complete(&mut self, prepared_id: &str, output: Value) {
        if let Some(&index) = self.by_id.get(prepared_id) {
            self.results.insert(prepared_id.to_owned(), output);
            self.executed.insert(prepared_id.to_owned());
            self.executions[index].finish();
            self.finish_source(index);
            self.release_children(index);
        }
    }

    /// Records that a node failed, and with it the session.
    pub(crate) fn fail(&mut self, prepared_id: &str, error: &NodeError) {
        self.errors.insert(prepared_id.to_owned(), format!("{}: {}", error.error_type, error.message));
    }

    /// Whether all nodes have run or one has failed.
    pub(crate) fn is_complete(&self) -> bool {
        self.has_error() || self.graph.nodes.keys().all(|id| self.executed.contains(id))
    }

    /// Whether a node has failed.
    pub(crate) fn has_error(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The `session` member of a queue item, null members included.
    pub(crate) fn to_json(&self) -> Value {
        let of = |each: &dyn Fn(&Execution) -> Value| -> Map<String, Value> {
            self.executions.iter().map(|execution| (execution.id.clone(), each(execution))).collect()
        };
        let ids = |indexes: &Vec<usize>| -> Vec<&str> {
            indexes.iter().map(|&index| self.executions[index].id.as_str()).collect()
        };
        let prepared: Map<String, Value> =
            self.prepared.iter().map(|(source, indexes)| (source.clone(), json!(ids(indexes)))).collect();
        json!({
            "id": self.id,
            "graph": self.graph.to_json(),
            "execution_graph": self.execution_graph(),
            "executed": self.executed,
            "executed_history": self.history,
            "results": self.results,
            "errors": self.errors,
            "workflow_call_stack": [],
            "workflow_call_history": [],
            "workflow_call_parent": null,
            "waiting_workflow_call": null,
            "waiting_workflow_call_execution": null,
            "waiting_workflow_call_child_session": null,
            "max_workflow_call_depth": 4,
            "prepared_source_mapping": of(&|execution| json!(execution.source_id)),
            "source_prepared_mapping": prepared,
            "prepared_iteration_paths": of(&|execution| json!(execution.path)),
            "ready_order": [],
            "indegree": of(&|execution| json!(execution.waiting_for)),
        })
    }

    fn execution_graph(&self) -> Value {
        let nodes: Map<String, Value> = self
            .executions
            .iter()
            .map(|execution| (execution.id.clone(), Value::Object(execution.node.clone())))
            .collect();
        let edges = self.executions.iter().flat_map(|execution| {
            execution.inputs.iter().map(|input| {
                json!({
                    "source": {"node_id": self.executions[input.from].id, "field": input.output},
                    "destination": {"node_id": execution.id, "field": input.field},
                })
            })
        });
        json!({"id": self.execution_graph_id, "nodes": nodes, "edges": edges.collect::<Vec<_>>()})
    }

    /// Executions of a prepared node that are not skipped.
    fn executions_of(&self, source_id: &str) -> Vec<usize> {
        let all = self.prepared.get(source_id).into_iter().flatten().copied();
        all.filter(|&index| self.executions[index].state != State::Skipped).collect()
    }
}

#[cfg(test)]
mod tests;
