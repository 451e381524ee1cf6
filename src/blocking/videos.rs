//! Videos.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{
    Download, DownloadMany,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    BulkOutcome, Direction, Page, Upload,
    error::Result,
    images::{Embedded, ImageCategory, ImageOrigin},
    videos::{self, Video, VideoNames},
};

mirror! {
    /// All videos of a server, from [`Client::videos`](super::Client::videos).
    #[derive(Clone)]
    pub struct Videos = videos::Videos;

    /// Lists videos: `call` gives a page, [`ListVideos::stream`] all of them, [`ListVideos::names`] their names.
    open fn list(&self) -> ListVideos;
    /// Uploads an MP4 file of at most 1 GiB. By default it becomes an asset, on no board.
    open fn upload(&self, file: impl Into<Upload>) -> UploadVideo;
    /// Deletes videos. Goes on after failures: where the server fails for many names at once, each is tried alone.
    call fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Stars videos. Goes on after failures.
    call fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Removes the stars from videos. Goes on after failures.
    call fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Fetches the descriptions of these videos, one by one: the server has no call for many. Videos that it does not
    /// have are left out; one that cannot be read is an error in its place.
    call fn get_many(&self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<Result<Video>>>;
    /// Takes videos off whatever boards they are on, one by one: the server has no call for many. Goes on after
    /// failures. Videos on no board count as done.
    call fn remove_from_boards(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Deletes **all** videos that are on no board.
    call fn delete_uncategorized(&self) -> Result<BulkOutcome>;
    /// Downloads these videos into a directory. Files that already exist stay.
    open fn download(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        directory: impl Into<PathBuf>,
    ) -> DownloadMany;
}

mirror! {
    /// One video of a server, from [`Client::video`](super::Client::video).
    #[derive(Clone)]
    pub struct VideoHandle = videos::VideoHandle;

    /// Name of the video.
    get fn name(&self) -> &str;
    /// Fetches the video's description.
    call fn get(&self) -> Result<Video>;
    /// Fetches the video's description, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<Video>>;
    /// The MP4 file.
    open fn download(&self) -> Download;
    /// Its thumbnail: a small WebP image.
    open fn thumbnail(&self) -> Download;
    /// Metadata of the run that made it, or `None` if there is none.
    call fn metadata(&self) -> Result<Option<Map<String, Value>>>;
    /// Workflow and graph that are stored with it.
    call fn embedded(&self) -> Result<Embedded>;
    /// Stars it, or removes its star.
    call fn set_starred(&self, starred: bool) -> Result<Video>;
    /// Sets its category.
    call fn set_category(&self, category: ImageCategory) -> Result<Video>;
    /// Sets whether it is an intermediate result, which the gallery does not show.
    call fn set_intermediate(&self, is_intermediate: bool) -> Result<Video>;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
    /// Puts it onto a board; if it is on another one, it is moved.
    call fn move_to(&self, board_id: impl Into<String>) -> Result<()>;
    /// Takes it off its board, if it is on one.
    call fn remove_from_board(&self) -> Result<()>;
}

mirror! {
    /// A list of videos under construction, from [`Videos::list`]. Default: newest first, intermediate ones included.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListVideos = videos::ListVideos;

    /// Only videos of these categories.
    set fn categories(self, categories: impl IntoIterator<Item = ImageCategory>) -> Self;
    /// Only intermediate videos, or only others.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Only videos on this board; `none` for those on no board.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Only videos of this origin.
    set fn origin(self, origin: ImageOrigin) -> Self;
    /// Only videos whose metadata or date contains this text.
    set fn search(self, text: impl Into<String>) -> Self;
    /// Sets the sort direction, by age. Default: newest first.
    set fn direction(self, direction: Direction) -> Self;
    /// Whether starred videos come before all others, as in the gallery. Off by default.
    set fn starred_first(self, starred_first: bool) -> Self;
    /// Fetches the names of all videos of the list in one call. Offset and limit do not apply.
    call fn names(self) -> Result<VideoNames>;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. At most 1000. Default: 100.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<Video>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<Video>>;
}

mirror! {
    /// An upload under construction, from [`Videos::upload`]; `call` sends it.
    #[must_use = "nothing is sent before `call`"]
    pub struct UploadVideo = videos::UploadVideo;

    /// Sets its category. Default: `user`.
    set fn category(self, category: ImageCategory) -> Self;
    /// Sets whether it is intermediate, which hides it from the gallery. Off by default.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Puts it onto this board. An unknown board is an error.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Sets the session that it belongs to.
    set fn session(self, session_id: impl Into<String>) -> Self;
    /// Stores this metadata with it.
    set fn metadata(self, metadata: Map<String, Value>) -> Self;
    /// Sends the upload.
    finish fn call(self) -> Result<Video>;
}
