//! Installing models.

use std::{
    fmt,
    future::{Future, IntoFuture},
    path::Path,
    pin::Pin,
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use serde_json::{Map, Value};

use super::{ModelRecord, Models, StarterModel};
use crate::{
    Client,
    base::{
        open_enum::open_enum,
        secrets::{self, Token},
    },
    client::lists::whole_list,
    error::{Error, Result},
};

/// How often to ask about a running installation. The server reports progress about once per percent.
const POLL: Duration = Duration::from_millis(500);

/// The kind that InvokeAI gives to files it does not recognize.
const UNKNOWN: &str = "unknown";

/// Where a model is installed from. Paths are on the server's machine.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// A file or folder that the server uses where it is.
    LocalInPlace(String),
    /// A file or folder that the server **moves** into its own folder: afterwards it is no longer where it was.
    LocalMove(String),
    /// A file to download. The server refuses addresses of its own machine and network unless
    /// `allow_private_download_urls` is set.
    Url(String),
    /// A repository of the Hugging Face hub: `owner/name`, `owner/name:variant` or `owner/name:variant:subfolder`.
    HuggingFace(String),
}

impl ModelSource {
    /// A file or folder on the server's machine, to be used where it is.
    pub fn local_in_place(path: impl AsRef<Path>) -> Self {
        Self::LocalInPlace(path.as_ref().to_string_lossy().into_owned())
    }

    /// A file or folder on the server's machine, to be **moved** into the server's own folder.
    pub fn local_move(path: impl AsRef<Path>) -> Self {
        Self::LocalMove(path.as_ref().to_string_lossy().into_owned())
    }

    /// A file to download.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url(url.into())
    }

    /// A repository of the Hugging Face hub.
    pub fn hugging_face(repository: impl Into<String>) -> Self {
        Self::HuggingFace(repository.into())
    }

    fn text(&self) -> &str {
        match self {
            Self::LocalInPlace(text) | Self::LocalMove(text) | Self::Url(text) | Self::HuggingFace(text) => text,
        }
    }

    /// The server distinguishes sources by their form alone, and first looks whether such a path exists.
    fn check(&self) -> Result<()> {
        let text = self.text();
        let (fits, expected) = match self {
            Self::Url(_) => (text.starts_with("http://") || text.starts_with("https://"), "http://… or https://…"),
            Self::HuggingFace(_) => {
                let owner = text.split_once('/').map(|(owner, _)| owner).unwrap_or_default();
                let fits = !owner.is_empty() && !owner.contains([':', '\\']) && !owner.starts_with(['.', '~']);
                (fits, "owner/name, owner/name:variant or owner/name:variant:subfolder")
            }
            Self::LocalInPlace(_) | Self::LocalMove(_) => (!text.trim().is_empty(), "a path on the server's machine"),
        };
        match fits {
            true => Ok(()),
            false => Err(Error::invalid("model source", format!("is `{}`; expected {expected}", self.shown()))),
        }
    }
}

/// A starter model's source is an address or a repository.
impl ModelSource {
    /// Without user, password and query, where download addresses carry keys.
    fn shown(&self) -> String {
        match self {
            Self::Url(text) => secrets::address_text(text),
            other => other.text().to_owned(),
        }
    }
}

impl fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let variant = match self {
                Self::LocalInPlace(_) => "LocalInPlace",
                Self::LocalMove(_) => "LocalMove",
                Self::Url(_) => "Url",
                Self::HuggingFace(_) => "HuggingFace",
            };
            f.debug_tuple(variant).field(&self.shown()).finish()
        })
    }
}

impl From<&StarterModel> for ModelSource {
    fn from(model: &StarterModel) -> Self {
        match model.source.contains("://") {
            true => Self::Url(model.source.clone()),
            false => Self::HuggingFace(model.source.clone()),
        }
    }
}

open_enum! {
    /// State of an installation.
    InstallStatus {
        /// It waits for others.
        Waiting = "waiting",
        /// Files are being downloaded.
        Downloading = "downloading",
        /// All files are downloaded.
        DownloadsDone = "downloads_done",
        /// The files are being examined and moved.
        Running = "running",
        /// Downloading was paused.
        Paused = "paused",
        /// The model is installed.
        Completed = "completed",
        /// It failed.
        Error = "error",
        /// It was canceled.
        Canceled = "cancelled",
    }
}

impl InstallStatus {
    /// Whether nothing more will happen.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Error | Self::Canceled)
    }
}

/// The server leaves out members that have their default.
fn waiting() -> InstallStatus {
    InstallStatus::Waiting
}

/// An installation, as `GET /api/v2/models/install/{id}` describes it. The server forgets it when it is restarted.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct InstallJob {
    /// Its number.
    pub id: i64,
    /// Its state.
    pub status: InstallStatus,
    /// Name of the error, for example `DuplicateModelException`.
    pub error_reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Where the model comes from, as the server took it.
    pub source: Value,
    /// Whether files stay where they are.
    pub inplace: Option<bool>,
    /// Bytes downloaded.
    pub bytes: u64,
    /// Bytes to download, as far as known.
    pub total_bytes: u64,
    /// The files being downloaded, as the server describes them.
    pub download_parts: Vec<Value>,
    /// Record of the model, once it is installed.
    pub config_out: Option<Value>,
}

crate::json::record::readable! {
    InstallJob {
        0 id, 1 status default(waiting()), 2 error_reason nullable, 3 error nullable, 4 source default,
        5 inplace nullable, 6 bytes default, 7 total_bytes default, 8 download_parts default, 9 config_out nullable,
    }
}

/// The server repeats the access token in the source, so the source is not shown.
impl fmt::Debug for InstallJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let Self { id, status, error_reason, error, source, inplace, bytes, total_bytes, .. } = self;
            let mut out = f.debug_struct("InstallJob");
            out.field("id", id).field("status", status).field("error_reason", error_reason).field("error", error);
            out.field("source_type", &source.get("type")).field("inplace", inplace);
            out.field("bytes", bytes).field("total_bytes", total_bytes).field("model", &self.model());
            out.finish_non_exhaustive()
        })
    }
}

impl InstallJob {
    /// The installed model; `None` before that, or if its record cannot be read.
    pub fn model(&self) -> Option<ModelRecord> {
        self.config_out.as_ref().and_then(ModelRecord::from_json)
    }

    /// Its outcome; `None` while it goes on.
    pub fn outcome(&self) -> Option<InstallOutcome> {
        let reason = || self.error_reason.clone().unwrap_or_default();
        let message = || self.error.clone().unwrap_or_default();
        Some(match (&self.status, self.model()) {
            // Canceling a completed installation only changes its state.
            (InstallStatus::Completed | InstallStatus::Canceled, Some(model)) => match model.model_type == UNKNOWN {
                true => InstallOutcome::UnknownType(model),
                false => InstallOutcome::Installed(model),
            },
            (InstallStatus::Completed, None) => InstallOutcome::Failed {
                reason: "unreadable record".into(),
                message: "the server says it installed the model, and gave no record that can be read".into(),
            },
            (InstallStatus::Canceled, None) => InstallOutcome::Canceled,
            (InstallStatus::Error, _) if reason() == "DuplicateModelException" => {
                InstallOutcome::Duplicate { message: message() }
            }
            (InstallStatus::Error, _) => InstallOutcome::Failed { reason: reason(), message: message() },
            _ => return None,
        })
    }
}

/// Outcome of an installation.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum InstallOutcome {
    /// The model is installed and was recognized.
    Installed(ModelRecord),
    /// The files are installed, but InvokeAI does not know what they are: no node can use them.
    UnknownType(ModelRecord),
    /// The model is already installed.
    Duplicate {
        /// What the server said.
        message: String,
    },
    /// It failed.
    Failed {
        /// Name of the error.
        reason: String,
        /// What went wrong.
        message: String,
    },
    /// It was canceled.
    Canceled,
}

crate::base::debug::short_debug! {
    enum InstallOutcome {
        Installed(value),
        UnknownType(value),
        Duplicate { message },
        Failed { reason, message },
        Canceled,
    }
}

/// An installation under construction, from [`Models::install`]; `.await` starts it.
#[derive(Clone)]
#[must_use = "nothing is sent before `.await`"]
pub struct InstallModel {
    client: Client,
    source: ModelSource,
    overrides: Map<String, Value>,
    access_token: Option<Token>,
}

crate::base::debug::short_debug! { InstallModel { client, source, overrides, access_token } }

/// An installation on the server. Dropping this does not stop it.
#[derive(Clone)]
pub struct Install {
    client: Client,
    id: i64,
}

crate::base::debug::short_debug! { Install { client, id } }

whole_list! {
    /// A list of installations under construction, from [`Models::installs`].
    ListInstalls => InstallJob, list_model_installs
}

impl Models {
    /// Prepares an installation.
    pub fn install(&self, source: impl Into<ModelSource>) -> InstallModel {
        InstallModel { client: self.client.clone(), source: source.into(), overrides: Map::new(), access_token: None }
    }

    /// The installation with this number. Sends nothing yet.
    pub fn install_job(&self, id: i64) -> Install {
        Install { client: self.client.clone(), id }
    }

    /// Lists installations since the server was started, ended ones included: `.await` gives all in one page,
    /// [`ListInstalls::stream`] one by one.
    pub fn installs(&self) -> ListInstalls {
        ListInstalls::new(&self.client)
    }

    /// Forgets **all** ended installations, whoever started them.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn prune_install_jobs(&self) -> Result<()> {
        let api = self.client.api();
        api.prune_model_install_jobs().send().await.map(drop)
    }
}

impl InstallModel {
    /// Sets the model's name. Default: the name that the server finds.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.set("name", name.into())
    }

    /// Sets the model's description.
    pub fn description(self, description: impl Into<String>) -> Self {
        self.set("description", description.into())
    }

    /// Sets a member of the record in place of what the server finds, for example `base` or `type`.
    pub fn set(mut self, member: impl Into<String>, value: impl Into<Value>) -> Self {
        self.overrides.insert(member.into(), value.into());
        self
    }

    /// Sends this token to the host that the model is downloaded from.
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.access_token = Some(Token::new(token.into()));
        self
    }

    async fn start(self) -> Result<Install> {
        self.source.check()?;
        let api = self.client.api();
        // The body must be present, even if it is empty.
        let call = api
            .install_model()
            .source(self.source.text())
            .inplace(matches!(self.source, ModelSource::LocalInPlace(_)))
            .maybe_access_token(self.access_token.as_ref().map(Token::reveal))
            .send_json_as::<InstallJob>(&self.overrides);
        let id = call.await?.id;
        Ok(Install { client: self.client, id })
    }
}

/// # Errors
/// [`Error::InvalidInput`] if the source does not look like one of its kind; [`Error::Conflict`] if the server finds no
/// model there, or has it already (only the text says which); [`Error::Forbidden`] for users who are not
/// administrators; [`Error::Server`] if the hub cannot be reached; any error of a call.
impl IntoFuture for InstallModel {
    type Output = Result<Install>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl Install {
    /// Its number.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Its state.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the server does not know it, as after a restart; any error of a call.
    pub async fn job(&self) -> Result<InstallJob> {
        let api = self.client.api();
        api.get_model_install_job().id(self.id).send_as().await
    }

    /// Its states as they change, asked for twice a second, the last one included. The stream ends with the last state,
    /// or with an error. A paused installation keeps it waiting.
    pub fn progress(&self) -> impl Stream<Item = Result<InstallJob>> + Send + Unpin + use<> {
        enum Next {
            Ask(Option<Box<InstallJob>>),
            End,
        }
        let install = self.clone();
        Box::pin(futures::stream::unfold(Next::Ask(None), move |next| {
            let install = install.clone();
            async move {
                let Next::Ask(mut last) = next else { return None };
                loop {
                    if last.is_some() {
                        tokio::time::sleep(POLL).await;
                    }
                    match install.job().await {
                        Err(error) => return Some((Err(error), Next::End)),
                        Ok(job) if job.status.is_final() => return Some((Ok(job), Next::End)),
                        Ok(job) if last.as_deref() != Some(&job) => {
                            return Some((Ok(job.clone()), Next::Ask(Some(Box::new(job)))));
                        }
                        Ok(job) => last = Some(Box::new(job)),
                    }
                }
            }
        }))
    }

    /// Waits until it ends, however long that takes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the server does not know it (any more); any error of a call. A failed installation is not
    /// an error but an [outcome](InstallOutcome::Failed).
    ///
    /// # Cancel safety
    /// Dropping the future stops waiting only.
    pub async fn wait(&self) -> Result<InstallOutcome> {
        let mut states = self.progress();
        while let Some(job) = states.next().await {
            if let Some(outcome) = job?.outcome() {
                return Ok(outcome);
            }
        }
        let problem = format!("installation {} ended in no known state", self.id);
        Err(Error::decode("get_model_install_job", "status", problem, ""))
    }

    /// Cancels it. An installation that has ended is left alone: the server would call it canceled although the model
    /// stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the server does not know it; any error of a call.
    pub async fn cancel(&self) -> Result<()> {
        if self.job().await?.status.is_final() {
            return Ok(());
        }
        let api = self.client.api();
        api.cancel_model_install_job().id(self.id).send().await.map(drop)
    }

    /// Pauses its downloads. Since 6.13.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if the server does not know it (415); any error of a call.
    pub async fn pause(&self) -> Result<InstallJob> {
        let api = self.client.api();
        api.pause_model_install_job().id(self.id).send_as().await
    }

    /// Resumes its downloads. Since 6.13.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<InstallJob> {
        let api = self.client.api();
        api.resume_model_install_job().id(self.id).send_as().await
    }

    /// Restarts the downloads that failed. Since 6.13.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn restart_failed(&self) -> Result<InstallJob> {
        let api = self.client.api();
        api.restart_failed_model_install_job().id(self.id).send_as().await
    }

    /// Restarts the download of one file. Since 6.13.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn restart_file(&self, url: &str) -> Result<InstallJob> {
        let api = self.client.api();
        api.restart_model_install_file().id(self.id).send_json_as(url).await
    }
}
