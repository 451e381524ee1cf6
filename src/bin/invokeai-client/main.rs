//! The command `invokeai-client`.

mod arguments;
mod boards;
mod catalogue_source;
mod cleanup;
mod completions;
mod demo;

mod hint;
mod images;
mod inspect;
mod login;
mod models;
mod nodes;
mod picture;
mod queue;
mod run;
mod server;
mod style;
mod table;
mod watch;
mod workflows;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use anstream::eprintln;
use arguments::{Cli, Command};
use clap::Parser as _;
use style::paint;
use table::Output;

fn main() -> ExitCode {
    // Usage errors get exit code 1 too: 2 means that a workflow is not ready.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell if the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    style::choose(cli.color);
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match run(cli.command, &mut out) {
        Ok(code) => code,
        // Whoever reads has had enough, as `head` has.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error}", paint(style::BAD, "error:"));
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            if let Some(hint) = hint::for_error(&*error) {
                eprintln!("  {} {hint}", paint(style::HINT, "try:"));
            }
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] invokeai_client::Error),
    #[error("cannot write")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Runs a command that talks to a server.
fn online<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work)?)
}

fn run(command: Command, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Inspect { args, source } => Ok(inspect::run(&args, &source.load()?, out)?),
        Command::Run { args, server } => {
            let client = server.client()?;
            online(run::run(args, &client, out))
        }
        Command::Watch { args, server } => {
            let client = server.client()?;
            online(watch::run(args, &client, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Queue { args, server } => {
            let client = server.client()?;
            online(queue::run(args, &client, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Cancel { args, server } => {
            let client = server.client()?;
            online(queue::cancel(args, &client, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Boards { json, command, server } => {
            let client = server.client()?;
            online(boards::run(command, &client, &mut Output { out, json })).map(|()| ExitCode::SUCCESS)
        }
        Command::Images { json, command, server } => {
            let client = server.client()?;
            online(images::run(command, &client, &mut Output { out, json })).map(|()| ExitCode::SUCCESS)
        }
        Command::Models { json, command, server } => {
            let client = server.client()?;
            online(models::run(command, &client, &mut Output { out, json })).map(|()| ExitCode::SUCCESS)
        }
        Command::Workflows { json, command, server } => {
            let client = server.client()?;
            online(workflows::run(command, &client, &mut Output { out, json })).map(|()| ExitCode::SUCCESS)
        }
        Command::Login { args, server } => {
            let client = server.client()?;
            online(login::run(args, &client, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Cleanup { args, server } => online(cleanup::run(args, &server, out)).map(|()| ExitCode::SUCCESS),
        Command::Nodes { args, source } => {
            let catalogue = source.load()?;
            nodes::print(&catalogue, &args, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo { args } => online(demo::run(args, out)).map(|()| ExitCode::SUCCESS),
        Command::Completions { args } => {
            completions::completions(&args, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { args } => {
            completions::man(&args, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
