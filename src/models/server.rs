//! Models that are not installed, the server's memory for models, and its Hugging Face token.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Models;
use crate::{
    base::open_enum::open_enum,
    error::Result,
    json::lenient,
    transport::page::{RawList, elements},
};

/// A model that InvokeAI suggests to start with.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct StarterModel {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Where it is installed from: an address, or a repository of the Hugging Face hub.
    pub source: String,
    /// Base architecture.
    pub base: String,
    /// Kind.
    #[serde(rename = "type")]
    pub model_type: String,
    /// File format.
    pub format: Option<String>,
    /// Whether it is installed.
    #[serde(default)]
    pub is_installed: bool,
    /// Models that it needs.
    #[serde(default)]
    pub dependencies: Option<Vec<StarterModel>>,
}

crate::base::debug::short_debug! {
    StarterModel {
        name, description, source, base, model_type, format, is_installed, dependencies
    }
}

/// Models that belong together.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct StarterBundle {
    /// Its name.
    pub name: String,
    /// What is in it, as far as it can be read.
    #[serde(deserialize_with = "lenient::readable")]
    pub models: Vec<StarterModel>,
}

crate::base::debug::short_debug! { StarterBundle { name, models } }

/// The models that InvokeAI suggests to start with.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct StarterModels {
    /// All that can be read; others are reported in the log.
    #[serde(deserialize_with = "lenient::readable")]
    pub starter_models: Vec<StarterModel>,
    /// Bundles by base architecture.
    #[serde(default)]
    pub starter_bundles: IndexMap<String, StarterBundle>,
}

crate::base::debug::short_debug! { StarterModels { starter_models, starter_bundles } }

/// A model in a folder on the server's machine.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FoundModel {
    /// Its path on that machine.
    pub path: String,
    /// Whether it is installed.
    #[serde(default)]
    pub is_installed: bool,
}

crate::base::debug::short_debug! { FoundModel { path, is_installed } }

/// Use of the server's memory for models, since the server was started.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ModelCacheStats {
    /// How often a model was in memory.
    #[serde(default)]
    pub hits: u64,
    /// How often it was not.
    #[serde(default)]
    pub misses: u64,
    /// Most bytes used at once.
    #[serde(default)]
    pub high_watermark: u64,
    /// Models in memory.
    #[serde(default)]
    pub in_cache: u64,
    /// Models removed to make room.
    #[serde(default)]
    pub cleared: u64,
    /// Bytes that may be used.
    #[serde(default)]
    pub cache_size: u64,
    /// Bytes of each part of a model that the last item with models loaded, by `BASE:TYPE:NAME:PART`; parts have been
    /// removed since to make room, perhaps.
    #[serde(default)]
    pub loaded_model_sizes: IndexMap<String, u64>,
}

crate::base::debug::short_debug! {
    ModelCacheStats {
        hits, misses, high_watermark, in_cache, cleared, cache_size, loaded_model_sizes
    }
}

open_enum! {
    /// Whether the Hugging Face hub accepts the server's token.
    HuggingFaceToken {
        /// The hub accepts it.
        Valid = "valid",
        /// There is none, or the hub refuses it.
        Invalid = "invalid",
        /// The hub did not answer.
        Undecided = "unknown",
    }
}

/// A folder among the server's models that belongs to no model.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct OrphanedModel {
    /// Its path under the server's folder of models.
    pub path: String,
    /// Its files.
    #[serde(default)]
    pub files: Vec<String>,
    /// Their sizes together, in bytes.
    #[serde(default)]
    pub size_bytes: u64,
}

crate::base::debug::short_debug! { OrphanedModel { path, files, size_bytes } }

/// Outcome of deleting orphaned folders.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DeletedOrphans {
    /// Paths that were deleted.
    #[serde(default)]
    pub deleted: Vec<String>,
    /// What went wrong with each of the others, by path.
    #[serde(default)]
    pub errors: IndexMap<String, String>,
}

crate::base::debug::short_debug! { DeletedOrphans { deleted, errors } }

impl Models {
    /// Fetches the models that InvokeAI suggests to start with. Install them with [`install`](Self::install), each
    /// dependency by itself.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn starter_models(&self) -> Result<StarterModels> {
        let api = self.client.api();
        api.get_starter_models().send_as().await
    }

    /// Looks for models in a folder on the server's machine, and in its subfolders. One that cannot be read is an error
    /// in its place.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if there is no such folder; any error of a call.
    pub async fn scan_folder(&self, path: impl Into<String>) -> Result<Vec<Result<FoundModel>>> {
        let api = self.client.api();
        let found: RawList = api.scan_for_models().scan_path(path.into()).send_as().await?;
        elements("scan_for_models", "models", found)
    }

    /// Fetches the use of the server's memory for models; `None` before the first model is loaded.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn cache_stats(&self) -> Result<Option<ModelCacheStats>> {
        let api = self.client.api();
        api.get_stats().send_as().await
    }

    /// Removes models that are not in use from the server's memory.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn empty_cache(&self) -> Result<()> {
        let api = self.client.api();
        api.empty_model_cache().send().await.map(drop)
    }

    /// Lists folders among the server's models that belong to no model. Since 6.13. One that cannot be read is an error
    /// in its place.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn orphaned(&self) -> Result<Vec<Result<OrphanedModel>>> {
        let api = self.client.api();
        let orphaned: RawList = api.get_orphaned_models().send_as().await?;
        elements("get_orphaned_models", "models", orphaned)
    }

    /// Deletes orphaned folders, by [`OrphanedModel::path`]. Since 6.13.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn delete_orphaned(&self, paths: impl IntoIterator<Item = impl Into<String>>) -> Result<DeletedOrphans> {
        let api = self.client.api();
        let paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        let body = json!({ "paths": paths });
        api.delete_orphaned_models().send_json_as(&body).await
    }

    /// Whether the Hugging Face hub accepts the server's token.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn hugging_face_token(&self) -> Result<HuggingFaceToken> {
        let api = self.client.api();
        api.get_hf_login_status().send_as().await
    }

    /// Gives the server a token for the Hugging Face hub, or removes it.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn set_hugging_face_token(&self, token: Option<&str>) -> Result<HuggingFaceToken> {
        let api = self.client.api();
        match token {
            Some(token) => {
                let body: Value = json!({ "token": token });
                api.do_hf_login().send_json_as(&body).await
            }
            None => api.reset_hf_token().send_as().await,
        }
    }
}
