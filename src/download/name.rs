//! Names that a server gives, as names of local files.

use crate::{
    error::{Error, Result},
    media::Kind,
};

/// Longest name accepted, in bytes. Common file systems take 255; this leaves room for ` (2)` and `.json`.
const LONGEST: usize = 200;

/// Checks that a name from a server can be the name of a media file in a directory, on every system. `label` is what
/// the content type of such files begins with, for example `image/`.
///
/// Names of InvokeAI are identifiers with an ending. Anything that could reach outside the directory, name a device or
/// a stream, look like another name, or mean different files on different systems is refused rather than changed: a
/// changed name would no longer say which image it is. So is what programs of this machine may run or read by its name,
/// such as `Makefile` and `conftest.py`: only endings of media files are accepted.
pub(crate) fn file_name<'a>(name: &'a str, label: &str) -> Result<&'a str> {
    let of_kind = |kind: Kind| kind.label().starts_with(label);
    let problem = match fault(name) {
        None if Kind::of_name(name).is_some_and(of_kind) => return Ok(name),
        None => format!("does not end as names of such files do: {}", Kind::endings(label)),
        Some(fault) => format!("{fault}; expected a plain file name of at most {LONGEST} bytes"),
    };
    let shown: String = name.chars().take(80).map(shown).collect();
    Err(Error::UnusableName { name: shown, problem })
}

fn fault(name: &str) -> Option<String> {
    let odd = |c: char| !is_visible(c) || matches!(c, '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    if name.is_empty() {
        return Some("is empty".into());
    }
    if name.len() > LONGEST {
        return Some(format!("has {} bytes", name.len()));
    }
    if let Some(c) = name.chars().find(|&c| odd(c)) {
        return Some(format!("has '{}' in it", shown(c)));
    }
    // `.`, `..`, and what Windows drops silently.
    if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        return Some("begins or ends with a dot or a space".into());
    }
    is_device(name).then(|| "is the name of a device on Windows".into())
}

/// Whether a character shows as itself: no control or format character, none that reorders its neighbors, none that
/// takes up no room.
fn is_visible(c: char) -> bool {
    // Letters and marks that are drawn as nothing (Unicode's Default_Ignorable_Code_Point), and a blank.
    let is_blank = matches!(c, '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}');
    // The standard library escapes what has no shape: categories C and Z, but the space. In front of it stands a
    // letter, as marks at the beginning are escaped, too.
    !is_blank && (matches!(c, '\\' | '"' | '\'') || !format!("a{c}").escape_debug().any(|c| c == '\\'))
}

/// A character for a message, where nothing may hide.
fn shown(c: char) -> String {
    if is_visible(c) { c.to_string() } else { c.escape_unicode().to_string() }
}

/// `NUL`, `com1.png`, … (Windows also accepts superscript digits.)
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix| {
        let number = stem.strip_prefix(prefix).unwrap_or_default();
        matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_plain_file_names_are_refused() {
        let long = format!("{}.png", "x".repeat(197));
        for name in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "/etc/passwd",
            "a/b.png",
            "a\\b.png",
            "..\\x",
            "C:\\x.png",
            "c:x.png",
            "x.png:stream",
            "nul",
            "NUL.png",
            "com1.png",
            "Lpt9",
            "COM¹.png",
            "aux .png",
            "CONIN$",
            "a\0b",
            "a\nb",
            "trailing.",
            "trailing ",
            ".hidden",
            " space",
            "what?.png",
            "a|b",
            "\u{7f}",
            &long,
        ] {
            let error = file_name(name, "image/").expect_err(name).to_string();
            assert!(error.contains("expected a plain file name"), "{error}");
            assert!(!error.contains('\0') && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn characters_that_do_not_show_are_refused() {
        for odd in [
            '\u{85}',
            '\u{9b}',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10ffff}',
        ] {
            let error =
                file_name(&format!("photo{odd}gnp.png"), "image/").expect_err(&odd.escape_unicode().to_string());
            let text = error.to_string();
            assert!(text.contains("has '\\u{") && !text.contains(odd), "{text}");
        }
    }

    #[test]
    fn only_names_of_media_files_are_accepted() {
        for (name, label) in [
            ("conftest.py", "image/"),
            ("Makefile", "image/"),
            ("package", "image/"),
            ("photo.png.exe", "image/"),
            ("notes.zip", "image/"),
            ("clip.mp4", "image/"),
            ("a.png", "video/"),
            ("page.html", "video/"),
            ("drawing.svg", "image/"),
        ] {
            let error = file_name(name, label).expect_err(name).to_string();
            assert!(error.contains(&format!("{name:?}")) && error.contains("does not end as"), "{error}");
        }
    }

    #[test]
    fn plain_names_are_accepted() {
        for name in ["6f2b0d0e-0000-4000-8000-000000000000.png", "a b.webp", "naïve.JPG", "nai\u{308}ve.jpeg", "é'.png"]
        {
            assert_eq!(file_name(name, "image/").expect(name), name);
        }
        for name in ["COM10.mp4", "console.mp4", "映画.webm"] {
            assert_eq!(file_name(name, "video/").expect(name), name);
        }
    }
}
