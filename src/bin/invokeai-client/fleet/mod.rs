//! `invokeai-client fleet`: one workflow on many servers.

mod choose;
#[cfg(feature = "fleet-metrics")]
mod metrics;
mod results;
mod status;
mod submit;
mod wait;
mod worker;

use std::{env, future::IntoFuture as _, time::Duration};

use clap::{Args, Subcommand};
use invokeai_client::fleet::{Fleet, OpenFleet};
use tokio::time::{Instant, sleep};

use crate::{
    exit::Exit,
    failure::Failure,
    print::note,
    server::ServerArgs,
    session,
    stop::Stop,
    suggest::{self, quoted},
    table::Output,
};

/// How long a worker waits for its store to come up, and how long between two tries.
const COMES_UP: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// Make jobs of a workflow, one for each row
    Submit {
        #[command(flatten)]
        args: Box<submit::SubmitArgs>,
    },
    /// Serve jobs with one or several servers (--server, repeated), until it is asked to stop; then finish what has begun
    Worker {
        #[command(flatten)]
        args: worker::WorkerArgs,
    },
    /// Show how many jobs are where, how the servers are, and why what waits
    Status {
        #[command(flatten)]
        args: status::StatusArgs,
    },
    /// Wait until all jobs have ended; exit code 3 if some failed, 4 if some were canceled
    Wait {
        #[command(flatten)]
        args: wait::WaitArgs,
    },
    /// Write the results into a folder
    Results {
        #[command(flatten)]
        args: results::ResultsArgs,
    },
    /// Cancel jobs, also those that run
    Cancel {
        #[command(flatten)]
        args: choose::ChangeArgs,
    },
    /// Try jobs again that failed or were canceled
    Retry {
        #[command(flatten)]
        args: choose::ChangeArgs,
    },
}

const VARIABLE: &str = "INVOKEAI_FLEET";
const DEFAULT: &str = "sqlite:fleet.sqlite";

/// Which fleet.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Where jobs are: sqlite:FILE for one machine, postgres://USER:PASSWORD@HOST/DATABASE for several
    #[arg(
        long,
        value_name = "STORE",
        env = VARIABLE,
        hide_env_values = true,
        default_value = DEFAULT
    )]
    store: String,
    /// Where files are, if the store does not know it yet: a folder that all machines see, or s3://BUCKET/PREFIX (with
    /// AWS_ACCESS_KEY_ID and so on). Default: beside the SQLite file
    #[arg(long, value_name = "PLACE")]
    files: Option<String>,
}

impl StoreArgs {
    /// The option with which another command finds this store, if it needs one. Of a password, its place.
    fn naming(&self) -> String {
        let is_found = self.store == DEFAULT || env::var(VARIABLE).is_ok_and(|store| store == self.store);
        if is_found { String::new() } else { format!(" --store {}", quoted(&without_password(&self.store))) }
    }

    /// Opens the fleet, or makes it.
    async fn open(&self) -> Result<Fleet, invokeai_client::Error> {
        self.opening().await
    }

    /// Opens the fleet for what only looks at jobs, or changes some that are there.
    async fn open_existing(&self) -> Result<Fleet, invokeai_client::Error> {
        self.opening().existing().await
    }

    fn opening(&self) -> OpenFleet {
        suggest::name_store(self.naming());
        let open = Fleet::open(&self.store);
        match &self.files {
            Some(place) => open.files(place),
            None => open,
        }
    }

    /// The same for what starts together with the store: it may be first.
    async fn open_patiently(&self, stop: &Stop, existing: bool) -> Result<Fleet, Failure> {
        let end = Instant::now() + COMES_UP;
        loop {
            let opening = if existing { self.opening().existing() } else { self.opening() };
            match stop.or(opening.into_future()).await.map_err(Failure::Stopped)? {
                Err(error @ invokeai_client::Error::Fleet { passes: true, .. }) if Instant::now() < end => {
                    note(format!("waiting for the store: {error}"));
                    stop.or(sleep(PAUSE)).await.map_err(Failure::Stopped)?;
                }
                opened => return Ok(opened?),
            }
        }
    }
}

/// What a command has begun, which it says if it ends before it could say how that went: because it was stopped, or because
/// nobody reads what it says.
struct Begun {
    what: String,
    command: Option<String>,
}

impl Begun {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), command: None }
    }

    /// What to do about it.
    fn cure(mut self, command: String) -> Self {
        self.command = Some(command);
        self
    }

    /// How it went was said.
    fn told(mut self) {
        self.what.clear();
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.what.is_empty() {
            return;
        }
        note(self.what.as_str());
        if let Some(command) = &self.command {
            session::try_command(command);
        }
    }
}

/// The address of a store that may be shown: `PASSWORD` stands for a password.
fn without_password(store: &str) -> String {
    let Some((scheme, rest)) = store.split_once("://") else { return store.to_owned() };
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    // Options may hold one, too.
    let place = match place.split_once('?') {
        Some((place, options)) if options.to_ascii_lowercase().contains("password") => place,
        _ => place,
    };
    match user {
        None => format!("{scheme}://{place}"),
        Some(user) => match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:PASSWORD@{place}"),
            None => format!("{scheme}://{user}@{place}"),
        },
    }
}

pub(crate) fn run(command: FleetCommand, server: &ServerArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        FleetCommand::Submit { args } => {
            let client = server.client()?;
            session::run(&client, submit::run(&args, &client, output))
        }
        FleetCommand::Worker { args } => worker::run(&args, server),
        FleetCommand::Status { args } => session::run_local(async |stop| status::run(&args, stop, output).await),
        FleetCommand::Wait { args } => session::run_local(async |stop| wait::run(&args, stop, output).await),
        FleetCommand::Results { args } => {
            session::run_local(async |stop| stop.or(results::run(&args, output)).await.map_err(Failure::Stopped)?)
        }
        FleetCommand::Cancel { args } => {
            session::run_local(async |stop| stop.or(choose::cancel(&args, output)).await.map_err(Failure::Stopped)?)
        }
        FleetCommand::Retry { args } => {
            session::run_local(async |stop| stop.or(choose::retry(&args, output)).await.map_err(Failure::Stopped)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_name_a_store_without_its_password() {
        let named = |store: &str| StoreArgs { store: store.to_owned(), files: None }.naming();
        for (store, expected) in [
            (DEFAULT, ""),
            ("sqlite:/srv/my fleet.sqlite", " --store 'sqlite:/srv/my fleet.sqlite'"),
            ("postgres://db/fleet?sslmode=require", " --store 'postgres://db/fleet?sslmode=require'"),
            ("postgres://fleet@db/fleet", " --store postgres://fleet@db/fleet"),
            ("postgres://fleet:hidden@db/fleet", " --store postgres://fleet:PASSWORD@db/fleet"),
            ("postgres://fleet:hid@den?x@db/fleet", " --store postgres://fleet:PASSWORD@db/fleet"),
            ("postgres://db/fleet?user=fleet&password=hidden", " --store postgres://db/fleet"),
            ("postgres://fleet@db/fleet?sslpassword=hidden", " --store postgres://fleet@db/fleet"),
        ] {
            assert_eq!(named(store), expected, "{store}");
        }
    }
}
