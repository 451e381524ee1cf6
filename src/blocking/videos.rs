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

    /// Lists videos: `call` gives a page, [`ListVideos::stream`] all of them.
    open fn list(&self) -> ListVideos;
    /// Uploads an MP4 file of at most 1 GiB. Without more settings it becomes an asset on no board.
    open fn upload(&self, file: impl Into<Upload>) -> UploadVideo;
    /// Deletes videos. Goes on after failures: where the server fails for many names at once, each is tried alone.
    call fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Stars videos. Goes on after failures.
    call fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Takes the stars off videos. Goes on after failures.
    call fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Descriptions of these videos, asked for one by one: the server has no call for many. Those that it does not have
    /// are left out; one that cannot be read is an error in its place.
    call fn get_many(&self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<Result<Video>>>;
    /// Takes videos off whatever boards they are on, one by one: the server has no call for many. Goes on after
    /// failures. Videos on no board count as done.
    call fn remove_from_boards(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Deletes **all** videos that are on no board.
    call fn delete_uncategorized(&self) -> Result<BulkOutcome>;
    /// Downloads these videos into a directory; what is there already stays.
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
    /// The video's description.
    call fn get(&self) -> Result<Video>;
    /// The video's description, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<Video>>;
    /// The MP4 file.
    open fn download(&self) -> Download;
    /// A small WebP image of it.
    open fn thumbnail(&self) -> Download;
    /// Metadata of the run that made it, or `None` if there is none.
    call fn metadata(&self) -> Result<Option<Map<String, Value>>>;
    /// Workflow and graph that are stored with it.
    call fn embedded(&self) -> Result<Embedded>;
    /// Stars it, or takes its star off.
    call fn set_starred(&self, starred: bool) -> Result<Video>;
    /// Says what it is for.
    call fn set_category(&self, category: ImageCategory) -> Result<Video>;
    /// Says whether it is a passing result, which the gallery does not show.
    call fn set_intermediate(&self, is_intermediate: bool) -> Result<Video>;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
    /// Puts it onto a board; if it is on another one, it is moved.
    call fn move_to(&self, board_id: impl Into<String>) -> Result<()>;
    /// Takes it off its board, if it is on one.
    call fn remove_from_board(&self) -> Result<()>;
}

mirror! {
    /// A list of videos under construction, from [`Videos::list`]. Newest first, intermediate ones included.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListVideos = videos::ListVideos;

    /// Only videos of these categories.
    set fn categories(self, categories: impl IntoIterator<Item = ImageCategory>) -> Self;
    /// Only intermediate videos, or none of them.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Only videos on this board; `none` for those on no board.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Only videos that come from there.
    set fn origin(self, origin: ImageOrigin) -> Self;
    /// Only videos whose metadata, or date, have this text in them.
    set fn search(self, text: impl Into<String>) -> Self;
    /// Sets which way to order, by age. Default: newest first.
    set fn direction(self, direction: Direction) -> Self;
    /// Whether starred videos come before all others, as in the gallery. Off by default.
    set fn starred_first(self, starred_first: bool) -> Self;
    /// Names of all videos of the list in one call; offset and limit do not count.
    call fn names(self) -> Result<VideoNames>;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. At most 1000. Default: 100.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is asked for once.
    iter fn stream(self) -> Iter<Result<Video>>;
    /// Carries it out.
    finish fn call(self) -> Result<Page<Video>>;
}

mirror! {
    /// An upload under construction, from [`Videos::upload`]; `call` sends it.
    #[must_use = "nothing is sent before `call`"]
    pub struct UploadVideo = videos::UploadVideo;

    /// Says what it is for. `user` without.
    set fn category(self, category: ImageCategory) -> Self;
    /// Hides it from the gallery.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Puts it onto this board. An unknown board is an error.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Says which session it belongs to.
    set fn session(self, session_id: impl Into<String>) -> Self;
    /// Stores this metadata with it.
    set fn metadata(self, metadata: Map<String, Value>) -> Self;
    /// Carries it out.
    finish fn call(self) -> Result<Video>;
}
