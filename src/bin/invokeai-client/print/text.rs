//! One line for people, in pieces that may each have a style.

use anstyle::Style;

use super::visible;

/// A line. The pieces may hold anything: they are made [visible] when printed, so only the styles of this program reach
/// the terminal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text(Vec<(Style, String)>);

/// A text in a style.
pub(crate) fn paint(style: Style, text: impl ToString) -> Text {
    Text(vec![(style, text.to_string())])
}

impl Text {
    /// This, followed by another.
    pub(crate) fn then(mut self, more: impl Into<Text>) -> Self {
        self.0.extend(more.into().0);
        self
    }

    /// The text to write, with its line break.
    pub(super) fn line(&self) -> String {
        let pieces = self.0.iter().map(|(style, text)| format!("{style}{}{style:#}", visible(text)));
        pieces.chain(["\n".to_owned()]).collect()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        paint(Style::new(), text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        paint(Style::new(), text)
    }
}
