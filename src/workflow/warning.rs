//! What was changed or could not be done while a workflow was loaded.

use std::fmt;

/// Something that was changed or could not be done while a workflow was loaded. The workflow is still usable.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What happened.
    pub kind: WarningKind,
    /// The node concerned, if any.
    pub node_id: Option<String>,
    /// The field of the node, if any.
    pub field: Option<String>,
    /// What happened, in words.
    pub message: String,
}

crate::base::debug::short_debug! { Warning { kind, node_id, field, message } }

/// Kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// An edge broke a rule and was removed.
    EdgeRemoved,
    /// A graph has a node that could not be taken over: it is of a type that the server does not know, or not a node.
    NodeLeftOut,
    /// The server does not know the type of a node.
    UnknownNodeType,
    /// A node has another major version than the server's; it was kept as it is.
    NodeNotUpdated,
    /// A node had another major version than the server's; it was updated on request
    /// ([`WorkflowOptions::update_nodes`](super::WorkflowOptions::update_nodes)).
    NodeUpdated,
    /// The server's version of a node does not have an input that the stored one had; its value is lost.
    ValueLost,
    /// A node has an input that its type does not have.
    UnknownField,
    /// A stored value has a shape that no field can hold; the field is unset.
    ValueDropped,
    /// A stored object has a shape that no field can hold, such as a model of InvokeAI 3; the field is unset. The
    /// editor turns it into a float generator, and the run fails.
    ObjectDropped,
    /// A form field refers to a node or an input that does not exist; it was removed from the form.
    FormFieldRemoved,
    /// A form has an element of a kind that this release does not know. It is kept, and shows nothing.
    FormElementUnknown,
    /// The workflow that a `call_saved_workflow` node calls was not supplied; its inputs are those that were saved
    /// last.
    CalledWorkflowUnknown,
    /// An image, board, video or model is not on the server; the field is unset.
    ReferenceDropped,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Warning {
    pub(super) fn new(kind: WarningKind, node: &str, field: Option<&str>, message: String) -> Self {
        Warning { kind, node_id: Some(node.to_owned()), field: field.map(str::to_owned), message }
    }
}
