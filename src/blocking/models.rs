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
    /// The installation of this number. Asks nothing yet.
    open fn install_job(&self, id: i64) -> Install;
    /// Lists installations since the server was started, ended ones included: `call` gives all in one page,
    /// [`ListInstalls::stream`] one by one.
    open fn installs(&self) -> ListInstalls;
    /// Forgets **all** ended installations, whoever started them.
    call fn prune_install_jobs(&self) -> Result<()>;
    /// Lists models: `call` gives all in one page, [`ListModels::stream`] one by one.
    open fn list(&self) -> ListModels;
    /// Every model whose record can be read. Others are left out, with a warning in the log; use
    /// [`list`](Self::list) to have them as errors.
    call fn records(&self) -> Result<Vec<ModelRecord>>;
    /// The model of this name, base and type, for example `("FLUX Dev", "flux", "main")`; `None` if there is none.
    call fn find_by_attrs(&self, name: &str, base: &str, model_type: &str) -> Result<Option<ModelRecord>>;
    /// The model of this content hash; `None` if there is none.
    call fn find_by_hash(&self, hash: &str) -> Result<Option<ModelRecord>>;
    /// Models whose files are gone. Since 6.13.
    call fn missing(&self) -> Result<Page<ModelRecord>>;
    /// Deletes models with their files (those installed in place keep theirs). Goes on after failures.
    call fn delete(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Looks anew at what kind of models these are. Goes on after failures. Since 6.13.
    call fn reidentify(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Keys of models that users related to one of these.
    call fn related(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<String>>;
    /// What InvokeAI proposes to begin with. Install them by [`install`](Self::install), dependencies each by
    /// itself.
    call fn starter_models(&self) -> Result<StarterModels>;
    /// Looks for models in a folder of the server's machine, and in those within it.
    call fn scan_folder(&self, path: impl Into<String>) -> Result<Vec<Result<FoundModel>>>;
    /// The server's memory for models; `None` before the first model was loaded.
    call fn cache_stats(&self) -> Result<Option<ModelCacheStats>>;
    /// Takes models that are not in use out of the server's memory.
    call fn empty_cache(&self) -> Result<()>;
    /// Folders among the server's models that belong to none. Since 6.13.
    call fn orphaned(&self) -> Result<Vec<Result<OrphanedModel>>>;
    /// Deletes such folders, by [`OrphanedModel::path`]. Since 6.13.
    call fn delete_orphaned(&self, paths: impl IntoIterator<Item = impl Into<String>>) -> Result<DeletedOrphans>;
    /// What the Hugging Face hub says to the server's token.
    call fn hugging_face_token(&self) -> Result<HuggingFaceToken>;
    /// Gives the server a token for the Hugging Face hub, or takes it away.
    call fn set_hugging_face_token(&self, token: Option<&str>) -> Result<HuggingFaceToken>;
}

mirror! {
    /// One model of a server, from [`Client::model`](super::Client::model).
    #[derive(Clone)]
    pub struct ModelHandle = models::ModelHandle;

    /// Key of the model.
    get fn key(&self) -> &str;
    /// The model's record.
    call fn get(&self) -> Result<ModelRecord>;
    /// The model's record, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<ModelRecord>>;
    /// Changes members of the record, for example `name`, `description`, `default_settings`. The server ignores
    /// members it does not know.
    call fn update(&self, changes: Map<String, Value>) -> Result<ModelRecord>;
    /// Gives it another name.
    call fn rename(&self, name: impl Into<String>) -> Result<ModelRecord>;
    /// Looks anew at what kind of model it is. Since 6.9.
    call fn reidentify(&self) -> Result<ModelRecord>;
    /// Converts a checkpoint to the diffusers format, in its place. Takes minutes.
    call fn convert(&self) -> Result<ModelRecord>;
    /// Deletes it, with its files unless it was installed in place.
    call fn delete(&self) -> Result<()>;
    /// Its cover image. Where none is set, the server answers 500.
    open fn image(&self) -> Download;
    /// Sets its cover image.
    call fn set_image(&self, image: impl Into<Upload>) -> Result<()>;
    /// Deletes its cover image.
    call fn delete_image(&self) -> Result<()>;
    /// Keys of models that users related to it.
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
    /// Sets what to order by. Since 6.13.
    set fn order_by(self, order: ModelOrder) -> Self;
    /// Sets which way to order. Default: ascending. Since 6.13.
    set fn direction(self, direction: Direction) -> Self;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is asked for once.
    iter fn stream(self) -> Iter<Result<ModelRecord>>;
    /// Carries it out.
    finish fn call(self) -> Result<Page<ModelRecord>>;
}

mirror! {
    /// An installation under construction, from [`Models::install`]; `call` starts it.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct InstallModel = models::InstallModel;

    /// Gives the model a name; else the file has one.
    set fn name(self, name: impl Into<String>) -> Self;
    /// Describes the model.
    set fn description(self, description: impl Into<String>) -> Self;
    /// Sets a member of the record in place of what the server finds, for example `base` or `type`.
    set fn set(self, member: impl Into<String>, value: impl Into<Value>) -> Self;
    /// Sends this token where the model is downloaded from.
    set fn access_token(self, token: impl Into<String>) -> Self;
    /// Carries it out.
    finish_open fn call(self) -> Result<Install>;
}

mirror! {
    /// An installation on the server. Dropping it stops nothing.
    #[derive(Clone)]
    pub struct Install = models::Install;

    /// Its number.
    get fn id(&self) -> i64;
    /// Its state.
    call fn job(&self) -> Result<InstallJob>;
    /// Its states as they change, asked for twice a second, the last one included. The iterator ends with that, or
    /// with an error. A paused one keeps it waiting.
    iter fn progress(&self) -> Iter<Result<InstallJob>>;
    /// Waits until it ends, however long that takes.
    call fn wait(&self) -> Result<InstallOutcome>;
    /// Cancels it. One that has ended is left alone: the server would call it canceled while the model stays.
    call fn cancel(&self) -> Result<()>;
    /// Pauses its downloads. Since 6.13.
    call fn pause(&self) -> Result<InstallJob>;
    /// Goes on with its downloads. Since 6.13.
    call fn resume(&self) -> Result<InstallJob>;
    /// Starts the downloads again that failed. Since 6.13.
    call fn restart_failed(&self) -> Result<InstallJob>;
    /// Starts the download of one file again. Since 6.13.
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
    /// as a whole is asked for once.
    iter fn stream(self) -> Iter<Result<InstallJob>>;
    /// Carries it out.
    finish fn call(self) -> Result<Page<InstallJob>>;
}
