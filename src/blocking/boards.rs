//! Boards.

use std::path::PathBuf;

use super::{
    DownloadMany, ListImages, ListVideos, UploadImage, UploadVideo, ZipDownload,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    BulkOutcome, Direction, Page, Upload,
    boards::{self, Board, BoardOrder, BoardVisibility, DeletedBoard},
    error::Result,
    images::ImageCategory,
};

mirror! {
    /// All boards of a server, from [`Client::boards`](super::Client::boards).
    #[derive(Clone)]
    pub struct Boards = boards::Boards;

    /// Lists boards: `call` gives a page, [`ListBoards::stream`] all of them.
    open fn list(&self) -> ListBoards;
    /// Finds the board with this name, archived ones included; `None` if there is none.
    call fn find(&self, name: &str) -> Result<Option<Board>>;
    /// Creates a board (`POST /api/v1/boards/`). Other boards may have the same name.
    call fn create(&self, name: impl Into<String>) -> Result<Board>;
    /// The images and videos that are on no board. Only its list, upload and download methods make sense.
    open fn uncategorized(&self) -> BoardHandle;
}

mirror! {
    /// One board of a server, from [`Client::board`](super::Client::board).
    #[derive(Clone)]
    pub struct BoardHandle = boards::BoardHandle;

    /// Id of the board.
    get fn id(&self) -> &str;
    /// Fetches the board.
    call fn get(&self) -> Result<Board>;
    /// Fetches the board, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<Board>>;
    /// Renames the board.
    call fn rename(&self, name: impl Into<String>) -> Result<Board>;
    /// Archives the board, which leaves it out of lists, or brings it back. Its contents stay.
    call fn set_archived(&self, archived: bool) -> Result<Board>;
    /// Sets its cover image. InvokeAI 6.14.2 stores this, but still shows the newest of the starred images, or of all
    /// (`_resolve_cover` in `invokeai/app/services/boards/boards_default.py`).
    call fn set_cover(&self, image_name: impl Into<String>) -> Result<Board>;
    /// Sets who sees it. Servers before 6.13 do not know this and answer 422.
    call fn set_visibility(&self, visibility: BoardVisibility) -> Result<Board>;
    /// Deletes the board. Its images and videos stay, on no board.
    call fn delete(&self) -> Result<DeletedBoard>;
    /// Deletes the board with every image and video on it.
    call fn delete_with_contents(&self) -> Result<DeletedBoard>;
    /// Fetches the names of all its images, intermediate ones included, in no particular order
    /// (`GET /api/v1/boards/{board_id}/image_names`).
    call fn image_names(&self) -> Result<Vec<String>>;
    /// Like [`image_names`](Self::image_names), but only images of these categories (of all categories if none is
    /// given), and only intermediate images, only others, or both.
    call fn image_names_of(&self, categories: &[ImageCategory], is_intermediate: Option<bool>) -> Result<Vec<String>>;
    /// Lists its images, as [`Images::list`](super::Images::list) does. An unknown board gives an empty
    /// list.
    open fn images(&self) -> ListImages;
    /// Lists its videos, as [`Videos::list`](super::Videos::list) does. An unknown board gives an empty list.
    open fn videos(&self) -> ListVideos;
    /// Puts images onto it; those on another board are moved. Goes on after failures. Images that the server does
    /// not have are in [`BulkOutcome::skipped`].
    call fn add(&self, images: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Takes images off it, if they are on it: an image on another board is left alone, and is in
    /// [`BulkOutcome::skipped`]. Goes on after failures.
    call fn remove(&self, images: impl IntoIterator<Item = impl Into<String>>) -> Result<BulkOutcome>;
    /// Puts videos onto it, one by one: the server has no call for many. Those on another board are moved. Goes on
    /// after failures.
    call fn add_videos(&self, videos: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Takes videos off it, if they are on it, as [`remove`](Self::remove) does with images.
    call fn remove_videos(&self, videos: impl IntoIterator<Item = impl Into<String>>) -> Result<BulkOutcome>;
    /// Uploads an image onto it, as [`Images::upload`](super::Images::upload) does.
    open fn upload(&self, file: impl Into<Upload>) -> UploadImage;
    /// Uploads a video onto it, as [`Videos::upload`](super::Videos::upload) does.
    open fn upload_video(&self, file: impl Into<Upload>) -> UploadVideo;
    /// Downloads all its images and videos that are not intermediate into a directory. Files that already exist stay.
    open fn download_all(&self, directory: impl Into<PathBuf>) -> DownloadMany;
    /// Downloads all its images as one zip file that the server creates. Its videos are not included.
    open fn zip(&self) -> ZipDownload;
}

mirror! {
    /// A list of boards under construction, from [`Boards::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListBoards = boards::ListBoards;

    /// Sets the sort key. Default: creation time.
    set fn order_by(self, order: BoardOrder) -> Self;
    /// Sets the sort direction. Default: newest first.
    set fn direction(self, direction: Direction) -> Self;
    /// Whether to include archived boards. Off by default.
    set fn include_archived(self, archived: bool) -> Self;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: 100.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<Board>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<Board>>;
}
