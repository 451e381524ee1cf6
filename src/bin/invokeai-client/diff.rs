//! `invokeai-client diff`: what differs between two workflows.

use clap::Args;
use invokeai_client::workflow::{SharedCatalogue, Workflow, WorkflowDiff};

use crate::{
    exit::Exit,
    failure::Failure,
    source::{self, Source},
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[arg(value_name = "BEFORE", help = source::HELP)]
    before: Source,
    #[arg(value_name = "AFTER", help = "The workflow to compare it with")]
    after: Source,
}

pub(crate) fn run(args: &DiffArgs, catalogue: &SharedCatalogue, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let workflow = |source: &Source| Ok::<_, Failure>(Workflow::new(source.read(catalogue)?, catalogue));
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
