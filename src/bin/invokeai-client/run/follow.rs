//! Following every item to its end, and bringing its results home.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    pin::pin,
};

use futures::StreamExt as _;
use invokeai_client::{Client, Error, Finished, Job, Submission, queue::ItemStatus};
use serde_json::{Value, json};

use super::{RunArgs, display::Display};
use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    picture,
    print::{self, Out, Text, apart, paint},
    style,
};

/// What became of the items so far.
pub(super) struct Tally {
    /// The worst of them.
    pub(super) worst: Exit,
    /// Whether all results of all items were downloaded.
    pub(super) everything_is_here: bool,
    /// Names of the results that this run has downloaded. Items may share one: InvokeAI caches what nodes give.
    downloaded: BTreeSet<String>,
    /// Those images among them that this run made, and not an earlier one.
    own: BTreeSet<String>,
}

impl Tally {
    /// Names of the downloaded images that this run made.
    pub(super) fn own_results(&self) -> Vec<String> {
        self.own.iter().cloned().collect()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { worst: Exit::Done, everything_is_here: false, downloaded: BTreeSet::new(), own: BTreeSet::new() }
    }
}

/// Follows every item to its end.
pub(super) async fn follow(
    args: &RunArgs,
    client: &Client,
    submission: &Submission,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut display = Display::new(args.json, submission);
    let mut ends = pin!(submission.ends());
    let mut events = submission.events().fuse();
    let (mut complete, mut refused) = (args.out.is_some(), None);
    loop {
        tokio::select! {
            biased;
            end = ends.next() => {
                match end {
                    Some(Ok((job, end))) => {
                        complete &= item(args, client, &display, &job, &end, tally).await?;
                        display.ended();
                    }
                    // The rest was not enqueued; what was goes on.
                    Some(Err(error)) => refused = refused.or(Some(error)),
                    None => break,
                }
            }
            Some(Ok(event)) = events.next() => display.take(submission, &event),
        }
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    tally.everything_is_here = complete;
    Ok(())
}

/// Tells what became of an item, and downloads its results. Answers whether all of them are here.
async fn item(
    args: &RunArgs,
    client: &Client,
    display: &Display,
    job: &Job,
    end: &invokeai_client::Result<Finished>,
    tally: &mut Tally,
) -> Result<bool, Failure> {
    let exit = match end {
        Ok(_) => Exit::Done,
        Err(Error::JobFailed(_)) => Exit::Failed,
        Err(Error::JobCanceled { .. }) => Exit::Canceled,
        Err(_) => Exit::Wrong,
    };
    tally.worst = tally.worst.max(exit);
    let mut here = Results::default();
    if let (Ok(finished), Some(folder)) = (end, &args.out) {
        here = download(finished, folder, tally).await;
    }
    let mut trouble = std::mem::take(&mut here.missing);
    let complete = end.is_ok() && trouble.is_empty() && !here.kept;
    let mut pictures = Vec::new();
    if let (true, Ok(finished)) = (args.show, end) {
        match show(client, finished).await {
            Ok(shown) => pictures = shown,
            Err(problem) => trouble.push(problem),
        }
    }
    if !trouble.is_empty() {
        tally.worst = tally.worst.max(Exit::Wrong);
        for problem in &trouble {
            display.note(paint(style::BAD, "error:").then(format!(" item {}: {problem}", job.item_id())));
        }
    }
    let status = job.status().unwrap_or_else(|| ItemStatus::from("gone"));
    let json = args.json.then(|| line(job, &status, end, &trouble, &here.files));
    let lines = if args.json { Vec::new() } else { lines(job, &status, end, &here.files) };
    let print = move |out: &mut Out<'_>| {
        json.iter().try_for_each(|json| out.json(json))?;
        lines.into_iter().try_for_each(|line| out.line(line))?;
        pictures.iter().try_for_each(|picture| out.own_bytes(picture.as_bytes()))
    };
    apart(display.bar(), print).await?;
    Ok(complete)
}

/// One line of JSON for an item.
fn line(
    job: &Job,
    status: &ItemStatus,
    end: &invokeai_client::Result<Finished>,
    trouble: &[String],
    files: &[PathBuf],
) -> Value {
    let error = end.as_ref().err().map(|error| with_causes(error));
    json!({
        "item_id": job.item_id(),
        "batch_id": job.submission().batch_id(),
        "status": status,
        "error": error.or_else(|| (!trouble.is_empty()).then(|| trouble.join("; "))),
        "files": files,
    })
}

/// The same for people.
fn lines(job: &Job, status: &ItemStatus, end: &invokeai_client::Result<Finished>, files: &[PathBuf]) -> Vec<Text> {
    let first = match end {
        Ok(_) => Text::from(format!("item {} ", job.item_id())).then(paint(style::of_status(status.as_str()), status)),
        Err(error) => with_causes(error).into(),
    };
    let files = files.iter().map(|file| format!("  {}", file.display()).into());
    [first].into_iter().chain(files).collect()
}

/// What of an item's results is on this machine.
#[derive(Default)]
struct Results {
    files: Vec<PathBuf>,
    /// What is not, and why.
    missing: Vec<String>,
    /// Whether files of these names were there before. They may be other ones.
    kept: bool,
}

/// Downloads what the item saved for good. What fails keeps nothing else from being downloaded.
async fn download(finished: &Finished, folder: &Path, tally: &mut Tally) -> Results {
    let report = match finished.outputs().await {
        Ok(outputs) => {
            let own = outputs.images().filter(|image| !image.is_shared()).map(|image| image.name.clone());
            let own: BTreeSet<String> = own.collect();
            let report = outputs.download_to(folder).await;
            let saved = report.iter().flat_map(|report| &report.saved).map(|saved| saved.name.clone());
            tally.own.extend(saved.filter(|name| own.contains(name)));
            report
        }
        Err(error) => Err(error),
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            let missing = vec![format!("the results were not downloaded: {}", with_causes(&error))];
            return Results { missing, ..Results::default() };
        }
    };
    let missing = report.failed.iter().map(|failure| {
        let reason =
            failure.error.as_ref().map_or_else(|| "the server gave no reason".into(), |error| with_causes(error));
        format!("{} was not downloaded: {reason}", failure.name)
    });
    let downloaded = &mut tally.downloaded;
    downloaded.extend(report.saved.iter().map(|saved| saved.name.clone()));
    Results {
        missing: missing.collect(),
        kept: report.kept.iter().any(|kept| !downloaded.contains(&kept.name)),
        files: report.saved.into_iter().chain(report.kept).map(|saved| saved.path).collect(),
    }
}

/// The pictures that the item saved for good, as a terminal takes them.
async fn show(client: &Client, finished: &Finished) -> Result<Vec<String>, String> {
    let told = |error: &Error| format!("the results cannot be shown: {}", with_causes(error));
    let mut shown = Vec::new();
    if !print::shows_colors() {
        return Ok(shown);
    }
    for image in finished.outputs().await.map_err(|error| told(&error))?.final_images() {
        let bytes = client.image(&image.name).download().bytes().await.map_err(|error| told(&error))?;
        let drawn = tokio::task::spawn_blocking(move || picture::drawn(&bytes)).await;
        shown.push(drawn.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", image.name))?);
    }
    Ok(shown)
}
