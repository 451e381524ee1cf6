//! What keeps a workflow from running.

use std::fmt;

use crate::schema::node_ref::NodeRef;

/// One reason why a workflow should not be run as it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of reason.
    pub kind: ProblemKind,
    /// Who would refuse: the web editor too, or only this crate because the server would fail later.
    pub source: ProblemSource,
    /// The node concerned, if there is one.
    pub node: Option<NodeRef>,
    /// The field of the node, if there is one.
    pub field: Option<String>,
    /// The reason in words: `Noise -> Width: 7 is not a multiple of 8`.
    pub message: String,
}

crate::base::debug::short_debug! { Problem { kind, source, node, field, message } }

/// Who finds a [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemSource {
    /// The web editor refuses to run the workflow for this reason.
    Editor,
    /// The editor lets it pass, and the server refuses it or the run fails.
    Client,
}

impl ProblemSource {
    /// `editor` or `client`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProblemSource::Editor => "editor",
            ProblemSource::Client => "client",
        }
    }
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Kinds of [`Problem`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemKind {
            /// The name in machine-readable output, for example `missing_input`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ProblemKind::$variant => $name,)*
                }
            }
        }
    };
}

problem_kinds! {
    /// A required input has neither a value nor an edge.
    MissingInput = "missing_input",
    /// A node has an input that its type does not have.
    MissingFieldTemplate = "missing_field_template",
    /// The server does not know the type of a node.
    MissingNodeTemplate = "missing_node_template",
    /// A batch node has no items, so nothing would run.
    EmptyBatch = "empty_batch",
    /// A batch node feeds nothing.
    BatchNotConnected = "batch_not_connected",
    /// There is no node to run.
    NoNodes = "no_nodes",
    /// Batch nodes of one group have lists of different lengths.
    BatchSizeMismatch = "batch_size_mismatch",
    /// A number is beyond its bounds.
    OutOfRange = "out_of_range",
    /// A number is not a multiple of what it must be.
    NotMultipleOf = "not_multiple_of",
    /// A list is empty that may not be.
    EmptyCollection = "empty_collection",
    /// A list is too short.
    TooFewItems = "too_few_items",
    /// A list is too long.
    TooManyItems = "too_many_items",
    /// A string is too long.
    TooLong = "too_long",
    /// A string is too short.
    TooShort = "too_short",
    /// A value is not of the field's type, not among its options, or beyond bounds that only the server knows.
    InvalidValue = "invalid_value",
    /// An item of a batch does not fit the field it is meant for. The server notices only while it runs, and then its
    /// whole queue stops.
    InvalidBatchItem = "invalid_batch_item",
    /// The items of a batch node cannot be told.
    UnresolvedBatch = "unresolved_batch",
    /// The items of a batch node must be made by a server first.
    NeedsServer = "needs_server",
    /// A required input hangs on a connector that leads nowhere.
    DanglingConnector = "dangling_connector",
    /// Two nodes have the same id; only one would run.
    DuplicateNodeId = "duplicate_node_id",
    /// A model is not on the server.
    MissingModel = "missing_model",
    /// An image is not on the server.
    MissingImage = "missing_image",
    /// A video is not on the server.
    MissingVideo = "missing_video",
    /// A board is not on the server.
    MissingBoard = "missing_board",
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
