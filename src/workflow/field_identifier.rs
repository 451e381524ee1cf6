//! One input of one node, by the names that both have in files.

use super::json::{At, Fit};
use super::text::Text;

/// One input of one node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FieldIdentifier {
    pub(super) node_id: Text,
    pub(super) field_name: Text,
}

impl FieldIdentifier {
    pub(super) fn parse(at: &At<'_>) -> Fit<Self> {
        Ok(FieldIdentifier { node_id: at.need_word("nodeId")?, field_name: at.need_word("fieldName")? })
    }
}
