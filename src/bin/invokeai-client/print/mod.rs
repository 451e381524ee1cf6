//! Everything that this program prints.
//!
//! No other module writes to standard output or standard error (a test checks that), and everything is printed without
//! characters that a terminal would obey: see [`visible`]. So no text from a server, a workflow or a file can be
//! printed raw by mistake.

mod bar;
mod notes;
mod text;
mod visible;

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use crate::style;

pub(crate) use bar::Bar;
pub(crate) use notes::note;
pub(crate) use text::{Text, paint};
pub(crate) use visible::visible;

/// Where results go: standard output.
pub(crate) struct Out<'a> {
    to: Box<dyn Write + 'a>,
}

impl Out<'_> {
    /// Standard output. Not locked, so that another thread may print, too.
    pub(crate) fn standard() -> Self {
        Self { to: Box::new(anstream::stdout()) }
    }

    /// One line for people.
    pub(crate) fn line(&mut self, text: impl Into<Text>) -> io::Result<()> {
        self.to.write_all(text.into().line().as_bytes())
    }

    /// One line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string(value)?;
        self.to.write_all(format!("{}\n", visible::visible_json(&json)).as_bytes())
    }

    /// JSON over many lines.
    pub(crate) fn json_document(&mut self, value: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string_pretty(value)?;
        self.to.write_all(format!("{}\n", visible::visible_json(&json)).as_bytes())
    }

    /// Bytes from outside, such as an image, for a file or another program. A terminal might obey them.
    pub(crate) fn file(&mut self, bytes: &[u8]) -> io::Result<()> {
        use std::io::IsTerminal as _;
        if io::stdout().is_terminal() {
            return Err(io::Error::other("this cannot be printed to a terminal: send it to a file, with > FILE"));
        }
        // Bypasses the filter for terminals, which removes escape sequences.
        io::stdout().write_all(bytes)?;
        io::stdout().flush()
    }

    /// Bytes that this program generated: images for terminals, scripts for shells. Never a text from outside.
    pub(crate) fn own_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.to.flush()
    }
}

#[cfg(test)]
impl<'a> Out<'a> {
    /// Into memory.
    pub(crate) fn memory(to: &'a mut Vec<u8>) -> Self {
        Self { to: Box::new(to) }
    }
}

/// How much is printed besides results. Chosen once, before anything is printed.
static QUIET: AtomicBool = AtomicBool::new(false);
static JSON: AtomicBool = AtomicBool::new(false);

/// Leaves out progress and hints from now on.
pub(crate) fn be_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether only results and errors are wanted.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints errors as JSON from now on.
pub(crate) fn errors_as_json(json: bool) {
    JSON.store(json, Ordering::Relaxed);
}

/// Whether errors are to be JSON.
pub(crate) fn errors_are_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints what is being done on standard error, unless --quiet is given.
pub(crate) fn aside(text: impl Into<Text>) {
    if !is_quiet() {
        note(text);
    }
}

/// Prints what to do next on standard error.
pub(crate) fn hint(text: &str) {
    aside(paint(style::HINT, "  try:").then(format!(" {text}")));
}

/// Prints an error for programs: one line `{"error": …}` on standard error.
pub(crate) fn json_error(error: &serde_json::Value) {
    notes::finished(json_error_line(error));
}

fn json_error_line(error: &serde_json::Value) -> String {
    format!("{}\n", visible::visible_json(&serde_json::json!({ "error": error }).to_string()))
}

/// Whether standard output is a terminal that shows colors.
pub(crate) fn shows_colors() -> bool {
    use std::io::IsTerminal as _;
    let stdout = io::stdout();
    stdout.is_terminal() && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
}

/// Prints results on a separate thread, so that a reader who does not read cannot block the rest of this program: it
/// can still be stopped, and clean up. A bar is hidden meanwhile.
pub(crate) async fn apart(
    bar: Option<&Bar>,
    print: impl FnOnce(&mut Out<'_>) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let bar = bar.cloned();
    let printed = tokio::task::spawn_blocking(move || {
        let print = || print(&mut Out::standard());
        match bar {
            Some(bar) => bar.without(print),
            None => print(),
        }
    });
    printed.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Prints clap's output: help, or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error) {
    let plain = error.render().to_string();
    if plain.lines().all(|line| matches!(visible(line), std::borrow::Cow::Borrowed(_))) {
        // With its colors. If the terminal was closed, there is nobody to report an error to.
        let _ = error.print();
        return;
    }
    // It repeats arguments, which may contain file names that a shell expanded.
    plain.lines().for_each(note);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_for_programs_is_json_whatever_it_says() {
        let error = serde_json::json!({ "message": "no\u{200d}file \u{1b}[2J\u{7f}\n" });
        let line = json_error_line(&error);
        assert!(line.ends_with("}\n") && line.trim_end().chars().all(|c| !c.is_control() && c != '\u{200d}'), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["error"], error);
    }
}
