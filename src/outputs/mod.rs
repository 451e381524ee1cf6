//! Outputs: the results of the nodes of a finished item.
//!
//! The server keeps results by random execution ids; here they are sorted by node of the workflow. Images and videos
//! are found in every output by their shape, and described with what the gallery knows about them.
//!
//! ```no_run
//! # async fn example(job: invokeai_client::Job) -> invokeai_client::Result<()> {
//! let finished = job.wait().await?;
//! let outputs = finished.outputs().await?;
//! for image in outputs.final_images() {
//!     println!("{} from {}: {:?} x {:?}", image.name, image.node.name(), image.width, image.height);
//! }
//! outputs.download_to("pictures").await?;
//! # Ok(())
//! # }
//! ```

mod download;
mod get;
#[cfg(feature = "fleet")]
mod kept;
#[cfg(any(feature = "serve", feature = "fleet"))]
mod plain;
pub(crate) mod session;
mod value;

pub use crate::media::FileKind;
pub use download::DownloadOutputs;
pub use get::GetOutputs;
pub use value::{
    BoundingBox, Color, ConditioningField, DenoiseMaskField, ImageField, LatentsField, OutputValue, TensorField,
    VideoField,
};

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Client, queue::FieldValue, schema::node_ref::NodeRef, workflow::field::InputValue};

/// The outputs of the nodes of a queue item, from [`Job::outputs`](crate::Job::outputs).
///
/// Order: first the nodes whose board is an input of the workflow's form, in the form's order; then all others in the
/// order of their first results. Several results of one node (iterations) are in the order of iterations.
#[derive(Clone)]
pub struct Outputs {
    client: Client,
    item_id: i64,
    field_values: Vec<FieldValue>,
    nodes: Vec<NodeOutput>,
    files: Vec<OutputFile>,
}

crate::base::debug::short_debug! { Outputs { item_id, field_values, files, nodes; .. } }

/// The output of one execution of a node.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeOutput {
    /// The node, and which execution of it.
    pub node: NodeRef,
    /// Indices of the iterations that it belongs to, outermost first. Empty without iterations, and before 6.14.
    pub iteration: Vec<u64>,
    /// The queue item: that of a called workflow, if the node is in it.
    pub item_id: i64,
    /// Whether the workflow's form shows the node's board.
    pub exposed: bool,
    /// The output, typed where its class is known.
    pub value: OutputValue,
    raw: Value,
}

crate::base::debug::short_debug! { NodeOutput { node, iteration, item_id, value; .. } }

impl NodeOutput {
    /// The output, as the server sent it.
    pub fn raw(&self) -> &Value {
        &self.raw
    }
}

/// Where a file in an output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "fleet", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum FileSource {
    /// This run made it, or a workflow that it called.
    ThisRun,
    /// An earlier run made it: the invocation cache served it. Deleting it also removes it from that run.
    EarlierRun,
    /// It was an input of the workflow.
    Input,
    /// Not known, because the file is no longer on the server.
    Unknown,
}

/// An image or video in the output of a node.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "fleet", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OutputFile {
    /// Whether it is an image or a video.
    pub kind: FileKind,
    /// Name on the server.
    pub name: String,
    /// The node that returned it, and which execution of it.
    pub node: NodeRef,
    /// Place in the node's output, for example `image` or `collection[2]`.
    pub field: String,
    /// Indices of the iterations that it belongs to, outermost first. Empty without iterations, and before 6.14.
    pub iteration: Vec<u64>,
    /// The queue item: that of a called workflow, if the node is in it.
    pub item_id: i64,
    /// Whether the workflow's form shows the node's board.
    pub exposed: bool,
    /// Where it comes from.
    pub source: FileSource,
    /// Whether the node only passed it on: it was an input, or another node returned it before.
    pub passed_on: bool,
    /// Width in pixels; `None` if the file is no longer on the server. Then the fields below are not known either.
    pub width: Option<u64>,
    /// Height in pixels.
    pub height: Option<u64>,
    /// Id of the board it is on. Also `None` if it is not on a board.
    pub board_id: Option<String>,
    /// Whether it is an intermediate, which the gallery does not show.
    pub is_intermediate: bool,
    /// Whether a user starred it.
    pub starred: bool,
    /// Id of the session that made it: the session of an earlier run, if the invocation cache served it.
    pub session_id: Option<String>,
}

crate::base::debug::short_debug! {
    OutputFile {
        kind, name, node, field, iteration, item_id, exposed, source, passed_on, width, height, board_id,
        is_intermediate, starred, session_id
    }
}

impl From<&OutputFile> for InputValue {
    fn from(file: &OutputFile) -> Self {
        let member = match file.kind {
            FileKind::Image => "image_name",
            FileKind::Video => "video_name",
        };
        serde_json::json!({ member: file.name }).into()
    }
}

impl From<OutputFile> for InputValue {
    fn from(file: OutputFile) -> Self {
        (&file).into()
    }
}

impl OutputFile {
    /// Whether it belongs to others as well: an earlier run made it, or it was an input of the workflow. Clean-up does
    /// not delete it.
    pub fn is_shared(&self) -> bool {
        self.source != FileSource::ThisRun
    }

    /// Whether it is still on the server.
    pub fn exists(&self) -> bool {
        self.source != FileSource::Unknown
    }

    /// Whether it is a result to show: not intermediate, first returned by this node, and still on the server.
    pub fn is_final(&self) -> bool {
        self.exists() && !self.is_intermediate && !self.passed_on
    }
}

/// For generated structs of outputs, which are made from these or their blocking counterpart.
impl AsRef<Outputs> for Outputs {
    fn as_ref(&self) -> &Outputs {
        self
    }
}

impl Outputs {
    /// The queue item.
    pub fn item_id(&self) -> i64 {
        self.item_id
    }

    /// The values that the batch put into this item: its row of the sweep. Empty if nothing was varied.
    pub fn field_values(&self) -> &[FieldValue] {
        &self.field_values
    }

    /// The value that the batch put into a field of a node; `None` if the field was not varied.
    pub fn field_value(&self, node_id: &str, field: &str) -> Option<&Value> {
        let same = |value: &&FieldValue| value.node_path == node_id && value.field_name == field;
        self.field_values.iter().find(same).map(|value| &value.value)
    }

    /// The output of each execution of a node. Nodes that did not run, such as those in the branch that an `if`
    /// skipped, have none.
    pub fn nodes(&self) -> &[NodeOutput] {
        &self.nodes
    }

    /// The outputs of a node of the workflow: several if it ran in iterations.
    pub fn of_node(&self, node_id: &str) -> impl Iterator<Item = &NodeOutput> {
        self.nodes.iter().filter(move |output| output.node.id == node_id)
    }

    /// Every image and video in every output. A file that several nodes return is listed several times.
    pub fn files(&self) -> &[OutputFile] {
        &self.files
    }

    /// The images among [`files`](Self::files).
    pub fn images(&self) -> impl Iterator<Item = &OutputFile> {
        self.files.iter().filter(|file| file.kind == FileKind::Image)
    }

    /// The videos among [`files`](Self::files).
    pub fn videos(&self) -> impl Iterator<Item = &OutputFile> {
        self.files.iter().filter(|file| file.kind == FileKind::Video)
    }

    /// The images to show, as the editor chooses them: those that are neither intermediate nor passed on, each once.
    pub fn final_images(&self) -> Vec<&OutputFile> {
        self.finals(FileKind::Image)
    }

    /// The videos to show, chosen as by [`final_images`](Self::final_images).
    pub fn final_videos(&self) -> Vec<&OutputFile> {
        self.finals(FileKind::Video)
    }

    fn finals(&self, kind: FileKind) -> Vec<&OutputFile> {
        let mut seen = BTreeSet::new();
        let files = self.files.iter().filter(|file| file.kind == kind && file.is_final());
        files.filter(|file| seen.insert(&file.name)).collect()
    }

    /// Downloads the results to show into a directory.
    pub fn download_to(&self, directory: impl Into<std::path::PathBuf>) -> DownloadOutputs<'_> {
        DownloadOutputs::new(self, directory.into())
    }
}
