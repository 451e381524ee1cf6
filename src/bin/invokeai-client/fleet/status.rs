//! `invokeai-client fleet status`.

use std::time::Duration;

use clap::Args;
use invokeai_client::{
    Error,
    fleet::{Fleet, FleetStatus},
};

use super::StoreArgs;
use crate::{exit::Exit, failure::Failure, print::note, stop::Stop, table::Output};

/// How often to look.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Look again every two seconds, until all jobs have ended or it is stopped
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(args: &StatusArgs, stop: &Stop, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match stop.or(look(args, output)).await {
        Ok(ended) => ended,
        // That is how one ends a watch.
        Err(_) if args.watch => Ok(Exit::Done),
        Err(why) => Err(Failure::Stopped(why)),
    }
}

async fn look(args: &StatusArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let fleet: Fleet = args.store.open_existing().await?;
    let mut is_first = true;
    loop {
        match fleet.status().await {
            Ok(status) => {
                if !std::mem::replace(&mut is_first, false) && !output.json {
                    output.out.line("")?;
                }
                show(&status, output)?;
                if !args.watch || status.jobs.waiting + status.jobs.running == 0 {
                    return Ok(Exit::Done);
                }
            }
            // Whoever watches wants to see it come back.
            Err(error @ Error::Fleet { passes: true, .. }) if args.watch => {
                note(format!("waiting for the store: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn show(status: &FleetStatus, output: &mut Output<'_>) -> Result<(), Failure> {
    if output.json {
        return Ok(output.out.json(status)?);
    }
    let jobs = &status.jobs;
    let left = status.left.filter(|_| jobs.waiting + jobs.running > 0);
    let left = left.map_or(String::new(), |left| format!(", {} s left", left.as_secs()));
    output.out.line(format!(
        "{} waiting, {} running, {} done, {} failed, {} canceled; {}/min{left}",
        jobs.waiting, jobs.running, jobs.done, jobs.failed, jobs.canceled, status.per_minute
    ))?;
    for server in &status.servers {
        let doing = match (&server.problem, &server.running[..]) {
            (Some(problem), _) => problem.clone(),
            (None, []) => "idle".to_owned(),
            (None, running) => format!("runs {}", running.join(" ")),
        };
        let version = server.version.clone().unwrap_or_default();
        let done = format!("{} done", server.done);
        output.row(server, [32, 8, 10, 0], [server.server.clone(), version, done, doing])?;
    }
    for waiting in &status.waiting {
        output.out.line(format!("{} jobs wait: {}", waiting.jobs, waiting.reasons.join(" | ")))?;
    }
    Ok(())
}
