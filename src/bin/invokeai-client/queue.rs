//! `invokeai-client queue` and `cancel`.

use clap::{Args, Subcommand};
use futures::TryStreamExt as _;
use invokeai_client::{
    Client,
    queue::{DEFAULT_QUEUE, Queue, QueueItem},
};
use serde_json::json;

use crate::{
    confirm::Confirm,
    exit::Exit,
    failure::Failure,
    print::{Text, paint},
    style,
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    #[command(subcommand)]
    command: Option<QueueCommand>,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Show counts, and whether the processor is paused (the default)
    Status,
    /// List all items, oldest first
    List,
    /// Run failed or canceled items again
    Retry {
        /// Ids of the items
        #[arg(required = true)]
        items: Vec<i64>,
    },
    /// Pause the processor, for all queues of the server
    Pause,
    /// Resume the processor, for all queues of the server
    Resume,
    /// Delete every ended item of the queue, including those of others
    Prune {
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Cancel and delete every item of the queue, including those of others
    Clear {
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Id of the queue
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// Cancel whole batches
    #[arg(long = "batch", value_name = "ID")]
    batches: Vec<String>,
    /// Cancel everything that is waiting, but not what is running
    #[arg(long, conflicts_with_all = ["batches", "items"])]
    all_except_current: bool,
    /// Ids of items
    #[arg(required_unless_present_any = ["batches", "all_except_current"])]
    items: Vec<i64>,
    #[command(flatten)]
    confirm: Confirm,
}

pub(crate) async fn run(args: QueueArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let queue = client.queue(&args.queue);
    match args.command.unwrap_or(QueueCommand::Status) {
        QueueCommand::Status => {
            let status = queue.status().await?;
            if output.json {
                output.out.json(&status)?;
            } else {
                let counts = status.queue.counts;
                for (count, what) in [
                    (counts.pending, "pending"),
                    (counts.in_progress, "in progress"),
                    (counts.completed, "completed"),
                    (counts.failed, "failed"),
                    (counts.canceled, "canceled"),
                    (counts.total, "in total"),
                ] {
                    output.out.line(format!("{count:>8} {what}"))?;
                }
                output.out.line(if status.processor.is_started {
                    "processor is running"
                } else {
                    "processor is paused"
                })?;
            }
        }
        QueueCommand::List => {
            let mut items = queue.list().stream();
            while let Some(item) = items.try_next().await? {
                if output.json {
                    output.out.json(&item)?;
                } else {
                    let created = item.created_at.as_ref().map_or("", |time| time.as_str());
                    let status = paint(style::of_status(item.status.as_str()), format!("{:<12}", item.status));
                    let line = Text::from(format!("{:>8}  ", item.item_id)).then(status);
                    output.out.line(line.then(format!(" {created:<23}  {}", item.batch_id)))?;
                }
            }
        }
        QueueCommand::Retry { items } => {
            for id in &items {
                must_find(&queue, *id).await?;
            }
            let fresh = queue.retry(&items).await?;
            match output.json {
                true => output.out.json(&json!({ "item_ids": fresh }))?,
                false => output.out.line(format!("new items: {fresh:?}"))?,
            }
            if fresh.len() < items.len() {
                let left = items.len() - fresh.len();
                return Err(Failure::other(format!(
                    "{left} of these neither failed nor were canceled, and stay as they are"
                )));
            }
        }
        QueueCommand::Pause => {
            queue.pause().await?;
            output.done("processor", "paused")?;
        }
        QueueCommand::Resume => {
            queue.resume().await?;
            output.done("processor", "running")?;
        }
        QueueCommand::Prune { confirm } => {
            let counts = queue.status().await?.queue.counts;
            let ended = counts.ended();
            if confirm.allows(&[format!("delete {ended} ended items of the queue {}", args.queue)]).await? {
                count("deleted", queue.prune().await?, output)?;
            }
        }
        QueueCommand::Clear { confirm } => {
            let total = queue.status().await?.queue.counts.total;
            if confirm.allows(&[format!("cancel and delete all {total} items of the queue {}", args.queue)]).await? {
                count("deleted", queue.clear().await?, output)?;
            }
        }
    }
    Ok(Exit::Done)
}

pub(crate) async fn cancel(args: CancelArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let queue = client.queue(&args.queue);
    let what = to_cancel(&args, &queue).await?;
    if !args.confirm.allows(&what).await? {
        return Ok(Exit::Done);
    }
    if args.all_except_current {
        count("canceled", queue.cancel_all_except_current().await?, output)?;
    }
    if !args.batches.is_empty() {
        count("canceled", queue.cancel_batches(args.batches).await?, output)?;
    }
    for id in args.items {
        let status = queue.cancel_item(id).await?.status;
        match output.json {
            true => output.out.json(&json!({ "item_id": id, "status": status.as_str() }))?,
            false => output.out.line(format!("{id}: {status}"))?,
        }
    }
    Ok(Exit::Done)
}

/// What would be canceled. All is looked up first, so that a wrong id among them stops it before anything is canceled.
async fn to_cancel(args: &CancelArgs, queue: &Queue) -> Result<Vec<String>, Failure> {
    let mut what = Vec::new();
    if args.all_except_current {
        let waiting = queue.status().await?.queue.counts.pending;
        what.push(format!("cancel all {waiting} waiting items of the queue {}", args.queue));
    }
    for batch in &args.batches {
        let counts = queue.batch_status(batch).await?.counts;
        if counts.total == 0 {
            return Err(Failure::other(format!("there is no batch {batch} on the queue {}", args.queue)));
        }
        let left = counts.left();
        what.push(format!("cancel the batch {batch}, where {left} of {} items have not ended", counts.total));
    }
    for id in &args.items {
        let item = must_find(queue, *id).await?;
        what.push(format!("cancel item {id}, which is {}", item.status));
    }
    Ok(what)
}

async fn must_find(queue: &Queue, id: i64) -> Result<QueueItem, Failure> {
    let found = queue.find_item(id).await?;
    found.ok_or_else(|| Failure::other(format!("there is no item {id} on the queue {}", queue.id())))
}

fn count(what: &str, count: u64, output: &mut Output<'_>) -> std::io::Result<()> {
    match output.json {
        true => output.out.json(&json!({ what: count })),
        false => output.out.line(format!("{what}: {count}")),
    }
}
