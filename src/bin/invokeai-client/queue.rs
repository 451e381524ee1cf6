//! `invokeai-client queue` and `cancel`.

use std::io::Write;

use clap::{Args, Subcommand};
use futures::TryStreamExt as _;
use invokeai_client::{Client, queue::DEFAULT_QUEUE};
use serde_json::json;

use crate::{
    Failure,
    style::{self, paint},
};

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<QueueCommand>,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Counts, and whether the processor is paused (the default)
    Status,
    /// All items, oldest first
    List,
    /// Run failed or canceled items again
    Retry {
        /// Ids of the items
        #[arg(required = true)]
        items: Vec<i64>,
    },
    /// Pause the processor, for all queues of the server
    Pause,
    /// Let the processor go on, for all queues of the server
    Resume,
    /// Delete every ended item of the queue, also those of others
    Prune,
    /// Cancel and delete every item of the queue, also those of others
    Clear,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// Cancel whole batches
    #[arg(long = "batch", value_name = "ID")]
    batches: Vec<String>,
    /// Cancel everything that waits, and let what runs go on
    #[arg(long, conflicts_with_all = ["batches", "items"])]
    all_except_current: bool,
    /// Ids of items
    #[arg(required_unless_present_any = ["batches", "all_except_current"])]
    items: Vec<i64>,
}

pub(crate) async fn run(args: QueueArgs, client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let queue = client.queue(&args.queue);
    let done = |what: &str, count: u64, out: &mut dyn Write| match args.json {
        true => writeln!(out, "{}", json!({ what: count })),
        false => writeln!(out, "{what}: {count}"),
    };
    match args.command.unwrap_or(QueueCommand::Status) {
        QueueCommand::Status => {
            let status = queue.status().await?;
            if args.json {
                writeln!(out, "{}", json!(status))?;
            } else {
                let counts = status.queue.counts;
                writeln!(out, "{:>8} pending\n{:>8} in progress", counts.pending, counts.in_progress)?;
                writeln!(out, "{:>8} completed\n{:>8} failed", counts.completed, counts.failed)?;
                writeln!(out, "{:>8} canceled\n{:>8} in all", counts.canceled, counts.total)?;
                writeln!(out, "processor {}", if status.processor.is_started { "runs" } else { "is paused" })?;
            }
        }
        QueueCommand::List => {
            let mut items = std::pin::pin!(queue.items());
            while let Some(item) = items.try_next().await? {
                if args.json {
                    writeln!(out, "{}", json!(item))?;
                } else {
                    let created = item.created_at.as_ref().map_or("", |time| time.as_str());
                    let status = paint(style::of_status(item.status.as_str()), format!("{:<12}", item.status));
                    writeln!(out, "{:>8}  {status} {created:<23}  {}", item.item_id, item.batch_id)?;
                }
            }
        }
        QueueCommand::Retry { items } => {
            let fresh = queue.retry(&items).await?;
            match args.json {
                true => writeln!(out, "{}", json!({ "item_ids": fresh }))?,
                false => writeln!(out, "new items: {fresh:?}")?,
            }
        }
        QueueCommand::Pause => _ = queue.pause().await?,
        QueueCommand::Resume => _ = queue.resume().await?,
        QueueCommand::Prune => done("deleted", queue.prune().await?, out)?,
        QueueCommand::Clear => done("deleted", queue.clear().await?, out)?,
    }
    Ok(())
}

pub(crate) async fn cancel(args: CancelArgs, client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let queue = client.queue(&args.queue);
    if args.all_except_current {
        writeln!(out, "canceled: {}", queue.cancel_all_except_current().await?)?;
    }
    if !args.batches.is_empty() {
        writeln!(out, "canceled: {}", queue.cancel_batches(args.batches).await?)?;
    }
    for id in args.items {
        writeln!(out, "{id}: {}", queue.cancel_item(id).await?.status)?;
    }
    Ok(())
}
