//! `invokeai-client fleet results`.

use std::{collections::HashSet, path::PathBuf};

use clap::Args;
use invokeai_client::{
    fleet::{Fleet, FleetJob, JobResult, JobState, ResultFile},
    workflow::Workflow,
};
use serde_json::json;

use super::{StoreArgs, choose::ChooseArgs};
use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    print::note,
    run::name::{self, Template},
    table::Output,
};

/// What names of files may be made of beside inputs.
const KEYS: [&str; 9] = ["index", "job", "item", "batch", "date", "time", "node", "name", "number"];

#[derive(Debug, Args)]
pub(crate) struct ResultsArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    choose: ChooseArgs,
    /// Write the files into this folder; files of the same names that are there are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Names of the files, made of index (of the row, from 1), job, item, batch, date, time, node, name (on the server),
    /// number (within the job) and inputs: '{index:03}-{prompt:.40}'
    #[arg(long, value_name = "TEMPLATE", default_value = "{index:05}-{number}")]
    name: Template,
}

pub(crate) async fn run(args: &ResultsArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let fleet = args.store.open_existing().await?;
    let jobs = args.choose.found(&fleet).await?;
    let (mut written, mut missing, mut exit) = (HashSet::new(), 0_u64, Exit::Done);
    for job in &jobs {
        let (result, paths) = match save(args, &fleet, job, &mut written).await {
            Ok(Some(saved)) => saved,
            Ok(None) => {
                missing += 1;
                continue;
            }
            // What is wrong with one is not to keep the results of all others.
            Err(failure) => {
                note(format!("job {} (row {}) was not written: {}", job.id, job.place + 1, with_causes(&failure)));
                exit = Exit::Wrong;
                continue;
            }
        };
        if output.json {
            output.out.json(&json!({ "job": job, "result": result, "paths": paths }))?;
            continue;
        }
        for path in &paths {
            output.done("saved", &path.display().to_string())?;
        }
        // What has no picture was made for what it says.
        for value in result.values.iter().filter(|_| paths.is_empty()) {
            let shown = value.value.as_str().map_or_else(|| value.value.to_string(), str::to_owned);
            output.out.line(format!("row {}, {}, {}: {shown}", job.place + 1, value.node, value.field))?;
        }
    }
    if missing > 0 {
        let open = jobs.iter().filter(|job| !job.state.is_final()).count();
        let failed = jobs.iter().filter(|job| job.state == JobState::Failed).count();
        note(format!("{missing} jobs have no result: {open} have not ended, {failed} failed"));
    }
    Ok(exit)
}

/// Writes the files of a job. `None` if it has no result.
async fn save(
    args: &ResultsArgs,
    fleet: &Fleet,
    job: &FleetJob,
    written: &mut HashSet<String>,
) -> Result<Option<(JobResult, Vec<PathBuf>)>, Failure> {
    let workflow = fleet.workflow(job).await?;
    if let Some(key) = args.name.unknown(&KEYS, &workflow) {
        let problem = format!("--name: there is no input `{key}`; expected an input or one of {}", KEYS.join(", "));
        return Err(Failure::other(problem));
    }
    let Some(result) = fleet.result(&job.id).await? else { return Ok(None) };
    let mut paths = Vec::new();
    for (number, file) in result.files.iter().enumerate() {
        let mut stem = args.name.name(|key| part(key, &workflow, job, &result, file, number + 1));
        // Two jobs of two submissions may be the same row.
        if written.contains(&stem) {
            stem = format!("{stem}-{}-{}", job.id, number + 1);
        }
        paths.push(fleet.save(file, &args.out, &stem).await?);
        written.insert(stem);
    }
    Ok(Some((result, paths)))
}

fn part(
    key: &str,
    workflow: &Workflow,
    job: &FleetJob,
    result: &JobResult,
    file: &ResultFile,
    number: usize,
) -> String {
    match key {
        "index" => (job.place + 1).to_string(),
        "job" => job.id.clone(),
        "item" => result.item_id.to_string(),
        "batch" => result.batch_id.clone(),
        "date" => name::date_and_time().0,
        "time" => name::date_and_time().1,
        "node" => file.node.clone(),
        "name" => name::without_ending(&file.name),
        "number" => number.to_string(),
        key => name::value_of(workflow, key, |_, _| None, |value| Fleet::file_stem(value).map(str::to_owned)),
    }
}
