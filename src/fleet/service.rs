//! What the service (feature `serve`) asks of a fleet beyond what everybody may.

use bytes::Bytes;
use serde_json::Value;

use super::{Fleet, FleetJob, FleetSubmit, ResultFile, job};
use crate::error::Result;

impl FleetSubmit<'_> {
    /// The id is known before: who does not hear how this ended finds the jobs by it, and submits nothing twice.
    pub(crate) fn known_as(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The value of a field of a node, which stays out of the workflow: jobs that differ in values alone are of one kind
    /// for workers, who look only once whether a server can do them.
    pub(crate) fn value(mut self, node: impl Into<String>, field: impl Into<String>, value: Value) -> Self {
        self.row.push(job::InputOf { node: node.into(), field: field.into(), value });
        self
    }
}

impl Fleet {
    /// A job by its id, without looking at any other.
    pub(crate) async fn job(&self, id: &str) -> Result<Option<FleetJob>> {
        self.store.entry(id).await?.as_ref().map(FleetJob::of).transpose()
    }

    /// Whether a worker has said something of late.
    pub(crate) async fn has_workers(&self) -> Result<bool> {
        Ok(!self.servers().await?.is_empty())
    }

    /// Stores a picture, and gives its name for image inputs. The ending tells servers what it is.
    pub(crate) async fn put_image(&self, picture: Bytes, ending: &str) -> Result<String> {
        Ok(job::file_name(&self.blobs.put(picture).await?, "", ending))
    }

    /// The content of a file that a name for image inputs stands for; `None` if it is not such a name.
    pub(crate) async fn file_named(&self, name: &str) -> Result<Option<Bytes>> {
        // Nothing but a hash: it becomes a path in the store of files.
        match job::file_of(name).filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(hash) => self.blobs.get(hash).await.map(Some),
            None => Ok(None),
        }
    }
}

impl ResultFile {
    /// The name by which it can be the input of another job.
    pub(crate) fn as_input(&self) -> String {
        let ending = self.name.rsplit_once('.').map_or("png", |(_, ending)| ending);
        job::file_name(&self.sha256, "", ending)
    }
}
