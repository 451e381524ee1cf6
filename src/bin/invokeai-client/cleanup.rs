//! `invokeai-client cleanup`.

use std::path::PathBuf;

use clap::Args;
use invokeai_client::{
    Client,
    cleanup::{CleanupFailure, CleanupReport, Kept},
    queue::DEFAULT_QUEUE,
};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    server::ServerArgs,
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    /// What this ledger of a program records
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    ledger: Option<PathBuf>,
    /// This batch
    #[arg(long, value_name = "ID", conflicts_with = "ledger")]
    batch: Option<String>,
    /// Id of the queue that the batch is on
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE, conflicts_with = "ledger")]
    queue: String,
    /// Delete results, too
    #[arg(long)]
    outputs: bool,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

impl CleanupArgs {
    /// A client that knows the ledger. It must exist: a new one would record nothing to clean up.
    pub(crate) fn client(&self, server: &ServerArgs) -> Result<Client, Failure> {
        server.client_with(|builder| match &self.ledger {
            None => builder,
            Some(ledger) if self.dry_run => builder.read_only_ledger(ledger),
            Some(ledger) => builder.existing_ledger(ledger),
        })
    }
}

pub(crate) async fn run(args: CleanupArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut cleanup = client.cleanup().intermediates(true).cancel(true).keep_outputs(!args.outputs);
    if let Some(batch) = args.batch {
        cleanup = cleanup.batch(batch).queue(args.queue);
    }
    let report = cleanup.dry_run(args.dry_run).await?;
    if output.json {
        output.out.json(&json_of(&report))?;
    } else {
        for line in lines(&report) {
            output.out.line(line)?;
        }
    }
    match report.is_success() {
        true => Ok(Exit::Done),
        false => Err(Failure::other("not everything could be deleted")),
    }
}

fn json_of(report: &CleanupReport) -> Value {
    let text = |assets: Vec<String>| Value::from(assets);
    json!({
        "dry_run": report.dry_run,
        "deleted": text(report.deleted.iter().map(ToString::to_string).collect()),
        "kept": report.kept.iter().map(|Kept { asset, because, .. }| {
            json!({ "asset": asset.to_string(), "because": because.to_string() })
        }).collect::<Vec<_>>(),
        "failed": report.failed.iter().map(|CleanupFailure { asset, error, .. }| {
            json!({ "asset": asset.to_string(), "error": with_causes(error) })
        }).collect::<Vec<_>>(),
        "success": report.is_success(),
    })
}

/// A report, one line for each thing.
pub(crate) fn lines(report: &CleanupReport) -> Vec<String> {
    let deleted = if report.dry_run { "would delete" } else { "deleted" };
    let mut lines: Vec<String> = report.deleted.iter().map(|asset| format!("{deleted} {asset}")).collect();
    lines.extend(report.kept.iter().map(|Kept { asset, because, .. }| format!("kept {asset}: {because}")));
    let failed = report.failed.iter();
    lines.extend(failed.map(|CleanupFailure { asset, error, .. }| format!("failed {asset}: {}", with_causes(error))));
    // The report's own last line is the sum.
    lines.extend(report.to_string().lines().last().map(str::to_owned));
    lines
}
