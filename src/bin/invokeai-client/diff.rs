//! `invokeai-client diff`: what differs between two workflows.

use std::path::PathBuf;

use clap::Args;
use invokeai_client::workflow::{SharedCatalogue, Workflow, WorkflowDiff};

use crate::{exit::Exit, failure::Failure, inspect, table::Output};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The workflow before
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The workflow after
    #[arg(value_name = "AFTER")]
    after: PathBuf,
}

pub(crate) fn run(args: &DiffArgs, catalogue: &SharedCatalogue, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let workflow =
        |path: &PathBuf| Ok::<_, Failure>(Workflow::new(inspect::definition(path).map_err(Failure::other)?, catalogue));
    let diff = WorkflowDiff::between(&workflow(&args.before)?, &workflow(&args.after)?);
    if output.json {
        output.out.json_document(&diff)?;
    } else {
        for change in &diff.changes {
            output.out.line(change.to_string())?;
        }
    }
    Ok(if diff.is_empty() { Exit::Done } else { Exit::Differ })
}
