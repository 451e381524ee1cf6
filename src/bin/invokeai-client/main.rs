//! The command `invokeai-client`.

mod boards;
mod catalogue_source;
mod cleanup;
mod images;
mod inspect;
mod models;
mod nodes;
mod queue;
mod run;
mod server;
mod table;
mod watch;
mod workflows;

use catalogue_source::CatalogueSource;
use clap::{Parser, Subcommand};
use server::ServerArgs;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use table::Output;

/// Work with the workflows of an InvokeAI server
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the inputs, outputs and problems of a workflow; exit code 2 if it is not ready, 1 if it cannot be read
    Inspect {
        #[command(flatten)]
        args: inspect::InspectArgs,
        #[command(flatten)]
        source: CatalogueSource,
    },
    /// Run a workflow on a server; exit code 2 if it is not ready, 3 if it failed, 4 if it was canceled
    Run {
        #[command(flatten)]
        args: run::RunArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Print the events of a server
    Watch {
        #[command(flatten)]
        args: watch::WatchArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show and change a queue
    Queue {
        #[command(flatten)]
        args: queue::QueueArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Cancel items or batches
    Cancel {
        #[command(flatten)]
        args: queue::CancelArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List, download, make and delete boards
    Boards {
        /// Print JSON lines instead of a table
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: boards::BoardsCommand,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List, download, upload and delete images
    Images {
        /// Print JSON lines instead of a table
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: images::ImagesCommand,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List, show, install and delete models
    Models {
        /// Print JSON lines instead of a table
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: models::ModelsCommand,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List, download, save and delete workflows of the library
    Workflows {
        /// Print JSON lines instead of a table
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: workflows::WorkflowsCommand,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Log in to a server with users, and print the token for INVOKEAI_TOKEN; the password comes from standard input
    Login {
        /// Mail address
        email: String,
        /// Make the token last a week instead of a day
        #[arg(long)]
        remember: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Delete what a program left on a server
    Cleanup {
        #[command(flatten)]
        args: cleanup::CleanupArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show the node types of a server
    Nodes {
        #[command(flatten)]
        args: nodes::NodesArgs,
        #[command(flatten)]
        source: CatalogueSource,
    },
}

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
    let mut out = io::stdout().lock();
    match run(cli.command, &mut out) {
        Ok(code) => code,
        // Whoever reads has had enough, as `head` has.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
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
        Command::Login { email, remember, server } => {
            let client = server.client()?;
            let mut password = String::new();
            io::stdin().read_line(&mut password)?;
            let login = async { Ok(client.auth().login(&email, password.trim_end_matches('\n'), remember).await?) };
            writeln!(out, "{}", online(login)?.token)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Cleanup { args, server } => online(cleanup::run(args, &server, out)).map(|()| ExitCode::SUCCESS),
        Command::Nodes { args, source } => {
            let catalogue = source.load()?;
            nodes::print(&catalogue, &args, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
