//! Models: what is installed, and installing more.
//!
//! [`Client::models`] lists, finds and installs; [`Client::model`] works with one.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! use invokeai_client::models::{InstallOutcome, ModelSource};
//!
//! for model in client.models().list().base("flux").model_type("main").await?.into_items()? {
//!     println!("{} {}", model.key, model.name);
//! }
//!
//! // The server reads the file where it is. `ModelSource::local_move` would take it away from there.
//! let install = client.models().install(ModelSource::local_in_place("/models/lora.safetensors")).await?;
//! match install.wait().await? {
//!     InstallOutcome::Installed(model) => println!("installed as {}", model.key),
//!     outcome => println!("{outcome:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Records are [`ModelRecord`]s: only what identifies and filters models is typed, because every release brings new
//! kinds.

mod handle;
mod install;
mod list;
mod server;

pub use handle::ModelHandle;
pub use install::{Install, InstallJob, InstallModel, InstallOutcome, InstallStatus, ListInstalls, ModelSource};
pub use list::{ListModels, ModelOrder};
pub use server::{
    DeletedOrphans, FoundModel, HuggingFaceToken, ModelCacheStats, OrphanedModel, StarterBundle, StarterModel,
    StarterModels,
};

use serde_json::json;

pub use crate::schema::ModelRecord;
use crate::{
    Client,
    error::{Error, Result},
    transport::{
        bulk::{BulkFailure, BulkOutcome, chunks, distinct},
        page::{Page, RawList, elements, found},
    },
};

/// All models of a server, from [`Client::models`].
#[derive(Clone)]
pub struct Models {
    client: Client,
}

crate::base::debug::short_debug! { Models { client } }

impl Client {
    /// The models of the server.
    pub fn models(&self) -> Models {
        Models { client: self.clone() }
    }

    /// The model with this key. Sends nothing yet.
    pub fn model(&self, key: impl Into<String>) -> ModelHandle {
        ModelHandle::new(self, key.into())
    }
}

/// A list of models as the server sends it.
struct RawModels {
    models: RawList,
}

crate::json::record::readable! { RawModels { 0 models } }

impl RawModels {
    fn read(self, operation: &'static str) -> Result<Page<ModelRecord>> {
        let items = elements(operation, "models", self.models)?;
        Ok(Page { total: items.len() as u64, offset: 0, items })
    }
}

/// Reading.
impl Models {
    /// Lists models: `.await` gives all in one page, [`ListModels::stream`] one by one.
    pub fn list(&self) -> ListModels {
        ListModels::new(&self.client)
    }

    /// Lists every model whose record can be read. Others are left out, with a warning in the log; use
    /// [`list`](Self::list) to get them as errors.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn records(&self) -> Result<Vec<ModelRecord>> {
        let all = self.list().await?.items;
        let readable = all.into_iter().filter_map(|record| {
            record.inspect_err(|error| tracing::warn!(%error, "a model's record cannot be read")).ok()
        });
        Ok(readable.collect())
    }

    /// Finds the model with this name, base and type, for example `("FLUX Dev", "flux", "main")`; `None` if there is
    /// none.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if the server does not know the base or the type; any error of a call.
    pub async fn find_by_attrs(&self, name: &str, base: &str, model_type: &str) -> Result<Option<ModelRecord>> {
        let api = self.client.api();
        found(api.get_model_records_by_attrs().name(name).base(base).type_(model_type).send_as().await)
    }

    /// Finds the model with this content hash; `None` if there is none.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find_by_hash(&self, hash: &str) -> Result<Option<ModelRecord>> {
        let api = self.client.api();
        match found(api.get_model_records_by_hash().hash(hash).send_as().await) {
            // Servers before 6.13 lack the call.
            Err(error) if error.is_unsupported() => {
                Ok(self.records().await?.into_iter().find(|model| model.hash.as_deref() == Some(hash)))
            }
            answer => answer,
        }
    }

    /// Lists models whose files are missing. Since 6.13.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn missing(&self) -> Result<Page<ModelRecord>> {
        let api = self.client.api();
        api.list_missing_models().send_as::<RawModels>().await?.read("list_missing_models")
    }
}

struct KeysDone {
    deleted: Vec<String>,
    failed: Vec<FailedKey>,
}

crate::json::record::readable! { KeysDone { 0 deleted, 1 failed default } }

struct Reidentified {
    succeeded: Vec<String>,
    failed: Vec<FailedKey>,
}

crate::json::record::readable! { Reidentified { 0 succeeded, 1 failed default } }

impl From<Reidentified> for KeysDone {
    fn from(Reidentified { succeeded, failed }: Reidentified) -> Self {
        Self { deleted: succeeded, failed }
    }
}

struct FailedKey {
    key: String,
    error: Option<String>,
}

crate::json::record::readable! { FailedKey { 0 key default, 1 error nullable } }

/// Changing many.
impl Models {
    /// Deletes models with their files (models installed in place keep theirs). Goes on after failures.
    pub async fn delete(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        let keys = distinct(keys);
        let mut outcome = BulkOutcome::default();
        for chunk in chunks(&keys) {
            match self.bulk_delete(chunk).await {
                Ok(result) => result.add_to(&mut outcome),
                // Servers before 6.13 delete one at a time.
                Err(error) if error.is_unsupported() => self.delete_singly(chunk, &mut outcome).await,
                Err(error) => outcome.fail(chunk.to_vec(), Some(&error)),
            }
        }
        outcome
    }

    async fn bulk_delete(&self, keys: &[String]) -> Result<KeysDone> {
        let api = self.client.api();
        let body = json!({ "keys": keys });
        api.bulk_delete_models().send_json_as(&body).await
    }

    async fn delete_singly(&self, keys: &[String], outcome: &mut BulkOutcome) {
        for key in keys {
            match self.client.model(key).delete().await {
                Ok(()) => outcome.done.push(key.clone()),
                Err(error) if error.is_not_found() => outcome.skipped.push(key.clone()),
                Err(error) => outcome.fail([key.clone()], Some(&error)),
            }
        }
    }

    /// Identifies again what kind of models these are. Goes on after failures. Since 6.13.
    pub async fn reidentify(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        let keys = distinct(keys);
        let mut outcome = BulkOutcome::default();
        for chunk in chunks(&keys) {
            match self.bulk_reidentify(chunk).await {
                Ok(result) => result.add_to(&mut outcome),
                Err(error) => outcome.fail(chunk.to_vec(), Some(&error)),
            }
        }
        outcome
    }

    async fn bulk_reidentify(&self, keys: &[String]) -> Result<KeysDone> {
        let api = self.client.api();
        let body = json!({ "keys": keys });
        Ok(api.bulk_reidentify_models().send_json_as::<Reidentified>(&body).await?.into())
    }

    /// Keys of the models that users have related to one of these.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn related(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<String>> {
        let api = self.client.api();
        let body = json!({ "model_keys": distinct(keys) });
        api.get_related_models_batch().send_json_as(&body).await
    }
}

impl KeysDone {
    fn add_to(self, outcome: &mut BulkOutcome) {
        outcome.done.extend(self.deleted);
        for FailedKey { key, error } in self.failed {
            let error = error.map(|reason| Error::refused(format!("to change model {key}"), Some(reason)));
            outcome.failed.push(BulkFailure { name: key, error });
        }
    }
}
