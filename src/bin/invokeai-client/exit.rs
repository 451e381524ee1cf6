//! How this program ends.

use std::process::ExitCode;

/// How this program ends, from best to worst: of two, the worse one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// A run was canceled on the server, or ran out of time.
    Canceled,
    /// A run failed on the server.
    Failed,
    /// `diff`: the workflows differ.
    Differ,
    /// Anything else went wrong.
    Wrong,
    /// `diff`: a workflow could not be read.
    NotCompared,
    /// The workflow is not ready.
    NotReady,
    /// The terminal was closed.
    HangUp,
    /// Ctrl-C.
    Interrupt,
    /// The system, or another program, asked for it.
    Terminate,
}

/// Every exit code and what it means, as `--help` shows them.
pub(crate) const TABLE: [(Exit, &str); 9] = [
    (Exit::Done, "done"),
    (Exit::Wrong, "something went wrong, for example wrong arguments; `diff`: the workflows differ"),
    (Exit::NotReady, "the workflow is not ready to run (inspect, run)"),
    (Exit::Failed, "a run failed on the server"),
    (Exit::Canceled, "a run was canceled on the server, or its --timeout expired"),
    (Exit::NotCompared, "a workflow could not be read (diff)"),
    (Exit::HangUp, "ended because the terminal was closed (SIGHUP)"),
    (Exit::Interrupt, "ended by Ctrl-C (SIGINT); `watch` and `demo` then end with 0"),
    (Exit::Terminate, "ended by SIGTERM; `watch` and `demo` then end with 0"),
];

impl Exit {
    /// The exit code. For signals it is 128 plus their number, as in shells.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differ | Self::Wrong => 1,
            Self::NotReady => 2,
            Self::Failed => 3,
            Self::Canceled => 4,
            Self::NotCompared => 5,
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Returns the table as lines of text.
pub(crate) fn table() -> String {
    TABLE.iter().map(|(exit, meaning)| format!("\n  {:<4} {meaning}", exit.code())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_each_code_once_in_order() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert!(codes.is_sorted() && codes.iter().collect::<BTreeSet<_>>().len() == codes.len(), "{codes:?}");
    }
}
