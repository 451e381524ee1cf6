//! One execution of a node: a node of the execution graph.

use super::{Prepared, Session};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Ready,
    Executed,
    /// In the branch of an `if` that was not taken.
    Skipped,
}

/// An edge into an execution.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Index of the execution the value comes from.
    pub(super) from: usize,
    pub(super) output: String,
    pub(super) field: String,
}

#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) id: String,
    pub(super) source_id: String,
    pub(super) node: Map<String, Value>,
    pub(super) inputs: Vec<Input>,
    /// Executions with an edge from here, once for each edge.
    pub(super) children: Vec<usize>,
    /// Iterations it belongs to, the outermost first.
    pub(super) path: Vec<usize>,
    /// Executions of `iterate` nodes before it, at any distance.
    pub(super) iterators: BTreeSet<usize>,
    pub(super) state: State,
    /// Number of edges whose value has not arrived yet.
    pub(super) waiting_for: usize,
    /// For an `if`: the field whose branch is taken.
    pub(super) taken: Option<&'static str>,
}

impl Execution {
    pub(super) fn node_type(&self) -> &str {
        self.node.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is(&self, node_type: &str) -> bool {
        self.node_type() == node_type
    }

    pub(super) fn to_prepared(&self) -> Prepared {
        Prepared {
            id: self.id.clone(),
            source_id: self.source_id.clone(),
            node_type: self.node_type().to_owned(),
            node: self.node.clone(),
        }
    }

    /// Records that it has run. The list that `iterate` and `collect` pass on is in the results and not kept twice.
    pub(super) fn finish(&mut self) {
        self.state = State::Executed;
        if self.is("iterate") || self.is("collect") {
            self.node.insert("collection".into(), json!([]));
        }
    }
}

impl Session {
    /// Puts the values of the edges into the node.
    ///
    /// # Errors
    /// The input that a value does not fit.
    pub(super) fn give_inputs(&mut self, index: usize) -> Result<(), String> {
        let execution = &self.executions[index];
        if execution.is("collect") {
            let collection = self.collected(index);
            self.executions[index].node.insert("collection".into(), Value::Array(collection));
            return Ok(());
        }
        // The branch that an `if` does not take may never have run.
        let takes = |field: &str| execution.taken.is_none_or(|taken| field == "condition" || field == taken);
        let inputs = execution.inputs.iter().filter(|input| takes(&input.field));
        let values: Vec<(String, Value)> =
            inputs.map(|input| (input.field.clone(), self.value(input.from, &input.output))).collect();
        let class = self.graph.class(&execution.source_id);
        let node = &mut self.executions[index].node;
        for (field, value) in values {
            match class {
                Some(class) => class.assign(node, &field, &value)?,
                None => _ = node.insert(field, value),
            }
        }
        Ok(())
    }

    /// A value from the results.
    pub(super) fn value(&self, from: usize, output: &str) -> Value {
        let result = self.results.get(&self.executions[from].id);
        result.and_then(|result| result.get(output)).cloned().unwrap_or_default()
    }

    /// What a `collect` gathers: first the lists, then the items, each by iteration.
    fn collected(&self, index: usize) -> Vec<Value> {
        let inputs = &self.executions[index].inputs;
        let of = |field: &str| {
            let mut matching: Vec<_> = inputs.iter().filter(|input| input.field == field).collect();
            matching.sort_by_key(|input| (&self.executions[input.from].path, input.from));
            matching.into_iter().map(|input| self.value(input.from, &input.output))
        };
        let lists = of("collection").flat_map(|value| match value {
            Value::Array(items) => items,
            other => vec![other],
        });
        lists.chain(of("item")).collect()
    }
}
