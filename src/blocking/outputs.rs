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
    /// Outputs being asked for, from [`Job::outputs`](super::Job::outputs); `call` gets them.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct GetOutputs = outputs::GetOutputs;

    /// Whether to add the outputs of the workflows that `call_saved_workflow` nodes ran, after the others. Off
    /// without.
    set fn include_children(self, include: bool) -> Self;
    /// Carries it out.
    finish_open fn call(self) -> Result<Outputs>;
}

mirror! {
    /// What the nodes of a queue item gave, from [`Job::outputs`](super::Job::outputs).
    #[derive(Clone)]
    pub struct Outputs = outputs::Outputs;

    /// The queue item.
    get fn item_id(&self) -> i64;
    /// Values that the batch put into this item: the row of the sweep that it is. Empty if nothing was varied.
    get fn field_values(&self) -> &[FieldValue];
    /// The value that the batch put into a field of a node; `None` if the field was not varied.
    get fn field_value(&self, node_id: &str, field: &str) -> Option<&Value>;
    /// What each execution of a node gave. Nodes that did not run, such as the branch that an `if` left out, have
    /// none.
    get fn nodes(&self) -> &[NodeOutput];
    /// What a node of the workflow gave: several results if it ran in iterations.
    get fn of_node(&self, node_id: &str) -> impl Iterator<Item = &NodeOutput>;
    /// Every image and video in every output. One that several nodes give is there several times.
    get fn files(&self) -> &[OutputFile];
    /// The images among [`files`](Self::files).
    get fn images(&self) -> impl Iterator<Item = &OutputFile>;
    /// The videos among [`files`](Self::files).
    get fn videos(&self) -> impl Iterator<Item = &OutputFile>;
    /// The results to show, as the editor chooses them: images that are neither intermediate nor passed on. Each
    /// once.
    get fn final_images(&self) -> Vec<&OutputFile>;
    /// As [`final_images`](Self::final_images), of videos.
    get fn final_videos(&self) -> Vec<&OutputFile>;
    /// Downloads the results to show into a directory.
    open fn download_to(&self, directory: impl Into<std::path::PathBuf>) -> DownloadOutputs<'_>;
}

/// For generated structs of outputs, which are made of either.
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

    /// Whether to write `<file>.json` beside each file, with its description and the metadata of the run. Off
    /// without.
    set fn sidecar(self, sidecar: bool) -> Self;
    /// Whether to download every image and video of every node, intermediate ones and inputs as well. Off without.
    set fn everything(self, everything: bool) -> Self;
    /// Carries it out.
    finish fn call(self) -> Result<DownloadReport>;
}
