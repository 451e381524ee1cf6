//! The command `invokeai-client`, run as a user runs it: what it prints where, and how it ends.

#[cfg(unix)]
mod arguments;
mod cases;
mod completions;
mod ends;
mod kills;
mod many;
mod program;
mod proxy;
mod resume;
mod signals;
mod stage;
mod suggestions;
mod transcript;
mod verbs;

use std::{fs, process::Output};

use program::command;

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colors_are_for_terminals_and_those_who_ask() {
    let colored = |arguments: &[&str], environment: &[(&str, &str)]| {
        stdout(&run(&[&["inspect", WORKFLOW], arguments].concat(), environment)).contains(ESCAPE)
    };
    assert!(!colored(&[], &[]), "no terminal, no colors");
    assert!(colored(&["--color", "always"], &[]));
    assert!(colored(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!colored(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn exit_codes_say_what_happened() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["completions", "fish"], 0),
        (&["inspect", WORKFLOW, "--set", "Picture=a.png"], 0),
        (&["inspect", WORKFLOW], 2),
        (&["inspect", "no-such-file.json"], 1),
        (&["inspect", WORKFLOW, "--set", "Width=wide"], 1),
        (&["queue", "--server", NOWHERE], 1),
        (&["no-such-command"], 1),
        (&["run"], 1),
    ] {
        assert_eq!(run(arguments, &[]).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn errors_say_what_to_do_next() {
    for (arguments, error, next) in [
        (&["images", "list", "--server", NOWHERE][..], "cannot connect", "invokeai-client demo"),
        (&["queue", "--server", "ftp://nonsense"], "usable server address", "http://127.0.0.1:9090"),
        (&["inspect", WORKFLOW, "--set", "Shade=red"], "no input", "lists the inputs"),
        (&["inspect", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "not JSON", "PNG image"),
    ] {
        let output = run(arguments, &[]);
        let said = stderr(&output);
        assert!(said.contains(error) && said.contains("try: ") && said.contains(next), "{arguments:?}: {said}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let said = stderr(&run(&["inspect", "no-such-file.json"], &[]));
    assert!(said.contains("no-such-file.json") && said.contains("check that the path exists"), "{said}");
}

#[test]
fn a_token_is_never_shown() {
    for arguments in
        [&["queue", "--server", NOWHERE][..], &["queue", "--server", "ftp://nonsense"], &["queue", "--help"]]
    {
        let output = run(arguments, &[("INVOKEAI_TOKEN", "top-secret")]);
        assert!(!stdout(&output).contains("top-secret") && !stderr(&output).contains("top-secret"), "{arguments:?}");
    }
}

#[test]
fn the_server_may_be_named_anywhere() {
    for arguments in [&["--server", NOWHERE, "list"][..], &["list", "--server", NOWHERE]] {
        let said = stderr(&run(&[&["boards"], arguments].concat(), &[]));
        assert!(said.contains("cannot connect to http://127.0.0.1:1/"), "{arguments:?}: {said}");
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("man1");
    assert!(run(&["man", "--out", made.to_str().unwrap()], &[]).status.success());
    for page in ["invokeai-client.1", "invokeai-client-run.1", "invokeai-client-models-put.1"] {
        let page = fs::read_to_string(made.join(page)).unwrap();
        assert!(page.starts_with(".ie") && page.contains(".SH OPTIONS"), "{page}");
    }
}
