//! Why an edge is refused.

/// Why an edge is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::workflow) enum Refusal {
    SourceMissing,
    TargetMissing,
    SourceUnknown,
    TargetUnknown,
    NoSuchOutput,
    NoSuchInput,
    NotANode,
    ToSelf,
    Duplicate,
    DirectInput,
    Occupied,
    TypesDiffer,
    MixedCollect,
    Cycle,
}

impl Refusal {
    pub(in crate::workflow) fn message(self) -> &'static str {
        match self {
            Refusal::SourceMissing => "the source node does not exist",
            Refusal::TargetMissing => "the target node does not exist",
            Refusal::SourceUnknown => "the source node is of a type this server does not know",
            Refusal::TargetUnknown => "the target node is of a type this server does not know",
            Refusal::NoSuchOutput => "the source node has no such output",
            Refusal::NoSuchInput => "the target node has no such input",
            Refusal::NotANode => "one end is a note",
            Refusal::ToSelf => "a node cannot be connected to itself",
            Refusal::Duplicate => "the same connection already exists",
            Refusal::DirectInput => "the input takes no connection",
            Refusal::Occupied => "the input already has a connection",
            Refusal::TypesDiffer => "the types of the fields do not match",
            Refusal::MixedCollect => "a collect node takes items of one type only",
            Refusal::Cycle => "the connection would close a cycle",
        }
    }
}
