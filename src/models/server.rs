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
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StarterModel {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it is installed from: an address, or a repository of the Hugging Face hub.
    pub source: String,
    /// Base architecture.
    pub base: String,
    /// Kind.
    pub model_type: String,
    /// File format.
    pub format: Option<String>,
    /// Whether it is installed.
    pub is_installed: bool,
    /// Models that it needs.
    pub dependencies: Option<Vec<StarterModel>>,
}

crate::json::record::readable! {
    StarterModel {
        0 name, 1 description default, 2 source, 3 base, 4 model_type "type", 5 format nullable,
        6 is_installed default, 7 dependencies default,
    }
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
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundModel {
    /// Its path on that machine.
    pub path: String,
    /// Whether it is installed.
    pub is_installed: bool,
}

crate::json::record::readable! { FoundModel { 0 path, 1 is_installed default } }

crate::base::debug::short_debug! { FoundModel { path, is_installed } }

/// Use of the server's memory for models, since the server was started.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelCacheStats {
    /// How often a model was in memory.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// Most bytes used at once.
    pub high_watermark: u64,
    /// Models in memory.
    pub in_cache: u64,
    /// Models removed to make room.
    pub cleared: u64,
    /// Bytes that may be used.
    pub cache_size: u64,
    /// Bytes of each part of a model that the last item with models loaded, by `BASE:TYPE:NAME:PART`; parts have been
    /// removed since to make room, perhaps.
    pub loaded_model_sizes: IndexMap<String, u64>,
}

crate::json::record::readable! {
    ModelCacheStats {
        0 hits default, 1 misses default, 2 high_watermark default, 3 in_cache default, 4 cleared default,
        5 cache_size default, 6 loaded_model_sizes default,
    }
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
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanedModel {
    /// Its path under the server's folder of models.
    pub path: String,
    /// Its files.
    pub files: Vec<String>,
    /// Their sizes together, in bytes.
    pub size_bytes: u64,
}

crate::json::record::readable! { OrphanedModel { 0 path, 1 files default, 2 size_bytes default } }

crate::base::debug::short_debug! { OrphanedModel { path, files, size_bytes } }

/// Outcome of deleting orphaned folders.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletedOrphans {
    /// Paths that were deleted.
    pub deleted: Vec<String>,
    /// What went wrong with each of the others, by path.
    pub errors: IndexMap<String, String>,
}

crate::json::record::readable! { DeletedOrphans { 0 deleted default, 1 errors default } }

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
