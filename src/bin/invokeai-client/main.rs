//! The command `invokeai-client`.

mod api;
mod arguments;
mod bindings;
mod boards;
mod catalog_source;
mod cleanup;
mod completion;
mod confirm;
mod demo;
mod diff;
mod exit;
mod failure;
#[cfg(feature = "fleet")]
mod fleet;
mod folder;
mod given;
mod graph;
mod images;
mod inspect;
// A file of the library.
#[path = "../../base/distinct.rs"]
mod distinct;
#[path = "../../base/local_file.rs"]
mod local_file;
// A file of the library.
#[path = "../../base/local_folder.rs"]
mod local_folder;
mod logging;
mod login;
mod man;
mod models;
mod near;
mod nodes;
mod picture;
mod print;
mod profile;
mod profiles;
mod queue;
mod ready;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod server;
mod session;
mod source;
mod standard_input;
mod stop;
mod style;
mod suggest;
mod table;
mod watch;
mod workflows;

use std::process::ExitCode;

use arguments::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use exit::Exit;
use failure::Failure;
use print::Out;
use table::Output;

fn main() -> ExitCode {
    completion::complete(Cli::command);
    // Usage errors get exit code 1 too: 2 means that a workflow is not ready.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if !(error.use_stderr() && std::env::args_os().any(|argument| argument == "--json")) {
                print::usage(&error);
            } else {
                print::json_error(&serde_json::json!({ "message": error.to_string().trim_end(), "kind": "usage" }));
            }
            return match error.use_stderr() {
                false => Exit::Done.into(),
                true if is_diff() => Exit::NotCompared.into(),
                true => Exit::Wrong.into(),
            };
        }
    };
    style::choose(cli.color);
    print::be_quiet(cli.quiet);
    print::errors_as_json(cli.json);
    suggest::name_server(cli.server.naming());
    logging::start(cli.verbose);
    stop::fail_large_writes();
    let is_diff = matches!(cli.command, Command::Diff { .. });
    let ended = run(cli).unwrap_or_else(|failure| failure.tell());
    // Where 1 means that something differs, it cannot mean that something went wrong.
    if is_diff && ended == Exit::Wrong { Exit::NotCompared.into() } else { ended.into() }
}

/// Whether arguments that cannot be read are those of `diff`.
fn is_diff() -> bool {
    let read = Cli::command().ignore_errors(true).try_get_matches();
    read.is_ok_and(|read| read.subcommand_name() == Some("diff"))
}

fn run(Cli { command, json, server, .. }: Cli) -> Result<Exit, Failure> {
    let mut out = Out::standard();
    match command {
        Command::Inspect { args, source } => inspect::run(&args, &source, &server, &mut out),
        Command::Schema { args, source } => bindings::schema(&source.workflow(&args.workflow, &server)?, &mut out),
        Command::Bindings { args, source } => {
            bindings::run(&args, &source.workflow(&args.workflow, &server)?, &mut out)
        }
        Command::Run { args } => run::run(&args, &args.client(&server)?, &mut out),
        Command::Wait { args } => run::wait::run(&args, &server.client()?),
        Command::Watch { args } => {
            let client = server.client()?;
            session::run_with(&client, None, async |stop| watch::run(args, &client, stop).await)
        }
        Command::Queue { args } => {
            let client = server.client()?;
            session::run(&client, queue::run(args, &client, &mut Output { out, json }))
        }
        Command::Cancel { args } => {
            let client = server.client()?;
            session::run(&client, queue::cancel(args, &client, &mut Output { out, json }))
        }
        Command::Boards { command } => {
            let client = server.client()?;
            session::run(&client, boards::run(command, &client, &mut Output { out, json }))
        }
        Command::Images { command } => {
            let client = server.client()?;
            session::run(&client, images::run(command, &client, &mut Output { out, json }))
        }
        Command::Models { command } => {
            let client = server.client()?;
            session::run(&client, models::run(command, &client, &mut Output { out, json }))
        }
        Command::Workflows { command } => {
            let client = server.client()?;
            session::run(&client, workflows::run(command, &client, &mut Output { out, json }))
        }
        Command::Login { args } => login::login(args, &server, &mut Output { out, json }),
        Command::Logout => login::logout(&server, &mut Output { out, json }),
        Command::Profile { command } => profile::run(command, &mut Output { out, json }),
        Command::Api { args } if args.is_empty() => api::list(&mut Output { out, json }),
        Command::Api { args } => {
            let client = server.client()?;
            session::run(&client, api::run(args, &client, &mut Output { out, json }))
        }
        Command::Graph { args, source } => graph::run(&args, &source.workflow(&args.workflow, &server)?, &mut out),
        Command::Diff { args, source } => diff::run(&args, &source, &server, &mut Output { out, json }),
        Command::Cleanup { args } => {
            let client = args.client(&server)?;
            session::run(&client, cleanup::run(args, &client, &mut Output { out, json }))
        }
        #[cfg(feature = "fleet")]
        Command::Fleet { command } => fleet::run(command, &server, &mut Output { out, json }),
        Command::Nodes { args, source } => {
            source.read_with(&[], &server, async |reader| nodes::print(&reader.catalog, &args, &mut out))
        }
        Command::Demo { args } => {
            session::run_local(async |stop| demo::run(args, &mut Output { out, json }, stop).await)
        }
        #[cfg(feature = "serve")]
        Command::Serve { args } => {
            let client = server.client()?;
            session::run_local(async |stop| serve::run(args, &client, &mut Output { out, json }, stop).await)
        }
        #[cfg(feature = "serve")]
        Command::Mcp { args } => {
            let client = server.client()?;
            session::run_local(async |stop| serve::talk(args, &client, stop).await)
        }
        Command::Completions { args } => completion::print(&args, &mut out).map(|()| Exit::Done),
        Command::Man { args } => man::man(&args, Cli::command(), &mut out).map(|()| Exit::Done),
    }
}
