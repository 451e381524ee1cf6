//! What a run will save, known before it runs.

use super::batch::is_executable;
use super::enqueue::EnqueueOptions;
use super::graph;
use super::working_copy::Workflow;
use crate::schema::node_ref::NodeRef;
use serde_json::Value;
use std::collections::HashSet;

/// Nodes that return an image or video that already exists. Their outputs look like those of nodes that save; only
/// InvokeAI's code shows the difference (`services/events/onInvocationComplete.tsx` and the nodes themselves).
const PASS_ON: [&str; 5] = ["image", "image_collection", "load_image", "show_image", "video"];

/// A node whose run saves images or videos.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OutputNode {
    /// The node, by its label or the title of its type.
    pub node: NodeRef,
    /// Output fields that hold what is saved.
    pub fields: Vec<String>,
    /// Whether these are videos.
    pub is_video: bool,
    /// The board they go to; `None` leaves them uncategorized.
    pub board_id: Option<String>,
    /// System name of the input that chooses the board, if the node has one.
    pub board_input: Option<String>,
    /// Whether the form shows that input.
    pub exposed: bool,
    /// Whether they are intermediate: saved, but not shown in the gallery.
    pub is_intermediate: bool,
}

crate::base::debug::short_debug! { OutputNode { node, fields, is_video, board_id, board_input, exposed, is_intermediate } }

/// An output field of a node that gives texts, numbers or the like, and that no edge leads on.
#[cfg(feature = "serve")]
#[derive(Debug, Clone)]
pub(crate) struct PlainOutput {
    pub(crate) node: NodeRef,
    pub(crate) field: String,
    pub(crate) title: String,
    pub(crate) field_type: crate::schema::FieldType,
}

/// Types of output fields whose values need no file. `CollectionField` is whatever a `collect` node gathered.
#[cfg(feature = "serve")]
const PLAIN: [&str; 7] =
    ["StringField", "IntegerField", "FloatField", "BooleanField", "ColorField", "BoundingBoxField", "CollectionField"];

/// Types beside which numbers are measures, such as the size of an image.
#[cfg(feature = "serve")]
const MEASURED: [&str; 4] = ["ImageField", "VideoField", "LatentsField", "TensorField"];

impl Workflow {
    /// What a run gives beside images and videos: plain values that no other node takes.
    #[cfg(feature = "serve")]
    pub(crate) fn plain_outputs(&self) -> Vec<PlainOutput> {
        let leads_on = |node: &str, field: &str| {
            let mut edges = self.document().edges.iter();
            edges.any(|edge| {
                edge.handles.as_ref().is_some_and(|handles| &*edge.source == node && &*handles.source == field)
            })
        };
        let mut found = Vec::new();
        for node in &self.document().nodes {
            let Some(invocation) = node.invocation().filter(|node| is_executable(node)) else { continue };
            let Some(template) = self.catalog().get(&invocation.node_type) else { continue };
            if invocation.node_type == "iterate" {
                continue;
            }
            let has_measures =
                template.outputs.values().any(|output| MEASURED.contains(&output.field_type.name.as_str()));
            for output in template.outputs.values() {
                let name = output.field_type.name.as_str();
                let is_plain = PLAIN.contains(&name) && !output.field_type.batch;
                let is_measure = has_measures && ["IntegerField", "FloatField"].contains(&name);
                if is_plain && !is_measure && !leads_on(&node.id, &output.name) {
                    found.push(PlainOutput {
                        node: NodeRef::new(
                            node.id.as_str(),
                            invocation.node_type.as_str(),
                            Some(invocation.title(Some(template)).to_owned()),
                        ),
                        field: output.name.clone(),
                        title: output.title.clone(),
                        field_type: output.field_type.clone(),
                    });
                }
            }
        }
        found
    }

    /// The nodes that save images or videos, in the order of the file, and to which board.
    ///
    /// A node saves if its output has image or video fields and it does not just return something that already exists.
    /// Results that an `if` node leaves out, or that come from the invocation cache, are not saved again.
    pub fn output_nodes(&self, options: &EnqueueOptions) -> Vec<OutputNode> {
        let shown: HashSet<&str> = self.inputs().iter().map(|input| input.system_name.as_str()).collect();
        let nodes = self.document().nodes.iter().filter_map(|node| {
            let invocation = node.invocation().filter(|node| is_executable(node))?;
            let template = self.catalog().get(&invocation.node_type)?;
            let saved = template
                .outputs
                .values()
                .filter(|output| matches!(output.field_type.name.as_str(), "ImageField" | "VideoField"));
            let fields: Vec<String> = saved.clone().map(|output| output.name.clone()).collect();
            if fields.is_empty() || PASS_ON.contains(&invocation.node_type.as_str()) {
                return None;
            }
            let board = template.inputs.values().find(|input| input.field_type.name == "BoardField");
            let board_id = board.and_then(|input| {
                let value = graph::board_of(invocation, &input.name, options.auto_add_board.as_deref())?;
                value.get("board_id").and_then(Value::as_str).map(str::to_owned)
            });
            let board_input = board.map(|input| format!("{}.{}", node.id, input.name));
            Some(OutputNode {
                node: NodeRef::new(
                    node.id.as_str(),
                    invocation.node_type.as_str(),
                    Some(invocation.title(Some(template)).to_owned()),
                ),
                is_video: saved.clone().any(|output| output.field_type.name == "VideoField"),
                fields,
                board_id,
                exposed: board_input.as_deref().is_some_and(|name| shown.contains(name)),
                board_input,
                is_intermediate: invocation.is_intermediate,
            })
        });
        nodes.collect()
    }
}
