//! Texts that arguments name with `@FILE`.

use std::{collections::HashMap, io, path::Path};

use crate::{local_file, standard_input};

/// The texts that were read, by path, and for standard input by the argument that names it. Each file is read once,
/// because a pipe can be read only once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts(HashMap<(String, Option<String>), String>);

impl Texts {
    /// The value that an argument gives: `@FILE` is the content of the file, `@@` is a text that begins with `@`.
    pub(crate) fn value(&mut self, given: &str, argument: &str) -> Result<String, String> {
        match given.strip_prefix('@') {
            None => Ok(given.to_owned()),
            Some(text) if text.starts_with('@') => Ok(text.to_owned()),
            Some(file) => Ok(without_last_newline(&self.file(file, argument)?).to_owned()),
        }
    }

    /// The content of a file, without a byte order mark.
    pub(crate) fn file(&mut self, path: &str, argument: &str) -> Result<String, String> {
        let key = (path.to_owned(), (path == "-").then(|| argument.to_owned()));
        if let Some(text) = self.0.get(&key) {
            return Ok(text.clone());
        }
        let read = match path {
            "-" => standard_input::take(argument).and_then(io::read_to_string),
            path => local_file::open_or_inherited(Path::new(path)).and_then(io::read_to_string),
        };
        let text = read.map_err(|error| format!("cannot read {path}: {error}"))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        self.0.insert(key, text.clone());
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
            let value = Texts::default().value(&format!("@{}", path.display()), "--set a");
            assert_eq!(value.as_deref(), Ok(text), "{bytes:?}");
        }
        assert_eq!(Texts::default().value("@@name", "--set a").as_deref(), Ok("@name"));
        assert!(Texts::default().value("@no-such-file", "--set a").expect_err("refused").contains("no-such-file"));
    }
}
