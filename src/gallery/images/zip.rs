//! Zip files that the server creates.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::time::Instant;

use super::NO_BOARD;
use crate::{
    Client,
    base::deadline,
    download::{self, Collision, Download, SavedFile, Source},
    error::{BodyFault, Error, Result},
};

/// How often to ask for a zip file that came without its end.
const ATTEMPTS: u32 = 3;

/// How long to leave the server time to write the file where its events cannot be received.
const HEAD_START: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A zip file under construction, from [`Images::zip`](super::Images::zip) or
/// [`BoardHandle::zip`](crate::boards::BoardHandle::zip).
///
/// It has an entry `<category>/<image_name>` for each image. The server creates it after it has answered, writes it in
/// place, serves it **once** and then deletes it (`invokeai/app/api/routers/images.py`). So this waits for the event
/// that says it is done. Where events are not available, it asks until the file is there, checks that its end came, and
/// has it created again if not.
#[derive(Clone)]
#[must_use = "nothing is sent before `to_file` or `bytes`"]
pub struct ZipDownload {
    client: Client,
    wanted: Value,
    timeout: Duration,
    limit: Option<u64>,
    collision: Collision,
}

crate::base::debug::short_debug! { ZipDownload { client, wanted, timeout, limit, collision } }

struct Promised {
    bulk_download_item_name: String,
}

crate::json::record::readable! { Promised { 0 bulk_download_item_name } }

impl ZipDownload {
    pub(crate) fn new(client: &Client, wanted: Value) -> Self {
        Self {
            client: client.clone(),
            wanted,
            timeout: Duration::from_secs(600),
            limit: None,
            collision: Collision::Overwrite,
        }
    }

    /// Sets how long the server may take to create the file. Default: 10 minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// As [`Download::limit`].
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Sets what to do if the file already exists. Default: replace it.
    pub fn collision(mut self, collision: Collision) -> Self {
        self.collision = collision;
        self
    }

    /// Writes it to this path. Its directory must exist.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the board, [`Error::NoSuch`] if an image does not exist; [`Error::WaitTimeout`] if the
    /// file is not ready in time; [`Error::Refused`] if the server says that it cannot make it; [`Error::Body`] if it
    /// repeatedly came without its end; [`Error::Io`] if it cannot be written; any error of a call.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<SavedFile> {
        let path = path.as_ref();
        if let Some(bytes) = download::stays(path, self.collision).await? {
            // It has no name on the server, which was not asked to create one.
            return Ok(SavedFile { name: String::new(), path: path.to_owned(), bytes, kept: true });
        }
        self.run(|download| download.to_file(path)).await
    }

    /// Downloads the file into memory.
    ///
    /// # Errors
    /// As [`to_file`](Self::to_file).
    pub async fn bytes(self) -> Result<Bytes> {
        self.run(Download::bytes).await
    }

    /// Has the server create the file, and fetches it.
    async fn run<T, F: Future<Output = Result<T>>>(&self, get: impl Fn(Download) -> F) -> Result<T> {
        self.check().await?;
        let deadline = deadline::after(self.timeout);
        let mut news = News::of(&self.client).await;
        let (mut attempt, mut interrupted) = (1, false);
        loop {
            let api = self.client.api();
            let promised = api.download_images_from_list().send_json_as::<Promised>(&self.wanted).await;
            let name = match promised {
                Ok(promised) => promised.bulk_download_item_name,
                // After a file that grew while it was sent, the server closes the connection.
                Err(Error::Interrupted { .. }) if attempt > 1 && !interrupted => {
                    interrupted = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !news.wait(&name, deadline).await? {
                // Nothing says when it is complete: leave the server time to write it.
                tokio::time::sleep_until(deadline.min(Instant::now() + HEAD_START * attempt)).await;
            }
            match self.fetch(&name, &get, deadline).await {
                // The server was still writing.
                Err(Error::Body { fault: BodyFault::CutOff, problem, .. }) if attempt < ATTEMPTS => {
                    tracing::debug!(attempt, problem, "the zip file was not whole");
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    /// A failure to create it is reported only by an event, so what can be wrong is checked first.
    async fn check(&self) -> Result<()> {
        if let Some(board) = self.wanted["board_id"].as_str()
            && board != NO_BOARD
        {
            let api = self.client.api();
            api.get_board().board_id(board).send_as::<IgnoredAny>().await?;
        }
        let names: Vec<&str> =
            self.wanted["image_names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if self.wanted["image_names"].is_array() {
            let found = self.client.images().get_many(names.iter().copied()).await?;
            // A record that cannot be read still shows that the image exists.
            let unreadable = found.iter().filter(|image| image.is_err()).count();
            let found: Vec<_> = found.into_iter().flatten().map(|image| image.image_name).collect();
            let missing: Vec<_> = names.into_iter().filter(|name| !found.iter().any(|found| found == name)).collect();
            if missing.len() <= unreadable {
                return Ok(());
            }
            let names = missing.into_iter().map(str::to_owned).collect();
            return Err(Error::NoSuch { what: "image", names, suggestions: Vec::new() });
        }
        Ok(())
    }

    /// Asks again while the file is not there, which the server reports with 404.
    async fn fetch<T, F: Future<Output = Result<T>>>(
        &self,
        name: &str,
        get: impl Fn(Download) -> F,
        deadline: Instant,
    ) -> Result<T> {
        let mut pause = Duration::from_millis(100);
        loop {
            let mut download = Download::new(&self.client, Source::Zip(name.to_owned())).collision(self.collision);
            if let Some(limit) = self.limit {
                download = download.limit(limit);
            }
            match get(download).await {
                Err(error) if error.is_not_found() => {}
                answer => return answer,
            }
            if Instant::now() + pause >= deadline {
                let waiting_for = format!("the zip file {name}");
                return Err(Error::WaitTimeout { waiting_for, limit: self.timeout });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The server's events about zip files.
struct News {
    #[cfg(feature = "events")]
    events: Option<crate::events::EventStream>,
}

impl News {
    #[cfg(feature = "events")]
    async fn of(client: &Client) -> Self {
        let events = client.events();
        let heard = events.connected().await.is_ok();
        Self { events: heard.then_some(events) }
    }

    #[cfg(not(feature = "events"))]
    async fn of(_: &Client) -> Self {
        Self {}
    }

    /// Waits until the file is done. `false` if that cannot be known.
    #[cfg(feature = "events")]
    async fn wait(&mut self, name: &str, deadline: Instant) -> Result<bool> {
        use crate::events::EventItem;
        use futures::StreamExt as _;

        while let Some(events) = &mut self.events {
            let event = match tokio::time::timeout_at(deadline, events.next()).await {
                Err(_) => return Ok(false),
                Ok(Some(Ok(EventItem::Event(event)))) => event,
                // Its event may have been among those lost.
                Ok(_) => {
                    self.events = None;
                    break;
                }
            };
            if event.data()["bulk_download_item_name"] != name {
                continue;
            }
            match event.name() {
                "bulk_download_complete" => return Ok(true),
                "bulk_download_error" => {
                    let reason = event.data()["error"].as_str().map(str::to_owned);
                    return Err(Error::refused("to make the zip file", reason));
                }
                _ => {}
            }
        }
        Ok(false)
    }

    #[cfg(not(feature = "events"))]
    async fn wait(&mut self, _: &str, _: Instant) -> Result<bool> {
        Ok(false)
    }
}
