//! Files of the gallery, by name and by the session that made them.
//!
//! The server has no list by session, and its clock may have been set back, so that neither the time of a file nor its
//! place in a list says that it is not of a session. What can be relied on are names: one call lists them all, and
//! files that come and go meanwhile do not shift them. So a search reads the record of every file that is not known
//! yet: one call for the names, and one for each 1000 images.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Client,
    assets::Asset,
    error::{Error, Result},
    images::ImageOrigin,
    media::FileKind,
    transport::{
        bulk::chunks,
        page::{self, RawList, elements, found},
    },
};

/// How many files are asked for at the same time, where each takes a call of its own.
const AT_ONCE: usize = 4;

/// From this many videos on, lists are read first: there is no call for many by name.
const MANY_VIDEOS: usize = 20;

/// A file of the gallery, as far as clean-up needs to know it.
#[derive(Debug, Clone)]
pub(in crate::cleanup) struct File {
    pub(in crate::cleanup) asset: Asset,
    pub(in crate::cleanup) session_id: Option<String>,
    pub(in crate::cleanup) is_intermediate: bool,
    pub(in crate::cleanup) starred: bool,
    pub(in crate::cleanup) board_id: Option<String>,
}

/// `ImageDTO` or `VideoDTO`. Its other members are not read, so they may hold anything.
#[derive(Deserialize)]
struct Record {
    #[serde(alias = "video_name")]
    image_name: String,
    session_id: Option<String>,
    #[serde(default)]
    is_intermediate: bool,
    #[serde(default)]
    starred: bool,
    board_id: Option<String>,
}

impl Record {
    fn into_file(self, kind: FileKind) -> File {
        let Self { image_name, session_id, is_intermediate, starred, board_id } = self;
        File { asset: Asset::file(kind, image_name), session_id, is_intermediate, starred, board_id }
    }
}

/// The file of each name, or `None` if it is not there.
pub(in crate::cleanup) type Records = HashMap<String, Result<Option<File>>>;

/// Reads the records of files by name. Every name is in the answer.
pub(in crate::cleanup) async fn records(client: &Client, kind: FileKind, names: &[String]) -> Records {
    let mut records = Records::new();
    let listed = match kind {
        FileKind::Image => images(client, names, &mut records).await,
        FileKind::Video if names.len() >= MANY_VIDEOS => videos(client).await,
        FileKind::Video => Vec::new(),
    };
    let wanted: HashSet<&String> = names.iter().collect();
    for record in listed {
        if wanted.contains(&record.image_name) {
            records.insert(record.image_name.clone(), Ok(Some(record.into_file(kind))));
        }
    }
    // The server leaves out of its lists what is missing, and what it could not read for whatever reason. Only the call
    // for a single file tells these apart.
    let unclear: Vec<String> = names.iter().filter(|name| !records.contains_key(*name)).cloned().collect();
    let single = futures::stream::iter(unclear).map(async |name| {
        let record = record(client, kind, &name).await;
        (name, record.map(|record| record.map(|record| record.into_file(kind))))
    });
    records.extend(single.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    records
}

async fn record(client: &Client, kind: FileKind, name: &str) -> Result<Option<Record>> {
    let api = client.api();
    match kind {
        FileKind::Image => found(api.get_image_dto().image_name(name).send_as().await),
        FileKind::Video => found(api.get_video_dto().video_name(name).send_as().await),
    }
}

/// Images in bulk, as far as the server gives them. An error of a whole call counts for each of its names.
async fn images(client: &Client, names: &[String], failed: &mut Records) -> Vec<Record> {
    let mut records = Vec::new();
    for chunk in chunks(names) {
        let api = client.api();
        let body = json!({ "image_names": chunk });
        match api
            .get_images_by_names()
            .send_json_as::<RawList>(&body)
            .await
            .and_then(|values| elements("get_images_by_names", "images", values))
        {
            // One that cannot be read is asked for alone, and then is an error of its own.
            Ok(values) => records.extend(values.into_iter().flatten()),
            Err(error) => failed.extend(chunk.iter().map(|name| (name.clone(), Err(error.clone())))),
        }
    }
    records
}

/// Videos by lists. They shift while videos come and go, so some may be missing.
async fn videos(client: &Client) -> Vec<Record> {
    let mut records = Vec::new();
    let mut offset = 0;
    loop {
        let api = client.api();
        let call = api
            .list_video_dtos()
            .order_dir("DESC")
            .starred_first(false)
            .offset(offset)
            .limit(1000u64)
            .send_as::<page::RawPage>();
        let Ok(page) = call.await else { return records };
        let Ok(page) = page.read::<Record>("list_video_dtos", offset) else { return records };
        offset += page.items.len() as u64;
        let more = page.has_next();
        records.extend(page.items.into_iter().flatten());
        if !more {
            return records;
        }
    }
}

#[derive(Deserialize)]
struct Names {
    #[serde(alias = "video_names", alias = "item_names")]
    image_names: Vec<String>,
}

/// Which files of the gallery.
#[derive(Debug, Clone, Copy)]
pub(in crate::cleanup) enum Which<'a> {
    All,
    Uploads,
    OnBoard(&'a str),
}

/// Names of images or videos of the gallery.
pub(in crate::cleanup) async fn names(client: &Client, kind: FileKind, which: Which<'_>) -> Result<Vec<String>> {
    if kind == FileKind::Video && client.note_version().await.is_some_and(|version| !version.has_videos()) {
        return Ok(Vec::new());
    }
    let api = client.api();
    let origin = matches!(which, Which::Uploads).then_some(ImageOrigin::External.as_str());
    let board = if let Which::OnBoard(id) = which { Some(id) } else { None };
    let answer = match kind {
        FileKind::Image => {
            let call = api
                .get_image_names()
                .maybe_image_origin(origin)
                .maybe_board_id(board)
                .starred_first(false)
                .send_as::<Names>();
            call.await
        }
        FileKind::Video => {
            let call = api
                .get_video_names()
                .maybe_video_origin(origin)
                .maybe_board_id(board)
                .starred_first(false)
                .send_as::<Names>();
            call.await
        }
    };
    match answer {
        // Both are deprecated in 6.14.2, in favor of one list.
        Err(error) if error.is_unsupported() => {
            let all = api
                .list_gallery_item_names()
                .maybe_origin(origin)
                .maybe_board_id(board)
                .starred_first(false)
                .send_as::<Names>();
            let is_video = |name: &String| name.ends_with(".mp4");
            let wanted = |name: &String| is_video(name) == (kind == FileKind::Video);
            match all.await {
                Ok(Names { image_names }) => Ok(image_names.into_iter().filter(wanted).collect()),
                Err(all) if all.is_unsupported() || all.is_not_found() => Err(error),
                Err(all) => Err(all),
            }
        }
        answer => Ok(answer?.image_names),
    }
}

/// A search for the files of some sessions. A second look reads only what has come since the first.
#[derive(Debug)]
pub(in crate::cleanup) struct Search<'a> {
    client: &'a Client,
    which: Which<'a>,
    seen: HashSet<Asset>,
}

impl<'a> Search<'a> {
    pub(in crate::cleanup) fn new(client: &'a Client, seen: HashSet<Asset>) -> Self {
        Self { client, which: Which::All, seen }
    }

    pub(in crate::cleanup) fn of_uploads(client: &'a Client) -> Self {
        Self { client, which: Which::Uploads, seen: HashSet::new() }
    }

    /// Looks for files of these sessions among all that were not seen yet. What cannot be read may be one of them.
    pub(in crate::cleanup) async fn look(
        &mut self,
        kind: FileKind,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(Vec<File>, Option<Error>)> {
        let names = names(self.client, kind, self.which).await?;
        let new: Vec<String> =
            names.into_iter().filter(|name| !self.seen.contains(&Asset::file(kind, name.clone()))).collect();
        let (mut files, mut trouble) = (Vec::new(), None);
        // Few at a time: all the records of a large gallery take more memory than the few that are wanted.
        for chunk in match kind {
            FileKind::Image => chunks(&new).collect::<Vec<_>>(),
            FileKind::Video => vec![&new[..]],
        } {
            for (name, record) in records(self.client, kind, chunk).await {
                match record {
                    Ok(file) => {
                        self.seen.insert(Asset::file(kind, name));
                        let file = file.filter(|file| file.session_id.as_deref().is_some_and(&wanted));
                        files.extend(file);
                    }
                    Err(error) => trouble = trouble.or(Some(error)),
                }
            }
        }
        Ok((files, trouble))
    }
}

/// Names of the images that were uploaded under a session.
#[cfg(feature = "fleet")]
pub(crate) async fn uploads_of_session(client: &Client, session: &str) -> Result<Vec<String>> {
    let (files, trouble) = Search::of_uploads(client).look(FileKind::Image, |id| id == session).await?;
    let name = |file: File| if let Asset::Image(name) = file.asset { Some(name) } else { None };
    match trouble {
        Some(error) => Err(error),
        None => Ok(files.into_iter().filter_map(name).collect()),
    }
}
