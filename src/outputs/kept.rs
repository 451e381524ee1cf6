//! Outputs as text, to be read when their server has nothing of them any more.

use serde_json::Value;

use super::{NodeOutput, OutputFile, OutputValue, Outputs};
use crate::{Client, queue::FieldValue, schema::node_ref::NodeRef};

struct Kept {
    item_id: i64,
    field_values: Vec<FieldValue>,
    nodes: Vec<KeptNode>,
    files: Vec<OutputFile>,
}

crate::json::record::record! { Kept { 0 item_id, 1 field_values, 2 nodes, 3 files } }

struct KeptNode {
    node: NodeRef,
    iteration: Vec<u64>,
    item_id: i64,
    exposed: bool,
    raw: Value,
}

crate::json::record::record! { KeptNode { 0 node, 1 iteration, 2 item_id, 3 exposed, 4 raw } }

impl Outputs {
    /// JSON that [`from_kept`](Self::from_kept) reads.
    pub(crate) fn to_kept(&self) -> serde_json::Result<Vec<u8>> {
        let node = |output: &NodeOutput| KeptNode {
            node: output.node.clone(),
            iteration: output.iteration.clone(),
            item_id: output.item_id,
            exposed: output.exposed,
            raw: output.raw.clone(),
        };
        serde_json::to_vec(&Kept {
            item_id: self.item_id,
            field_values: self.field_values.clone(),
            nodes: self.nodes.iter().map(node).collect(),
            files: self.files.clone(),
        })
    }

    /// The outputs as they were; `client` is of the server that gave them.
    pub(crate) fn from_kept(client: Client, kept: &[u8]) -> serde_json::Result<Self> {
        let Kept { item_id, field_values, nodes, files } = serde_json::from_slice(kept)?;
        let node = |kept: KeptNode| NodeOutput {
            node: kept.node,
            iteration: kept.iteration,
            item_id: kept.item_id,
            exposed: kept.exposed,
            value: OutputValue::read(&kept.raw),
            raw: kept.raw,
        };
        Ok(Self { client, item_id, field_values, nodes: nodes.into_iter().map(node).collect(), files })
    }
}
