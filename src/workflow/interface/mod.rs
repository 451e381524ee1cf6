//! What the nodes of a workflow take, and how that differs from one server to another.

mod difference;
mod text;

pub use difference::{Difference, DifferenceKind};

use super::working_copy::Workflow;
use crate::schema::{InputTemplate, NodeCatalog, NodeTemplate};
use indexmap::IndexMap;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What the nodes of a workflow take: every type of node that it has, with the inputs of that type.
///
/// It can be kept as JSON beside a workflow, and compared with the interface of the same workflow on another server.
///
/// ```
/// use invokeai_client::schema::NodeCatalog;
/// use invokeai_client::workflow::{Interface, Workflow, WorkflowDefinition};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
///
/// let workflow = Workflow::new(WorkflowDefinition::from_path(path)?, NodeCatalog::embedded());
/// let kept = workflow.interface().to_json();
/// let before = Interface::from_json(&kept).ok_or("it was written a line above")?;
/// assert!(before.differences(&workflow.interface()).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Interface {
    nodes: IndexMap<String, NodeInterface>,
}

crate::base::debug::short_debug! { Interface { nodes } }

/// The same for one type of node.
#[derive(Debug, Clone, Default, PartialEq)]
struct NodeInterface {
    version: String,
    inputs: IndexMap<String, Arc<InputTemplate>>,
}

impl Workflow {
    /// What the nodes of this workflow take, by the catalog that it was read with. Types that the catalog does not
    /// have are left out.
    pub fn interface(&self) -> Interface {
        self.interface_by(self.catalog())
    }

    /// How the nodes of another catalog differ from those that this workflow was read with: nodes that it lacks, has
    /// in another version, or has with other inputs. Nodes that both lack are a [problem](Self::problems) of the
    /// workflow.
    ///
    /// Reading a workflow brings it to the nodes of one catalog. A server with other nodes may refuse it, or take its
    /// values for something else. So [`Client::submit`](crate::Client::submit) checks this if the workflow was read
    /// with the nodes of another server.
    pub fn differences(&self, catalog: &NodeCatalog) -> Vec<Difference> {
        self.interface().differences(&self.interface_by(catalog))
    }

    fn interface_by(&self, catalog: &NodeCatalog) -> Interface {
        let mut interface = Interface::default();
        let invocations = self.document().nodes.iter().filter_map(|node| node.invocation());
        for invocation in invocations {
            let Some(template) = catalog.get(&invocation.node_type) else { continue };
            let node = interface.nodes.entry(invocation.node_type.to_string());
            let node = node.or_insert_with(|| NodeInterface::of(template));
            // Inputs of a called workflow belong to one node; their names show which.
            for name in invocation.inputs.keys() {
                if let Some(template) = invocation.template_of(template, name) {
                    node.inputs.entry(name.to_string()).or_insert_with(|| template.clone());
                }
            }
        }
        interface
    }
}

impl NodeInterface {
    fn of(template: &NodeTemplate) -> Self {
        let shared = |name: &str| Some((name.to_owned(), template.inputs.get_shared(name)?.clone()));
        NodeInterface { version: template.version.clone(), inputs: template.inputs.keys().filter_map(shared).collect() }
    }
}

impl Interface {
    /// The inputs of a type of node.
    pub(crate) fn node_inputs(&self, node_type: &str) -> Option<impl Iterator<Item = (&str, &Arc<InputTemplate>)>> {
        Some(self.nodes.get(node_type)?.inputs.iter().map(|(name, input)| (name.as_str(), input)))
    }

    /// Writes the JSON that [`from_json`](Self::from_json) reads: an object keyed by node type.
    pub fn to_json(&self) -> Value {
        text::write(&self.nodes)
    }

    /// Reads what [`to_json`](Self::to_json) wrote; `None` if this is something else.
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Interface { nodes: text::read(value)? })
    }

    /// A short text that is the same for the same interface and, in all likelihood, for no other.
    pub fn fingerprint(&self) -> String {
        // FNV-1a of 64 bits: it has to detect changes, not to resist an attacker.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", self.to_json().to_string().bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    /// The differences in `newer`, in the order of this interface.
    pub fn differences(&self, newer: &Interface) -> Vec<Difference> {
        difference::differences(&self.nodes, &newer.nodes)
    }
}

/// The fingerprint.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}
