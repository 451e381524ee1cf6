//! `invokeai-client fleet wait`.

use std::{future::IntoFuture as _, time::Duration};

use clap::Args;
use invokeai_client::{Error, fleet::JobState};

use super::{StoreArgs, choose::ChooseArgs};
use crate::{exit::Exit, failure::Failure, print::note, stop::Stop, table::Output};

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    choose: ChooseArgs,
    /// Wait at most this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

pub(crate) async fn run(args: &WaitArgs, stop: &Stop, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let fleet = args.store.open_patiently(stop, true).await?;
    let known = stop.or(args.choose.known(&fleet)).await.map_err(Failure::Stopped)?;
    let jobs = match known {
        // The wait outlasts that.
        Err(Failure::Client(Error::Fleet { passes: true, .. })) => args.choose.of(&fleet),
        known => known?,
    };
    let mut wait = jobs.wait();
    if let Some(seconds) = args.timeout {
        wait = wait.timeout(Duration::from_secs(seconds));
    }
    let jobs = stop.or(wait.into_future()).await.map_err(Failure::Stopped)??;
    let mut exit = Exit::Done;
    for job in &jobs {
        exit = exit.max(match job.state {
            JobState::Failed => Exit::Failed,
            JobState::Canceled => Exit::Canceled,
            _ => Exit::Done,
        });
        if output.json {
            output.out.json(job)?;
        } else if job.state != JobState::Done {
            let problem = job.problem.as_deref().unwrap_or_default();
            note(format!("job {} (row {}) {}: {problem}", job.id, job.place + 1, job.state));
        }
    }
    if !output.json {
        let done = jobs.iter().filter(|job| job.state == JobState::Done).count();
        output.out.line(format!("{done} of {} jobs are done", jobs.len()))?;
    }
    Ok(exit)
}
