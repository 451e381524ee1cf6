//! Texts that arguments name with `@FILE`.

use std::{collections::HashMap, io, path::Path};

use crate::local_file;

/// The texts that were read, by path. Each file is read once, because a pipe can be read only once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts(HashMap<String, String>);

impl Texts {
    /// The value that an argument gives: `@FILE` is the content of the file, `@@` is a text that begins with `@`.
    pub(crate) fn value(&mut self, given: &str) -> Result<String, String> {
        match given.strip_prefix('@') {
            None => Ok(given.to_owned()),
            Some(text) if text.starts_with('@') => Ok(text.to_owned()),
            Some(file) => Ok(without_last_newline(&self.file(file)?).to_owned()),
        }
    }

    /// The content of a file, without a byte order mark.
    pub(crate) fn file(&mut self, path: &str) -> Result<String, String> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone());
        }
        let read = match path {
            "-" => io::read_to_string(io::stdin().lock()),
            path => local_file::open_or_inherited(Path::new(path)).and_then(io::read_to_string),
        };
        let text = read.map_err(|error| format!("cannot read {path}: {error}"))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        self.0.insert(path.to_owned(), text.clone());
        Ok(text)
    }
}

/// Editors end a file with a newline that is not part of the value.
fn without_last_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_text_without_mark_and_last_newline() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("prompt.txt");
        for (bytes, text) in
            [("\u{feff}a cat\r\n", "a cat"), ("a\n\n", "a\n"), ("", ""), ("\n", ""), ("@a", "@a"), (" a ", " a ")]
        {
            std::fs::write(&path, bytes).expect("a file");
            let value = Texts::default().value(&format!("@{}", path.display()));
            assert_eq!(value.as_deref(), Ok(text), "{bytes:?}");
        }
        assert_eq!(Texts::default().value("@@name").as_deref(), Ok("@name"));
        assert!(Texts::default().value("@no-such-file").expect_err("refused").contains("no-such-file"));
    }
}
