//! One model.

use serde_json::{Map, Value};

use super::ModelRecord;
use crate::{
    Client, Upload,
    download::{Download, Source},
    error::Result,
    transport::page::found,
};

/// One model of a server, from [`Client::model`].
///
/// While the server works on a model, it answers other changes to it with [`Error::Conflict`](crate::Error::Conflict).
#[derive(Clone)]
pub struct ModelHandle {
    client: Client,
    key: String,
}

crate::base::debug::short_debug! { ModelHandle { client, key } }

impl ModelHandle {
    pub(super) fn new(client: &Client, key: String) -> Self {
        Self { client: client.clone(), key }
    }

    /// Key of the model.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Fetches the model's record.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<ModelRecord> {
        let api = self.client.api();
        api.get_model_record().key(&self.key).send_as().await
    }

    /// Fetches the model's record, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<ModelRecord>> {
        found(self.get().await)
    }

    /// Changes members of the record, for example `name`, `description`, `default_settings`. The server ignores members
    /// it does not know.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist;
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) for another key or a wrong value;
    /// [`Error::Conflict`](crate::Error::Conflict) for changes that do not fit the kind of model; any error of a call.
    pub async fn update(&self, changes: Map<String, Value>) -> Result<ModelRecord> {
        let api = self.client.api();
        api.update_model_record().key(&self.key).send_json_as(&changes).await
    }

    /// Renames the model.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn rename(&self, name: impl Into<String>) -> Result<ModelRecord> {
        self.update(Map::from_iter([("name".to_owned(), name.into().into())])).await
    }

    /// Identifies again what kind of model it is. Since 6.9.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn reidentify(&self) -> Result<ModelRecord> {
        let api = self.client.api();
        api.reidentify_model().key(&self.key).send_as().await
    }

    /// Converts a checkpoint to the diffusers format, in place. Takes minutes.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) unless it is a main model of SD 1, SD 2 or SDXL in checkpoint
    /// format; [`Error::UnexpectedStatus`](crate::Error::UnexpectedStatus) with status 424 if it does not exist; any
    /// error of a call.
    pub async fn convert(&self) -> Result<ModelRecord> {
        let api = self.client.api();
        api.convert_model().key(&self.key).send_as().await
    }

    /// Deletes it, with its files unless it was installed in place.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        api.delete_model().key(&self.key).send().await.map(drop)
    }

    /// Its cover image. If none is set, the server answers 500.
    pub fn image(&self) -> Download {
        Download::new(&self.client, Source::ModelImage(self.key.clone()))
    }

    /// Sets its cover image.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is not an image; any error of a call.
    pub async fn set_image(&self, image: impl Into<Upload>) -> Result<()> {
        let api = self.client.api();
        api.update_model_image().key(&self.key).image(image).send().await.map(drop)
    }

    /// Deletes its cover image.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it has none; any error of a call.
    pub async fn delete_image(&self) -> Result<()> {
        let api = self.client.api();
        api.delete_model_image().key(&self.key).send().await.map(drop)
    }

    /// Keys of the models that users have related to it.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn related(&self) -> Result<Vec<String>> {
        let api = self.client.api();
        api.get_related_models().model_key(&self.key).send_as().await
    }

    /// Relates another model to it.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server) if one of them does not exist (the server answers 500);
    /// [`Error::Conflict`](crate::Error::Conflict) if they are already related; any error of a call.
    pub async fn relate_to(&self, other_key: &str) -> Result<()> {
        let api = self.client.api();
        let call =
            api.add_model_relationship().body_map(|pair| pair.model_key_1(&self.key).model_key_2(other_key)).send();
        call.await.map(drop)
    }

    /// Ends the relation to another model.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if they are not related; any error of a call.
    pub async fn unrelate(&self, other_key: &str) -> Result<()> {
        let api = self.client.api();
        let call =
            api.remove_model_relationship().body_map(|pair| pair.model_key_1(&self.key).model_key_2(other_key)).send();
        call.await.map(drop)
    }
}
