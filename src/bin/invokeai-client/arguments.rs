//! The arguments of the command, and their help.

use clap::{ColorChoice, Parser, Subcommand};

use crate::{
    api, bindings, boards, catalog_source::CatalogSource, cleanup, completion, demo, diff, exit, graph, images,
    inspect, login, man, models, nodes, profile, queue, run, server::ServerArgs, style, watch, workflows,
};

const EXAMPLES: &str = "\
Examples:
  invokeai-client demo                                            a server to play with, and what to try on it
  invokeai-client inspect workflow.json                           its inputs, outputs and problems
  invokeai-client run workflow.json --set prompt=\"a lighthouse\" --out pictures --cleanup
  invokeai-client run picture.png --upload image=photo.jpg --runs 4 --board tests
  invokeai-client <COMMAND> --help                                more examples";

const REFERENCE: &str = "\
Environment:
  INVOKEAI_URL         address of the server, instead of --server
  INVOKEAI_PROFILE     name of a profile that `login` stored, instead of --profile
  INVOKEAI_TOKEN       bearer token, instead of --token (which others can see in the list of processes)
  INVOKEAI_BASIC_AUTH  user and password of a proxy, instead of --basic-auth
  NO_COLOR             no colors, whatever the terminal
  CLICOLOR_FORCE       colors, even without a terminal";

/// Work with the workflows of an InvokeAI server
///
/// Takes workflows as the web editor exports them, or images that contain one; shows what they need, runs them,
/// downloads the results, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(version, styles = style::HELP, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{REFERENCE}\n\nExit codes:{}", exit::table()))]
#[command(disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    /// When to color the output; `auto` does so on terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = false)]
    pub(crate) color: ColorChoice,
    /// Print JSON instead of text; errors are JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results and errors only: no progress, no hints
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show each request on standard error; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the inputs, outputs and problems of a workflow; exit code 2 if it is not ready, 1 if it cannot be read
    #[command(after_help = "\
Examples:
  invokeai-client inspect workflow.json
  invokeai-client inspect picture.png --set prompt=\"a lighthouse\" --set seed=7
  invokeai-client inspect workflow.json --server http://127.0.0.1:9090     with that server's nodes, custom ones included
  invokeai-client inspect workflow.json --json | jq .enqueue               the request that the editor would send")]
    Inspect {
        #[command(flatten)]
        args: inspect::InspectArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Run a workflow on a server; exit code 2 if it is not ready, 3 if it failed, 4 if it was canceled
    #[command(after_help = "\
Examples:
  invokeai-client run workflow.json --set prompt=\"a lighthouse\" --out pictures --show
  invokeai-client run workflow.json --set prompt=@prompt.txt --set \"Steps=20\" --runs 4 --board tests
  invokeai-client run workflow.json --upload image=photo.jpg --out pictures --cleanup")]
    Run {
        #[command(flatten)]
        args: run::RunArgs,
    },
    /// Wait for a run that `run --detach` sent; exit codes are those of `run`
    #[command(after_help = "\
Examples:
  invokeai-client run workflow.json --set prompt=\"a lighthouse\" --detach > run.json
  invokeai-client wait run.json --out pictures
  invokeai-client run workflow.json --detach | invokeai-client wait - --json")]
    Wait {
        #[command(flatten)]
        args: run::wait::WaitArgs,
    },
    /// Print the events of a server
    #[command(after_help = "\
Examples:
  invokeai-client watch
  invokeai-client watch --queue default --json | jq .event")]
    Watch {
        #[command(flatten)]
        args: watch::WatchArgs,
    },
    /// Show and change a queue
    #[command(after_help = "\
Examples:
  invokeai-client queue
  invokeai-client queue list
  invokeai-client queue retry 17 18")]
    Queue {
        #[command(flatten)]
        args: queue::QueueArgs,
    },
    /// Cancel items or batches
    #[command(after_help = "\
Examples:
  invokeai-client cancel 17 18
  invokeai-client cancel --all-except-current --dry-run")]
    Cancel {
        #[command(flatten)]
        args: queue::CancelArgs,
    },
    /// List, download, create and delete boards
    #[command(after_help = "\
Examples:
  invokeai-client boards list
  invokeai-client boards get tests --out pictures")]
    Boards {
        #[command(subcommand)]
        command: boards::BoardsCommand,
    },
    /// List, download, upload and delete images
    #[command(after_help = "\
Examples:
  invokeai-client images list --board none
  invokeai-client images show NAME
  invokeai-client images put photo.jpg")]
    Images {
        #[command(subcommand)]
        command: images::ImagesCommand,
    },
    /// List, show, install and delete models
    #[command(after_help = "\
Examples:
  invokeai-client models list --base flux --type main
  invokeai-client models put owner/repository")]
    Models {
        #[command(subcommand)]
        command: models::ModelsCommand,
    },
    /// List, download, save and delete workflows in the server's library
    #[command(after_help = "\
Examples:
  invokeai-client workflows list --search flux
  invokeai-client workflows get \"FLUX Image to Image\" --out flux.json")]
    Workflows {
        #[command(subcommand)]
        command: workflows::WorkflowsCommand,
    },
    /// Log in to a server and save the login; for a server without users, save its address
    Login {
        #[command(flatten)]
        args: login::LoginArgs,
    },
    /// Log out, and forget the login
    #[command(after_help = "\
Examples:
  invokeai-client logout
  invokeai-client logout --profile work")]
    Logout,
    /// List and choose saved servers and logins
    #[command(after_help = "\
Examples:
  invokeai-client profile list
  invokeai-client profile use work")]
    Profile {
        #[command(subcommand)]
        command: profile::ProfileCommand,
    },
    /// Call any operation of the server
    Api {
        #[command(flatten)]
        args: api::ApiArgs,
    },
    /// Draw a workflow
    #[command(after_help = "\
Examples:
  invokeai-client graph workflow.json > workflow.svg
  invokeai-client graph picture.png --format mermaid
  invokeai-client graph workflow.json --format dot | dot -Tpdf > workflow.pdf")]
    Graph {
        #[command(flatten)]
        args: graph::GraphArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Compare two workflows; exit code 1 if they differ, 5 if one cannot be read
    #[command(after_help = "\
Examples:
  invokeai-client diff before.json after.json
  invokeai-client diff before.json picture.png --json | jq .changes")]
    Diff {
        #[command(flatten)]
        args: diff::DiffArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Delete what a program left on a server
    #[command(after_help = "\
Examples:
  invokeai-client cleanup --ledger program.ledger --dry-run
  invokeai-client cleanup --batch ID --outputs")]
    Cleanup {
        #[command(flatten)]
        args: cleanup::CleanupArgs,
    },
    /// Run workflows on many servers
    #[cfg(feature = "fleet")]
    #[command(after_help = "\
Examples:
  invokeai-client fleet submit workflow.json --rows prompts.csv
  invokeai-client fleet worker --server http://127.0.0.1:9090 --server http://127.0.0.1:9091
  invokeai-client fleet status --watch
  invokeai-client fleet wait && invokeai-client fleet results --out pictures")]
    Fleet {
        #[command(subcommand)]
        command: crate::fleet::FleetCommand,
    },
    /// Show the node types of a server
    #[command(after_help = "\
Examples:
  invokeai-client nodes
  invokeai-client nodes flux_denoise
  invokeai-client nodes --server http://127.0.0.1:9090 --json")]
    Nodes {
        #[command(flatten)]
        args: nodes::NodesArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Print the JSON schema of a workflow's inputs
    #[command(after_help = "\
Examples:
  invokeai-client schema workflow.json
  invokeai-client schema workflow.json --server http://127.0.0.1:9090")]
    Schema {
        #[command(flatten)]
        args: bindings::SchemaArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Print a Rust struct for a workflow
    #[command(after_help = "\
Examples:
  invokeai-client bindings workflow.json > src/flux.rs
  invokeai-client bindings workflow.json --check src/flux.rs --server http://127.0.0.1:9090")]
    Bindings {
        #[command(flatten)]
        args: bindings::BindingsArgs,
        #[command(flatten)]
        source: CatalogSource,
    },
    /// Offer workflows as an HTTP API, a web page, and tools for agents
    #[cfg(feature = "serve")]
    Serve {
        #[command(flatten)]
        args: crate::serve::ServeArgs,
    },
    /// Offer workflows as tools to an agent, over standard input and output (MCP)
    #[cfg(feature = "serve")]
    Mcp {
        #[command(flatten)]
        args: crate::serve::McpArgs,
    },
    /// Start a server on this machine to play with, without models or Python
    Demo {
        #[command(flatten)]
        args: demo::DemoArgs,
    },
    /// Print a script that completes this command's arguments in a shell
    Completions {
        #[command(flatten)]
        args: completion::CompletionsArgs,
    },
    /// Print the manual page
    Man {
        #[command(flatten)]
        args: man::ManArgs,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// A command and its subcommands, at any depth.
    fn all(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(all);
        std::iter::once(command.clone()).chain(below).collect()
    }

    /// Examples in the help of a command, without what a shell does with them.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines =
            help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.contains("invokeai-client "));
        // Remarks are set off by several spaces.
        let typed = lines
            .flat_map(|line| line.split(" && "))
            .map(|line| line.split(" | ").next().and_then(|line| line.split(" > ").next()).unwrap_or(line));
        typed
            .map(|line| line.split(" < ").next().unwrap_or(line).split("   ").next().unwrap_or(line).to_owned())
            .collect()
    }

    /// The words of a line, as a shell splits it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for c in line.chars() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                (' ', None) => words.push(String::new()),
                (c, _) => words.last_mut().expect("there is one").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            assert!(
                !examples(command).is_empty() || command.get_name() == "demo",
                "{} has no examples",
                command.get_name()
            );
        }
    }

    #[test]
    fn every_example_in_the_help_is_a_command_line_of_this_program() {
        let mut seen = 0;
        for line in all(&Cli::command()).iter().flat_map(examples) {
            // `<COMMAND>` is a placeholder.
            if line.contains('<') {
                continue;
            }
            seen += 1;
            if let Err(error) = Cli::try_parse_from(words(&line)) {
                panic!("{line}: {error}");
            }
        }
        assert!(seen > 40, "{seen}");
    }
}
