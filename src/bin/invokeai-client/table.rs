//! Rows for people, JSON for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

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

    /// What became of one thing.
    pub(crate) fn done(&mut self, what: &str, name: &str) -> io::Result<()> {
        match self.json {
            true => writeln!(self.out, "{}", json!({ what: name })),
            false => writeln!(self.out, "{what} {name}"),
        }
    }
}
