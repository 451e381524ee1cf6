//! The command `invokeai-client`.

mod arguments;
mod bindings;
mod boards;
mod catalogue_source;
mod cleanup;
mod completions;
mod demo;
mod exit;
mod failure;
mod folder;
mod hint;
mod images;
mod inspect;
// A file of the library, of which the command uses a part.
#[allow(dead_code)]
#[path = "../../local_file.rs"]
mod local_file;
mod login;
mod models;
mod nodes;
mod picture;
mod print;
mod queue;
mod run;
mod server;
mod session;
mod stop;
mod style;
mod table;
mod watch;
mod workflows;

use std::process::ExitCode;

use arguments::{Cli, Command};
use clap::Parser as _;
use exit::Exit;
use failure::Failure;
use print::Out;
use table::Output;

fn main() -> ExitCode {
    // Usage errors get exit code 1 too: 2 means that a workflow is not ready.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            print::usage(&error);
            return if error.use_stderr() { Exit::Wrong.into() } else { Exit::Done.into() };
        }
    };
    style::choose(cli.color);
    run(cli.command).unwrap_or_else(|failure| failure.tell()).into()
}

fn run(command: Command) -> Result<Exit, Failure> {
    let mut out = Out::standard();
    match command {
        Command::Inspect { args, source } => inspect::run(&args, &source.load()?, &mut out),
        Command::Schema { args, source } => bindings::schema(&args, &source.load()?, &mut out),
        Command::Bindings { args, source } => bindings::run(&args, &source.load()?, &mut out),
        Command::Run { args, server } => run::run(&args, &server.client()?),
        Command::Watch { args, server } => {
            let client = server.client()?;
            session::run_with(&client, None, async |stop| watch::run(args, &client, stop).await)
        }
        Command::Queue { args, server } => {
            let client = server.client()?;
            session::run(&client, queue::run(args, &client, &mut out))
        }
        Command::Cancel { args, server } => {
            let client = server.client()?;
            session::run(&client, queue::cancel(args, &client, &mut out))
        }
        Command::Boards { json, command, server } => {
            let client = server.client()?;
            session::run(&client, boards::run(command, &client, &mut Output { out, json }))
        }
        Command::Images { json, command, server } => {
            let client = server.client()?;
            session::run(&client, images::run(command, &client, &mut Output { out, json }))
        }
        Command::Models { json, command, server } => {
            let client = server.client()?;
            session::run(&client, models::run(command, &client, &mut Output { out, json }))
        }
        Command::Workflows { json, command, server } => {
            let client = server.client()?;
            session::run(&client, workflows::run(command, &client, &mut Output { out, json }))
        }
        Command::Login { args, server } => {
            let client = server.client()?;
            let password = login::ask(&args, &client)?;
            session::run(&client, login::run(args, password, &client, &mut out))
        }
        Command::Cleanup { args, server } => {
            let client = args.client(&server)?;
            session::run(&client, cleanup::run(args, &client, &mut out))
        }
        Command::Nodes { args, source } => nodes::print(&*source.load()?, &args, &mut out),
        Command::Demo { args } => session::run_local(async |stop| demo::run(args, &mut out, stop).await),
        Command::Completions { args } => completions::completions(&args, &mut out).map(|()| Exit::Done),
        Command::Man { args } => completions::man(&args, &mut out).map(|()| Exit::Done),
    }
}
