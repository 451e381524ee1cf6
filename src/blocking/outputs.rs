//! Outputs.

use serde_json::Value;

use super::mirror::{Mirror as _, mirror};
use crate::{
    download::DownloadReport,
    error::Result,
    outputs::{self, NodeOutput, OutputFile},
    queue::FieldValue,
};

mirror! {
    /// A request for outputs, from [`Job::outputs`](super::Job::outputs); `call` fetches them.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct GetOutputs = outputs::GetOutputs;

    /// Whether to add the outputs of the workflows that `call_saved_workflow` nodes ran, after the others. Off by
    /// default.
    set fn include_children(self, include: bool) -> Self;
    /// Fetches the outputs.
    finish_open fn call(self) -> Result<Outputs>;
}

mirror! {
    /// The outputs of the nodes of a queue item, from [`Job::outputs`](super::Job::outputs).
    #[derive(Clone)]
    pub struct Outputs = outputs::Outputs;

    /// The queue item.
    get fn item_id(&self) -> i64;
    /// The values that the batch put into this item: its row of the sweep. Empty if nothing was varied.
    get fn field_values(&self) -> &[FieldValue];
    /// The value that the batch put into a field of a node; `None` if the field was not varied.
    get fn field_value(&self, node_id: &str, field: &str) -> Option<&Value>;
    /// The output of each execution of a node. Nodes that did not run, such as those in the branch that an `if`
    /// skipped, have none.
    get fn nodes(&self) -> &[NodeOutput];
    /// The outputs of a node of the workflow: several if it ran in iterations.
    get fn of_node(&self, node_id: &str) -> impl Iterator<Item = &NodeOutput>;
    /// Every image and video in every output. A file that several nodes return is listed several times.
    get fn files(&self) -> &[OutputFile];
    /// The images among [`files`](Self::files).
    get fn images(&self) -> impl Iterator<Item = &OutputFile>;
    /// The videos among [`files`](Self::files).
    get fn videos(&self) -> impl Iterator<Item = &OutputFile>;
    /// The images to show, as the editor chooses them: those that are neither intermediate nor passed on, each once.
    get fn final_images(&self) -> Vec<&OutputFile>;
    /// The videos to show, chosen as by [`final_images`](Self::final_images).
    get fn final_videos(&self) -> Vec<&OutputFile>;
    /// Downloads the results to show into a directory.
    open fn download_to(&self, directory: impl Into<std::path::PathBuf>) -> DownloadOutputs<'_>;
}

/// For generated structs of outputs, which are made from either.
impl AsRef<outputs::Outputs> for Outputs {
    fn as_ref(&self) -> &outputs::Outputs {
        &self.inner
    }
}

mirror! {
    /// A download of results under construction, from [`Outputs::download_to`]; `call` carries it out.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct DownloadOutputs<'a> = outputs::DownloadOutputs;

    /// Whether to write `<file>.json` beside each file, with its description and the metadata of the run. Off by
    /// default.
    set fn sidecar(self, sidecar: bool) -> Self;
    /// Whether to download every image and video of every node, intermediate ones and inputs as well. Off by default.
    set fn everything(self, everything: bool) -> Self;
    /// Downloads the files.
    finish fn call(self) -> Result<DownloadReport>;
}
