//! Terminal sessions in the documentation, run as they are written.
//!
//! In a block of `console`, a line `$ COMMAND` is run by bash, with lines `> MORE` added to it. The lines up to the next
//! `$` are what it prints, on both streams, but for two signs: `[..]` within a line is any text, and a line `...` is any
//! number of lines. All commands of a page run one after the other in one folder.

use std::{
    env, fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use invokeai_client::testing::TestServer;

#[allow(dead_code, reason = "other tests take more of it")]
#[path = "../common/skip.rs"]
mod skip;

const PAGE: &str = include_str!("../../docs/command.md");
#[cfg(feature = "serve")]
const SERVICE: &str = include_str!("../../docs/serve.md");

/// A command, and what it prints.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_inside = line == "```console";
            continue;
        }
        if !is_inside {
            continue;
        }
        match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
            (Some(command), ..) => steps.push(Step { command: command.into(), expected: Vec::new() }),
            (None, Some(more), Some(step)) if step.expected.is_empty() => step.command += &format!("\n{more}"),
            (None, _, Some(step)) => step.expected.push(line.into()),
            (None, _, None) => panic!("no command before {line:?}"),
        }
    }
    steps
}

/// Whether lines are as expected.
fn fits(expected: &[String], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any == "..." => (0..=lines.len()).any(|skipped| fits(rest, &lines[skipped..])),
        (Some((first, rest)), Some((line, lines))) => line_fits(first, line) && fits(rest, lines),
        _ => false,
    }
}

fn line_fits(expected: &str, line: &str) -> bool {
    let Some((before, after)) = expected.split_once("[..]") else { return expected == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.any(|start| line_fits(after, &rest[start..]))
}

/// Ends what a session has left running, by the file that it keeps its id in.
struct Left<'a>(&'a Path);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if let Ok(id) = fs::read_to_string(self.0.join("serve.pid")) {
            // The session may have ended it itself.
            _ = Command::new("kill").arg(id.trim()).stderr(Stdio::null()).status();
        }
    }
}

/// Runs all commands of a page against a server.
fn follow(page: &str, url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows");
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    fs::create_dir(folder.path().join("photos")).unwrap();
    for (name, shade) in [("beach", 200), ("forest", 90)] {
        let picture = image::RgbImage::from_pixel(64, 48, image::Rgb([shade; 3]));
        picture.save(folder.path().join(format!("photos/{name}.jpg"))).unwrap();
    }
    let _left = Left(folder.path());
    let program = Path::new(env!("CARGO_BIN_EXE_invokeai-client")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    for Step { command, expected } in steps(page) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", &command]).current_dir(folder.path());
        shell.env("PATH", &path).env("INVOKEAI_URL", url).env("XDG_CONFIG_HOME", folder.path().join("config"));
        shell.env("XDG_DATA_HOME", folder.path().join("data"));
        shell.env_remove("INVOKEAI_PROFILE").env_remove("INVOKEAI_BASIC_AUTH").env_remove("CLICOLOR_FORCE");
        shell.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = shell.spawn().unwrap();
        // It holds the pipe open.
        drop(shell);
        let mut printed = String::new();
        reader.read_to_string(&mut printed).unwrap();
        child.wait().unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert!(fits(&expected, &lines), "$ {command}\nis to print\n{}\nand prints\n{printed}", expected.join("\n"));
    }
}

#[test]
fn the_session_of_the_guide_goes_as_written() {
    assert!(steps(PAGE).len() > 15);
    follow(PAGE, TestServer::start().unwrap().url());
}

#[cfg(feature = "serve")]
#[test]
fn the_session_of_the_service_goes_as_written() {
    for tool in ["curl", "jq"] {
        if Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(env::var("CI").as_deref() != Ok("true"), "CI needs {tool}");
            skip::skipped(format_args!("the session of docs/serve.md: there is no {tool}"));
            return;
        }
    }
    // Not a port that something else may have.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let page = SERVICE.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let page = page.replace("> serve.log", &format!("--listen 127.0.0.1:{port} > serve.log"));
    assert!(steps(&page).len() > 10);
    follow(&page, TestServer::start().unwrap().url());
}

#[test]
fn the_session_of_the_guide_goes_as_written_on_a_real_server() {
    match env::var("INVOKEAI_TEST_URL") {
        Ok(url) => follow(PAGE, &url),
        Err(_) => skip::skipped(format_args!("the session of docs/command.md: INVOKEAI_TEST_URL is not set")),
    }
}

#[test]
fn a_session_that_goes_differently_is_noticed() {
    let page = "text\n```console\n$ one\n> two\na [..] c\n...\nend\n$ three\n```\n```sh\n$ not this\n```\n";
    let steps = steps(page);
    assert_eq!(steps.iter().map(|step| step.command.as_str()).collect::<Vec<_>>(), ["one\ntwo", "three"]);
    let expected = &steps[0].expected;
    for printed in [&["a b c", "end"][..], &["a  c", "x", "y", "end"]] {
        assert!(fits(expected, printed), "{printed:?}");
    }
    for printed in [&["a b", "end"][..], &["a b c"], &["a b c", "end", "more"], &["x", "a b c", "end"], &[]] {
        assert!(!fits(expected, printed), "{printed:?}");
    }
    assert!(fits(&steps[1].expected, &[]) && !fits(&steps[1].expected, &["something"]));
}
