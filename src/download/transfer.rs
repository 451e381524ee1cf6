//! The bytes of one file, checked as they come.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use tokio::time::{Instant, timeout_at};

use super::content::Watch;
use crate::{
    Client,
    api::{ByteStream, ResponseValue},
    base::deadline::bounded,
    error::{BodyFault, Error, Result, reason},
    media::Kind,
};

/// What to download.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Image(String),
    ImageThumbnail(String),
    Video(String),
    VideoThumbnail(String),
    WorkflowThumbnail(String),
    ModelImage(String),
    StylePresetImage(String),
    Zip(String),
}

impl Source {
    /// Name or id on the server.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Image(name)
            | Self::ImageThumbnail(name)
            | Self::Video(name)
            | Self::VideoThumbnail(name)
            | Self::WorkflowThumbnail(name)
            | Self::ModelImage(name)
            | Self::StylePresetImage(name)
            | Self::Zip(name) => name,
        }
    }

    /// Name of a file for it, not checked yet. `None` where its ending must be found from the bytes: the pictures of
    /// workflows, models and style presets are WebP images, and those that InvokeAI ships PNG images, all labeled
    /// image/png.
    pub(super) fn file_name(&self) -> Option<String> {
        let name = self.name();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        match self {
            Self::Image(_) | Self::Video(_) | Self::Zip(_) => Some(name.to_owned()),
            Self::ImageThumbnail(_) | Self::VideoThumbnail(_) => Some(format!("{stem}.webp")),
            Self::WorkflowThumbnail(_) | Self::StylePresetImage(_) | Self::ModelImage(_) => None,
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Image(_) => "get_image_full",
            Self::ImageThumbnail(_) => "get_image_thumbnail",
            Self::Video(_) => "get_video_full",
            Self::VideoThumbnail(_) => "get_video_thumbnail",
            Self::WorkflowThumbnail(_) => "get_workflow_thumbnail",
            Self::ModelImage(_) => "get_model_image",
            Self::StylePresetImage(_) => "get_style_preset_image",
            Self::Zip(_) => "get_bulk_download_item",
        }
    }

    /// What the content type of such files begins with.
    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::Video(_) => "video/",
            Self::Zip(_) => "application/zip",
            _ => "image/",
        }
    }

    async fn open(&self, client: &Client) -> Result<ResponseValue<ByteStream>> {
        let api = client.api();
        match self {
            Self::Image(name) => api.get_image_full().image_name(name).send().await,
            Self::ImageThumbnail(name) => api.get_image_thumbnail().image_name(name).send().await,
            Self::Video(name) => api.get_video_full().video_name(name).send().await,
            Self::VideoThumbnail(name) => api.get_video_thumbnail().video_name(name).send().await,
            Self::WorkflowThumbnail(id) => api.get_workflow_thumbnail().workflow_id(id).send().await,
            Self::ModelImage(key) => api.get_model_image().key(key).send().await,
            Self::StylePresetImage(id) => api.get_style_preset_image().style_preset_id(id).send().await,
            Self::Zip(name) => api.get_bulk_download_item().bulk_download_item_name(name).send().await,
        }
    }
}

/// An answer that is being read.
pub(super) struct Transfer {
    client: Client,
    operation: &'static str,
    body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send + Sync>>,
    label: String,
    total: Option<u64>,
    limit: u64,
    watch: Watch,
    pace: Pace,
    ended: bool,
}

/// How fast a transfer moves. Only the time spent waiting for the server counts.
struct Pace {
    /// `None` if the caller's HTTP client has limits of its own.
    limit: Option<Duration>,
    /// This many bytes must come within the limit.
    least: u64,
    waited: Duration,
    moved: u64,
}

impl Pace {
    fn of(client: &Client) -> Self {
        let (transport, options) = (client.transport(), client.transport().options());
        let limit = (!transport.is_callers()).then_some(options.read_timeout);
        Self { limit, least: options.slowest_download, waited: Duration::ZERO, moved: 0 }
    }

    /// Waits as long as it may take until enough has come; `None` after that.
    async fn wait<T>(&mut self, coming: impl Future<Output = T>) -> Option<T> {
        let Some(limit) = self.limit else { return Some(coming.await) };
        let began = Instant::now();
        let came = timeout_at(began + bounded(limit.saturating_sub(self.waited)), coming).await;
        self.waited = self.waited.saturating_add(began.elapsed());
        came.ok()
    }

    fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= self.least {
            (self.waited, self.moved) = (Duration::ZERO, 0);
        }
    }
}

impl Transfer {
    pub(super) async fn open(client: &Client, source: &Source, limit: u64) -> Result<Self> {
        let answer = source.open(client).await?;
        let transfer = Self::of(client, source.operation(), answer, limit)?;
        let expected = source.expected();
        match transfer.label.starts_with(expected) {
            true => Ok(transfer),
            false => Err(transfer.fault(BodyFault::WrongKind, format!("is `{}`, not `{expected}…`", transfer.label))),
        }
    }

    pub(super) fn of(
        client: &Client,
        operation: &'static str,
        answer: ResponseValue<ByteStream>,
        limit: u64,
    ) -> Result<Self> {
        let (label, total) = (label(answer.headers()), length(answer.headers()));
        let body = answer.into_inner().into_inner();
        let (pace, watch) = (Pace::of(client), Watch::default());
        let client = client.clone();
        let transfer = Self { client, operation, body, label, total, limit, watch, pace, ended: false };
        transfer.within_limit(total.unwrap_or(0))?;
        Ok(transfer)
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn received(&self) -> u64 {
        self.watch.length()
    }

    /// The kind of the file, by the bytes that have come.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.watch.kind()
    }

    /// The next bytes; `None` at the end of a file that is whole.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let Some(next) = self.pace.wait(self.body.next()).await else {
            return Err(self.too_slow());
        };
        match next {
            Some(Ok(chunk)) => {
                self.pace.moved(chunk.len());
                self.within_limit(self.received().saturating_add(chunk.len() as u64))?;
                self.watch.feed(&chunk);
                Ok(Some(chunk))
            }
            Some(Err(error)) if error.is_timeout() => {
                Err(self.client.transport().failure(self.operation, self.client.base_url().to_string(), error))
            }
            Some(Err(error)) => {
                let cause = reason(&error);
                Err(self.fault(BodyFault::CutOff, format!("was cut off after {} bytes: {cause}", self.received())))
            }
            None => {
                self.ended = true;
                self.end().map(|()| None)
            }
        }
    }

    fn end(&self) -> Result<()> {
        if let Some(total) = self.total
            && total != self.received()
        {
            let problem = format!("has {} bytes instead of the {total} announced", self.received());
            return Err(self.fault(BodyFault::CutOff, problem));
        }
        match self.watch.fault(&self.label) {
            Some((fault, problem)) => Err(self.fault(fault, problem)),
            None => Ok(()),
        }
    }

    fn too_slow(&self) -> Error {
        let Pace { moved, least, limit, .. } = self.pace;
        let doing = format!("waiting for the answer to {}: {moved} bytes came instead of {least}", self.operation);
        Error::Timeout { doing, limit: limit.unwrap_or_default(), sent: true }
    }

    fn within_limit(&self, length: u64) -> Result<()> {
        match length > self.limit {
            true => Err(self.fault(BodyFault::TooLarge, format!("is longer than the limit of {} bytes", self.limit))),
            false => Ok(()),
        }
    }

    pub(super) fn fault(&self, fault: BodyFault, problem: impl Into<String>) -> Error {
        Error::body(self.operation, fault, problem)
    }
}

fn label(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
