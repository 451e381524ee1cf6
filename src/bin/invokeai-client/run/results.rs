//! Downloads the results of an item.
//!
//! A file belongs to a run only if this run wrote it, or if it has the content of the result. That it has the right name
//! means nothing: others may have written it.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use invokeai_client::{
    Client, Error,
    download::{Collision, Download},
    outputs::{FileKind, Outputs},
    queue::FieldValue,
    workflow::Workflow,
};

use super::{
    ResultArgs, Run,
    fingerprint::Fingerprint,
    name::{self, Template},
    tally::Tally,
    ticket::{Copy, Made, Picture, Ticket},
    uploads::Uploads,
};
use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    picture,
    print::{self, aside, note, paint},
    style,
};

/// How results are downloaded.
#[derive(Clone, Copy)]
pub(super) struct Saving<'a> {
    pub(super) args: &'a ResultArgs,
    pub(super) client: &'a Client,
    /// Whether files must be on disk before anything is recorded or deleted because of them.
    pub(super) durable: bool,
}

/// A result that is on this machine.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) path: PathBuf,
    /// Whether a file of this name existed before.
    pub(super) existed: bool,
}

/// Which of an item's results are on this machine.
#[derive(Default)]
pub(super) struct Results {
    /// By name on the server.
    pub(super) here: HashMap<String, Here>,
    /// The results that are not, and why.
    pub(super) missing: Vec<String>,
}

impl Results {
    /// The first image of the item, and where it is.
    pub(super) fn first_picture(&self, outputs: &Outputs) -> Option<Picture> {
        let image = outputs.final_images().first()?.name.clone();
        let file = self.here.get(&image).map(|here| here.path.clone());
        Some(Picture { image, file })
    }
}

/// The results of an item: what it saved for good.
pub(super) fn of(outputs: &Outputs) -> Vec<Made> {
    let files = outputs.final_images().into_iter().chain(outputs.final_videos());
    files.enumerate().map(|(place, file)| Made::new(file, place + 1)).collect()
}

/// The values for file names.
pub(super) struct About<'a> {
    pub(super) workflow: &'a Workflow,
    /// The values that the batch put into the item.
    pub(super) values: &'a [FieldValue],
    pub(super) uploads: &'a Uploads,
    /// From 0.
    pub(super) row: Option<usize>,
    pub(super) item_id: i64,
    pub(super) batch_id: &'a str,
}

/// Downloads results of an item. If one file fails, the others are downloaded anyway.
pub(super) async fn download(
    saving: &Saving<'_>,
    made: &[Made],
    about: &About<'_>,
    tally: &mut Tally,
    ticket: &mut Option<Ticket>,
) -> Results {
    let Some(folder) = &saving.args.out else { return Results::default() };
    let mut results = Results::default();
    let mut ticket = ticket.as_mut().zip(about.row);
    match &saving.args.name {
        None => many(saving, folder, made, &mut results).await,
        Some(template) => {
            for made in made {
                let stem = about.name(template, made);
                match named(saving, folder, &stem, made, &mut ticket).await {
                    Ok(path) => drop(results.here.insert(made.name.clone(), Here { path, existed: false })),
                    Err(error) => results.missing.push(format!("{} was not downloaded: {error}", made.name)),
                }
            }
        }
    }
    for made in made {
        let Some(here) = results.here.get(&made.name) else { continue };
        let problem = match is_ours(saving, made, here, tally, ticket.is_some()).await {
            Ok(false) => continue,
            Ok(true) => {
                tally.downloaded.insert(made.name.clone());
                record(&here.path, made, &mut ticket).await.err()
            }
            Err(error) => Some(error),
        };
        results.missing.extend(problem.map(|problem| format!("{}: {problem}", made.name)));
    }
    results
}

/// Downloads results under the names that they have on the server.
async fn many(saving: &Saving<'_>, folder: &Path, made: &[Made], results: &mut Results) {
    let names = |kind| made.iter().filter(move |made| made.kind == kind).map(|made| made.name.clone());
    let (images, videos) = (names(FileKind::Image), names(FileKind::Video));
    let client = saving.client;
    for many in [client.images().download(images, folder), client.videos().download(videos, folder)] {
        match many.durable(saving.durable).await {
            Ok(report) => {
                results.missing.extend(report.failed.iter().map(|failure| {
                    let reason = failure.error.as_ref().map(|error| with_causes(error));
                    let reason = reason.unwrap_or_else(|| "the server gave no reason".into());
                    format!("{} was not downloaded: {reason}", failure.name)
                }));
                let saved = report.saved.into_iter().chain(report.kept);
                let here = saved.map(|saved| (saved.name, Here { path: saved.path, existed: saved.kept }));
                results.here.extend(here);
            }
            Err(error) => results.missing.push(format!("the results were not downloaded: {}", with_causes(&error))),
        }
    }
}

/// Downloads a file under a unique name: if the name is taken, a number is added.
async fn named(
    saving: &Saving<'_>,
    folder: &Path,
    stem: &str,
    made: &Made,
    ticket: &mut Option<(&mut Ticket, usize)>,
) -> Result<PathBuf, String> {
    let told = |error: &Error| with_causes(error);
    let download = request(saving, made).collision(Collision::Rename);
    let Some((ticket, row)) = ticket else {
        let saved = download.named(stem).to_directory(folder).await;
        return saved.map(|saved| saved.path).map_err(|error| told(&error));
    };
    tokio::fs::create_dir_all(folder).await.map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    let real = fs::canonicalize(folder).map_err(|error| error.to_string())?;
    let key = (*row, made.name.clone());
    // An earlier try may have been killed after it wrote the file, and before it recorded that.
    let copied = ticket.copies.get(&key).map(|copy| (&copy.path, Some(copy.content)));
    let chosen = ticket.files.get(&key).map(|path| (path, None));
    for (path, recorded) in [copied, chosen].into_iter().flatten().filter(|(path, _)| path.parent() == Some(&real)) {
        if is_copy(saving, made, path, recorded).await? {
            return Ok(folder.join(path.file_name().unwrap_or_default()));
        }
    }
    let mut stems = (2..).map(|number: u64| format!("{stem} ({number})"));
    let mut free = stem.to_owned();
    let path = loop {
        let name = download.clone().named(&*free).file_name().map_err(|error| told(&error))?;
        let path = real.join(name.ok_or("its kind is not known")?);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            break path;
        }
        free = stems.next().ok_or("no name is free")?;
    };
    ticket.saves(*row, &made.name, path).map_err(|error| with_causes(&error))?;
    let saved = download.named(free).to_directory(folder).await;
    saved.map(|saved| saved.path).map_err(|error| told(&error))
}

fn request(saving: &Saving<'_>, made: &Made) -> Download {
    let download = match made.kind {
        FileKind::Video => saving.client.video(&made.name).download(),
        _ => saving.client.image(&made.name).download(),
    };
    download.durable(saving.durable)
}

/// Whether a file is what was downloaded, or has its content.
async fn is_ours(
    saving: &Saving<'_>,
    made: &Made,
    here: &Here,
    tally: &Tally,
    is_recorded: bool,
) -> Result<bool, String> {
    if !here.existed || tally.downloaded.contains(&made.name) {
        return Ok(true);
    }
    // An earlier try may have written it.
    if is_recorded { is_copy(saving, made, &here.path, None).await } else { Ok(false) }
}

/// Whether a file has the content of a result: as it was recorded, or else as the server has it.
async fn is_copy(saving: &Saving<'_>, made: &Made, path: &Path, recorded: Option<Fingerprint>) -> Result<bool, String> {
    let Ok(found) = content(path).await else { return Ok(false) };
    let wanted = match recorded {
        Some(recorded) => recorded,
        None => {
            let mut theirs = Fingerprint::default();
            let read = request(saving, made).write_to(&mut theirs).await;
            read.map_err(|error| with_causes(&error))?;
            theirs
        }
    };
    Ok(found == wanted)
}

async fn content(path: &Path) -> io::Result<Fingerprint> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || Fingerprint::of_file(&path)).await.map_err(io::Error::other)?
}

/// Records that a file has the result of a row.
async fn record(path: &Path, made: &Made, ticket: &mut Option<(&mut Ticket, usize)>) -> Result<(), String> {
    let Some((ticket, row)) = ticket else { return Ok(()) };
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let content = content(path).await.map_err(failed)?;
    let folder = fs::canonicalize(path.parent().unwrap_or(path)).map_err(failed)?;
    let path = folder.join(path.file_name().unwrap_or_default());
    ticket.saved(*row, &made.name, Copy { path, content }).map_err(|error| with_causes(&error))
}

impl Run<'_> {
    /// Downloads the results of rows that are done, and that are not in the folder: an earlier try had no folder or
    /// another one, or the files were deleted.
    pub(super) async fn fetch(&mut self) -> Result<(), Failure> {
        let (Some(folder), Some(ticket), Some(workflow)) = (&self.args.results.out, &self.ticket, &self.workflow)
        else {
            return Ok(());
        };
        let real = fs::canonicalize(folder).ok();
        let is_here = |row: usize, made: &Made| {
            let copy = ticket.copies.get(&(row, made.name.clone()));
            copy.is_some_and(|copy| {
                let is_as_long = |file: fs::Metadata| file.is_file() && file.len() == copy.content.bytes();
                copy.path.parent() == real.as_deref() && fs::metadata(&copy.path).is_ok_and(is_as_long)
            })
        };
        let lacks = |(row, done): (&usize, &super::ticket::Done)| {
            let lacking = done.results.iter().filter(|made| !is_here(*row, made)).cloned().collect::<Vec<_>>();
            (!lacking.is_empty()).then(|| (*row, done.clone(), lacking))
        };
        let lacking: Vec<_> = ticket.done.iter().filter_map(lacks).collect();
        let saving = self.saving();
        let (mut fetched, mut missing) = (0_usize, Vec::new());
        for (row, done, made) in lacking {
            let about = About {
                workflow,
                values: &done.values,
                uploads: &self.uploads,
                row: Some(row),
                item_id: done.item,
                batch_id: &done.batch,
            };
            let downloading = download(&saving, &made, &about, &mut self.tally, &mut self.ticket);
            let results = self.stop.or(downloading).await.map_err(Failure::Stopped)?;
            fetched = fetched.saturating_add(results.here.values().filter(|here| !here.existed).count());
            missing.extend(results.missing.into_iter().map(|problem| format!("row {}: {problem}", row + 1)));
        }
        if fetched > 0 {
            aside(format!("downloaded {fetched} results of rows that were done"));
        }
        if !missing.is_empty() {
            self.tally.worst = self.tally.worst.max(Exit::Wrong);
        }
        missing.into_iter().for_each(|problem| note(paint(style::BAD, "error:").then(format!(" {problem}"))));
        Ok(())
    }
}

impl About<'_> {
    fn name(&self, template: &Template, made: &Made) -> String {
        let (date, time) = name::date_and_time();
        template.name(|key| match key {
            "index" => self.row.map_or(0, |row| row + 1).to_string(),
            "item" => self.item_id.to_string(),
            "batch" => self.batch_id.to_owned(),
            "date" => date.clone(),
            "time" => time.clone(),
            "node" => made.node.clone(),
            "name" => name::without_ending(&made.name),
            "number" => made.number.to_string(),
            key => self.value(key),
        })
    }

    /// The value of an input in this item, or in the workflow.
    fn value(&self, key: &str) -> String {
        let of_item = |node: &str, field: &str| {
            let same = |value: &&FieldValue| value.node_path == node && value.field_name == field;
            self.values.iter().find(same).map(|value| value.value.clone())
        };
        let stem = |value: &serde_json::Value| {
            Some(self.uploads.file_of(value).and_then(Path::file_stem)?.to_string_lossy().into_owned())
        };
        name::value_of(self.workflow, key, of_item, stem)
    }
}

/// The images that the item saved for good, as a terminal takes them.
pub(super) async fn show(client: &Client, outputs: &Outputs) -> Result<Vec<String>, String> {
    let told = |error: &Error| format!("the results cannot be shown: {}", with_causes(error));
    let mut shown = Vec::new();
    if !print::shows_colors() {
        return Ok(shown);
    }
    for image in outputs.final_images() {
        let bytes = client.image(&image.name).download().bytes().await.map_err(|error| told(&error))?;
        let drawn = tokio::task::spawn_blocking(move || picture::drawn(&bytes)).await;
        shown.push(drawn.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", image.name))?);
    }
    Ok(shown)
}
