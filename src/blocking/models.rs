//! Models and their installation.

use serde_json::{Map, Value};

use super::{
    Download,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    BulkOutcome, Direction, Page, Upload,
    error::Result,
    models::{
        self, DeletedOrphans, FoundModel, HuggingFaceToken, InstallJob, InstallOutcome, ModelCacheStats, ModelOrder,
        ModelRecord, ModelSource, OrphanedModel, StarterModels,
    },
};

mirror! {
    /// All models of a server, from [`Client::models`](super::Client::models).
    #[derive(Clone)]
    pub struct Models = models::Models;

    /// Prepares an installation.
    open fn install(&self, source: impl Into<ModelSource>) -> InstallModel;
    /// The installation with this number. Sends nothing yet.
    open fn install_job(&self, id: i64) -> Install;
    /// Lists installations since the server was started, ended ones included: `call` gives all in one page,
    /// [`ListInstalls::stream`] one by one.
    open fn installs(&self) -> ListInstalls;
    /// Forgets **all** ended installations, whoever started them.
    call fn prune_install_jobs(&self) -> Result<()>;
    /// Lists models: `call` gives all in one page, [`ListModels::stream`] one by one.
    open fn list(&self) -> ListModels;
    /// Lists every model whose record can be read. Others are left out, with a warning in the log; use
    /// [`list`](Self::list) to get them as errors.
    call fn records(&self) -> Result<Vec<ModelRecord>>;
    /// Finds the model with this name, base and type, for example `("FLUX Dev", "flux", "main")`; `None` if there is
    /// none.
    call fn find_by_attrs(&self, name: &str, base: &str, model_type: &str) -> Result<Option<ModelRecord>>;
    /// Finds the model with this content hash; `None` if there is none.
    call fn find_by_hash(&self, hash: &str) -> Result<Option<ModelRecord>>;
    /// Lists models whose files are missing. Since 6.13.
    call fn missing(&self) -> Result<Page<ModelRecord>>;
    /// Deletes models with their files (models installed in place keep theirs). Goes on after failures.
    call fn delete(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Identifies again what kind of models these are. Goes on after failures. Since 6.13.
    call fn reidentify(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Keys of the models that users have related to one of these.
    call fn related(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<String>>;
    /// Fetches the models that InvokeAI suggests to start with. Install them with [`install`](Self::install), each
    /// dependency by itself.
    call fn starter_models(&self) -> Result<StarterModels>;
    /// Looks for models in a folder on the server's machine, and in its subfolders. One that cannot be read is an error
    /// in its place.
    call fn scan_folder(&self, path: impl Into<String>) -> Result<Vec<Result<FoundModel>>>;
    /// Fetches the use of the server's memory for models; `None` before the first model is loaded.
    call fn cache_stats(&self) -> Result<Option<ModelCacheStats>>;
    /// Removes models that are not in use from the server's memory.
    call fn empty_cache(&self) -> Result<()>;
    /// Lists folders among the server's models that belong to no model. Since 6.13. One that cannot be read is an error
    /// in its place.
    call fn orphaned(&self) -> Result<Vec<Result<OrphanedModel>>>;
    /// Deletes orphaned folders, by [`OrphanedModel::path`]. Since 6.13.
    call fn delete_orphaned(&self, paths: impl IntoIterator<Item = impl Into<String>>) -> Result<DeletedOrphans>;
    /// Whether the Hugging Face hub accepts the server's token.
    call fn hugging_face_token(&self) -> Result<HuggingFaceToken>;
    /// Gives the server a token for the Hugging Face hub, or removes it.
    call fn set_hugging_face_token(&self, token: Option<&str>) -> Result<HuggingFaceToken>;
}

mirror! {
    /// One model of a server, from [`Client::model`](super::Client::model).
    #[derive(Clone)]
    pub struct ModelHandle = models::ModelHandle;

    /// Key of the model.
    get fn key(&self) -> &str;
    /// Fetches the model's record.
    call fn get(&self) -> Result<ModelRecord>;
    /// Fetches the model's record, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<ModelRecord>>;
    /// Changes members of the record, for example `name`, `description`, `default_settings`. The server ignores
    /// members it does not know.
    call fn update(&self, changes: Map<String, Value>) -> Result<ModelRecord>;
    /// Renames the model.
    call fn rename(&self, name: impl Into<String>) -> Result<ModelRecord>;
    /// Identifies again what kind of model it is. Since 6.9.
    call fn reidentify(&self) -> Result<ModelRecord>;
    /// Converts a checkpoint to the diffusers format, in place. Takes minutes.
    call fn convert(&self) -> Result<ModelRecord>;
    /// Deletes it, with its files unless it was installed in place.
    call fn delete(&self) -> Result<()>;
    /// Its cover image. If none is set, the server answers 500.
    open fn image(&self) -> Download;
    /// Sets its cover image.
    call fn set_image(&self, image: impl Into<Upload>) -> Result<()>;
    /// Deletes its cover image.
    call fn delete_image(&self) -> Result<()>;
    /// Keys of the models that users have related to it.
    call fn related(&self) -> Result<Vec<String>>;
    /// Relates another model to it.
    call fn relate_to(&self, other_key: &str) -> Result<()>;
    /// Ends the relation to another model.
    call fn unrelate(&self, other_key: &str) -> Result<()>;
}

mirror! {
    /// A list of models under construction, from [`Models::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListModels = models::ListModels;

    /// Only models of this base architecture, for example `flux`; may be called for several.
    set fn base(self, base: impl Into<String>) -> Self;
    /// Only models of this kind, for example `main`, `vae`, `lora`.
    set fn model_type(self, model_type: impl Into<String>) -> Self;
    /// Only models of exactly this name.
    set fn name(self, name: impl Into<String>) -> Self;
    /// Only models of this file format, for example `diffusers`.
    set fn format(self, format: impl Into<String>) -> Self;
    /// Sets the sort key. Since 6.13.
    set fn order_by(self, order: ModelOrder) -> Self;
    /// Sets the sort direction. Default: ascending. Since 6.13.
    set fn direction(self, direction: Direction) -> Self;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<ModelRecord>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<ModelRecord>>;
}

mirror! {
    /// An installation under construction, from [`Models::install`]; `call` starts it.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct InstallModel = models::InstallModel;

    /// Sets the model's name. Default: the name that the server finds.
    set fn name(self, name: impl Into<String>) -> Self;
    /// Sets the model's description.
    set fn description(self, description: impl Into<String>) -> Self;
    /// Sets a member of the record in place of what the server finds, for example `base` or `type`.
    set fn set(self, member: impl Into<String>, value: impl Into<Value>) -> Self;
    /// Sends this token to the host that the model is downloaded from.
    set fn access_token(self, token: impl Into<String>) -> Self;
    /// Starts the installation.
    finish_open fn call(self) -> Result<Install>;
}

mirror! {
    /// An installation on the server. Dropping this does not stop it.
    #[derive(Clone)]
    pub struct Install = models::Install;

    /// Its number.
    get fn id(&self) -> i64;
    /// Its state.
    call fn job(&self) -> Result<InstallJob>;
    /// Its states as they change, asked for twice a second, the last one included. The iterator ends with the last
    /// state, or with an error. A paused installation keeps it waiting.
    iter fn progress(&self) -> Iter<Result<InstallJob>>;
    /// Waits until it ends, however long that takes.
    call fn wait(&self) -> Result<InstallOutcome>;
    /// Cancels it. An installation that has ended is left alone: the server would call it canceled although the model
    /// stays.
    call fn cancel(&self) -> Result<()>;
    /// Pauses its downloads. Since 6.13.
    call fn pause(&self) -> Result<InstallJob>;
    /// Resumes its downloads. Since 6.13.
    call fn resume(&self) -> Result<InstallJob>;
    /// Restarts the downloads that failed. Since 6.13.
    call fn restart_failed(&self) -> Result<InstallJob>;
    /// Restarts the download of one file. Since 6.13.
    call fn restart_file(&self, url: &str) -> Result<InstallJob>;
}

mirror! {
    /// A list of installations under construction, from [`Models::installs`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListInstalls = models::ListInstalls;

    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<InstallJob>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<InstallJob>>;
}
