//! Uploads of videos.

use serde_json::{Map, Value};

use super::Video;
use crate::{Client, Upload, client::lists::awaits, error::Result, images::ImageCategory, media::FileKind};

/// An upload under construction, from [`Videos::upload`](super::Videos::upload); `.await` sends it.
#[must_use = "nothing is sent before `.await`"]
pub struct UploadVideo {
    client: Client,
    file: Upload,
    category: ImageCategory,
    is_intermediate: bool,
    board_id: Option<String>,
    session_id: Option<String>,
    metadata: Option<Map<String, Value>>,
}

crate::base::debug::short_debug! { UploadVideo { client, file, category, is_intermediate, board_id, session_id, metadata } }

impl UploadVideo {
    pub(super) fn new(client: &Client, file: Upload) -> Self {
        Self {
            client: client.clone(),
            file,
            category: ImageCategory::User,
            is_intermediate: false,
            board_id: None,
            session_id: None,
            metadata: None,
        }
    }

    /// Sets its category. Default: `user`.
    pub fn category(mut self, category: ImageCategory) -> Self {
        self.category = category;
        self
    }

    /// Sets whether it is intermediate, which hides it from the gallery. Off by default.
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

    /// Stores this metadata with it.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata = Some(metadata);
        self
    }

    async fn send(self) -> Result<Video> {
        let metadata = self.metadata.map(|metadata| Value::Object(metadata).to_string());
        let (log, name, board) = (self.client.asset_log(), self.file.name().to_owned(), self.board_id.clone());
        let send = async |session_id: Option<String>| {
            let api = self.client.api();
            let call = api
                .upload_video()
                .video_category(self.category.as_str())
                .is_intermediate(self.is_intermediate)
                .maybe_board_id(self.board_id)
                .maybe_session_id(session_id)
                .file(self.file)
                .maybe_metadata(metadata)
                .send_as::<Video>();
            call.await
        };
        log.upload(FileKind::Video, name, board, self.session_id, send, |video| &video.video_name).await
    }
}

awaits! {
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the board does not exist;
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is not an MP4 file;
    /// [`Error::Server`](crate::Error::Server) with status 429 while too many uploads run (the server takes 2 at a
    /// time, and one per user); any error of a call.
    UploadVideo => Video, send
}
