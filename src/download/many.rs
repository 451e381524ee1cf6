//! Downloads of many files into one directory.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::{Future, IntoFuture},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
};

use futures::StreamExt as _;

use super::{Collision, Download, DownloadProgress, Options, SavedFile, Source};
use crate::{
    Client,
    error::{Error, Result},
    transport::bulk::{BulkFailure, distinct},
};

/// A download of many files into a directory, under construction; `.await` carries it out.
///
/// Comes from [`BoardHandle::download_all`](crate::boards::BoardHandle::download_all) or
/// [`Images::download`](crate::images::Images::download). Doing it again downloads only what is missing, so it can be
/// stopped and resumed at will.
#[derive(Clone)]
#[must_use = "nothing is downloaded before `.await`"]
pub struct DownloadMany {
    client: Client,
    what: What,
    directory: PathBuf,
    thumbnails: bool,
    parallel: usize,
    options: Options,
}

crate::base::debug::short_debug! { DownloadMany { client, what, directory, thumbnails, parallel, options } }

#[derive(Debug, Clone)]
enum What {
    Images(Vec<String>),
    Videos(Vec<String>),
    Board(String),
}

/// Outcome of a download of many files.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct DownloadReport {
    /// Files that were downloaded.
    pub saved: Vec<SavedFile>,
    /// Files that already existed.
    pub kept: Vec<SavedFile>,
    /// Files that could not be downloaded, and why. Nothing of them was written; files that already existed are
    /// unchanged.
    pub failed: Vec<BulkFailure>,
}

crate::base::debug::short_debug! { DownloadReport { saved, kept, failed } }

impl DownloadReport {
    /// Whether every file is in the directory.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }
}

impl DownloadMany {
    fn new(client: &Client, what: What, directory: PathBuf) -> Self {
        let options = Options::default();
        Self { client: client.clone(), what, directory, thumbnails: false, parallel: 4, options }
    }

    pub(crate) fn of_images(client: &Client, names: Vec<String>, directory: PathBuf) -> Self {
        Self::new(client, What::Images(names), directory)
    }

    pub(crate) fn of_videos(client: &Client, names: Vec<String>, directory: PathBuf) -> Self {
        Self::new(client, What::Videos(names), directory)
    }

    pub(crate) fn of_board(client: &Client, board_id: &str, directory: PathBuf) -> Self {
        Self::new(client, What::Board(board_id.to_owned()), directory)
    }

    /// Sets how many files to download at the same time. Default: 4; 0 counts as 1.
    pub fn parallel(mut self, parallel: usize) -> Self {
        self.parallel = parallel.max(1);
        self
    }

    /// Whether to download thumbnails (`….webp`) instead of the files.
    pub fn thumbnails(mut self, thumbnails: bool) -> Self {
        self.thumbnails = thumbnails;
        self
    }

    /// Sets what to do if a file already exists. Default: skip it.
    pub fn collision(mut self, collision: Collision) -> Self {
        self.options.collision = Some(collision);
        self
    }

    /// As [`Download::sidecar`], for each file.
    pub fn sidecar(mut self, sidecar: bool) -> Self {
        self.options.sidecar = sidecar;
        self
    }

    /// As [`Download::limit`], for each file.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.options.limit = Some(bytes);
        self
    }

    /// As [`Download::durable`].
    pub fn durable(mut self, durable: bool) -> Self {
        self.options.durable = durable;
        self
    }

    /// As [`Download::progress`]; each call says which file it is about.
    pub fn progress(mut self, progress: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self {
        self.options.progress = Some(Arc::new(progress));
        self
    }

    async fn run(self) -> Result<DownloadReport> {
        let mut taken = HashMap::new();
        let mut sources = Vec::new();
        for source in self.sources().await? {
            sources.push((self.twin(&source, &mut taken), source));
        }
        let mut results: Vec<_> = futures::stream::iter(sources.into_iter().enumerate())
            .map(|(index, (twin, source))| {
                let name = source.name().to_owned();
                let download = Download { client: self.client.clone(), source, options: self.options.clone() };
                let saving = download.to_directory(self.directory.clone());
                async move {
                    let saved = match twin {
                        None => saving.await,
                        Some(twin) => Err(Error::UnusableName { name: name.escape_debug().to_string(), problem: twin }),
                    };
                    (index, name, saved)
                }
            })
            .buffer_unordered(self.parallel)
            .collect()
            .await;
        results.sort_by_key(|(index, ..)| *index);
        let mut report = DownloadReport::default();
        for (_, name, result) in results {
            match result {
                Ok(saved) if saved.kept => report.kept.push(saved),
                Ok(saved) => report.saved.push(saved),
                Err(error) => report.failed.push(BulkFailure { name, error: Some(error) }),
            }
        }
        Ok(report)
    }

    /// What is wrong with a file that would be taken for another file of this download, or replace it: two images whose
    /// thumbnails have the same name, or names that differ only in upper and lower case, which many file systems take
    /// for one.
    fn twin(&self, source: &Source, taken: &mut HashMap<String, String>) -> Option<String> {
        let file = source.file_name().filter(|_| self.options.collision != Some(Collision::Rename))?;
        match taken.entry(file.to_lowercase()) {
            Entry::Occupied(first) => Some(format!("gives the same file as {:?}; download it by itself", first.get())),
            Entry::Vacant(free) => {
                free.insert(source.name().to_owned());
                None
            }
        }
    }

    async fn sources(&self) -> Result<Vec<Source>> {
        let image = |name| if self.thumbnails { Source::ImageThumbnail(name) } else { Source::Image(name) };
        let video = |name| if self.thumbnails { Source::VideoThumbnail(name) } else { Source::Video(name) };
        Ok(match &self.what {
            What::Images(names) => names.iter().cloned().map(image).collect(),
            What::Videos(names) => names.iter().cloned().map(video).collect(),
            What::Board(board) => {
                struct Images {
                    image_names: Vec<String>,
                }

                crate::json::record::readable! { Images { 0 image_names } }
                struct Videos {
                    video_names: Vec<String>,
                }

                crate::json::record::readable! { Videos { 0 video_names } }
                let api = self.client.api();
                let images = api.get_image_names().board_id(board).is_intermediate(false);
                let images: Images = images.order_dir("DESC").starred_first(false).send_as().await?;
                let videos = api.get_video_names().board_id(board).is_intermediate(false);
                let videos = match videos.order_dir("DESC").starred_first(false).send_as::<Videos>().await {
                    Ok(names) => names.video_names,
                    // Servers before 6.14 have no videos. The board exists: its images could be listed.
                    Err(error) if error.is_unsupported() || error.is_not_found() => Vec::new(),
                    Err(error) => return Err(error),
                };
                let videos = distinct(videos).into_iter().map(video);
                distinct(images.image_names).into_iter().map(image).chain(videos).collect()
            }
        })
    }
}

/// # Errors
/// Any error of asking for the names of a board's images and videos. What fails for one file is in
/// [`DownloadReport::failed`], and the others go on.
///
/// # Cancel safety
/// Dropping the future leaves the files that were complete, and nothing else.
impl IntoFuture for DownloadMany {
    type Output = Result<DownloadReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
