//! The command `invokeai-client`.

mod catalogue_source;
mod inspect;
mod nodes;

use catalogue_source::CatalogueSource;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

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

fn run(command: Command, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Inspect { args, source } => Ok(inspect::run(&args, &source.load()?, out)?),
        Command::Nodes { args, source } => {
            let catalogue = source.load()?;
            nodes::print(&catalogue, &args, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
