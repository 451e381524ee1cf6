//! Differences between the interfaces of one workflow on two servers.

use super::NodeInterface;
use crate::schema::InputTemplate;
use indexmap::IndexMap;
use serde_json::Value;
use std::fmt;

/// One difference that a workflow meets on another server.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What kind of difference.
    pub kind: DifferenceKind,
    /// The type of node.
    pub node_type: String,
    /// The input; `None` if the whole node is meant.
    pub field: Option<String>,
    /// The difference in words, without the names.
    pub message: String,
}

crate::base::debug::short_debug! { Difference { kind, node_type, field, message } }

/// Kinds of [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The type of node no longer exists.
    NodeGone,
    /// The type of node has another version.
    Version,
    /// The input no longer exists.
    InputGone,
    /// The input holds values of another type.
    Retyped,
    /// The input must have a value now: it is new, or it was optional.
    NowRequired,
    /// The input no longer needs a value.
    NowOptional,
    /// A choice no longer exists.
    ChoiceGone,
    /// There is a new choice.
    NewChoice,
    /// Numbers, lengths or lists have other bounds.
    Bounds,
    /// Different models fit.
    Models,
}

impl Difference {
    /// Whether code made for one does not fit the other, whatever the values: a node or an input no longer exists or
    /// has another type, or another input must be set.
    pub fn is_breaking(&self) -> bool {
        use DifferenceKind::{InputGone, NodeGone, NowRequired, Retyped};
        matches!(self.kind, NodeGone | InputGone | Retyped | NowRequired)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}.{field} {}", self.node_type, self.message),
            None => write!(f, "{} {}", self.node_type, self.message),
        }
    }
}

type Nodes = IndexMap<String, NodeInterface>;

pub(super) fn differences(old: &Nodes, new: &Nodes) -> Vec<Difference> {
    let mut found = Vec::new();
    for (node_type, before) in old {
        let mut add = |field: Option<&str>, kind, message: String| {
            let field = field.map(str::to_owned);
            found.push(Difference { kind, node_type: node_type.clone(), field, message });
        };
        let Some(after) = new.get(node_type) else {
            add(None, DifferenceKind::NodeGone, "is gone".into());
            continue;
        };
        if before.version != after.version {
            let message = format!("was of version {}, is now of version {}", before.version, after.version);
            add(None, DifferenceKind::Version, message);
        }
        for (name, before) in &before.inputs {
            match after.inputs.get(name) {
                None => add(Some(name), DifferenceKind::InputGone, "is gone".into()),
                Some(after) => compare(before, after, |kind, message| add(Some(name), kind, message)),
            }
        }
        for (name, _) in
            after.inputs.iter().filter(|(name, input)| input.required && !before.inputs.contains_key(*name))
        {
            add(Some(name), DifferenceKind::NowRequired, "is new and must be set".into());
        }
    }
    found
}

fn compare(before: &InputTemplate, after: &InputTemplate, mut add: impl FnMut(DifferenceKind, String)) {
    if before.field_type.name != after.field_type.name || before.field_type.cardinality != after.field_type.cardinality
    {
        let message = format!("was of type {}, is now of type {}", before.field_type, after.field_type);
        // Listing choices and bounds of another type would only repeat it.
        return add(DifferenceKind::Retyped, message);
    }
    match (before.required, after.required) {
        (false, true) => add(DifferenceKind::NowRequired, "was optional and must now be set".into()),
        (true, false) => add(DifferenceKind::NowOptional, "had to be set and is now optional".into()),
        _ => {}
    }
    let choices =
        |input: &InputTemplate| -> Vec<Value> { input.options.iter().map(|option| option.value.clone()).collect() };
    let (old, new) = (choices(before), choices(after));
    for gone in old.iter().filter(|choice| !new.contains(choice)) {
        add(DifferenceKind::ChoiceGone, format!("no longer offers {gone}"));
    }
    for choice in new.iter().filter(|choice| !old.contains(choice)) {
        add(DifferenceKind::NewChoice, format!("also offers {choice}"));
    }
    if before.server_constraints != after.server_constraints {
        let [old, new] = [before, after].map(|input| Value::from(input.server_constraints.to_json()));
        add(DifferenceKind::Bounds, format!("had the bounds {old}, now has {new}"));
    }
    if before.model_filter != after.model_filter {
        let message = format!("took models of {}, now takes models of {}", before.model_filter, after.model_filter);
        add(DifferenceKind::Models, message);
    }
}
