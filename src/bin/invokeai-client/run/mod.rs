//! `invokeai-client run`: a workflow from its file to its pictures.
//!
//! Four steps: [`check`] finds out before anything is sent whether it can go well, [`send`] uploads and enqueues,
//! [`follow`] brings each item home, and [`end`] undoes what is left to undo, on every way out.

mod check;
mod display;
mod end;
mod follow;
mod send;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use invokeai_client::{Client, queue::DEFAULT_QUEUE};

use crate::{exit::Exit, failure::Failure, session, stop::Stop};

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// An exported workflow, or a PNG image made by InvokeAI
    #[arg(value_name = "WORKFLOW")]
    workflow: PathBuf,
    /// Set an input: system name, user name or unique field name = plain text for strings, name or key for models, else
    /// JSON; @FILE reads it
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Upload a picture as an intermediate image, and set an image input to it; repeat it for a list of images
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
    /// Run although models that the workflow names are not on the server
    #[arg(long)]
    force: bool,
    /// Give up, and cancel what is left, after so many seconds, whatever is being done then; canceling and --cleanup may
    /// take up to 30 seconds more where the server does not answer
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Download the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the results on the terminal, if it can
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// At the end, however it comes, delete uploads, intermediate images and queue items of this run, and the results that
    /// were downloaded
    #[arg(long)]
    cleanup: bool,
    /// Print one line of JSON for each item instead of a progress bar
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RunArgs, client: &Client) -> Result<Exit, Failure> {
    let limit = args.timeout.map(Duration::from_secs);
    session::run_with(client, limit, async |stop| {
        let mut run = Run { args, client, stop, batch: send::Batch::new(), tally: follow::Tally::default() };
        let outcome = run.work().await;
        run.end(outcome).await
    })
}

/// One run, and how far it got.
struct Run<'a> {
    args: &'a RunArgs,
    client: &'a Client,
    stop: &'a Stop,
    batch: send::Batch,
    tally: follow::Tally,
}

impl Run<'_> {
    /// Everything that may fail or be broken off. Whatever comes of it, [`end`](Self::end) follows.
    async fn work(&mut self) -> Result<(), Failure> {
        let checked = self.stop.or(check::check(self.args, self.client)).await.map_err(Failure::Stopped)??;
        self.send(checked).await?;
        let Some(submission) = self.batch.submission() else { return Ok(()) };
        let following = follow::follow(self.args, self.client, &submission, &mut self.tally);
        self.stop.or(following).await.map_err(Failure::Stopped)?
    }
}
