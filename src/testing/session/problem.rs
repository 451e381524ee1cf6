//! Why a graph or a batch is refused.

use serde_json::{Value, json};

/// One entry of the list under `detail` in the server's answer 422, as pydantic words it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    /// pydantic's name of the error: `value_error`, `union_tag_invalid`, `missing`, `int_parsing` ...
    pub(crate) kind: &'static str,
    /// Members and indexes from the value that was checked to the offending one.
    pub(crate) loc: Vec<Value>,
    /// What is wrong, in words.
    pub(crate) msg: String,
    /// What the client sent there.
    pub(crate) input: Value,
    /// Details, where the kind has some.
    pub(crate) ctx: Option<Value>,
}

impl Problem {
    pub(crate) fn new(kind: &'static str, msg: impl Into<String>, input: &Value) -> Self {
        Problem { kind, loc: Vec::new(), msg: msg.into(), input: input.clone(), ctx: None }
    }

    /// A rule that InvokeAI's own code checks, not the schema.
    pub(crate) fn rule(msg: impl std::fmt::Display, input: &Value) -> Self {
        Problem { ctx: Some(json!({"error": {}})), ..Self::new("value_error", format!("Value error, {msg}"), input) }
    }

    /// The same, with `step` in front of the place.
    #[must_use]
    pub(crate) fn within(mut self, step: impl Into<Value>) -> Self {
        self.loc.insert(0, step.into());
        self
    }

    /// As it stands in the answer; `within` is where the checked value stands, such as `["body", "batch", "graph"]`.
    pub(crate) fn to_json(&self, within: &[&str]) -> Value {
        let loc: Vec<Value> = within.iter().map(|&step| step.into()).chain(self.loc.iter().cloned()).collect();
        let mut entry = json!({"type": self.kind, "loc": loc, "msg": self.msg, "input": self.input});
        if let (Some(ctx), Value::Object(entry)) = (&self.ctx, &mut entry) {
            entry.insert("ctx".to_owned(), ctx.clone());
        }
        entry
    }
}
