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

mod handle;
mod list;
mod upload;

pub use handle::VideoHandle;
pub use list::{ListVideos, VideoNames};
pub use upload::UploadVideo;

use std::path::PathBuf;

use futures::StreamExt as _;
use serde_json::json;

use crate::{
    Client, Timestamp, Upload,
    download::DownloadMany,
    error::{Error, Result},
    images::{ImageCategory, ImageOrigin},
    transport::bulk::{self, BulkOutcome, distinct, in_chunks, in_chunks_then_single, one_by_one},
};

/// How many descriptions are asked for at the same time.
const AT_ONCE: usize = 4;

/// A video, as `GET /api/v1/videos/i/{video_name}` describes it.
#[derive(Clone, PartialEq)]
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
    pub duration: f64,
    /// Frames per second, where known.
    pub fps: Option<f64>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When its description last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether it is an intermediate result, which the gallery does not show.
    pub is_intermediate: bool,
    /// Session that made it.
    pub session_id: Option<String>,
    /// Node that made it, by its id in the prepared graph.
    pub node_id: Option<String>,
    /// Whether it is starred.
    pub starred: bool,
    /// Whether it carries a workflow or a graph.
    pub has_workflow: bool,
    /// Board it is on.
    pub board_id: Option<String>,
}

crate::json::record::record! {
    Video {
        0 video_name, 1 video_origin, 2 video_category, 3 width, 4 height, 5 duration default, 6 fps nullable,
        7 created_at nullable, 8 updated_at nullable, 9 is_intermediate default, 10 session_id nullable,
        11 node_id nullable, 12 starred default, 13 has_workflow default, 14 board_id nullable,
    }
}

crate::base::debug::short_debug! {
    Video {
        video_name, video_origin, video_category, width, height, duration, fps, created_at, updated_at,
        is_intermediate, session_id, node_id, starred, has_workflow, board_id
    }
}

crate::workflow::field::settable! { Video: "video_name" = video_name }

/// All videos of a server, from [`Client::videos`].
#[derive(Clone)]
pub struct Videos {
    client: Client,
}

crate::base::debug::short_debug! { Videos { client } }

bulk::answer!(AddedVideos { "added_videos", "failed_videos" });
bulk::answer!(Deleted { "deleted_videos", "failed_videos" });
bulk::answer!(Starred { "starred_videos", "failed_videos" });
bulk::answer!(Removed { "removed_videos", "failed_videos" });
bulk::answer!(Unstarred { "unstarred_videos", "failed_videos" });

impl Client {
    /// The videos of the server.
    pub fn videos(&self) -> Videos {
        Videos { client: self.clone() }
    }

    /// The video with this name. Sends nothing yet.
    pub fn video(&self, video_name: impl Into<String>) -> VideoHandle {
        VideoHandle::new(self, video_name.into())
    }
}

impl Videos {
    /// Lists videos: `.await` gives a page, [`ListVideos::stream`] all of them, [`ListVideos::names`] their names.
    pub fn list(&self) -> ListVideos {
        ListVideos::new(&self.client)
    }

    /// Uploads an MP4 file of at most 1 GiB. By default it becomes an asset, on no board.
    pub fn upload(&self, file: impl Into<Upload>) -> UploadVideo {
        UploadVideo::new(&self.client, file.into())
    }

    /// Fetches the descriptions of these videos, one by one: the server has no call for many. Videos that it does not
    /// have are left out; one that cannot be read is an error in its place.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn get_many(&self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<Result<Video>>> {
        let calls: Vec<_> = distinct(names)
            .into_iter()
            .map(|name| {
                let video = self.client.video(name);
                async move { video.find().await }
            })
            .collect();
        let mut answers = futures::stream::iter(calls).buffered(AT_ONCE);
        let mut videos = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Some(video)) => videos.push(Ok(video)),
                Ok(None) => {}
                Err(error @ Error::Decode { .. }) => videos.push(Err(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(videos)
    }

    /// Deletes videos. Goes on after failures: where the server fails for many names at once, each is tried alone.
    pub async fn delete(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
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
    pub async fn star(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "video_names": names });
            Ok(api.star_videos_in_list().send_json_as::<Starred>(&body).await?.into())
        })
        .await
    }

    /// Removes the stars from videos. Goes on after failures.
    pub async fn unstar(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        in_chunks(names, |names| async move {
            let api = self.client.api();
            let body = json!({ "video_names": names });
            Ok(api.unstar_videos_in_list().send_json_as::<Unstarred>(&body).await?.into())
        })
        .await
    }

    /// Takes videos off whatever boards they are on, one by one: the server has no call for many. Goes on after
    /// failures. Videos on no board count as done.
    pub async fn remove_from_boards(&self, names: impl IntoIterator<Item = impl Into<String>>) -> BulkOutcome {
        one_by_one(names, |name| async move {
            let api = self.client.api();
            let body = json!({ "video_name": name });
            Ok(api.remove_video_from_board().send_json_as::<Removed>(&body).await?.into())
        })
        .await
    }

    /// Deletes **all** videos that are on no board.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn delete_uncategorized(&self) -> Result<BulkOutcome> {
        let api = self.client.api();
        let answer = api.delete_uncategorized_videos().send_as::<Deleted>().await?;
        Ok(BulkOutcome::of(answer.into()))
    }

    /// Downloads these videos into a directory. Files that already exist stay.
    pub fn download(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        directory: impl Into<PathBuf>,
    ) -> DownloadMany {
        DownloadMany::of_videos(&self.client, distinct(names), directory.into())
    }
}
