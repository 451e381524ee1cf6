//! `invokeai-client run`: a workflow from its file to its results.
//!
//! Four steps: [`check`] finds problems before anything is sent, [`send`] uploads and enqueues, [`follow`] follows each
//! item to its end and downloads its results, and [`end`] undoes what is left to undo, however the run ends.

mod check;
mod display;
mod earlier;
mod end;
mod fingerprint;
mod follow;
mod line;
mod lines;
pub(crate) mod name;
mod results;
mod retries;
mod send;
mod sheet;
mod tally;
mod ticket;
mod uploads;
pub(crate) mod wait;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use invokeai_client::{Client, download::remove_unfinished, queue::DEFAULT_QUEUE, workflow::Workflow};

use follow::{Followed, Rows};
use results::Saving;
use ticket::Ticket;
use tokio::time::sleep;
use uploads::Uploads;

use crate::{
    completion,
    exit::Exit,
    failure::Failure,
    folder,
    given::{InputArgs, ManyArgs},
    print::{self, Out, note, paint},
    ready::Ready,
    server::ServerArgs,
    session,
    source::{self, Source},
    stop::Stop,
    style,
};

/// How often to check whether all items of a large batch are on the queue.
const FEEDING: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP, add = completion::sources())]
    workflow: Source,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    many: ManyArgs,
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// Board for the results, by name; created if it does not exist
    #[arg(long, value_name = "NAME", add = completion::boards())]
    board: Option<String>,
    /// How many times to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Run before what is already waiting
    #[arg(long)]
    prepend: bool,
    /// Run even if models, images or boards that the workflow names are not on the server
    #[arg(long)]
    force: bool,
    /// Print the request that would be sent as JSON, with <upload:FILE> for files, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep a ticket of this run in a file, or continue the run of an existing ticket: rows that are done are not run
    /// again, but their results are downloaded if they are not in the folder of --out. A second file next to it, with
    /// .assets added to its name, records what is on the server
    #[arg(long, value_name = "TICKET", conflicts_with_all = ["runs", "dry_run"])]
    resume: Option<PathBuf>,
    /// Give up and cancel what is left after this many seconds, whatever is being done then; canceling and --cleanup
    /// may take up to 30 seconds more if the server does not answer
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    results: ResultArgs,
    /// Send the workflow, print a ticket as JSON and end, without waiting: `wait` takes the ticket
    #[arg(long, conflicts_with_all = ["results", "resume", "dry_run", "cleanup"])]
    detach: bool,
    /// When the run ends, in whatever way, delete its uploads, intermediate images and queue items, and the results
    /// that were downloaded and are still there, unchanged
    #[arg(long)]
    cleanup: bool,
    /// Print one line of JSON for each item instead of a progress bar
    #[arg(long)]
    json: bool,
}

/// What to do about the items of a run, and with their results
#[derive(Debug, Clone, Args)]
#[group(id = "results", multiple = true)]
pub(crate) struct ResultArgs {
    /// Download the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Names of the files, for example '{index:03}-{prompt:.40}-{seed}': inputs, index, item, batch, date, time, node,
    /// name (on the server), number (within the item). If a name is taken, a number is added
    #[arg(long, value_name = "TEMPLATE", requires = "out")]
    name: Option<name::Template>,
    /// Write a contact sheet with the first image of each item; with --resume, the try that ends the run writes one for
    /// all tries
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Show the results on the terminal, if it supports that
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Run failed items once more, at the end
    #[arg(long)]
    retry_failed: bool,
}

impl ResultArgs {
    /// The folders to write files into.
    fn folders(&self) -> BTreeSet<PathBuf> {
        self.out.clone().into_iter().chain(self.sheet.as_deref().map(folder::of_file)).collect()
    }
}

impl RunArgs {
    /// A client that records what it puts on the server, if this run can be resumed.
    pub(crate) fn client(&self, server: &ServerArgs) -> Result<Client, Failure> {
        server.client_with(|builder| match &self.resume {
            None => builder,
            Some(ticket) => {
                let mut ledger = ticket.as_os_str().to_owned();
                ledger.push(".assets");
                builder.ledger(PathBuf::from(ledger))
            }
        })
    }
}

pub(crate) fn run(args: &RunArgs, client: &Client, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let limit = args.timeout.map(Duration::from_secs);
    session::run_with(client, limit, async |stop| {
        if args.dry_run {
            return stop.or(dry_run(args, client, out)).await.map_err(Failure::Stopped)?;
        }
        let mut run = Run {
            args,
            client,
            stop,
            batch: send::Batch::new(),
            tally: tally::Tally::default(),
            workflow: None,
            ticket: None,
            rows: Rows::default(),
            uploads: Uploads::default(),
        };
        match run.work().await {
            Ok(()) if args.detach => Ok(Exit::Done),
            outcome => run.end(outcome).await,
        }
    })
}

/// Prints the request that would be sent.
async fn dry_run(args: &RunArgs, client: &Client, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let Ready { filled, .. } = check::check(args, client).await?;
    let body = send::submit(args, client, &filled).body().await?;
    for file in &filled.files {
        print::aside(format!("would upload {}", file.display()));
    }
    out.json_document(&body)?;
    Ok(Exit::Done)
}

/// One run, and how far it got.
struct Run<'a> {
    args: &'a RunArgs,
    client: &'a Client,
    stop: &'a Stop,
    batch: send::Batch,
    tally: tally::Tally,
    /// The workflow as it was sent.
    workflow: Option<Workflow>,
    /// With `--resume`.
    ticket: Option<Ticket>,
    /// The rows of the items of the batch.
    rows: Rows,
    uploads: Uploads,
}

impl Run<'_> {
    /// Everything that may fail or be interrupted. Whatever the outcome, [`end`](Self::end) follows.
    async fn work(&mut self) -> Result<(), Failure> {
        let ready = self.stop.or(check::check(self.args, self.client)).await.map_err(Failure::Stopped)??;
        for warning in ready.filled.workflow.warnings() {
            note(paint(style::WARNING, "warning:").then(format!(" {}", warning.message)));
        }
        if let Some(path) = &self.args.resume {
            let opened = Ticket::open(path, &ready.filled, self.args.results.out.as_deref());
            let mut ticket = self.stop.or(opened).await.map_err(Failure::Stopped)??;
            if ticket.is_resumed {
                self.remove_unfinished()?;
            }
            follow::catch_up_lines(&mut ticket).await?;
            self.uploads = ticket.uploaded.clone();
            self.ticket = Some(ticket);
        }
        self.workflow = Some(ready.filled.workflow.clone());
        let left = self.catch_up(ready.filled.sweep.as_ref()).await?;
        if self.send(ready, left).await? {
            if self.args.detach {
                return self.detach().await;
            }
            self.follow().await?;
        }
        if let (Some(ticket), Some(_)) = (&self.ticket, &self.args.results.sheet) {
            let caught_up = follow::catch_up_sheet(self.client, ticket, &mut self.tally.sheet);
            if !self.stop.or(caught_up).await.map_err(Failure::Stopped)? {
                self.tally.worst = self.tally.worst.max(Exit::Wrong);
            }
        }
        Ok(())
    }

    /// Prints the ticket that `wait` takes, once all items are on the queue.
    async fn detach(&self) -> Result<(), Failure> {
        let Some(submission) = self.batch.submission() else { return Ok(()) };
        while submission.is_feeding() {
            self.stop.or(sleep(FEEDING)).await.map_err(Failure::Stopped)?;
        }
        if let Some(error) = submission.feed_error() {
            return Err(error.into());
        }
        let ticket = submission.ticket();
        Ok(print::apart(None, move |out| out.json(&ticket)).await?)
    }

    /// Removes unfinished files that an earlier try left when it was killed.
    fn remove_unfinished(&self) -> Result<(), Failure> {
        for folder in self.args.results.folders().into_iter().filter(|folder| folder.exists()) {
            let failed = |error| Failure::other(format!("cannot read the folder {}: {error}", folder.display()));
            match remove_unfinished(&folder).map_err(failed)? {
                0 => {}
                removed => print::aside(format!(
                    "removed {removed} unfinished files of earlier tries from {}",
                    folder.display()
                )),
            }
        }
        Ok(())
    }

    /// Follows the batch to its end.
    async fn follow(&mut self) -> Result<(), Failure> {
        let (Some(submission), Some(workflow)) = (self.batch.submission(), &self.workflow) else { return Ok(()) };
        let Saving { args, client, durable } = self.saving();
        let (json, rows, uploads) = (self.args.json, &self.rows, &self.uploads);
        let followed = Followed { args, json, durable, client, workflow, rows, uploads };
        let following = follow::follow(followed, submission, &mut self.tally, &mut self.ticket);
        self.stop.or(following).await.map_err(Failure::Stopped)?
    }
}

impl<'a> Run<'a> {
    /// How to download: where a later try or a clean-up relies on a file, it must outlast a power cut.
    fn saving(&self) -> Saving<'a> {
        let durable = self.ticket.is_some() || self.args.cleanup;
        Saving { args: &self.args.results, client: self.client, durable }
    }
}
