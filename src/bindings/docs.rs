//! Documentation of generated code, which contains text that others wrote. It stays text: no markup, no HTML, no end of
//! the comment.

use proc_macro2::TokenStream;
use quote::quote;

/// The longest text that is copied.
const LONGEST: usize = 2000;

/// Paragraphs as `#[doc]` attributes, one a line.
pub(super) fn attributes(paragraphs: &[String]) -> TokenStream {
    let paragraphs = paragraphs.iter().filter(|paragraph| !paragraph.is_empty());
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(paragraph.lines().map(|line| format!(" {line}")));
    }
    quote!(#(#[doc = #lines])*)
}

/// Text that somebody wrote, as plain text in Markdown.
pub(super) fn plain(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    let lines = cut.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        escape(&words.join(" "))
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n") + more
}

/// The same on one line, in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("“{}”", plain(text).replace('\n', " "))
}

fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars().filter(|c| !c.is_control() && !turns_text(*c)) {
        // Punctuation that is never markup may stay. So may `.` and `)`, except after digits at the start of a line,
        // where they begin lists.
        let harmless = matches!(c, ',' | '\'' | '(' | '"' | ';' | '?' | '%' | '/');
        let starts = escaped.is_empty() || escaped.bytes().all(|byte| byte.is_ascii_digit());
        let ends = matches!(c, '.' | ')') && !starts;
        if c.is_ascii_punctuation() && !(harmless || ends) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Characters that change the direction of the text that follows; the compiler refuses them in comments.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        assert_eq!(
            plain("1. <b>*/ [x](y)</b>\u{202e}\n\n    #  `code`"),
            "1\\. \\<b\\>\\*/ \\[x\\](y)\\</b\\>\n\\# \\`code\\`"
        );
        assert_eq!(quoted("a\r\nb\0"), "“a b”");
        assert_eq!(plain(&"x".repeat(3000)).chars().count(), LONGEST + 1);
    }
}
