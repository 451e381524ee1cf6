//! One image.

use serde_json::{Map, Value, json};

use super::{Added, Deleted, Embedded, Image, ImageCategory, must_be_a_board};
use crate::{
    Client,
    download::{Download, Source},
    error::{Error, Result},
    transport::{
        bulk::{Answer, BulkOutcome},
        page::found,
    },
};

/// One image of a server, from [`Client::image`].
#[derive(Clone)]
pub struct ImageHandle {
    client: Client,
    name: String,
}

crate::base::debug::short_debug! { ImageHandle { client, name } }

impl ImageHandle {
    pub(super) fn new(client: &Client, name: String) -> Self {
        Self { client: client.clone(), name }
    }

    /// Name of the image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the image's description.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<Image> {
        let api = self.client.api();
        api.get_image_dto().image_name(&self.name).send_as().await
    }

    /// Fetches the image's description, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<Image>> {
        found(self.get().await)
    }

    /// The file as InvokeAI stores it: PNG, with metadata, workflow and graph in it.
    pub fn download(&self) -> Download {
        Download::new(&self.client, Source::Image(self.name.clone()))
    }

    /// Its thumbnail: a small WebP version.
    pub fn thumbnail(&self) -> Download {
        Download::new(&self.client, Source::ImageThumbnail(self.name.clone()))
    }

    /// Metadata of the run that made it, or `None` if there is none: it is stored only where a node's `metadata` input
    /// was connected.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the image does not exist; any error of a call.
    pub async fn metadata(&self) -> Result<Option<Map<String, Value>>> {
        let api = self.client.api();
        api.get_image_metadata().image_name(&self.name).send_as().await
    }

    /// Workflow and graph that it carries.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the image does not exist; any error of a call.
    pub async fn embedded(&self) -> Result<Embedded> {
        let api = self.client.api();
        api.get_image_workflow().image_name(&self.name).send_as().await
    }

    /// Stars it, or removes its star.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if it does not exist (the server answers 400); any error of a call.
    pub async fn set_starred(&self, starred: bool) -> Result<Image> {
        self.change(json!({ "starred": starred })).await
    }

    /// Sets its category.
    ///
    /// # Errors
    /// As [`set_starred`](Self::set_starred).
    pub async fn set_category(&self, category: ImageCategory) -> Result<Image> {
        self.change(json!({ "image_category": category })).await
    }

    /// Sets whether it is an intermediate result, which the gallery does not show.
    ///
    /// # Errors
    /// As [`set_starred`](Self::set_starred).
    pub async fn set_intermediate(&self, is_intermediate: bool) -> Result<Image> {
        self.change(json!({ "is_intermediate": is_intermediate })).await
    }

    async fn change(&self, changes: Value) -> Result<Image> {
        let api = self.client.api();
        api.update_image().image_name(&self.name).send_json_as(&changes).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Refused`] if the server says that it failed, without a
    /// reason; any error of a call.
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        let answer: Answer = api.delete_image().image_name(&self.name).send_as::<Deleted>().await?.into();
        BulkOutcome::of(answer).into_result().map(drop)
    }

    /// Puts it onto a board; if it is on another one, it is moved.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the board does not exist; [`Error::NoSuch`] if the image does not; any error of a call.
    pub async fn move_to(&self, board_id: impl Into<String>) -> Result<()> {
        let board_id = board_id.into();
        must_be_a_board(&board_id)?;
        let api = self.client.api();
        let body = json!({ "board_id": board_id, "image_names": [&self.name] });
        let answer: Answer = api.add_images_to_board().send_json_as::<Added>(&body).await?.into();
        match BulkOutcome::of(answer).into_result()?.done.is_empty() {
            false => Ok(()),
            true => Err(Error::no_such("image", &self.name, Vec::new())),
        }
    }

    /// Takes it off its board, if it is on one.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn remove_from_board(&self) -> Result<()> {
        self.client.images().remove_from_boards([&self.name]).await.into_result().map(drop)
    }
}
