//! Commands that are suggested to people. They can be run as they are, so they name the server, or the store of a fleet,
//! that this command named.

use std::{borrow::Cow, sync::OnceLock};

/// The beginning of a command within a text.
const COMMAND: &str = "`invokeai-client ";

/// The options that name the server, each after a space. Chosen once, before anything is suggested.
static SERVER: OnceLock<String> = OnceLock::new();

/// The option that names the store of a fleet, after a space. Chosen when a fleet is opened.
static STORE: OnceLock<String> = OnceLock::new();

/// Makes suggestions about the fleet name its store with this option from now on.
#[cfg(feature = "fleet")]
pub(crate) fn name_store(option: String) {
    // Every store that one command opens is the same.
    let _ = STORE.set(option);
}

/// Whether this command is about a fleet.
pub(crate) fn is_about_a_fleet() -> bool {
    STORE.get().is_some()
}

/// Makes suggestions name the server with these options from now on.
pub(crate) fn name_server(options: String) {
    // It is called once.
    let _ = SERVER.set(options);
}

/// A command line, from its verb on.
pub(crate) fn command(verb: &str) -> String {
    // A fleet has several servers, which its store knows.
    let named = if verb.starts_with("fleet ") { &STORE } else { &SERVER };
    format!("invokeai-client {verb}{}", named.get().map_or("", String::as_str))
}

/// A text in which the commands, each in backticks, name the server.
pub(crate) fn completed(text: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(COMMAND)
        && let Some((verb, after)) = after.split_once('`')
    {
        // It starts its own server.
        let command = if verb == "demo" { format!("invokeai-client {verb}") } else { command(verb) };
        whole += &format!("{before}`{command}`");
        rest = after;
    }
    if whole.is_empty() { text.into() } else { (whole + rest).into() }
}

/// A word, quoted for a shell if need be.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        for (word, expected) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("saved:FLUX", "saved:FLUX"),
            ("my server", "'my server'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn texts_without_commands_stay_as_they_are() {
        for text in ["", "no command", "a `word`", "`invokeai-client queue"] {
            assert_eq!(completed(text), text);
        }
        assert_eq!(
            completed("`invokeai-client queue` and `invokeai-client demo`."),
            "`invokeai-client queue` and `invokeai-client demo`."
        );
    }
}
