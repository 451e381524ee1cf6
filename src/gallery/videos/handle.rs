//! One video.

use serde_json::{Map, Value, json};

use super::{Deleted, Video};
use crate::{
    Client,
    download::{Download, Source},
    error::Result,
    images::{Embedded, ImageCategory},
    transport::{
        bulk::{Answer, BulkOutcome},
        page::found,
    },
};

/// One video of a server, from [`Client::video`].
#[derive(Clone)]
pub struct VideoHandle {
    client: Client,
    name: String,
}

crate::base::debug::short_debug! { VideoHandle { client, name } }

impl VideoHandle {
    pub(super) fn new(client: &Client, name: String) -> Self {
        Self { client: client.clone(), name }
    }

    /// Name of the video.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the video's description.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<Video> {
        let api = self.client.api();
        api.get_video_dto().video_name(&self.name).send_as().await
    }

    /// Fetches the video's description, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<Video>> {
        found(self.get().await)
    }

    /// The MP4 file.
    pub fn download(&self) -> Download {
        Download::new(&self.client, Source::Video(self.name.clone()))
    }

    /// Its thumbnail: a small WebP image.
    pub fn thumbnail(&self) -> Download {
        Download::new(&self.client, Source::VideoThumbnail(self.name.clone()))
    }

    /// Metadata of the run that made it, or `None` if there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the video does not exist; any error of a call.
    pub async fn metadata(&self) -> Result<Option<Map<String, Value>>> {
        let api = self.client.api();
        api.get_video_metadata().video_name(&self.name).send_as().await
    }

    /// Workflow and graph that are stored with it.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the video does not exist; any error of a call.
    pub async fn embedded(&self) -> Result<Embedded> {
        let api = self.client.api();
        api.get_video_workflow().video_name(&self.name).send_as().await
    }

    /// Stars it, or removes its star.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn set_starred(&self, starred: bool) -> Result<Video> {
        self.change(json!({ "starred": starred })).await
    }

    /// Sets its category.
    ///
    /// # Errors
    /// As [`set_starred`](Self::set_starred).
    pub async fn set_category(&self, category: ImageCategory) -> Result<Video> {
        self.change(json!({ "video_category": category })).await
    }

    /// Sets whether it is an intermediate result, which the gallery does not show.
    ///
    /// # Errors
    /// As [`set_starred`](Self::set_starred).
    pub async fn set_intermediate(&self, is_intermediate: bool) -> Result<Video> {
        self.change(json!({ "is_intermediate": is_intermediate })).await
    }

    async fn change(&self, changes: Value) -> Result<Video> {
        let api = self.client.api();
        api.update_video().video_name(&self.name).send_json_as(&changes).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        let answer: Answer = api.delete_video().video_name(&self.name).send_as::<Deleted>().await?.into();
        BulkOutcome::of(answer).into_result().map(drop)
    }

    /// Puts it onto a board; if it is on another one, it is moved.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the board or the video does not exist; any error of a call.
    pub async fn move_to(&self, board_id: impl Into<String>) -> Result<()> {
        let api = self.client.api();
        let body = json!({ "board_id": board_id.into(), "video_name": self.name });
        api.add_video_to_board().send_json_as::<Value>(&body).await.map(drop)
    }

    /// Takes it off its board, if it is on one.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn remove_from_board(&self) -> Result<()> {
        let api = self.client.api();
        let body = json!({ "video_name": self.name });
        api.remove_video_from_board().send_json_as::<Value>(&body).await.map(drop)
    }
}
