//! `invokeai-client bindings` and `schema`: a workflow's inputs for programs.

use std::path::{Path, PathBuf};

use clap::Args;
use invokeai_client::{
    bindings::{self, Code},
    workflow::Workflow,
};

use crate::{
    completion,
    exit::Exit,
    failure::Failure,
    print::{Out, note},
    source::{self, Source},
};

#[derive(Debug, Args)]
pub(crate) struct BindingsArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP, add = completion::sources())]
    pub(crate) workflow: Source,
    /// Name of the struct, instead of the file's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print nothing; if this file is not what would be printed, apart from its layout, say what changed and exit with
    /// 1
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP, add = completion::sources())]
    pub(crate) workflow: Source,
}

pub(crate) fn schema(workflow: &Workflow, out: &mut Out<'_>) -> Result<Exit, Failure> {
    out.json_document(&workflow.input_schema())?;
    Ok(Exit::Done)
}

pub(crate) fn run(args: &BindingsArgs, workflow: &Workflow, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args.workflow.name(),
    };
    let code = bindings::generate(workflow, &name).map_err(Failure::other)?;
    if let Some(file) = &args.check {
        return check(&code, file);
    }
    tell(&code);
    for line in code.text.lines() {
        out.line(line.to_owned())?;
    }
    Ok(Exit::Done)
}

/// Notes the names that cannot be guessed from the form.
fn tell(code: &Code) {
    for renamed in &code.renamed {
        note(format!("{} stands for {:?} ({}): {}", renamed.name, renamed.label, renamed.system_name, renamed.reason));
    }
    for system_name in &code.left_out {
        note(format!("{system_name} has no accessor: only an edge can fill it"));
    }
}

fn check(code: &Code, file: &Path) -> Result<Exit, Failure> {
    let failed = |error| Failure::other(format!("cannot read {}: {error}", file.display()));
    let there = std::fs::read_to_string(file).map_err(failed)?;
    if code.is_same(&there) {
        return Ok(Exit::Done);
    }
    note(format!("{} differs from what the workflow and the nodes generate now", file.display()));
    for difference in code.differences(&there) {
        note(format!("  {difference}"));
    }
    Ok(Exit::Wrong)
}
