//! Rows for people, JSON for programs.

use std::io;

use invokeai_client::download::DownloadReport;
use serde::Serialize;
use serde_json::json;

use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    print::{Out, is_quiet, note, visible},
};

/// Where and how to print.
pub(crate) struct Output<'a> {
    pub(crate) out: Out<'a>,
    pub(crate) json: bool,
}

impl Output<'_> {
    /// Prints one row: a line of JSON, or cells of these widths. The last cell is as wide as it needs to be.
    pub(crate) fn row<const N: usize>(
        &mut self,
        value: &impl Serialize,
        widths: [usize; N],
        cells: [String; N],
    ) -> io::Result<()> {
        if self.json {
            return self.out.json(value);
        }
        // Made visible first, so that the width is that of the printed text.
        let cells = widths.iter().zip(&cells).map(|(width, cell)| format!("{:<width$}", visible(cell)));
        self.out.line(cells.collect::<Vec<_>>().join("  ").trim_end())
    }

    /// Prints what was downloaded; an error if anything was not.
    pub(crate) fn downloaded(&mut self, report: &DownloadReport) -> Result<Exit, Failure> {
        for saved in &report.saved {
            self.done("saved", &saved.path.display().to_string())?;
        }
        for failure in &report.failed {
            let reason = failure.error.as_ref().map(|error| with_causes(error));
            let reason = reason.unwrap_or_else(|| "the server gave no reason".into());
            note(format!("{} was not downloaded: {reason}", failure.name));
        }
        match report.is_success() {
            true => Ok(Exit::Done),
            false => Err(Failure::other("some images were not downloaded")),
        }
    }

    /// Prints what happened to one thing.
    pub(crate) fn done(&mut self, what: &str, name: &str) -> io::Result<()> {
        match self.json {
            true => self.out.json(&json!({ what: name })),
            // Scripts want only the name.
            false if is_quiet() => self.out.line(name),
            false => self.out.line(format!("{what} {name}")),
        }
    }
}
