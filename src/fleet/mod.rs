//! Fleets: one workflow, many servers (feature `fleet`).
//!
//! A fleet is a store of jobs, a store of files, and workers. [`Fleet::submit`] makes jobs of a workflow, one for each row of
//! a sweep; [`Fleet::worker`] serves them with the servers it is given; their results are in the store of files. Who has a
//! job, and for how long, is up to a job engine, over SQLite (a file) or Postgres.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client, workflow: invokeai_client::workflow::Workflow)
//! # -> invokeai_client::Result<()> {
//! use invokeai_client::fleet::Fleet;
//!
//! let fleet = Fleet::open("sqlite:fleet.sqlite").await?;
//! let submission = fleet.submit(&workflow).runs(100).await?;
//! // Here or in any other process:
//! fleet.worker().server(client).run(std::future::pending::<()>()).await?;
//! for job in fleet.jobs().submission(&submission.id).await? {
//!     if let Some(result) = fleet.result(&job.id).await? {
//!         println!("{}: {} files", job.place, result.files.len());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod blobs;
mod identity;
mod job;
mod jobs;
mod matching;
mod results;
#[cfg(feature = "serve")]
mod service;
mod status;
mod store;
mod submit;
mod worker;

use std::{
    future::{Future, IntoFuture},
    path::Path,
    pin::Pin,
};

use bytes::Bytes;

use blobs::Blobs;
pub use jobs::{FleetJob, JobState, Jobs, WaitForJobs};
pub use results::{JobResult, ResultFile, ResultValue};
pub use status::{FleetCounts, FleetStatus, ServerState, WaitingJobs};
use store::Store;
pub use submit::{FleetSubmission, FleetSubmit};
pub use worker::{Worker, WorkerReport};

use crate::{
    error::{Error, Result},
    workflow::field::InputValue,
};

/// Under which name the store keeps where files are.
const FILES: &str = "files";

/// Under which name the store keeps which fleet it is.
const ID: &str = "id";

/// A fleet. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    store: Store,
    blobs: Blobs,
    /// By which it is known from all others, whatever the address of its store.
    #[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only services ask for it"))]
    id: String,
}

crate::base::debug::short_debug! { Fleet { blobs; .. } }

/// A fleet that is being opened, from [`Fleet::open`]. Await it.
#[derive(Clone)]
#[must_use = "nothing is opened unless awaited"]
pub struct OpenFleet {
    store: String,
    files: Option<String>,
    existing: bool,
}

// The address of a store has a password in it, and what was given for files may have one by mistake.
crate::base::debug::short_debug! { OpenFleet { existing; .. } }

impl Fleet {
    /// Opens a fleet, or makes it: `sqlite:FILE` for one machine, `postgres://USER:PASSWORD@HOST/DATABASE` for many.
    ///
    /// # Errors (when awaited)
    /// [`Error::InvalidInput`] if the address is neither, or nothing says where files are; [`Error::Fleet`] if the store
    /// cannot be opened; [`Error::Io`] if the folder of files cannot be made.
    pub fn open(store: impl Into<String>) -> OpenFleet {
        OpenFleet { store: store.into(), files: None, existing: false }
    }

    /// Stores a picture for image inputs of workflows that are [submitted](Self::submit) to this fleet.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Fleet`].
    pub async fn image(&self, path: impl AsRef<Path>) -> Result<InputValue> {
        Ok(serde_json::json!({ "image_name": self.image_name(path).await? }).into())
    }

    /// The same, as the name of an image.
    ///
    /// # Errors
    /// As for [`image`](Self::image).
    pub async fn image_name(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        let read = tokio::fs::read(path).await.map_err(|error| Error::io("read", path, error))?;
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let ending = ending.filter(|ending| ending.len() < 6 && ending.chars().all(|c| c.is_ascii_alphanumeric()));
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let hash = self.blobs.put(read.into()).await?;
        Ok(job::file_name(&hash, &stem, ending.as_deref().unwrap_or("png")))
    }

    #[cfg(feature = "serve")]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The content of a file among results.
    ///
    /// # Errors
    /// [`Error::Fleet`] if it is not there, or is not what was stored.
    pub async fn file(&self, file: &ResultFile) -> Result<Bytes> {
        self.blobs.get(&file.sha256).await
    }
}

impl OpenFleet {
    /// Where files are: a folder, `file:///FOLDER`, or `s3://BUCKET/PREFIX` (feature `fleet-s3`; keys, region and address are
    /// where the tools of S3 look for them: `AWS_ACCESS_KEY_ID` and so on). The store of jobs remembers it, so it is needed once. Without it, beside a SQLite file: `FILE-files`.
    pub fn files(mut self, place: impl Into<String>) -> Self {
        self.files = Some(place.into());
        self
    }

    /// Only a fleet that already exists: none is made.
    pub fn existing(mut self) -> Self {
        self.existing = true;
        self
    }

    async fn run(self) -> Result<Fleet> {
        // What is wrong with it is said before it is repeated or remembered anywhere.
        let given = match self.files {
            Some(place) if place.contains("://") => {
                blobs::url_of(&place)?;
                Some(place)
            }
            // Other programs have other working directories.
            Some(folder) => Some(absolute(Path::new(&folder))?),
            None => None,
        };
        let store = Store::open(&self.store, self.existing).await?;
        let known = store.setting(FILES, None).await?;
        let place = match (known, given) {
            (Some(known), Some(given)) if known != given => {
                // Older versions took addresses with more behind them.
                let known = known.split(['?', '#']).next().unwrap_or_default();
                let problem = format!("is {given}, and the fleet has its files in {known}");
                return Err(Error::invalid("files", problem));
            }
            (Some(known), _) => known,
            (None, given) => {
                let beside = || Some(absolute(&store.file()?).map(|file| format!("{file}-files")));
                let Some(place) = given.map(Ok).or_else(beside).transpose()? else {
                    let problem = "must be given once: a folder that all machines see, or s3://BUCKET/PREFIX";
                    return Err(Error::invalid("files", problem));
                };
                // What cannot be used is not to be remembered. Another program may have been faster.
                Blobs::open(&place)?;
                store.setting(FILES, Some(&place)).await?.unwrap_or(place)
            }
        };
        let blobs = Blobs::open(&place)?;
        let id = match store.setting(ID, None).await? {
            Some(id) => id,
            None => {
                let new = uuid::Uuid::new_v4().to_string();
                // Another program may have been faster.
                store.setting(ID, Some(&new)).await?.unwrap_or(new)
            }
        };
        Ok(Fleet { store, blobs, id })
    }
}

impl IntoFuture for OpenFleet {
    type Output = Result<Fleet>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A path as every program finds it. The store remembers it as a text.
fn absolute(path: &Path) -> Result<String> {
    let made = std::path::absolute(path).map_err(|error| Error::io("find the folder", path, error))?;
    let text = made.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::invalid("files", format!("is in a folder whose name is not UTF-8: {}", made.display())))
}

/// An error with all its causes, each said once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
