//! `invokeai-client diff`: what differs between two workflows.

use clap::Args;
use invokeai_client::workflow::WorkflowDiff;

use crate::{
    catalog_source::CatalogSource,
    completion,
    exit::Exit,
    failure::Failure,
    server::ServerArgs,
    source::{self, Source},
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[arg(value_name = "BEFORE", help = source::HELP, add = completion::sources())]
    before: Source,
    #[arg(value_name = "AFTER", help = "The workflow to compare it with", add = completion::sources())]
    after: Source,
}

pub(crate) fn run(
    args: &DiffArgs,
    catalog: &CatalogSource,
    server: &ServerArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let diff = catalog.read_with(&[&args.before, &args.after], server, async |reader| {
        let before = reader.workflow(&args.before).await?;
        Ok(WorkflowDiff::between(&before, &reader.workflow(&args.after).await?))
    })?;
    let printed = match output.json {
        true => output.out.json_document(&diff),
        false => diff.changes.iter().try_for_each(|change| output.out.line(change.to_string())),
    };
    Failure::after(printed.map_err(Failure::from), if diff.is_empty() { Exit::Done } else { Exit::Differ })
}
