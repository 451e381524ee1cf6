//! Boards: the folders of a server's gallery.
//!
//! [`Client::boards`] lists, finds and creates them; [`Client::board`] works with one of them.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let board = client.boards().create("Samples").await?;
//! let samples = client.board(&board.board_id);
//! samples.upload("photo.jpg").await?;
//! samples.download_all("samples").await?;
//! samples.set_archived(true).await?;
//! # Ok(())
//! # }
//! ```

mod create;
mod list;

use std::{collections::BTreeSet, path::PathBuf};

pub use list::{BoardOrder, ListBoards};
use serde_json::{Value, json};

use crate::{
    Client, Timestamp, Upload,
    api::enums,
    base::open_enum::open_enum,
    download::DownloadMany,
    error::{Error, Result},
    images::{self, Added, ImageCategory, ListImages, UploadImage, ZipDownload},
    transport::{
        bulk::{BulkOutcome, distinct, in_chunks, one_by_one},
        page::{self, found},
    },
    videos::{AddedVideos, ListVideos, UploadVideo},
};

/// Stands for "on no board" where a board id is wanted. It is not a board itself: it cannot be fetched or changed.
pub const UNCATEGORIZED: &str = images::NO_BOARD;

open_enum! {
    /// Who sees a board on a server with several users.
    BoardVisibility {
        /// Its owner and administrators.
        Private = "private",
        /// Everyone can see it; its owner can change it.
        Shared = "shared",
        /// Everyone can see and change it.
        Public = "public",
    }
}

/// A board, as `GET /api/v1/boards/{board_id}` describes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Board {
    /// Id on this server.
    pub board_id: String,
    /// Name; need not be unique, and may be empty. At most 300 characters.
    pub board_name: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When the board itself, not its contents, last changed.
    pub updated_at: Option<Timestamp>,
    /// Cover image: the newest starred image or, if none is starred, the newest that is not intermediate.
    pub cover_image_name: Option<String>,
    /// Cover video. Since 6.14.
    pub cover_video_name: Option<String>,
    /// Whether it is archived. Lists leave out archived boards by default.
    pub archived: bool,
    /// Number of images of category `general` that are not intermediate.
    pub image_count: u64,
    /// Number of images of other categories (uploads among them) that are not intermediate. Since 6.9 at the latest.
    pub asset_count: u64,
    /// Number of videos. Since 6.14.
    pub video_count: u64,
    /// Who sees it. Since 6.13.
    pub board_visibility: Option<BoardVisibility>,
    /// Its owner. Since 6.13.
    pub user_id: Option<String>,
    /// Name of its owner, for administrators. Since 6.13.
    pub owner_username: Option<String>,
}

crate::json::record::record! {
    Board {
        0 board_id, 1 board_name, 2 created_at nullable, 3 updated_at nullable, 4 cover_image_name nullable,
        5 cover_video_name nullable, 6 archived default, 7 image_count default, 8 asset_count default,
        9 video_count default, 10 board_visibility nullable, 11 user_id nullable, 12 owner_username nullable,
    }
}

crate::base::debug::short_debug! {
    Board {
        board_id, board_name, created_at, updated_at, cover_image_name, cover_video_name, archived, image_count,
        asset_count, video_count, board_visibility, user_id, owner_username
    }
}

/// What happened when a board was deleted.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct DeletedBoard {
    /// Id of the deleted board.
    pub board_id: String,
    /// Images that were on it and are on no board now.
    pub deleted_board_images: Vec<String>,
    /// Images that were deleted with it.
    pub deleted_images: Vec<String>,
    /// Videos that were on it and are on no board now.
    pub deleted_board_videos: Vec<String>,
    /// Videos that were deleted with it.
    pub deleted_videos: Vec<String>,
    /// Images that could not be deleted.
    pub failed_images: Vec<String>,
    /// Videos that could not be deleted.
    pub failed_videos: Vec<String>,
}

crate::json::record::readable! {
    DeletedBoard {
        0 board_id, 1 deleted_board_images default, 2 deleted_images default, 3 deleted_board_videos default,
        4 deleted_videos default, 5 failed_images default, 6 failed_videos default,
    }
}

crate::base::debug::short_debug! {
    DeletedBoard {
        board_id, deleted_board_images, deleted_images, deleted_board_videos, deleted_videos, failed_images,
        failed_videos
    }
}

crate::workflow::field::settable! { Board: "board_id" = board_id }

/// All boards of a server, from [`Client::boards`].
#[derive(Clone)]
pub struct Boards {
    client: Client,
}

crate::base::debug::short_debug! { Boards { client } }

/// One board of a server, from [`Client::board`].
#[derive(Clone)]
pub struct BoardHandle {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { BoardHandle { client, id } }

impl Client {
    /// The boards of the server.
    pub fn boards(&self) -> Boards {
        Boards { client: self.clone() }
    }

    /// The board with this id. Sends nothing yet.
    pub fn board(&self, board_id: impl Into<String>) -> BoardHandle {
        BoardHandle { client: self.clone(), id: board_id.into() }
    }
}

impl Boards {
    /// Lists boards: `.await` gives a page, [`ListBoards::stream`] all of them.
    pub fn list(&self) -> ListBoards {
        ListBoards::new(&self.client)
    }

    /// Finds the board with this name, archived ones included; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] with the ids if several have this name; any error of a call.
    pub async fn find(&self, name: &str) -> Result<Option<Board>> {
        let mut found = self.named(name).await?;
        if found.len() > 1 {
            let ids = found.into_iter().map(|board| board.board_id).collect();
            return Err(Error::Ambiguous { what: "board", name: name.to_owned(), ids });
        }
        Ok(found.pop())
    }

    async fn named(&self, name: &str) -> Result<Vec<Board>> {
        let boards = self.list().include_archived(true).stream();
        page::matching(boards, |board: &Board| board.board_name == name).await
    }

    /// The images and videos that are on no board. Only its list, upload and download methods make sense.
    pub fn uncategorized(&self) -> BoardHandle {
        self.client.board(UNCATEGORIZED)
    }
}

/// The board itself.
impl BoardHandle {
    /// Id of the board.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the board.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<Board> {
        self.is_a_board()?;
        let api = self.client.api();
        api.get_board().board_id(&self.id).send_as().await
    }

    /// Fetches the board, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<Board>> {
        found(self.get().await)
    }

    /// Renames the board.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn rename(&self, name: impl Into<String>) -> Result<Board> {
        self.change(json!({ "board_name": name.into() })).await
    }

    /// Archives the board, which leaves it out of lists, or brings it back. Its contents stay.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub async fn set_archived(&self, archived: bool) -> Result<Board> {
        self.change(json!({ "archived": archived })).await
    }

    /// Sets its cover image. InvokeAI 6.14.2 stores this, but still shows the newest of the starred images, or of all
    /// (`_resolve_cover` in `invokeai/app/services/boards/boards_default.py`).
    ///
    /// # Errors
    /// [`Error::Server`] if there is no such image (the server answers 500); otherwise as [`rename`](Self::rename).
    pub async fn set_cover(&self, image_name: impl Into<String>) -> Result<Board> {
        self.change(json!({ "cover_image_name": image_name.into() })).await
    }

    /// Sets who sees it. Servers before 6.13 do not know this and answer 422.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub async fn set_visibility(&self, visibility: BoardVisibility) -> Result<Board> {
        self.change(json!({ "board_visibility": visibility })).await
    }

    async fn change(&self, changes: Value) -> Result<Board> {
        self.is_a_board()?;
        let api = self.client.api();
        api.update_board().board_id(&self.id).send_json_as(&changes).await
    }

    /// Deletes the board. Its images and videos stay, on no board.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn delete(&self) -> Result<DeletedBoard> {
        self.remove_board(false).await
    }

    /// Deletes the board with every image and video on it.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn delete_with_contents(&self) -> Result<DeletedBoard> {
        self.remove_board(true).await
    }

    async fn remove_board(&self, include_images: bool) -> Result<DeletedBoard> {
        self.is_a_board()?;
        let api = self.client.api();
        api.delete_board().board_id(&self.id).include_images(include_images).send_as().await
    }

    fn is_a_board(&self) -> Result<()> {
        images::must_be_a_board(&self.id)
    }
}

/// The board's contents.
impl BoardHandle {
    /// Fetches the names of all its images, intermediate ones included, in no particular order
    /// (`GET /api/v1/boards/{board_id}/image_names`).
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn image_names(&self) -> Result<Vec<String>> {
        let api = self.client.api();
        api.list_all_board_image_names().board_id(&self.id).send_as().await
    }

    /// Like [`image_names`](Self::image_names), but only images of these categories (of all categories if none is
    /// given), and only intermediate images, only others, or both.
    ///
    /// # Errors
    /// As [`image_names`](Self::image_names).
    pub async fn image_names_of(
        &self,
        categories: &[ImageCategory],
        is_intermediate: Option<bool>,
    ) -> Result<Vec<String>> {
        let api = self.client.api();
        let categories = categories.iter().map(|category| enums::ImageCategory::from(category.as_str()));
        let categories = Some(categories.collect::<Vec<_>>()).filter(|list| !list.is_empty());
        let call = api
            .list_all_board_image_names()
            .board_id(&self.id)
            .maybe_categories(categories)
            .maybe_is_intermediate(is_intermediate)
            .send_as();
        call.await
    }

    /// Lists its images, as [`Images::list`](crate::images::Images::list) does. An unknown board gives an empty list.
    pub fn images(&self) -> ListImages {
        self.client.images().list().board(&self.id)
    }

    /// Lists its videos, as [`Videos::list`](crate::videos::Videos::list) does. An unknown board gives an empty list.
    pub fn videos(&self) -> ListVideos {
        self.client.videos().list().board(&self.id)
    }

    /// Puts images onto it; those on another board are moved. Goes on after failures. Images that the server does not
    /// have are in [`BulkOutcome::skipped`].
    pub async fn add(&self, images: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(images, |names| async move {
            self.is_a_board()?;
            let api = self.client.api();
            let body = json!({ "board_id": self.id, "image_names": names });
            Ok(api.add_images_to_board().send_json_as::<Added>(&body).await?.into())
        })
        .await
    }

    /// Takes images off it, if they are on it: an image on another board is left alone, and is in
    /// [`BulkOutcome::skipped`]. Goes on after failures.
    ///
    /// The server's own call takes images off whatever board they are on; this asks for the board's images first.
    ///
    /// # Errors
    /// Any error of asking for the board's images.
    pub async fn remove(&self, images: impl IntoIterator<Item = impl Into<String>>) -> Result<BulkOutcome> {
        let on_it: BTreeSet<String> = self.image_names().await?.into_iter().collect();
        let (here, elsewhere): (Vec<String>, Vec<String>) =
            distinct(images).into_iter().partition(|name| on_it.contains(name));
        let mut outcome = self.client.images().remove_from_boards(here).await;
        outcome.skipped.extend(elsewhere);
        Ok(outcome)
    }

    /// Puts videos onto it, one by one: the server has no call for many. Those on another board are moved. Goes on
    /// after failures.
    pub async fn add_videos(&self, videos: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        one_by_one(videos, |name| async move {
            self.is_a_board()?;
            let api = self.client.api();
            let body = json!({ "board_id": self.id, "video_name": name });
            Ok(api.add_video_to_board().send_json_as::<AddedVideos>(&body).await?.into())
        })
        .await
    }

    /// Takes videos off it, if they are on it, as [`remove`](Self::remove) does with images.
    ///
    /// # Errors
    /// Any error of asking for the board's videos.
    pub async fn remove_videos(&self, videos: impl IntoIterator<Item = impl Into<String>>) -> Result<BulkOutcome> {
        let on_it: BTreeSet<String> = self.videos().names().await?.video_names.into_iter().collect();
        let (here, elsewhere): (Vec<String>, Vec<String>) =
            distinct(videos).into_iter().partition(|name| on_it.contains(name));
        let mut outcome = self.client.videos().remove_from_boards(here).await;
        outcome.skipped.extend(elsewhere);
        Ok(outcome)
    }

    /// Uploads an image onto it, as [`Images::upload`](crate::images::Images::upload) does.
    pub fn upload(&self, file: impl Into<Upload>) -> UploadImage {
        let upload = self.client.images().upload(file);
        match self.id == UNCATEGORIZED {
            true => upload,
            false => upload.board(&self.id),
        }
    }

    /// Uploads a video onto it, as [`Videos::upload`](crate::videos::Videos::upload) does.
    pub fn upload_video(&self, file: impl Into<Upload>) -> UploadVideo {
        let upload = self.client.videos().upload(file);
        match self.id == UNCATEGORIZED {
            true => upload,
            false => upload.board(&self.id),
        }
    }

    /// Downloads all its images and videos that are not intermediate into a directory. Files that already exist stay.
    pub fn download_all(&self, directory: impl Into<PathBuf>) -> DownloadMany {
        DownloadMany::of_board(&self.client, &self.id, directory.into())
    }

    /// Downloads all its images as one zip file that the server creates. Its videos are not included.
    pub fn zip(&self) -> ZipDownload {
        ZipDownload::new(&self.client, json!({ "board_id": self.id }))
    }
}
