//! The nodes of the package's own document, each read when it is first asked for.
//!
//! A program uses a dozen nodes out of hundreds; reading them all takes longer than anything else that the program does
//! before it sends a request.

use super::Nodes;
use crate::schema::NodeTemplate;
use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

/// Type and description of each node, in the order of the document. The description is the JSON text of a document of
/// this node alone; the build script makes it.
const DESCRIPTIONS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

struct Node {
    description: &'static str,
    template: OnceLock<Option<NodeTemplate>>,
}

/// The node with this type.
pub(super) fn node(node_type: &str) -> Option<&'static NodeTemplate> {
    static NODES: LazyLock<HashMap<&str, Node, RandomState>> = LazyLock::new(|| {
        let node = |description| Node { description, template: OnceLock::new() };
        DESCRIPTIONS.iter().map(|(node_type, description)| (*node_type, node(description))).collect()
    });
    let node = NODES.get(node_type)?;
    let read = || read([node.description]).templates.swap_remove(node_type);
    node.template.get_or_init(read).as_ref()
}

/// All nodes.
pub(super) fn all() -> &'static Nodes {
    static ALL: LazyLock<Nodes> = LazyLock::new(|| read(DESCRIPTIONS.iter().map(|(_, description)| *description)));
    &ALL
}

fn read(descriptions: impl IntoIterator<Item = &'static str>) -> Nodes {
    let mut nodes = Nodes::default();
    for description in descriptions {
        // The texts are made by the build script and compared with their document by a test of this crate, so neither
        // step fails; if one ever did, the node would be reported as unknown.
        if let Ok(document) = serde_json::from_str(description) {
            _ = nodes.read(&document);
        }
    }
    nodes
}
