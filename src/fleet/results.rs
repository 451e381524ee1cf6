//! Results of jobs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Fleet, job};
use crate::{
    Client,
    error::Result,
    outputs::{OutputFile, Outputs},
};

/// What a job gave.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobResult {
    /// The job.
    pub job: String,
    /// Which attempt it was, counted from 0.
    pub attempt: u32,
    /// Address of the server that ran it.
    pub server: String,
    /// The batch that it was there.
    pub batch_id: String,
    /// The queue item that it was there.
    pub item_id: i64,
    /// Images and videos that it saved for good, in the order of [`Outputs`].
    pub files: Vec<ResultFile>,
    /// Texts, numbers and the like that its nodes gave.
    #[serde(default)]
    pub values: Vec<ResultValue>,
    /// Hash of what its nodes gave.
    pub(super) outputs: String,
}

crate::base::debug::short_debug! { JobResult { job, attempt, server, batch_id, item_id, files, values; .. } }

/// A text, a number or the like among the results of a job.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResultValue {
    /// Id of the node that gave it.
    pub node_id: String,
    /// What the node is called.
    pub node: String,
    /// Field of the node's output.
    pub field: String,
    /// The value.
    pub value: serde_json::Value,
}

crate::base::debug::short_debug! { ResultValue { node_id, node, field, value } }

impl JobResult {
    /// The stored file of one of the [outputs](Fleet::outputs); `None` for intermediates, which are not kept.
    pub fn file(&self, output: &OutputFile) -> Option<&ResultFile> {
        self.files.iter().find(|file| file.name == output.name)
    }
}

/// A file among the results of a job.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResultFile {
    /// What the server called it.
    pub name: String,
    /// Hash of its content, by which the store of files has it.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Id of the node that gave it.
    pub node_id: String,
    /// What the node is called.
    pub node: String,
    /// Place in the node's output, for example `image` or `collection[2]`.
    pub field: String,
}

crate::base::debug::short_debug! { ResultFile { name, sha256, bytes, node_id, node, field } }

impl Fleet {
    /// What a job gave; `None` as long as there is no result.
    ///
    /// # Errors
    /// [`Error::Fleet`](crate::Error::Fleet).
    pub async fn result(&self, job: &str) -> Result<Option<JobResult>> {
        let Some(stored) = self.store.result_of(job).await? else { return Ok(None) };
        job::from_bytes(&self.blobs.get(&stored.manifest).await?).map(Some)
    }

    /// What the nodes of a job gave, with the values of their outputs, as [`Job::outputs`](crate::Job::outputs) gives it. The
    /// structs of outputs that are generated with a workflow take it, too.
    ///
    /// The server that gave it has nothing of it any more, so files are not downloaded from there: they are those of
    /// [`JobResult::file`].
    ///
    /// # Errors
    /// [`Error::Fleet`](crate::Error::Fleet).
    pub async fn outputs(&self, result: &JobResult) -> Result<Outputs> {
        let kept = self.blobs.get(&result.outputs).await?;
        Outputs::from_kept(Client::new(&result.server)?, &kept).map_err(|error| job::unread(&error))
    }

    /// Writes a file among results into a folder, as `STEM.ENDING`; whole, or not at all. An existing file of
    /// that name is replaced, so that doing it again gives the same.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written; [`Error::Fleet`](crate::Error::Fleet).
    pub async fn save(&self, file: &ResultFile, folder: impl AsRef<Path>, stem: &str) -> Result<PathBuf> {
        let bytes = self.file(file).await?;
        // The ending decides what programs do with a file, so only a plain one is taken from a server.
        let ending = file.name.rsplit_once('.').map_or("png", |(_, ending)| ending);
        let is_plain = ending.len() < 6 && ending.chars().all(|c| c.is_ascii_alphanumeric());
        let name = format!("{stem}.{}", if is_plain { ending } else { "png" });
        let folder = folder.as_ref();
        let path = folder.join(crate::download::checked_file_name(&name, "")?);
        tokio::fs::create_dir_all(folder).await.map_err(|error| crate::Error::io("make the folder", folder, error))?;
        crate::download::write_file(&path, bytes).await?;
        Ok(path)
    }
}
