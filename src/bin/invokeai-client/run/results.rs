//! Downloads the results of an item.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use invokeai_client::{
    Client, Error,
    download::{Collision, SavedFile},
    outputs::{FileKind, OutputFile, Outputs},
    queue::FieldValue,
    workflow::Workflow,
};

use super::{
    ResultArgs,
    name::{self, Template},
    tally::Tally,
    ticket::{Picture, Ticket},
    uploads::Uploads,
};
use crate::{failure::with_causes, picture, print};

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
    /// Whether files of these names existed before this run. They may be different files.
    pub(super) kept: bool,
}

impl Results {
    /// The first image of the item, and where it is.
    pub(super) fn first_picture(&self, outputs: &Outputs) -> Option<Picture> {
        let image = outputs.final_images().first()?.name.clone();
        let file = self.here.get(&image).map(|here| here.path.clone());
        Some(Picture { image, file })
    }
}

/// The values for file names.
pub(super) struct About<'a> {
    pub(super) workflow: &'a Workflow,
    /// The values that the batch put into the item.
    pub(super) values: &'a [FieldValue],
    pub(super) uploads: &'a Uploads,
    pub(super) index: usize,
    pub(super) item_id: i64,
    pub(super) batch_id: &'a str,
}

/// Downloads what the item saved for good. If one file fails, the others are downloaded anyway.
pub(super) async fn download(
    args: &ResultArgs,
    client: &Client,
    outputs: &Outputs,
    about: &About<'_>,
    tally: &mut Tally,
    ticket: &mut Option<Ticket>,
) -> Results {
    let Some(folder) = &args.out else { return Results::default() };
    let mut results = Results::default();
    let mut saved: Vec<SavedFile> = Vec::new();
    match &args.name {
        None => match outputs.download_to(folder).await {
            Ok(report) => {
                results.missing.extend(report.failed.iter().map(|failure| {
                    let reason = failure.error.as_ref().map(|error| with_causes(error));
                    let reason = reason.unwrap_or_else(|| "the server gave no reason".into());
                    format!("{} was not downloaded: {reason}", failure.name)
                }));
                saved.extend(report.saved.into_iter().chain(report.kept));
            }
            Err(error) => results.missing.push(format!("the results were not downloaded: {}", with_causes(&error))),
        },
        Some(template) => {
            let files = outputs.final_images().into_iter().chain(outputs.final_videos());
            for (number, file) in files.enumerate() {
                let named = about.name(template, file, number + 1);
                match save(client, folder, &named, file, ticket).await {
                    Ok(file) => saved.push(file),
                    Err(error) => {
                        results.missing.push(format!("{} was not downloaded: {error}", file.name));
                    }
                }
            }
        }
    }
    let own: BTreeSet<&str> =
        outputs.images().filter(|image| !image.is_shared()).map(|image| image.name.as_str()).collect();
    for SavedFile { name, path, kept, .. } in saved {
        let existed = kept && !tally.downloaded.contains(&name);
        results.kept |= existed;
        if !existed {
            tally.downloaded.insert(name.clone());
            if own.contains(name.as_str()) {
                tally.own.insert(name.clone());
            }
        }
        results.here.insert(name, Here { path, existed: kept });
    }
    results
}

/// Downloads a file under a unique name: if the name is taken, a number is added.
async fn save(
    client: &Client,
    folder: &Path,
    stem: &str,
    file: &OutputFile,
    ticket: &mut Option<Ticket>,
) -> Result<SavedFile, String> {
    let ending = file.name.rsplit_once('.').map_or("png", |(_, ending)| ending);
    // The extension decides what programs do with a file, so only a plain one is accepted from a server.
    let ending = if ending.chars().all(|c| c.is_ascii_alphanumeric()) && ending.len() < 6 { ending } else { "png" };
    let mut path = folder.join(format!("{stem}.{ending}"));
    let made = tokio::fs::create_dir_all(folder).await;
    made.map_err(|error| format!("cannot create the folder {}: {error}", folder.display()))?;
    let download = match file.kind {
        FileKind::Video => client.video(&file.name).download(),
        _ => client.image(&file.name).download(),
    };
    let Some(ticket) = ticket else {
        let saved = download.collision(Collision::Rename).to_file(path).await;
        return saved.map_err(|error| with_causes(&error));
    };
    // If this try is killed after the file is written and before that is recorded, the next one must not write it again
    // under another name.
    let collision = match ticket.files.get(&file.name) {
        Some(recorded) => {
            path.clone_from(recorded);
            Collision::Skip
        }
        None => {
            let mut numbered = (2..).map(|number: u64| folder.join(format!("{stem} ({number}).{ending}")));
            while path.exists() {
                path = numbered.next().ok_or("no name is free")?;
            }
            ticket.saves(&file.name, &path).map_err(|error| with_causes(&error))?;
            Collision::Error
        }
    };
    let mut saved = download.collision(collision).to_file(path).await.map_err(|error| with_causes(&error))?;
    // It belongs to this run, if to an earlier try.
    saved.kept = false;
    Ok(saved)
}

impl About<'_> {
    fn name(&self, template: &Template, file: &OutputFile, number: usize) -> String {
        let (date, time) = name::date_and_time();
        template.name(|key| match key {
            "index" => self.index.to_string(),
            "item" => self.item_id.to_string(),
            "batch" => self.batch_id.to_owned(),
            "date" => date.clone(),
            "time" => time.clone(),
            "node" => file.node.name().to_owned(),
            "name" => name::without_ending(&file.name),
            "number" => number.to_string(),
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
