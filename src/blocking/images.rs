//! Images.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Download, DownloadMany,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    BulkOutcome, Direction, Page, Upload,
    download::{Collision, SavedFile},
    error::Result,
    images::{self, Embedded, Image, ImageCategory, ImageNames, ImageOrigin},
};

mirror! {
    /// All images of a server, from [`Client::images`](super::Client::images).
    #[derive(Clone)]
    pub struct Images = images::Images;

    /// Lists images: `call` gives a page, [`ListImages::stream`] all of them, [`ListImages::names`] their names.
    open fn list(&self) -> ListImages;
    /// Uploads a file (`POST /api/v1/images/upload`). InvokeAI stores every format as PNG, under a name of its own.
    open fn upload(&self, file: impl Into<Upload>) -> UploadImage;
    /// Fetches the descriptions of these images. Images that the server does not have are left out; one that cannot be
    /// read is an error in its place.
    call fn get_many(&self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<Result<Image>>>;
    /// Deletes images. Goes on after failures: where the server fails for many names at once, each is tried alone.
    call fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Stars images. Goes on after failures.
    call fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Removes the stars from images. Goes on after failures.
    call fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Takes images off whatever boards they are on. Goes on after failures. Images on no board count as done.
    call fn remove_from_boards(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome;
    /// Downloads these images into a directory. Files that already exist stay.
    open fn download(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        directory: impl Into<PathBuf>,
    ) -> DownloadMany;
    /// Downloads these images as one zip file that the server creates.
    open fn zip(&self, names: impl IntoIterator<Item = impl Into<String>>) -> ZipDownload;
    /// Counts the intermediate images of the server.
    call fn count_intermediates(&self) -> Result<u64>;
    /// Deletes **all** intermediate images of the server, whoever made them. Returns the number deleted.
    call fn clear_intermediates(&self) -> Result<u64>;
    /// Deletes **all** images that are on no board.
    call fn delete_uncategorized(&self) -> Result<BulkOutcome>;
}

mirror! {
    /// One image of a server, from [`Client::image`](super::Client::image).
    #[derive(Clone)]
    pub struct ImageHandle = images::ImageHandle;

    /// Name of the image.
    get fn name(&self) -> &str;
    /// Fetches the image's description.
    call fn get(&self) -> Result<Image>;
    /// Fetches the image's description, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<Image>>;
    /// The file as InvokeAI stores it: PNG, with metadata, workflow and graph in it.
    open fn download(&self) -> Download;
    /// Its thumbnail: a small WebP version.
    open fn thumbnail(&self) -> Download;
    /// Metadata of the run that made it, or `None` if there is none: it is stored only where a node's `metadata`
    /// input was connected.
    call fn metadata(&self) -> Result<Option<Map<String, Value>>>;
    /// Workflow and graph that it carries.
    call fn embedded(&self) -> Result<Embedded>;
    /// Stars it, or removes its star.
    call fn set_starred(&self, starred: bool) -> Result<Image>;
    /// Sets its category.
    call fn set_category(&self, category: ImageCategory) -> Result<Image>;
    /// Sets whether it is an intermediate result, which the gallery does not show.
    call fn set_intermediate(&self, is_intermediate: bool) -> Result<Image>;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
    /// Puts it onto a board; if it is on another one, it is moved.
    call fn move_to(&self, board_id: impl Into<String>) -> Result<()>;
    /// Takes it off its board, if it is on one.
    call fn remove_from_board(&self) -> Result<()>;
}

mirror! {
    /// A list of images under construction, from [`Images::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListImages = images::ListImages;

    /// Only images of these categories.
    set fn categories(self, categories: impl IntoIterator<Item = ImageCategory>) -> Self;
    /// Only intermediate images, or only others.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Only images on this board; `none` for those on no board. An unknown board gives an empty list.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Only images of this origin.
    set fn origin(self, origin: ImageOrigin) -> Self;
    /// Only images whose metadata or date contains this text.
    set fn search(self, text: impl Into<String>) -> Self;
    /// Sets the sort direction, by age. Default: newest first.
    set fn direction(self, direction: Direction) -> Self;
    /// Whether starred images come before all others, as in the gallery. Off by default.
    set fn starred_first(self, starred_first: bool) -> Self;
    /// Fetches the names of all images of the list in one call. Offset and limit do not apply.
    call fn names(self) -> Result<ImageNames>;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. At most 1000. Default: 100.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<Image>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<Image>>;
}

mirror! {
    /// An upload under construction, from [`Images::upload`](super::Images::upload); `call` sends it.
    #[must_use = "nothing is sent before `call`"]
    pub struct UploadImage = images::UploadImage;

    /// Sets its category. Default: `user`.
    set fn category(self, category: ImageCategory) -> Self;
    /// Sets whether it is intermediate: not shown in the gallery, and deleted when intermediates are cleared. Off by
    /// default.
    set fn intermediate(self, is_intermediate: bool) -> Self;
    /// Puts it onto this board. An unknown board is an error.
    set fn board(self, board_id: impl Into<String>) -> Self;
    /// Sets the session that it belongs to.
    set fn session(self, session_id: impl Into<String>) -> Self;
    /// Sets whether to crop transparent borders. Off by default.
    set fn crop_visible(self, crop: bool) -> Self;
    /// Resizes it on the server, to at most 16 777 216 pixels in all (4096 by 4096).
    set fn resize_to(self, width: u32, height: u32) -> Self;
    /// Stores this metadata with it, in place of the metadata that a PNG file carries.
    set fn metadata(self, metadata: Map<String, Value>) -> Self;
    /// Sends the upload.
    finish fn call(self) -> Result<Image>;
}

mirror! {
    /// A zip file under construction, from [`Images::zip`](super::Images::zip) or
    /// [`BoardHandle::zip`](super::BoardHandle::zip).
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ZipDownload = images::ZipDownload;

    /// Sets how long the server may take to create the file. Default: 10 minutes.
    set fn timeout(self, timeout: Duration) -> Self;
    /// As [`Download::limit`].
    set fn limit(self, bytes: u64) -> Self;
    /// Sets what to do if the file already exists. Default: replace it.
    set fn collision(self, collision: Collision) -> Self;
    /// Writes it to this path. Its directory must exist.
    call fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile>;
    /// Downloads the file into memory.
    call fn bytes(self) -> Result<Bytes>;
}
