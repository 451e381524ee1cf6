//! `invokeai-client man`: the manual pages.

use std::{fs, io, path::PathBuf};

use clap::{Args, Command};

use crate::{failure::Failure, print::Out};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client man | man -l -
  invokeai-client man --out ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, created if it does not exist, instead of printing the first one
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `command` is the whole command.
pub(crate) fn man(args: &ManArgs, command: Command, out: &mut Out<'_>) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(out.own_bytes(&page)?);
    };
    let failed = |error: io::Error| Failure::other(format!("cannot write into {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)
}
