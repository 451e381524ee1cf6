//! Downloads of results.

use std::{
    collections::BTreeSet,
    future::{Future, IntoFuture},
    path::PathBuf,
    pin::Pin,
};

use super::{FileKind, Outputs};
use crate::{download::DownloadReport, error::Result};

/// A download of results under construction, from [`Outputs::download_to`]; `.await` carries it out.
///
/// Doing it again downloads only what is missing.
#[derive(Clone)]
#[must_use = "nothing is downloaded before `.await`"]
pub struct DownloadOutputs<'a> {
    outputs: &'a Outputs,
    directory: PathBuf,
    sidecar: bool,
    everything: bool,
}

crate::base::debug::short_debug! { DownloadOutputs<'a> { outputs, directory, sidecar, everything } }

impl<'a> DownloadOutputs<'a> {
    pub(super) fn new(outputs: &'a Outputs, directory: PathBuf) -> Self {
        Self { outputs, directory, sidecar: false, everything: false }
    }

    /// Whether to write `<file>.json` beside each file, with its description and the metadata of the run. Off by
    /// default.
    pub fn sidecar(mut self, sidecar: bool) -> Self {
        self.sidecar = sidecar;
        self
    }

    /// Whether to download every image and video of every node, intermediate ones and inputs as well. Off by default.
    pub fn everything(mut self, everything: bool) -> Self {
        self.everything = everything;
        self
    }

    async fn run(self) -> Result<DownloadReport> {
        let client = &self.outputs.client;
        let [images, videos] = [FileKind::Image, FileKind::Video].map(|kind| {
            let wanted = self.outputs.files.iter().filter(|file| file.kind == kind && file.exists());
            let wanted = wanted.filter(|file| self.everything || file.is_final());
            let mut seen = BTreeSet::new();
            wanted.map(|file| file.name.clone()).filter(|name| seen.insert(name.clone())).collect::<Vec<_>>()
        });
        let mut report = client.images().download(images, &self.directory).sidecar(self.sidecar).await?;
        if !videos.is_empty() {
            let more = client.videos().download(videos, &self.directory).sidecar(self.sidecar).await?;
            report.saved.extend(more.saved);
            report.kept.extend(more.kept);
            report.failed.extend(more.failed);
        }
        Ok(report)
    }
}

/// # Errors
/// [`Error::Io`](crate::Error::Io) if the directory cannot be created. Failures of single files are in the report.
impl<'a> IntoFuture for DownloadOutputs<'a> {
    type Output = Result<DownloadReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
