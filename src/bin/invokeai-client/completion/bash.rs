//! Bash, which splits words at `=` and `:` before it asks, and replaces only what follows the last of them.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
};

use clap::Command;
use clap_complete::{engine, env::EnvCompleter};

const BREAKS: [char; 2] = ['=', ':'];
const SCRIPT: &str = r#"_NAME() {
    local IFS=$'\013'
    COMPREPLY=( $( \
        VAR=bash _CLAP_COMPLETE_INDEX="${COMP_CWORD}" "COMPLETER" -- "${COMP_WORDS[@]}" 2> /dev/null \
    ) )
    if [[ $? != 0 ]]; then
        unset COMPREPLY
    elif [[ "${#COMPREPLY[@]}" == 1 && "${COMPREPLY[0]}" =~ [=/:]$ ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o nosort -F _NAME BIN 2> /dev/null || complete -o bashdefault -F _NAME BIN
"#;

pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let name = name.replace('-', "_");
        let script = SCRIPT.replace("VAR", var).replace("COMPLETER", completer).replace("BIN", bin);
        buf.write_all(script.replace("_NAME", &format!("_{name}")).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        arguments: Vec<OsString>,
        folder: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let (mut words, at) = joined(&arguments, index().unwrap_or_default());
        if at == words.len() {
            words.push(OsString::new());
        }
        let typed = words[at].to_string_lossy().into_owned();
        let (quote, _) = unquoted(&typed);
        words = meant(&words);
        // Bash does not split a word in quotes, and has not split one that came whole.
        let was_apart =
            quote.is_none() && arguments.get(index().unwrap_or_default()).is_none_or(|part| *part != *typed);
        let candidates = engine::complete(command, words, at, folder)?;
        for (number, candidate) in candidates.iter().enumerate() {
            if number > 0 {
                buf.write_all(b"\x0b")?;
            }
            let whole = candidate.get_value().to_string_lossy().replace(char::is_control, " ");
            let whole = match quote {
                Some(quote) => format!("{quote}{whole}"),
                None => escaped(&whole),
            };
            let kept = if was_apart { typed.rfind(BREAKS).map_or(0, |at| at + 1) } else { 0 };
            // A candidate in another case cannot continue what was typed.
            buf.write_all(whole.get(kept..).unwrap_or_default().as_bytes())?;
        }
        Ok(())
    }
}

/// Which word is being completed, if the shell says so. Other shells do, too.
pub(super) fn index() -> Option<usize> {
    env::var("_CLAP_COMPLETE_INDEX").ok()?.parse().ok()
}

/// Joins words that Bash has split. Also returns where the one at `at` is now; an empty one is always new.
pub(super) fn joined(parts: &[OsString], at: usize) -> (Vec<OsString>, usize) {
    let is_break =
        |part: &OsStr| part.to_str().is_some_and(|part| !part.is_empty() && part.chars().all(|c| BREAKS.contains(&c)));
    let mut words: Vec<OsString> = Vec::new();
    let mut place = parts.len();
    let mut glue = false;
    for (number, part) in parts.iter().enumerate() {
        let breaks = is_break(part);
        match words.last_mut() {
            Some(word) if (glue || breaks) && !part.is_empty() => word.push(part),
            _ => words.push(part.clone()),
        }
        glue = breaks;
        if number == at {
            place = words.len() - 1;
        }
    }
    let place = if at < parts.len() { place } else { words.len() };
    (words, place)
}

/// A word as the shell would read it, and the quote that it begins with, if any.
fn unquoted(word: &str) -> (Option<char>, String) {
    let (mut plain, mut open) = (String::new(), None);
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, open) {
            (c, Some(quote)) if c == quote => open = None,
            ('"' | '\'', None) => open = Some(c),
            ('\\', None) => plain.extend(chars.next()),
            (c, _) => plain.push(c),
        }
    }
    (word.chars().next().filter(|c| ['"', '\''].contains(c)), plain)
}

/// What the words mean, as far as that can be known without a shell.
pub(super) fn meant(words: &[OsString]) -> Vec<OsString> {
    words.iter().map(|word| word.to_str().map_or_else(|| word.clone(), |word| unquoted(word).1.into())).collect()
}

/// A word with a backslash before each character that is special to a shell.
fn escaped(word: &str) -> String {
    let mut escaped = String::new();
    for c in word.chars() {
        if !c.is_alphanumeric() && !"-_./:=@%+,~".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_they_were_typed() {
        let joined = |parts: &[&str], at| {
            let (words, at) = joined(&parts.iter().map(OsString::from).collect::<Vec<_>>(), at);
            (words.into_iter().map(|word| word.into_string().expect("a text")).collect::<Vec<_>>().join("|"), at)
        };
        for (parts, at, expected) in [
            (&["run", "x.json", "--set", "mo"][..], 3, ("run|x.json|--set|mo", 3)),
            (&["run", "--set", "model", "="], 3, ("run|--set|model=", 2)),
            (&["run", "--set", "model", "=", "ti"], 4, ("run|--set|model=ti", 2)),
            (&["run", "--set", "model", "=", ""], 4, ("run|--set|model=|", 3)),
            (&["run", "saved", ":", "Te"], 3, ("run|saved:Te", 1)),
            (&["run", "--server", "http", "://127.0.0.1", "x"], 4, ("run|--server|http|://127.0.0.1|x", 4)),
            (
                &["run", "--server", "http", ":", "//127.0.0.1", ":", "9090", "x"],
                7,
                ("run|--server|http://127.0.0.1:9090|x", 3),
            ),
        ] {
            assert_eq!(joined(parts, at), (expected.0.to_owned(), expected.1), "{parts:?}");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_those_of_the_shell() {
        assert_eq!(unquoted(r"Negative\ pr"), (None, "Negative pr".into()));
        assert_eq!(unquoted("\"Negative pr"), (Some('"'), "Negative pr".into()));
        assert_eq!(unquoted("prompt='it is \"x\"'"), (None, "prompt=it is \"x\"".into()));
        assert_eq!(escaped("Negative prompt=$x"), r"Negative\ prompt=\$x");
    }
}
