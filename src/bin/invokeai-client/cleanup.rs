//! `invokeai-client cleanup`.

use std::path::PathBuf;

use clap::Args;
use invokeai_client::{
    Client,
    cleanup::{CleanupFailure, CleanupReport, Kept, Undetermined},
    queue::DEFAULT_QUEUE,
};
use serde_json::{Value, json};

use crate::{
    confirm::Confirm,
    exit::Exit,
    failure::{Failure, with_causes},
    print,
    server::ServerArgs,
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    /// Delete what a program recorded in this ledger
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    ledger: Option<PathBuf>,
    /// Delete what belongs to this batch
    #[arg(long, value_name = "ID", conflicts_with = "ledger")]
    batch: Option<String>,
    /// Id of the queue that the batch is on
    #[arg(long, value_name = "ID", default_value = DEFAULT_QUEUE, conflicts_with = "ledger")]
    queue: String,
    /// Delete results, too
    #[arg(long)]
    outputs: bool,
    /// Delete results, too, and the boards that the program created, unless they hold files of others
    #[arg(long)]
    everything: bool,
    #[command(flatten)]
    confirm: Confirm,
}

impl CleanupArgs {
    /// A client with the ledger, which must exist: a new one would have nothing to clean up.
    pub(crate) fn client(&self, server: &ServerArgs) -> Result<Client, Failure> {
        server.client_with(|builder| match &self.ledger {
            None => builder,
            Some(ledger) if self.confirm.is_dry_run() => builder.read_only_ledger(ledger),
            Some(ledger) => builder.existing_ledger(ledger),
        })
    }
}

pub(crate) async fn run(args: CleanupArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let cleanup = |dry_run| {
        let cleanup = client.cleanup().intermediates(true).cancel(true);
        let mut cleanup = cleanup.outputs(args.outputs || args.everything).boards(args.everything);
        if let Some(batch) = &args.batch {
            cleanup = cleanup.batch(batch).queue(&args.queue);
        }
        cleanup.dry_run(dry_run)
    };
    if args.confirm.needs_to_know() {
        let plan = cleanup(true).await?;
        if args.confirm.is_dry_run() {
            return tell(&plan, output);
        }
        let what: Vec<String> = plan.deleted.iter().map(|asset| format!("delete {asset}")).collect();
        if !what.is_empty() {
            args.confirm.allows(&what).await?;
        }
    }
    tell(&cleanup(false).await?, output)
}

fn tell(report: &CleanupReport, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.json {
        output.out.json(&json_of(report))?;
    } else {
        for line in gone(report).into_iter().chain(left(report)).chain(sum(report)) {
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
        "undetermined": report.undetermined.iter().map(|Undetermined { asset, because, .. }| {
            json!({ "asset": asset.to_string(), "because": because.to_string() })
        }).collect::<Vec<_>>(),
        "success": report.is_success(),
    })
}

/// What was deleted, one line for each thing.
fn gone(report: &CleanupReport) -> Vec<String> {
    let deleted = if report.dry_run { "would delete" } else { "deleted" };
    report.deleted.iter().map(|asset| format!("{deleted} {asset}")).collect()
}

/// What is still there, or may be, and why.
fn left(report: &CleanupReport) -> Vec<String> {
    let kept = report.kept.iter().map(|Kept { asset, because, .. }| format!("kept {asset}: {because}"));
    let failed = report.failed.iter();
    let failed = failed.map(|CleanupFailure { asset, error, .. }| format!("failed {asset}: {}", with_causes(error)));
    let undetermined = report.undetermined.iter();
    let undetermined =
        undetermined.map(|Undetermined { asset, because, .. }| format!("undetermined {asset}: {because}"));
    kept.chain(failed).chain(undetermined).collect()
}

/// The report's own last line is the sum.
fn sum(report: &CleanupReport) -> Option<String> {
    report.to_string().lines().last().map(str::to_owned)
}

/// The report of a clean-up in two steps. What failed in the first one may have succeeded in the second.
pub(crate) fn of_steps(first: CleanupReport, mut second: CleanupReport) -> CleanupReport {
    let is_open = |failure: &CleanupFailure| {
        !second.deleted.contains(&failure.asset) && !second.failed.iter().any(|later| later.asset == failure.asset)
    };
    let failed: Vec<CleanupFailure> = first.failed.into_iter().filter(is_open).collect();
    second.failed.extend(failed);
    let is_new = |open: &Undetermined| !second.undetermined.iter().any(|later| later.asset == open.asset);
    let undetermined: Vec<Undetermined> = first.undetermined.into_iter().filter(is_new).collect();
    second.undetermined.extend(undetermined);
    second.deleted.splice(0..0, first.deleted);
    second
}

/// Notes what happened to everything. With --quiet, only what is still there.
pub(crate) fn note(report: &CleanupReport) {
    gone(report).into_iter().for_each(print::aside);
    left(report).into_iter().for_each(print::note);
    sum(report).into_iter().for_each(print::aside);
}
