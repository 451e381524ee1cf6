//! Names that a server gives, as names of local files.

use crate::error::{Error, Result};

/// Longest name taken, in bytes. Common file systems take 255; this leaves room for ` (2)` and `.json`.
const LONGEST: usize = 200;

/// Checks that a name from a server can be the name of a file in a directory, on every system.
///
/// Names of InvokeAI are identifiers with an extension. Anything that could reach outside the directory, name a device
/// or a stream, or mean different files on different systems is refused rather than changed: a changed name would no
/// longer say which image it is.
pub(crate) fn file_name(name: &str) -> Result<&str> {
    match fault(name) {
        None => Ok(name),
        Some(fault) => {
            let shown: String = name.chars().take(80).collect();
            Err(Error::invalid(
                format!("name {shown:?}"),
                format!("{fault}; expected a plain file name of at most {LONGEST} bytes"),
            ))
        }
    }
}

fn fault(name: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    if name.is_empty() {
        return Some("is empty".into());
    }
    if name.len() > LONGEST {
        return Some(format!("has {} bytes", name.len()));
    }
    if let Some(c) = name.chars().find(|&c| odd(c)) {
        return Some(format!("has {c:?} in it"));
    }
    // `.`, `..`, and what Windows drops silently.
    if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        return Some("begins or ends with a dot or a space".into());
    }
    is_device(name).then(|| "is the name of a device on Windows".into())
}

/// `NUL`, `com1.png`, … (Windows also takes superscript digits for such.)
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
    fn names_that_are_no_plain_file_names_are_refused() {
        let long = "x".repeat(201);
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
            let error = file_name(name).expect_err(name).to_string();
            assert!(error.contains("expected a plain file name"), "{error}");
            assert!(!error.contains('\0') && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn plain_names_are_taken() {
        for name in ["6f2b0d0e-0000-4000-8000-000000000000.png", "a b.webp", "naïve.mp4", "COM10", "console.png", "x"]
        {
            assert_eq!(file_name(name).expect(name), name);
        }
    }
}
