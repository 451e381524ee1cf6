//! Rows for people, JSON for programs.

use std::io::{self, Write};

use anstream::eprintln;
use invokeai_client::download::DownloadReport;
use serde::Serialize;
use serde_json::json;

use crate::Failure;

/// Where and how to print.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut dyn Write,
    pub(crate) json: bool,
}

impl Output<'_> {
    /// One row: a line of JSON, or cells of these widths. The last cell takes what it needs.
    pub(crate) fn row<const N: usize>(
        &mut self,
        value: &impl Serialize,
        widths: [usize; N],
        cells: [String; N],
    ) -> io::Result<()> {
        if self.json {
            return writeln!(self.out, "{}", json!(value));
        }
        let cells: Vec<String> = widths.iter().zip(&cells).map(|(width, cell)| format!("{cell:<width$}")).collect();
        writeln!(self.out, "{}", cells.join("  ").trim_end())
    }

    /// What was downloaded; an error if anything was not.
    pub(crate) fn downloaded(&mut self, report: &DownloadReport) -> Result<(), Failure> {
        for saved in &report.saved {
            self.done("saved", &saved.path.display().to_string())?;
        }
        for failure in &report.failed {
            let reason = failure.error.as_ref().map_or_else(|| "the server gave no reason".into(), ToString::to_string);
            eprintln!("{} was not downloaded: {reason}", failure.name);
        }
        match report.is_success() {
            true => Ok(()),
            false => Err(Failure::Other("some images were not downloaded".into())),
        }
    }

    /// What became of one thing.
    pub(crate) fn done(&mut self, what: &str, name: &str) -> io::Result<()> {
        match self.json {
            true => writeln!(self.out, "{}", json!({ what: name })),
            false => writeln!(self.out, "{what} {name}"),
        }
    }
}
