//! Asks before something is destroyed.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use crate::{
    failure::Failure,
    print::{note, paint},
    style,
};

/// For commands that destroy something for good
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Confirm {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Only say what would be destroyed
    #[arg(long)]
    dry_run: bool,
}

impl Confirm {
    /// Whether nothing is to be destroyed.
    pub(crate) fn is_dry_run(self) -> bool {
        self.dry_run
    }

    /// Whether [`allows`](Self::allows) needs to know what would be destroyed.
    pub(crate) fn needs_to_know(self) -> bool {
        self.dry_run || !self.yes
    }

    /// Whether to go on. Asks on a terminal; refuses where nobody can be asked.
    ///
    /// `what` is for the question: "delete the board tests". With --dry-run, it is printed and nothing else happens.
    pub(crate) async fn allows(self, what: &[String]) -> Result<bool, Failure> {
        if self.dry_run {
            what.iter().for_each(|each| note(format!("would {each}")));
            return Ok(false);
        }
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            let what = what.join(", ");
            let problem = format!("cannot ask for confirmation to {what}: --yes does it, --dry-run shows it");
            return Err(Failure::other(problem));
        }
        what.iter().for_each(|each| note(format!("about to {each}")));
        note(paint(style::WARNING, "Continue? [y/N]"));
        // On another thread, so that a signal ends the waiting.
        let read = || {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        };
        let answer = tokio::task::spawn_blocking(read).await.map_err(Failure::other)?.map_err(Failure::other)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            _ => Err(Failure::other("nothing was done")),
        }
    }
}
