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
    /// Parts of JSON that come more than once, one after another, and where each ends.
    phrases: &'static str,
    ends: &'static [u32],
    /// Of each node, in the order of the document: its type, the name of its schema and the coded text of it.
    nodes: &'static [(&'static str, &'static str, &'static str)],
    /// Name and JSON text of each schema of an output, by name.
    outputs: &'static [(&'static str, &'static str)],
}

impl Document {
    /// The JSON of a coded text, in which control characters stand for phrases: each of the first 15 for one, each of
    /// the other 16 together with the character after it.
    fn decode(&self, coded: &str) -> String {
        let mut json = String::with_capacity(4 * coded.len());
        let mut rest = coded;
        while let Some(code) = rest.bytes().position(|byte| byte < b' ') {
            let (plain, after) = rest.split_at(code);
            json.push_str(plain);
            let mut codes = after.bytes().map(usize::from);
            let (place, length) = match codes.next().unwrap_or_default().saturating_sub(1) {
                first @ 0..15 => (first, 1),
                first => (15 + (first - 15) * 0x5f + codes.next().unwrap_or_default().saturating_sub(0x20), 2),
            };
            json.push_str(self.phrase(place).unwrap_or_default());
            rest = after.get(length..).unwrap_or_default();
        }
        json.push_str(rest);
        json
    }

    fn phrase(&self, place: usize) -> Option<&str> {
        let start = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.phrases.get(start as usize..*self.ends.get(place)? as usize)
    }
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
    nodes.read_schema(name, serde_json::from_str(&DOCUMENT.decode(schema)), output);
}

fn output(name: &str) -> Option<Json<'static>> {
    let place = DOCUMENT.outputs.binary_search_by_key(&name, |(name, _)| name).ok()?;
    serde_json::from_str(DOCUMENT.outputs[place].1).ok()
}
