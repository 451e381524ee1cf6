//! Videos of a server's gallery. InvokeAI has them since 6.14; older servers answer with
//! [`Error::is_unsupported`](crate::Error::is_unsupported).
//!
//! [`Client::videos`] lists, uploads and works with many; [`Client::video`] works with one.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let clip = client.videos().upload("clip.mp4").await?;
//! println!("{} s at {:?} frames a second", clip.duration, clip.fps);
//! client.video(&clip.video_name).download().to_directory("videos").await?;
//! # Ok(())
//! # }
//! ```

use std::{
    future::{Future, IntoFuture},
    path::PathBuf,
    pin::Pin,
};

use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Client, Timestamp, Upload,
    api::enums,
    batch::{self, Answer, BatchOutcome, distinct, in_chunks, in_chunks_then_single},
    download::{Download, DownloadMany, Source},
    error::Result,
    images::{Embedded, ImageCategory, ImageOrigin},
    media::FileKind,
    page::{self, Direction, Page, RawPage, found},
};

/// A video, as `GET /api/v1/videos/i/{video_name}` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Video {
    /// Name on this server, for example `6f2b….mp4`.
    pub video_name: String,
    /// Where it comes from.
    pub video_origin: ImageOrigin,
    /// What it is for.
    pub video_category: ImageCategory,
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
    /// Length in seconds.
    #[serde(default)]
    pub duration: f64,
    /// Frames per second, where known.
    pub fps: Option<f64>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its description changed last.
    pub updated_at: Option<Timestamp>,
    /// Whether it is a passing result, which the gallery does not show.
    #[serde(default)]
    pub is_intermediate: bool,
    /// Session that made it.
    pub session_id: Option<String>,
    /// Node that made it, by its id in the prepared graph.
    pub node_id: Option<String>,
    /// Whether a user marked it.
    #[serde(default)]
    pub starred: bool,
    /// Whether it carries a workflow or a graph.
    #[serde(default)]
    pub has_workflow: bool,
    /// Board it is on.
    pub board_id: Option<String>,
}

/// All videos of a server, from [`Client::videos`].
#[derive(Debug, Clone)]
pub struct Videos {
    client: Client,
}

/// One video of a server, from [`Client::video`].
#[derive(Debug, Clone)]
pub struct VideoHandle {
    client: Client,
    name: String,
}

batch::answer!(Deleted { "deleted_videos", "failed_videos" });
batch::answer!(Starred { "starred_videos", "failed_videos" });
batch::answer!(Unstarred { "unstarred_videos", "failed_videos" });

impl Client {
    /// The videos of the server.
    pub fn videos(&self) -> Videos {
        Videos { client: self.clone() }
    }

    /// The video of this name. Asks nothing yet.
    pub fn video(&self, video_name: impl Into<String>) -> VideoHandle {
        VideoHandle { client: self.clone(), name: video_name.into() }
    }
}

impl Videos {
    /// Lists videos: `.await` gives a page, [`ListVideos::stream`] all of them.
    pub fn list(&self) -> ListVideos {
        ListVideos {
            client: self.client.clone(),
            categories: None,
            is_intermediate: None,
            board_id: None,
            search: None,
            direction: Direction::Descending,
            offset: 0,
            limit: 100,
        }
    }

    /// Uploads an MP4 file of at most 1 GiB. Without more settings it becomes an asset on no board.
    pub fn upload(&self, file: impl Into<Upload>) -> UploadVideo {
        UploadVideo {
            client: self.client.clone(),
            file: file.into(),
            category: ImageCategory::User,
            is_intermediate: false,
            board_id: None,
            metadata: None,
        }
    }

    /// Deletes videos. Goes on after failures: where the server fails for many names at once, each is tried alone.
    pub async fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BatchOutcome {
        in_chunks_then_single(
            names,
            |names| async move {
                let api = self.client.api();
                let body = json!({ "video_names": names });
                Ok(api.delete_videos_from_list().send_json_as::<Deleted>(&body).await?.into())
            },
            |name| async move {
                let api = self.client.api();
                Ok(api.delete_video().video_name(name).send_as::<Deleted>().await?.into())
            },
        )
        .await
    }

    /// Stars videos. Goes on after failures.
    pub async fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BatchOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "video_names": names });
            Ok(api.star_videos_in_list().send_json_as::<Starred>(&body).await?.into())
        })
        .await
    }

    /// Takes the stars off videos. Goes on after failures.
    pub async fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BatchOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "video_names": names });
            Ok(api.unstar_videos_in_list().send_json_as::<Unstarred>(&body).await?.into())
        })
        .await
    }

    /// Downloads these videos into a directory; what is there already stays.
    pub fn download(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        directory: impl Into<PathBuf>,
    ) -> DownloadMany {
        DownloadMany::of_videos(&self.client, distinct(names), directory.into())
    }
}

impl VideoHandle {
    /// Name of the video.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The video's description.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<Video> {
        let api = self.client.api();
        api.get_video_dto().video_name(&self.name).send_as().await
    }

    /// The video's description, or `None` if it does not exist.
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

    /// A small WebP image of it.
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

    /// Stars it, or takes its star off.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn set_starred(&self, starred: bool) -> Result<Video> {
        self.change(json!({ "starred": starred })).await
    }

    /// Says what it is for.
    ///
    /// # Errors
    /// As [`set_starred`](Self::set_starred).
    pub async fn set_category(&self, category: ImageCategory) -> Result<Video> {
        self.change(json!({ "video_category": category })).await
    }

    /// Says whether it is a passing result, which the gallery does not show.
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
        BatchOutcome::of(answer).into_result().map(drop)
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

/// A list of videos under construction, from [`Videos::list`]. Newest first, intermediate ones included.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListVideos {
    client: Client,
    categories: Option<Vec<enums::ImageCategory>>,
    is_intermediate: Option<bool>,
    board_id: Option<String>,
    search: Option<String>,
    direction: Direction,
    offset: u64,
    limit: u64,
}

impl ListVideos {
    /// Only videos of these categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = ImageCategory>) -> Self {
        self.categories = Some(categories.into_iter().map(|category| category.as_str().into()).collect());
        self
    }

    /// Only intermediate videos, or none of them.
    pub fn intermediate(mut self, is_intermediate: bool) -> Self {
        self.is_intermediate = Some(is_intermediate);
        self
    }

    /// Only videos on this board; `none` for those on no board.
    pub fn board(mut self, board_id: impl Into<String>) -> Self {
        self.board_id = Some(board_id.into());
        self
    }

    /// Only videos whose metadata, or date, have this text in them.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.search = Some(text.into());
        self
    }

    /// Sets the order by age. Newest first without.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Leaves out so many videos at the beginning.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets how many videos a page has, 0 to 1000. 100 without.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// All videos from the offset on, fetched page by page as the stream is read.
    pub fn stream(self) -> impl Stream<Item = Result<Video>> + Send + use<> {
        page::stream(self.offset, move |offset| self.clone().offset(offset).fetch())
    }

    async fn fetch(self) -> Result<Page<Video>> {
        let api = self.client.api();
        let call = api
            .list_video_dtos()
            .maybe_categories(self.categories)
            .maybe_is_intermediate(self.is_intermediate)
            .maybe_board_id(self.board_id)
            .maybe_search_term(self.search)
            .order_dir(self.direction.as_str())
            .starred_first(false)
            .offset(self.offset)
            .limit(self.limit)
            .send_as::<RawPage>();
        call.await?.read("list_video_dtos", self.offset)
    }
}

impl IntoFuture for ListVideos {
    type Output = Result<Page<Video>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.fetch())
    }
}

/// An upload under construction, from [`Videos::upload`]; `.await` sends it.
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct UploadVideo {
    client: Client,
    file: Upload,
    category: ImageCategory,
    is_intermediate: bool,
    board_id: Option<String>,
    metadata: Option<Map<String, Value>>,
}

impl UploadVideo {
    /// Says what it is for. `user` without.
    pub fn category(mut self, category: ImageCategory) -> Self {
        self.category = category;
        self
    }

    /// Hides it from the gallery.
    pub fn intermediate(mut self, is_intermediate: bool) -> Self {
        self.is_intermediate = is_intermediate;
        self
    }

    /// Puts it onto this board. An unknown board is an error.
    pub fn board(mut self, board_id: impl Into<String>) -> Self {
        self.board_id = Some(board_id.into());
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
        log.upload(FileKind::Video, name, board, None, send, |video| &video.video_name).await
    }
}

/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) if the board does not exist;
/// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is no MP4 file;
/// [`Error::Server`](crate::Error::Server) with status 429 while too many uploads run (the server takes 2 at a time,
/// and one of each user); any error of a call.
impl IntoFuture for UploadVideo {
    type Output = Result<Video>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
