//! Colors. They never say anything that the words do not.

use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, builder::Styles};

const BOLD: Style = Style::new().bold();

/// Titles of sections.
pub(crate) const TITLE: Style = BOLD;
/// Something that is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something that needs attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Something that went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to do next.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
/// Something less important.
pub(crate) const QUIET: Style = Style::new().dimmed();

/// Styles of the help texts.
pub(crate) const HELP: Styles = Styles::styled()
    .header(BOLD)
    .usage(BOLD)
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(QUIET)
    .error(BAD)
    .valid(GOOD)
    .invalid(WARNING);

/// The style for the status of a queue item or an installation.
pub(crate) fn of_status(status: &str) -> Style {
    match status {
        "completed" => GOOD,
        "failed" | "error" => BAD,
        "canceled" | "cancelled" | "gone" => WARNING,
        _ => Style::new(),
    }
}

/// Applies to everything printed from now on.
pub(crate) fn choose(choice: ColorChoice) {
    match choice {
        // Colors on terminals only; NO_COLOR, CLICOLOR and CLICOLOR_FORCE are respected.
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
}
