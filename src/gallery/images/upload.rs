//! Uploads of images.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use serde_json::{Map, Value, json};

use super::{Image, ImageCategory};
use crate::{Client, Upload, error::Result, media::FileKind};

/// An upload under construction, from [`Images::upload`](super::Images::upload); `.await` sends it.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
/// use invokeai_client::{Upload, images::ImageCategory};
///
/// let mask = client
///     .images()
///     .upload(Upload::bytes("mask.png", std::fs::read("mask.png").unwrap_or_default()))
///     .category(ImageCategory::Mask)
///     .intermediate(true)
///     .resize_to(1024, 1024)
///     .await?;
/// println!("{}", mask.image_name);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before `.await`"]
pub struct UploadImage {
    client: Client,
    file: Upload,
    category: ImageCategory,
    is_intermediate: bool,
    board_id: Option<String>,
    session_id: Option<String>,
    crop_visible: Option<bool>,
    resize_to: Option<(u32, u32)>,
    metadata: Option<Map<String, Value>>,
}

crate::base::debug::short_debug! {
    UploadImage {
        client, file, category, is_intermediate, board_id, session_id, crop_visible, resize_to, metadata
    }
}

impl UploadImage {
    pub(super) fn new(client: &Client, file: Upload) -> Self {
        Self {
            client: client.clone(),
            file,
            category: ImageCategory::User,
            is_intermediate: false,
            board_id: None,
            session_id: None,
            crop_visible: None,
            resize_to: None,
            metadata: None,
        }
    }

    /// Sets its category. Default: `user`.
    pub fn category(mut self, category: ImageCategory) -> Self {
        self.category = category;
        self
    }

    /// Sets whether it is intermediate: not shown in the gallery, and deleted when intermediates are cleared. Off by
    /// default.
    pub fn intermediate(mut self, is_intermediate: bool) -> Self {
        self.is_intermediate = is_intermediate;
        self
    }

    /// Puts it onto this board. An unknown board is an error.
    pub fn board(mut self, board_id: impl Into<String>) -> Self {
        self.board_id = Some(board_id.into());
        self
    }

    /// Sets the session that it belongs to.
    pub fn session(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// Sets whether to crop transparent borders. Off by default.
    pub fn crop_visible(mut self, crop: bool) -> Self {
        self.crop_visible = Some(crop);
        self
    }

    /// Resizes it on the server, to at most 16 777 216 pixels in all (4096 by 4096).
    pub fn resize_to(mut self, width: u32, height: u32) -> Self {
        self.resize_to = Some((width, height));
        self
    }

    /// Stores this metadata with it, in place of the metadata that a PNG file carries.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata = Some(metadata);
        self
    }

    async fn send(self) -> Result<Image> {
        // The `[w,h]` that the document describes is answered with 400.
        let resize_to = self.resize_to.map(|(width, height)| json!({ "width": width, "height": height }).to_string());
        let metadata = self.metadata.map(|metadata| Value::Object(metadata).to_string());
        let (log, name, board) = (self.client.asset_log(), self.file.name().to_owned(), self.board_id.clone());
        let send = async |session_id: Option<String>| {
            let api = self.client.api();
            let call = api
                .upload_image()
                .image_category(self.category.as_str())
                .is_intermediate(self.is_intermediate)
                .maybe_board_id(self.board_id)
                .maybe_session_id(session_id)
                .maybe_crop_visible(self.crop_visible)
                .file(self.file)
                .maybe_resize_to(resize_to)
                .maybe_metadata(metadata)
                .send_as::<Image>();
            call.await
        };
        log.upload(FileKind::Image, name, board, self.session_id, send, |image| &image.image_name).await
    }
}

/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) if the board does not exist;
/// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is not an image that InvokeAI reads, or the size to
/// resize to is too large; [`Error::Io`](crate::Error::Io) if the file cannot be read; any error of a call.
impl IntoFuture for UploadImage {
    type Output = Result<Image>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
