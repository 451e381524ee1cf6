//! Messages of one line.

use std::fmt::{self, Write};

/// Writes a text on one line: control characters, line breaks among them, become a space.
///
/// Reasons come from servers, from files and from other libraries. One of several lines would read like several
/// messages in a log, and an escape sequence would reach the terminal.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (i, piece) in text.split(char::is_control).enumerate() {
            // Of "\r\n", and of an indented line, one space is enough.
            match i {
                0 => self.0.write_str(piece)?,
                _ if piece.is_empty() => {}
                _ => write!(self.0, " {}", piece.trim_start())?,
            }
        }
        Ok(())
    }
}

/// A text on one line.
#[cfg(feature = "events")]
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    // Writing to a string never fails.
    let _ = OneLine(&mut line).write_str(text);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_escapes_become_spaces() {
        for (text, line) in [
            ("one line", "one line"),
            ("a\nb\r\n  c", "a b c"),
            ("\x1b[31mred", " [31mred"),
            ("ends\n", "ends"),
            ("two  spaces", "two  spaces"),
        ] {
            let mut written = String::new();
            OneLine(&mut written).write_str(text).unwrap();
            assert_eq!(written, line);
        }
    }
}
