//! What is known of a run, as it is kept on disk and shown to callers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Ticket, media::FileKind, serve::problem::Problem};

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::serve) struct Record {
    pub(in crate::serve) id: Uuid,
    pub(in crate::serve) workflow: String,
    /// When it was taken on.
    pub(super) created: String,
    /// The batch on the server. Not the id of the run: whoever sees the queue there must not see runs here.
    pub(super) batch_id: String,
    /// By which a caller told its request from others.
    pub(super) key: Option<Key>,
    /// Its inputs by their system names, until it has ended.
    pub(super) values: Map<String, Value>,
    pub(super) stage: Stage,
}

/// An idempotency key, and the inputs that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::serve) struct Key {
    pub(in crate::serve) text: String,
    pub(in crate::serve) digest: String,
}

/// How far a run is, as far as the disk needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is about to be enqueued; it may have been.
    Accepted,
    /// It is on the queue.
    Enqueued { ticket: Ticket },
    /// It is over.
    Ended(Ended),
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::serve) struct Ended {
    pub(super) state: State,
    pub(super) at: String,
    pub(in crate::serve) outputs: Vec<Output>,
    /// Why, if it did not end well.
    pub(super) problem: Option<Value>,
}

/// A file that a run made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::serve) struct Output {
    pub(in crate::serve) kind: FileKind,
    /// Its name on the server, by which it can be the input of another run.
    pub(in crate::serve) name: String,
    /// What the node that made it is called.
    pub(in crate::serve) node: String,
    pub(in crate::serve) width: Option<u64>,
    pub(in crate::serve) height: Option<u64>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum State {
    Pending,
    Running,
    Completed,
    Failed,
    Canceled,
}

/// The states, as callers read them.
pub(in crate::serve) const STATES: [State; 5] =
    [State::Pending, State::Running, State::Completed, State::Failed, State::Canceled];

impl State {
    pub(in crate::serve) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Now, as text.
pub(super) fn now() -> String {
    // Whole milliseconds are enough for people, and short.
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now).to_string()
}

impl Ended {
    /// An end without results.
    pub(super) fn without_results(state: State, problem: &Problem) -> Self {
        Self { state, at: now(), outputs: Vec::new(), problem: Some(problem.to_json()) }
    }
}

impl Record {
    /// A run that is about to be enqueued.
    pub(super) fn accepted(workflow: &str, key: Option<Key>, values: Map<String, Value>) -> Self {
        Self {
            id: Uuid::new_v4(),
            workflow: workflow.to_owned(),
            created: now(),
            batch_id: Uuid::new_v4().to_string(),
            key,
            values,
            stage: Stage::Accepted,
        }
    }

    /// How it ended, if it has.
    pub(in crate::serve) fn ended(&self) -> Option<&Ended> {
        match &self.stage {
            Stage::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// As callers see it; `progress` and `state` are of a run that has not ended.
    pub(in crate::serve) fn to_json(&self, state: State, progress: &Value) -> Value {
        let ended = self.ended();
        let state = ended.map_or(state, |ended| ended.state);
        let address = format!("/runs/{}", self.id);
        let output = |(n, output): (usize, &Output)| {
            json!({
                "n": n,
                "kind": output.kind,
                "name": output.name,
                "node": output.node,
                "width": output.width,
                "height": output.height,
                "href": format!("{address}/outputs/{n}"),
            })
        };
        let outputs: Vec<Value> = ended.iter().flat_map(|ended| ended.outputs.iter().enumerate().map(output)).collect();
        json!({
            "id": self.id,
            "workflow": self.workflow,
            "state": state.as_str(),
            "created": self.created,
            "ended": ended.map(|ended| &ended.at),
            "progress": if ended.is_some() { &Value::Null } else { progress },
            "outputs": outputs,
            "problem": ended.and_then(|ended| ended.problem.as_ref()),
            "links": { "self": address, "events": format!("{address}/events") },
        })
    }
}
