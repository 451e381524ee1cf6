//! Images: everything in a server's gallery, uploads and intermediate results included.
//!
//! [`Client::images`] lists, uploads and works with many; [`Client::image`] works with one.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! use futures::TryStreamExt as _;
//!
//! let uploaded = client.images().upload("photo.jpg").await?;
//! client.image(&uploaded.image_name).set_starred(true).await?;
//! client.image(&uploaded.image_name).download().to_file("copy.png").await?;
//!
//! let mut starred = client.images().list().search("portrait").stream();
//! while let Some(image) = starred.try_next().await? {
//!     println!("{} {}x{}", image.image_name, image.width, image.height);
//! }
//! # Ok(())
//! # }
//! ```

mod embedded;
mod handle;
mod list;
mod upload;
mod zip;

pub use embedded::Embedded;
pub use handle::ImageHandle;
pub use list::{ImageNames, ListImages};
pub use upload::UploadImage;
pub use zip::ZipDownload;

use std::path::PathBuf;

use serde_json::json;

use crate::{
    Client, Timestamp, Upload,
    base::open_enum::open_enum,
    download::DownloadMany,
    error::{Error, Result},
    transport::{
        bulk::{self, BulkOutcome, chunks, distinct, in_chunks, in_chunks_then_single},
        page::{RawList, elements},
    },
};

open_enum! {
    /// What an image or video is for. The gallery shows `general` as images and all others as assets.
    ImageCategory {
        /// A result.
        General = "general",
        /// A mask.
        Mask = "mask",
        /// Input of a control network.
        Control = "control",
        /// Uploaded by a user.
        User = "user",
        /// Anything else.
        Other = "other",
    }
}

open_enum! {
    /// Where an image or video comes from.
    ImageOrigin {
        /// Made by InvokeAI.
        Internal = "internal",
        /// Uploaded.
        External = "external",
    }
}

/// An image, as `GET /api/v1/images/i/{image_name}` describes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Image {
    /// Name on this server, for example `6f2b….png`.
    pub image_name: String,
    /// Where it comes from.
    pub image_origin: ImageOrigin,
    /// What it is for.
    pub image_category: ImageCategory,
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When its description last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether it is an intermediate result, which the gallery does not show.
    pub is_intermediate: bool,
    /// Session that made it. If the invocation cache gave it to later runs, too, this is the session of the first.
    pub session_id: Option<String>,
    /// Node that made it, by its id in the prepared graph, not in the workflow.
    pub node_id: Option<String>,
    /// Whether it is starred.
    pub starred: bool,
    /// Whether it carries a workflow or a graph; every image that InvokeAI made carries a graph.
    pub has_workflow: bool,
    /// Board it is on.
    pub board_id: Option<String>,
}

crate::json::record::record! {
    Image {
        0 image_name, 1 image_origin, 2 image_category, 3 width, 4 height, 5 created_at nullable,
        6 updated_at nullable, 7 is_intermediate default, 8 session_id nullable, 9 node_id nullable,
        10 starred default, 11 has_workflow default, 12 board_id nullable,
    }
}

crate::base::debug::short_debug! {
    Image {
        image_name, image_origin, image_category, width, height, created_at, updated_at, is_intermediate, session_id,
        node_id, starred, has_workflow, board_id
    }
}

crate::workflow::field::settable! { Image: "image_name" = image_name }

/// All images of a server, from [`Client::images`].
#[derive(Clone)]
pub struct Images {
    client: Client,
}

crate::base::debug::short_debug! { Images { client } }

impl Client {
    /// The images of the server.
    pub fn images(&self) -> Images {
        Images { client: self.clone() }
    }

    /// The image with this name. Sends nothing yet.
    pub fn image(&self, image_name: impl Into<String>) -> ImageHandle {
        ImageHandle::new(self, image_name.into())
    }
}

/// Stands for "on no board" where a board id is wanted.
pub(crate) const NO_BOARD: &str = "none";

pub(crate) fn must_be_a_board(board_id: &str) -> Result<()> {
    match board_id == NO_BOARD {
        true => Err(Error::invalid("board_id", "is `none`, which stands for images on no board; expected a board")),
        false => Ok(()),
    }
}

bulk::answer!(Added { "added_images", "failed_images" });
bulk::answer!(Deleted { "deleted_images", "failed_images" });
bulk::answer!(Starred { "starred_images", "failed_images" });
bulk::answer!(Unstarred { "unstarred_images", "failed_images" });
bulk::answer!(Removed { "removed_images", "failed_images" });

impl Images {
    /// Lists images: `.await` gives a page, [`ListImages::stream`] all of them, [`ListImages::names`] their names.
    pub fn list(&self) -> ListImages {
        ListImages::new(&self.client)
    }

    /// Uploads a file (`POST /api/v1/images/upload`). InvokeAI stores every format as PNG, under a name of its own.
    ///
    /// By default it becomes an asset of category `user`, on no board.
    pub fn upload(&self, file: impl Into<Upload>) -> UploadImage {
        UploadImage::new(&self.client, file.into())
    }

    /// Fetches the descriptions of these images. Images that the server does not have are left out; one that cannot be
    /// read is an error in its place.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn get_many(&self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<Result<Image>>> {
        let mut images = Vec::new();
        for chunk in chunks(&distinct(names)) {
            let api = self.client.api();
            let body = json!({ "image_names": chunk });
            let values: RawList = api.get_images_by_names().send_json_as(&body).await?;
            images.extend(elements("get_images_by_names", "images", values)?);
        }
        Ok(images)
    }

    /// Deletes images. Goes on after failures: where the server fails for many names at once, each is tried alone.
    pub async fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks_then_single(
            names,
            |names| async move {
                let api = self.client.api();
                let body = json!({ "image_names": names });
                Ok(api.delete_images_from_list().send_json_as::<Deleted>(&body).await?.into())
            },
            |name| async move {
                let api = self.client.api();
                Ok(api.delete_image().image_name(name).send_as::<Deleted>().await?.into())
            },
        )
        .await
    }

    /// Stars images. Goes on after failures.
    pub async fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "image_names": names });
            Ok(api.star_images_in_list().send_json_as::<Starred>(&body).await?.into())
        })
        .await
    }

    /// Removes the stars from images. Goes on after failures.
    pub async fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "image_names": names });
            Ok(api.unstar_images_in_list().send_json_as::<Unstarred>(&body).await?.into())
        })
        .await
    }

    /// Takes images off whatever boards they are on. Goes on after failures. Images on no board count as done.
    pub async fn remove_from_boards(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "image_names": names });
            Ok(api.remove_images_from_board().send_json_as::<Removed>(&body).await?.into())
        })
        .await
    }

    /// Downloads these images into a directory. Files that already exist stay.
    pub fn download(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        directory: impl Into<PathBuf>,
    ) -> DownloadMany {
        DownloadMany::of_images(&self.client, distinct(names), directory.into())
    }

    /// Downloads these images as one zip file that the server creates.
    pub fn zip(&self, names: impl IntoIterator<Item = impl Into<String>>) -> ZipDownload {
        ZipDownload::new(&self.client, json!({ "image_names": distinct(names) }))
    }

    /// Counts the intermediate images of the server.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn count_intermediates(&self) -> Result<u64> {
        let api = self.client.api();
        api.get_intermediates_count().send_as().await
    }

    /// Deletes **all** intermediate images of the server, whoever made them. Returns the number deleted.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for users who are not administrators; any error of a call.
    pub async fn clear_intermediates(&self) -> Result<u64> {
        let api = self.client.api();
        api.clear_intermediates().send_as().await
    }

    /// Deletes **all** images that are on no board.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn delete_uncategorized(&self) -> Result<BulkOutcome> {
        let api = self.client.api();
        let answer = api.delete_uncategorized_images().send_as::<Deleted>().await?;
        Ok(BulkOutcome::of(answer.into()))
    }
}
