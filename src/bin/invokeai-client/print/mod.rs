//! Everything that this program prints.
//!
//! No other module writes to standard output or standard error (a test sees to that), and what comes here is printed
//! with nothing in it that a terminal would obey: see [`visible`]. So no text of a server, a workflow or a file can be
//! printed raw by oversight.

mod bar;
mod notes;
mod text;
mod visible;

use std::io::{self, Write};

use serde::Serialize;

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

    /// Bytes of this program's own making: pictures for terminals, scripts for shells. Never a text from outside.
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

/// Whether standard output is a terminal that shows colors.
pub(crate) fn shows_colors() -> bool {
    use std::io::IsTerminal as _;
    let stdout = io::stdout();
    stdout.is_terminal() && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
}

/// Prints results from a thread of its own, so that a reader who does not read cannot hold up what else this program
/// does: it can still be told to stop, and clean up. A bar is taken away meanwhile.
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

/// Prints what clap has to say: help, or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error) {
    let plain = error.render().to_string();
    if plain.lines().all(|line| matches!(visible(line), std::borrow::Cow::Borrowed(_))) {
        // With its colors. Nothing is left to tell if the terminal is gone.
        let _ = error.print();
        return;
    }
    // It repeats arguments, which a shell may have filled with names of files.
    plain.lines().for_each(note);
}
