//! `invokeai-client queue` and `cancel`.

use clap::{Args, Subcommand};
use futures::TryStreamExt as _;
use invokeai_client::{Client, queue::DEFAULT_QUEUE};
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{Out, Text, paint},
    style,
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

pub(crate) async fn run(args: QueueArgs, client: &Client, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let queue = client.queue(&args.queue);
    let done = |what: &str, count: u64, out: &mut Out<'_>| match args.json {
        true => out.json(&json!({ what: count })),
        false => out.line(format!("{what}: {count}")),
    };
    match args.command.unwrap_or(QueueCommand::Status) {
        QueueCommand::Status => {
            let status = queue.status().await?;
            if args.json {
                out.json(&status)?;
            } else {
                let counts = status.queue.counts;
                for (count, what) in [
                    (counts.pending, "pending"),
                    (counts.in_progress, "in progress"),
                    (counts.completed, "completed"),
                    (counts.failed, "failed"),
                    (counts.canceled, "canceled"),
                    (counts.total, "in all"),
                ] {
                    out.line(format!("{count:>8} {what}"))?;
                }
                out.line(if status.processor.is_started { "processor runs" } else { "processor is paused" })?;
            }
        }
        QueueCommand::List => {
            let mut items = std::pin::pin!(queue.items());
            while let Some(item) = items.try_next().await? {
                if args.json {
                    out.json(&item)?;
                } else {
                    let created = item.created_at.as_ref().map_or("", |time| time.as_str());
                    let status = paint(style::of_status(item.status.as_str()), format!("{:<12}", item.status));
                    let line = Text::from(format!("{:>8}  ", item.item_id)).then(status);
                    out.line(line.then(format!(" {created:<23}  {}", item.batch_id)))?;
                }
            }
        }
        QueueCommand::Retry { items } => {
            let fresh = queue.retry(&items).await?;
            match args.json {
                true => out.json(&json!({ "item_ids": fresh }))?,
                false => out.line(format!("new items: {fresh:?}"))?,
            }
        }
        QueueCommand::Pause => _ = queue.pause().await?,
        QueueCommand::Resume => _ = queue.resume().await?,
        QueueCommand::Prune => done("deleted", queue.prune().await?, out)?,
        QueueCommand::Clear => done("deleted", queue.clear().await?, out)?,
    }
    Ok(Exit::Done)
}

pub(crate) async fn cancel(args: CancelArgs, client: &Client, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let queue = client.queue(&args.queue);
    if args.all_except_current {
        out.line(format!("canceled: {}", queue.cancel_all_except_current().await?))?;
    }
    if !args.batches.is_empty() {
        out.line(format!("canceled: {}", queue.cancel_batches(args.batches).await?))?;
    }
    for id in args.items {
        out.line(format!("{id}: {}", queue.cancel_item(id).await?.status))?;
    }
    Ok(Exit::Done)
}
