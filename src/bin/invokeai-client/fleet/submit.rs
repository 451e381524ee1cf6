//! `invokeai-client fleet submit`.

use std::{collections::HashMap, time::Duration};

use clap::Args;
use invokeai_client::{Client, Error};
use serde_json::json;

use super::{Begun, StoreArgs, choose::label};
use crate::{
    exit::Exit,
    failure::Failure,
    given::{InputArgs, ManyArgs},
    print::note,
    ready,
    source::{self, Source},
    table::Output,
};

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[arg(value_name = "WORKFLOW", help = source::HELP)]
    workflow: Source,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    many: ManyArgs,
    /// How often to run everything; a submission has at most a million jobs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Jobs with a higher one run first
    #[arg(long, value_name = "N", default_value_t = 0)]
    priority: u32,
    /// Give up jobs that were not begun within so many seconds; what has begun is tried as often as any other
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// How often a job is tried; the death of a worker counts as one
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Label, to find the jobs by; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Submit although the server that the workflow is checked with lacks models
    #[arg(long)]
    force: bool,
}

/// The server is asked what the workflow takes, and gets nothing.
pub(crate) async fn run(args: &SubmitArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let ready = ready::look(client, &args.workflow, &args.inputs, &args.many).await?;
    let workflow = &ready.filled.workflow;
    let problems = ready.problems.iter().filter(|problem| !(args.force && ready::can_be_forced(problem)));
    let problems: Vec<String> = problems.map(|problem| ready::said(workflow, problem)).collect();
    if !problems.is_empty() {
        return Err(Failure::NotReady(problems));
    }
    let fleet = args.store.open().await?;
    let mut names = HashMap::new();
    for file in ready.filled.files.clone() {
        names.insert(file.clone(), fleet.image_name(&file).await?);
    }
    let filled = ready.with_uploads(&args.inputs, &args.many, names).await?;
    let mut submit = fleet.submit(&filled.workflow).runs(args.runs).priority(args.priority).attempts(args.attempts);
    if let Some(sweep) = filled.sweep {
        submit = submit.sweep(sweep);
    }
    if let Some(seconds) = args.deadline {
        submit = submit.deadline(Duration::from_secs(seconds));
    }
    for (name, value) in &args.labels {
        submit = submit.label(name, value);
    }
    let id = submit.id().to_owned();
    let begun = Begun::new(format!("submission {id} may be in the fleet, whole or in part"));
    let begun = begun.cure(format!("fleet cancel --submission {id}"));
    let submission = match submit.await {
        Ok(submission) => submission,
        Err(error) => {
            // Nothing is stored before all is checked.
            if !matches!(error, Error::Fleet { .. }) {
                begun.told();
            }
            return Err(error.into());
        }
    };
    if output.json {
        output.out.json(&json!({ "submission": submission.id, "jobs": submission.jobs }))?;
    } else {
        output.out.line(submission.id.as_str())?;
        note(format!("{} jobs", submission.jobs.len()));
    }
    begun.told();
    Ok(Exit::Done)
}
