//! `invokeai-client run`: a workflow from its file to its pictures.

use std::{
    io::{IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anstream::eprintln;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use invokeai_client::{
    Client, Error, Finished, Job, OutputBoard, Submission, Upload, WhenFull,
    progress::Progress,
    queue::{DEFAULT_QUEUE, ItemStatus},
    workflow::Workflow,
};
use serde_json::{Value, json};

use crate::{
    Failure, inspect, picture,
    style::{self, paint},
};

/// Exit codes beside 0 (all completed) and 1 (anything else).
const NOT_READY: u8 = 2;
const FAILED: u8 = 3;
const CANCELED: u8 = 4;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// An exported workflow, or a PNG image made by InvokeAI
    #[arg(value_name = "WORKFLOW")]
    workflow: PathBuf,
    /// Set an input: system name, user name or unique field name = plain text for strings, name or key for models, else
    /// JSON; @FILE reads it
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Upload a picture as an intermediate image, and set an image input to it
    #[arg(long = "upload", value_name = "NAME=FILE")]
    upload: Vec<String>,
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// Board for the results, by name; made if there is none
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// How often to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run before what is already waiting
    #[arg(long)]
    prepend: bool,
    /// Give up, and cancel what is left, after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Download the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the results on the terminal, if it can
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// When all is done, delete uploads, intermediate images and queue items of this run; the results too, if downloaded
    #[arg(long)]
    cleanup: bool,
    /// Print one line of JSON for each item instead of a progress bar
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: RunArgs, client: &Client, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let workflow = prepare(&args, client).await?;
    let mut submit =
        workflow.submit(client).queue(&args.queue).runs(args.runs).prepend(args.prepend).when_full(WhenFull::Feed);
    if let Some(board) = &args.board {
        submit = submit.board(OutputBoard::named_or_new(board));
    }
    let submission = match submit.await {
        Err(Error::NotReady(problems)) => {
            for problem in &problems {
                eprintln!("{} {}", paint(style::WARNING, "not ready:"), problem.message);
            }
            eprintln!(
                "  {} set what is missing with --set NAME=VALUE or --upload NAME=FILE",
                paint(style::HINT, "try:")
            );
            return Ok(ExitCode::from(NOT_READY));
        }
        other => other?,
    };
    let mut code = ExitCode::SUCCESS;
    tokio::select! {
        outcome = follow(&args, client, &submission, out) => code = outcome?.unwrap_or(code),
        () = limit(args.timeout) => {
            eprintln!("time is up; canceled {} items", submission.cancel().await?);
            code = ExitCode::from(CANCELED);
        }
        // A second Ctrl-C ends the program: its handler is then the system's own.
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\ncanceling; Ctrl-C again to leave at once");
            tokio::select! {
                canceled = submission.cancel() => eprintln!("canceled {} items", canceled?),
                _ = tokio::signal::ctrl_c() => {}
            }
            code = ExitCode::from(CANCELED);
        }
    }
    if args.cleanup {
        let cleanup = client.cleanup().intermediates(true).cancel(true).outputs(args.out.is_some());
        eprintln!("{}", cleanup.await?);
    }
    Ok(code)
}

/// Reads the workflow with the server's nodes and models, and fills it in.
async fn prepare(args: &RunArgs, client: &Client) -> Result<Workflow, Failure> {
    let definition = inspect::definition(&args.workflow).map_err(|error| Failure::Other(error.into()))?;
    let mut workflow = client.workflow(definition).await?;
    // Keys in an exported file are of another machine.
    let models = client.models().records().await?;
    let report = workflow.use_models(&models);
    for missing in report.missing.iter().filter(|missing| missing.usage.wanted.is_some()) {
        let fitting: Vec<&str> = missing.fitting.iter().map(|model| model.name.as_str()).collect();
        eprintln!("{}: the model is not on this server; these would fit: {}", missing.usage.title, fitting.join(", "));
    }
    for argument in &args.set {
        inspect::set(&mut workflow, argument, &models).map_err(|error| Failure::Other(error.into()))?;
    }
    for argument in &args.upload {
        let (name, path) = argument
            .split_once('=')
            .ok_or_else(|| Failure::Other(format!("--upload {argument}: must be NAME=FILE").into()))?;
        // Before anything is sent: is there such an input?
        workflow.input(name).map_err(Error::from)?;
        let image = client.images().upload(Upload::path(path)).intermediate(true).await?;
        workflow.set_input(name, image.image_name.as_str()).map_err(Error::from)?;
    }
    Ok(workflow)
}

async fn limit(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Follows every item to its end. The exit code is that of the worst.
async fn follow(
    args: &RunArgs,
    client: &Client,
    submission: &Submission,
    out: &mut dyn Write,
) -> Result<Option<ExitCode>, Failure> {
    let mut worst = None;
    let mut at = 0;
    loop {
        // More items may be enqueued while the first ones run.
        let Some(job) = submission.jobs().into_iter().nth(at) else {
            if at as u64 >= submission.requested() {
                return Ok(worst);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        at += 1;
        let mut bar = Bar::new(args.json, &job, at, submission.requested());
        let end = job.wait().on_progress(|progress| bar.show(progress)).await;
        bar.clear();
        let status = job.status().unwrap_or_else(|| ItemStatus::from("gone"));
        let mut files: Vec<PathBuf> = Vec::new();
        match &end {
            Ok(finished) => {
                if let Some(folder) = &args.out {
                    files = download(finished, folder).await?;
                }
            }
            Err(Error::JobFailed(_)) => worst = Some(ExitCode::from(FAILED)),
            Err(Error::JobCanceled { .. }) => worst = worst.or(Some(ExitCode::from(CANCELED))),
            Err(error) => return Err(error.clone().into()),
        }
        if args.json {
            writeln!(out, "{}", line(&job, &status, &end, &files))?;
        } else {
            match &end {
                Ok(_) => {
                    writeln!(out, "item {} {}", job.item_id(), paint(style::of_status(status.as_str()), &status))?;
                }
                Err(error) => writeln!(out, "{error}")?,
            }
            for file in &files {
                writeln!(out, "  {}", file.display())?;
            }
            if let (true, Ok(finished)) = (args.show, &end) {
                show(client, finished).await?;
            }
        }
    }
}

fn line(job: &Job, status: &ItemStatus, end: &invokeai_client::Result<Finished>, files: &[PathBuf]) -> Value {
    json!({
        "item_id": job.item_id(),
        "batch_id": job.submission().batch_id(),
        "status": status,
        "error": end.as_ref().err().map(ToString::to_string),
        "files": files,
    })
}

/// Progress of one item: a bar on a terminal, a line for each node elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    lines: bool,
    shown: String,
}

impl Bar {
    fn new(json: bool, job: &Job, at: usize, of: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !json).then(|| {
            let bar = ProgressBar::new(1000);
            // The template is fixed; a wrong one would show the default bar.
            if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(format!("item {} ({at} of {of})", job.item_id()));
            bar
        });
        Self { lines: bar.is_none() && !json, bar, shown: String::new() }
    }

    fn show(&mut self, progress: &Progress) {
        let node = progress.node.as_ref().map(|node| node.title.as_deref().unwrap_or(&node.node_type).to_owned());
        let doing = node.unwrap_or_else(|| progress.status.to_string());
        if let Some(bar) = &self.bar {
            bar.set_position((progress.fraction() * 1000.0) as u64);
            bar.set_message(match &progress.message {
                Some(message) => format!("{doing}: {message}"),
                None => doing,
            });
        } else if self.lines && self.shown != doing {
            eprintln!("{}/{} {doing}", progress.nodes_done, progress.nodes_total);
            self.shown = doing;
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows the images that the item saved for good.
async fn show(client: &Client, finished: &Finished) -> Result<(), Failure> {
    for image in finished.outputs().await?.final_images() {
        picture::show(&client.image(&image.name).download().bytes().await?)?;
    }
    Ok(())
}

/// Downloads what the item saved for good.
async fn download(finished: &Finished, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let report = finished.outputs().await?.download_to(folder).await?;
    if let Some(failure) = report.failed.first() {
        let reason = failure.error.as_ref().map_or_else(|| "the server gave no reason".into(), ToString::to_string);
        return Err(Failure::Other(format!("{} was not downloaded: {reason}", failure.name).into()));
    }
    Ok(report.saved.into_iter().map(|saved| saved.path).collect())
}
