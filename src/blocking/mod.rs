//! The whole API without `async`, for scripts and for programs that have no runtime.
//!
//! Each type here is the counterpart of an async one and has the same methods. Three things differ:
//!
//! - Builders are carried out by `call`, where async code awaits them: `client.images().list().limit(10).call()?`. (It
//!   is not called `send`, because the endpoints of [`Client::api`] have a `send` that gives a future, nor `wait`,
//!   because jobs have a `wait`.)
//! - Streams are iterators, [`Iter`] and [`EventStream`]. Besides `next` they have `next_timeout`, which waits no
//!   longer than you say.
//! - A [`Workflow`](crate::workflow::Workflow), which is data, is the same for both.
//!
//! Endpoints of the REST API, and any other future, are run by [`Client::block_on`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use invokeai_client::{blocking::Client, workflow::WorkflowDefinition};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:9090")?;
//! let mut workflow = client.workflow(WorkflowDefinition::from_path("resize-and-blur.json")?)?;
//! let picture = client.images().upload("photo.jpg").call()?;
//! workflow.set_input("Picture", picture.image_name.as_str())?;
//! let job = client.submit(&workflow).call()?.job()?;
//! let finished = job
//!     .wait()
//!     .timeout(Duration::from_secs(60))
//!     .on_progress(|progress| println!("{:.0} %", progress.fraction() * 100.0))
//!     .call()?;
//! finished.outputs().call()?.download_to("pictures").call()?;
//! client.cleanup().everything().call()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Waiting
//!
//! A call blocks its thread until it is done, within the limits of [`TransportOptions`](crate::TransportOptions).
//! [`Wait::timeout`] limits the wait for a job; [`Submission::ends`], [`Install::progress`] and other iterators can be
//! waited for bit by bit with `next_timeout`. Everything can be cloned and used by many threads: to stop a wait from
//! elsewhere, [`cancel`](Job::cancel) the job there.
//!
//! # Inside of async code
//!
//! It works there, too: in a task, in `spawn_blocking`, in any executor. But a blocking call holds up whatever else
//! runs on that thread, as it would in any library; prefer the async API.
//!
//! Behind it are a few threads that all clients share. They are started by the first client and live as long as the
//! process, so clients can be created and dropped anywhere. Callbacks of a wait run on the thread that waits; those of
//! a submission on one of the shared threads, and may themselves make blocking calls.

mod auth;
mod boards;
mod cleanup;
mod client;
mod download;
#[cfg(feature = "events")]
mod events;
mod images;
mod iter;
mod job;
mod library;
mod mirror;
mod models;
mod outputs;
mod queue;
mod runtime;
mod server;
mod style_presets;
mod submission;
mod system_prompts;
mod upload;
mod videos;

pub use auth::{Auth, ListUsers, UserHandle};
pub use boards::{BoardHandle, Boards, ListBoards};
pub use cleanup::Cleanup;
pub use client::{Client, ClientBuilder};
pub use download::{Download, DownloadMany};
#[cfg(feature = "events")]
pub use events::{EventHub, EventStream};
pub use images::{ImageHandle, Images, ListImages, UploadImage, ZipDownload};
pub use iter::Iter;
pub use job::{FinishedJob, Job, Wait};
pub use library::{Library, ListWorkflows, SavedWorkflowHandle};
pub use models::{Install, InstallModel, ListInstalls, ListModels, ModelHandle, Models};
pub use outputs::{DownloadOutputs, GetOutputs, Outputs};
pub use queue::{ListItems, Queue};
pub use server::Server;
pub use style_presets::{ListStylePresets, StylePresetHandle, StylePresets};
pub use submission::{Submission, Submit, WaitAll};
pub use system_prompts::{ListSystemPrompts, SystemPromptHandle, SystemPrompts};
pub use videos::{ListVideos, UploadVideo, VideoHandle, Videos};
