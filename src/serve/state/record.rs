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
    pub(in crate::serve) created: String,
    /// The batch on the server. Not the id of the run: whoever sees the queue there must not see runs here.
    pub(in crate::serve) batch_id: String,
    /// The key by which a caller identifies its request.
    pub(in crate::serve) key: Option<Key>,
    /// Its inputs by their system names, until it has ended.
    pub(in crate::serve) values: Map<String, Value>,
    pub(in crate::serve) stage: Stage,
    /// What it is run by: a server, or a fleet. Older records do not say it.
    #[serde(default)]
    pub(in crate::serve) at: Option<String>,
    /// Which nodes and fields give the values among its results, until it has ended: the workflow may be gone by then.
    #[serde(default)]
    pub(in crate::serve) gives: Vec<(String, String)>,
    /// Whether somebody asked for its end, as its line in the log is marked.
    #[serde(skip)]
    pub(in crate::serve) canceled: bool,
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
pub(in crate::serve) enum Stage {
    /// It is about to be enqueued, and no answer to that was seen; it may have been.
    Accepted,
    /// It is on the queue. Jobs of a fleet are found without a ticket.
    Enqueued {
        #[serde(default)]
        ticket: Option<Ticket>,
    },
    /// It is over.
    Ended(Ended),
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::serve) struct Ended {
    pub(in crate::serve) state: State,
    pub(in crate::serve) at: String,
    pub(in crate::serve) outputs: Vec<Output>,
    /// Why, if it did not end well.
    pub(in crate::serve) problem: Option<Value>,
}

/// What a run made: a file, or a text, a number and the like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::serve) struct Output {
    /// What the node that made it is called.
    node: String,
    #[serde(flatten)]
    pub(in crate::serve) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::serve) enum What {
    File {
        kind: FileKind,
        /// Its name on the server, by which it can be the input of another run.
        name: String,
        width: Option<u64>,
        height: Option<u64>,
    },
    Value {
        /// The field of the node.
        field: String,
        value: Value,
    },
}

impl Output {
    pub(in crate::serve) fn of_file(file: &crate::outputs::OutputFile) -> Self {
        Self::file(file.kind, file.name.clone(), file.node.name().to_owned(), file.width, file.height)
    }

    pub(in crate::serve) fn file(
        kind: FileKind,
        name: String,
        node: String,
        width: Option<u64>,
        height: Option<u64>,
    ) -> Self {
        Self { node, what: What::File { kind, name, width, height } }
    }

    pub(in crate::serve) fn of_value(node: &str, field: String, value: Value) -> Self {
        Self { node: node.to_owned(), what: What::Value { field, value } }
    }

    fn to_json(&self, n: usize, run: &str) -> Value {
        let mut json = match &self.what {
            What::File { kind, name, width, height } => {
                json!({ "n": n, "kind": kind, "node": self.node, "name": name, "width": width, "height": height })
            }
            What::Value { field, value } => {
                json!({ "n": n, "kind": kind_of(value), "node": self.node, "field": field, "value": value })
            }
        };
        json["href"] = format!("{run}/outputs/{n}").into();
        json
    }
}

/// Kinds of outputs that are not files.
pub(in crate::serve) const VALUES: [&str; 5] = ["text", "number", "boolean", "list", "object"];

/// One of [`VALUES`].
fn kind_of(value: &Value) -> &'static str {
    let [text, number, boolean, list, object] = VALUES;
    match value {
        Value::Number(_) => number,
        Value::Bool(_) => boolean,
        Value::Array(_) => list,
        Value::Object(_) | Value::Null => object,
        Value::String(_) => text,
    }
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
pub(in crate::serve) fn now() -> String {
    // Whole milliseconds are enough for people, and short.
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now).to_string()
}

impl Ended {
    /// An end without results.
    pub(in crate::serve) fn without_results(state: State, problem: &Problem) -> Self {
        Self { state, at: now(), outputs: Vec::new(), problem: Some(problem.to_json()) }
    }
}

impl Record {
    /// A run that is about to be enqueued.
    pub(in crate::serve) fn accepted(workflow: &str, key: Option<Key>, values: Map<String, Value>) -> Self {
        Self {
            id: Uuid::new_v4(),
            workflow: workflow.to_owned(),
            created: now(),
            batch_id: Uuid::new_v4().to_string(),
            key,
            values,
            stage: Stage::Accepted,
            at: None,
            gives: Vec::new(),
            canceled: false,
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
        let outputs = ended.iter().flat_map(|ended| ended.outputs.iter().enumerate());
        let outputs: Vec<Value> = outputs.map(|(n, output)| output.to_json(n, &address)).collect();
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
