//! The nodes of the package's own document, each read when it is first asked for.
//!
//! A program uses a dozen nodes out of hundreds; reading them all takes longer than anything else that the program does
//! before it sends a request.

use super::Nodes;
use crate::{json::borrowed::Json, schema::NodeTemplate};
use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

/// What the build script cuts from the document (`build/catalog.rs`).
struct Document {
    /// Of each node, in the order of the document: its type, the name of its schema and the JSON text of it.
    nodes: &'static [(&'static str, &'static str, &'static str)],
    /// Name and JSON text of each schema of an output, by name.
    outputs: &'static [(&'static str, &'static str)],
}

static DOCUMENT: Document = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

struct Node {
    name: &'static str,
    schema: &'static str,
    template: OnceLock<Option<Box<NodeTemplate>>>,
}

/// The node with this type.
pub(super) fn node(node_type: &str) -> Option<&'static NodeTemplate> {
    static NODES: LazyLock<HashMap<&str, Node, RandomState>> = LazyLock::new(|| {
        let node = |name, schema| Node { name, schema, template: OnceLock::new() };
        DOCUMENT.nodes.iter().map(|(node_type, name, schema)| (*node_type, node(*name, *schema))).collect()
    });
    let node = NODES.get(node_type)?;
    let read = || {
        let mut nodes = Nodes::default();
        read(&mut nodes, node.name, node.schema);
        nodes.templates.swap_remove(node_type).map(Box::new)
    };
    node.template.get_or_init(read).as_deref()
}

/// All nodes.
pub(super) fn all() -> &'static Nodes {
    static ALL: LazyLock<Nodes> = LazyLock::new(|| {
        let mut nodes = Nodes::default();
        DOCUMENT.nodes.iter().for_each(|(_, name, schema)| read(&mut nodes, name, schema));
        nodes
    });
    &ALL
}

/// Adds a node. The texts are JSON that the build script writes, and a test of this crate compares them with their
/// document, so this does not fail; if it ever did, the node would be listed as unreadable.
fn read(nodes: &mut Nodes, name: &str, schema: &str) {
    nodes.read_schema(name, serde_json::from_str(schema), output);
}

fn output(name: &str) -> Option<Json<'static>> {
    let place = DOCUMENT.outputs.binary_search_by_key(&name, |(name, _)| name).ok()?;
    serde_json::from_str(DOCUMENT.outputs[place].1).ok()
}
