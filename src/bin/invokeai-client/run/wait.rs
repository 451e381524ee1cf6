//! `invokeai-client wait`: follows the items of a run that another process has sent to their end.

use std::{io, path::PathBuf, time::Duration};

use clap::Args;
use invokeai_client::{
    Client, Submission, Ticket,
    queue::ItemSummary,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::json;

use super::{
    ResultArgs, check,
    follow::{self, Followed, Rows},
    tally::Tally,
    uploads::Uploads,
};
use crate::{
    catalog_source::Reader, exit::Exit, failure::Failure, folder, local_file, print::note, session, source, stop::Why,
};

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// The ticket that `run --detach` printed: a file, or `-` for standard input
    ticket: PathBuf,
    #[command(flatten)]
    results: ResultArgs,
    /// Stop waiting after this many seconds; the run continues
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Print one line of JSON for each item instead of a progress bar
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &WaitArgs, client: &Client) -> Result<Exit, Failure> {
    let limit = args.timeout.map(Duration::from_secs);
    session::run_with(client, limit, async |stop| match stop.or(wait(args, client)).await {
        Ok(ended) => ended,
        Err(why) => {
            let reason = if why == Why::TimeUp { "time is up" } else { "stopping" };
            note(format!("{reason}; the run continues, and you can wait for it again"));
            Err(Failure::Stopped(why))
        }
    })
}

async fn wait(args: &WaitArgs, client: &Client) -> Result<Exit, Failure> {
    let ticket = read(args.ticket.clone()).await?;
    for folder in args.results.folders() {
        session::apart(move || folder::check(&folder)).await?;
    }
    let submission = Submission::attach(client, &ticket).await?;
    if ticket.item_ids.is_empty() {
        return Ok(Exit::Done);
    }
    // The workflow as it was sent: the names of files and values come from its inputs.
    let reader = Reader::of(client).await?;
    let definition = match first(client, &ticket).await? {
        Some(first) => source::of_item(client, &ticket.queue_id, first, &reader.catalog).await?,
        // Nothing has a name then, and nothing has results.
        None => WorkflowDefinition::from_value(json!({"nodes": {}, "edges": []})).map_err(Failure::other)?,
    };
    let workflow = &Workflow::new(definition, &reader.catalog);
    if let Some(template) = &args.results.name {
        check::check_name(template, workflow)?;
    }
    let mut tally = Tally::default();
    let (rows, uploads) = (&Rows::default(), &Uploads::default());
    let followed = Followed { args: &args.results, json: args.json, durable: false, client, workflow, rows, uploads };
    let requested = submission.requested();
    follow::follow(followed, submission, &mut tally, &mut None).await?;
    tally.tell(requested);
    let is_written = tally.write_sheet(args.results.sheet.as_deref());
    Ok(if is_written { tally.worst } else { tally.worst.max(Exit::Wrong) })
}

/// The first item of the run that is still there. If the server has lost its database, others have the numbers.
async fn first(client: &Client, ticket: &Ticket) -> Result<Option<i64>, Failure> {
    let found = client.queue(&ticket.queue_id).summaries(&ticket.item_ids).await?;
    let is_ours = |item: &ItemSummary| item.batch_id == ticket.batch_id;
    Ok(found.into_iter().flatten().filter(is_ours).map(|item| item.item_id).min())
}

async fn read(path: PathBuf) -> Result<Ticket, Failure> {
    let shown = path.display().to_string();
    let read = session::apart(move || {
        let text = match path.as_os_str() == "-" {
            true => io::read_to_string(io::stdin().lock()),
            false => local_file::open_or_inherited(&path).and_then(io::read_to_string),
        };
        text.map_err(|error| Failure::other(format!("cannot read {}: {error}", path.display())))
    });
    serde_json::from_str(&read.await?)
        .map_err(|error| Failure::other(format!("{shown} is not what `run --detach` prints: {error}")))
}
