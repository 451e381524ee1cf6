//! `invokeai-client cleanup`.

use std::{io::Write, path::PathBuf};

use clap::Args;

use crate::{Failure, server::ServerArgs};

#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    /// What this ledger of a program records
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    ledger: Option<PathBuf>,
    /// This batch
    #[arg(long, value_name = "ID", conflicts_with = "ledger")]
    batch: Option<String>,
    /// Delete results, too
    #[arg(long)]
    outputs: bool,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: CleanupArgs, server: &ServerArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let client = server.client_with(args.ledger)?;
    let mut cleanup = client.cleanup().intermediates(true).cancel(true).keep_outputs(!args.outputs);
    if let Some(batch) = args.batch {
        cleanup = cleanup.batch(batch);
    }
    let report = cleanup.dry_run(args.dry_run).await?;
    writeln!(out, "{report}")?;
    match report.is_success() {
        true => Ok(()),
        false => Err(Failure::Other("not everything could be deleted".into())),
    }
}
