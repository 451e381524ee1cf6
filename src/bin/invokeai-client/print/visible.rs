//! Texts from outside, made safe for a terminal.

use std::{borrow::Cow, fmt::Write as _};

use icu_properties::{CodePointMapData, props::GeneralCategory};

/// A text on one line, with nothing in it that a terminal would obey: such a character is written as `\n` or
/// `\u{202e}`.
///
/// Names, labels and messages come from servers and files. Raw, they could rename the window, fill the clipboard, move
/// the cursor, or look like another text.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed, |c, shown| shown.extend(c.escape_default()))
}

/// JSON in which every such character is written as `\u202e`, so that it reads back as the same text.
pub(super) fn visible_json(json: &str) -> Cow<'_, str> {
    // Within strings, a line feed is already escaped; outside, it is layout.
    let obeyed = |c| c != '\n' && is_obeyed(c);
    escaped(json, obeyed, |c, shown| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

/// Whether a terminal obeys a character instead of showing it: control characters (C0, DEL and C1), format characters
/// (text direction, zero width, tags), and Unicode's own line breaks.
fn is_obeyed(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    match c.is_ascii() {
        true => c.is_ascii_control(),
        false => {
            let category = CodePointMapData::<GeneralCategory>::new().get(c);
            matches!(category, Control | Format | LineSeparator | ParagraphSeparator)
        }
    }
}

fn escaped(text: &str, obeyed: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) { escape(c, &mut shown) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a terminal obeys, as Unicode 17 has it: `Cc`, `Cf`, `Zl` and `Zp`.
    fn hostile() -> impl Iterator<Item = char> {
        let ranges = [
            ('\0', '\u{1f}'),
            ('\u{7f}', '\u{9f}'),
            ('\u{ad}', '\u{ad}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{180e}', '\u{180e}'),
            ('\u{200b}', '\u{200f}'),
            ('\u{2028}', '\u{202e}'),
            ('\u{2060}', '\u{2064}'),
            ('\u{2066}', '\u{206f}'),
            ('\u{feff}', '\u{feff}'),
            ('\u{e0001}', '\u{e0001}'),
            ('\u{e0020}', '\u{e007f}'),
        ];
        ranges.into_iter().flat_map(|(first, last)| first..=last)
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        for c in hostile() {
            let shown = visible(&format!("a{c}b")).into_owned();
            assert!(shown.starts_with("a\\") && shown.ends_with('b') && !shown.contains(c), "{c:?}: {shown}");
            assert_eq!(visible(&shown), shown, "escaping twice is escaping once");
        }
        assert_eq!(visible("\u{1b}]0;x\u{7}\r\n\t\u{9b}2J"), r"\u{1b}]0;x\u{7}\r\n\t\u{9b}2J");
    }

    #[test]
    fn json_means_the_same_and_shows_nothing_that_a_terminal_obeys() {
        let text: String = hostile().collect();
        let value = serde_json::json!({ text.clone(): [text, "plain ä 漢字 👍"] });
        for json in [value.to_string(), format!("{value:#}")] {
            let shown = visible_json(&json);
            assert!(!shown.chars().any(|c| c != '\n' && is_obeyed(c)), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["naïve", "e\u{301}", "日本語\u{3000}", "हिन्दी", "👍🏽", "C:\\new", "✓ 45 %", "a\u{a0}b", "x\u{fe0f}"]
        {
            assert!(matches!(visible(text), Cow::Borrowed(shown) if shown == text), "{text}");
        }
    }
}
