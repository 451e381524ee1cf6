//! A progress bar on a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::visible;

/// How many steps the bar has.
const STEPS: u64 = 1000;

/// A bar on standard error, if that is a terminal.
#[derive(Clone)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// `None` where standard error is not a terminal, and with --quiet.
    pub(crate) fn new() -> Option<Self> {
        if super::is_quiet() || !std::io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
        // The template is fixed; a wrong one would show the default bar.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Some(Self(bar))
    }

    /// Shows the progress, from 0 to 1, and what is being done.
    pub(crate) fn show(&self, prefix: &str, part: f64, message: &str) {
        self.0.set_prefix(visible(prefix).into_owned());
        self.0.set_message(visible(message).into_owned());
        self.0.set_position((part * STEPS as f64) as u64);
    }

    /// Does something while the bar is hidden.
    pub(crate) fn without<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.suspend(work)
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
