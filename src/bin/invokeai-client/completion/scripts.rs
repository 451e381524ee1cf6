//! `invokeai-client completions`: the script for a shell, and the answers to its questions.
//!
//! The script runs this program with a variable in its environment, and with what was typed as its arguments.

use std::{env, ffi::OsString};

use clap::{Args, Command};
use clap_complete::{
    CompleteEnv, Shell,
    env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh},
};

use super::{
    LINE, Line,
    bash::{self, Bash, index},
};
use crate::{failure::Failure, print::Out};

/// The variable that says which shell asks, if one does.
const ASKED: &str = "INVOKEAI_CLIENT_COMPLETE";
const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client completions bash > ~/.local/share/bash-completion/completions/invokeai-client
  invokeai-client completions zsh  > ~/.zfunc/_invokeai-client
  invokeai-client completions fish > ~/.config/fish/completions/invokeai-client.fish

This also completes inputs of workflows, models, boards and saved workflows, from what the server has.")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn print(args: &CompletionsArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let name = env!("CARGO_PKG_NAME");
    let shell = args.shell.to_string();
    let Some(completer) = SHELLS.completer(&shell) else {
        return Err(Failure::other(format!("there are no completions for {shell}")));
    };
    let mut script = Vec::new();
    completer.write_registration(ASKED, name, name, name, &mut script)?;
    Ok(out.own_bytes(&script)?)
}

/// If a shell asks, answers it and ends the program.
pub(crate) fn complete(command: fn() -> Command) {
    if env::var_os(ASKED).is_none() {
        return;
    }
    let arguments: Vec<OsString> = env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let (mut words, at) = match env::var_os(ASKED).is_some_and(|shell| shell == Bash.name()) {
        true => {
            let (words, at) = bash::joined(&arguments, index().unwrap_or(arguments.len()));
            (bash::meant(&words), at)
        }
        false => (arguments.clone(), index().unwrap_or(arguments.len().saturating_sub(1))),
    };
    if at < words.len() {
        words.remove(at);
    }
    // It is set only here.
    let _ = LINE.set(Line { command, words });
    CompleteEnv::with_factory(command).var(ASKED).shells(SHELLS).complete();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_of_the_help_has_a_script() {
        use clap::ValueEnum as _;
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            print(&CompletionsArgs { shell: *shell }, &mut Out::memory(&mut out)).expect("it is printed");
            assert!(String::from_utf8(out).expect("a text").contains(ASKED), "{shell}");
        }
    }
}
