//! What is suggested to people can be run as it stands: what `demo` prints, and every hint.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use invokeai_client::testing::Fault;

use crate::{
    program::{Ended, Program, command, run, until},
    proxy::Act,
    stage::{RESIZE, Stage, strs},
};

/// A command line in a shell, as somebody types it.
fn shell(line: &str, folder: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_invokeai-client"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    // Without a shell between, so that a signal reaches the command.
    shell.args(["-c", &format!("exec {line}")]).current_dir(folder).env("PATH", path);
    shell.env("XDG_CONFIG_HOME", folder).env_remove("INVOKEAI_URL").env_remove("INVOKEAI_PROFILE");
    shell
}

/// Runs it to its end; one that goes on until Ctrl-C gets Ctrl-C.
fn ended(line: &str, folder: &Path) -> Ended {
    let mut program = Program::of(shell(line, folder).stdout(Stdio::piped()));
    let start = Instant::now();
    let goes_on = ["invokeai-client watch", "invokeai-client demo"].iter().any(|verb| line.starts_with(verb));
    while program.runs() && goes_on {
        if start.elapsed() > Duration::from_secs(1) {
            program.signal("INT");
        }
        sleep(Duration::from_millis(100));
    }
    program.end()
}

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_quiet_demo_prints_its_address_only() {
    for (how, address) in [("--quiet", "http://127.0.0.1:"), ("--json", r#"{"url":"http://127.0.0.1:"#)] {
        let child = command(&["demo", "--port", "0", how]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut demo = Demo(child.unwrap());
        let mut printed = BufReader::new(demo.0.stdout.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        assert!(line.starts_with(address), "{how}: {line}");
        let stopped = Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status().unwrap();
        assert!(stopped.success());
        assert_eq!(printed.lines().count(), 0, "{how}: nothing more");
        assert_eq!(demo.0.wait().unwrap().code(), Some(0), "{how}");
    }
}

#[test]
fn all_that_the_demo_suggests_works() {
    let folder = tempfile::tempdir().unwrap();
    let child = command(&["demo", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut demo = Demo(child);
    let mut printed = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let printed: Vec<String> = printed.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let suggested: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(suggested.len() > 4 && suggested.iter().all(|line| line.starts_with("invokeai-client ")), "{printed:?}");
    for line in suggested {
        let ended = ended(line, folder.path());
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        let is_run = line.contains(" run ");
        assert!(!ended.stdout.is_empty() || line.contains("watch"), "{line}: {ended:?}");
        assert!(!is_run || ended.stdout.contains("completed"), "{line}: {ended:?}");
    }
    assert_eq!(fs::read_dir(folder.path().join("pictures")).unwrap().count(), 3);
}

/// The sources without their comments and tests, each as one line.
fn sources() -> Vec<String> {
    let mut sources = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap_or_default();
            let code = source.lines().take_while(|line| *line != "#[cfg(test)]" && *line != "mod tests {");
            sources.push(code.map(str::trim).filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join(" "));
        }
    }
    sources
}

#[test]
fn every_command_in_a_message_can_be_run() {
    let stage = Stage::new();
    let mut commands = Vec::new();
    for source in sources() {
        let parts = source.split("`invokeai-client ").skip(1);
        // Of the code that completes them, only the beginning is there.
        commands
            .extend(parts.filter_map(|part| Some(part.split_once('`')?.0.to_owned())).filter(|verb| verb.len() < 60));
    }
    commands.sort();
    commands.dedup();
    assert!(commands.len() >= 6, "{commands:?}");
    let values = [("WORKFLOW", RESIZE), ("YOU@EXAMPLE.ORG", "you@example.org")];
    for verb in commands {
        // One that starts a server takes the port of the real one.
        let server =
            if verb.starts_with("demo") { " --port 0".into() } else { format!(" --server {}", stage.proxy.url) };
        let mut line = format!("invokeai-client {verb}{server}");
        values.iter().for_each(|(name, value)| line = line.replace(name, value));
        let unknown =
            verb.split(' ').find(|word| word.chars().any(char::is_uppercase) && !values.iter().any(|(n, _)| n == word));
        assert_eq!(unknown, None, "{verb}: what stands for this?");
        let ended = ended(&line, stage.folder.path());
        let expected: &[i32] = match verb.split(' ').next() {
            // The workflow lacks a picture.
            Some("inspect") => &[0, 2],
            // This server has no users, and nobody gives a password.
            Some("login") => &[1],
            // Nothing was submitted to a fleet here, and only a submission makes its store.
            Some("fleet") => &[1],
            _ => &[0],
        };
        assert!(ended.code.is_some_and(|code| expected.contains(&code)), "{line}: {ended:?}");
        assert!(!ended.stderr.contains("Usage:"), "{line}: {ended:?}");
    }
}

/// The commands that were suggested, word for word.
fn suggested(ended: &Ended) -> Vec<&str> {
    let hints = ended.stderr.lines().filter_map(|line| line.trim_start().strip_prefix("try: "));
    hints
        .flat_map(|hint| match hint.strip_prefix("invokeai-client ") {
            Some(_) => vec![hint],
            None => hint.split('`').skip(1).step_by(2).filter(|text| text.starts_with("invokeai-client ")).collect(),
        })
        .collect()
}

#[test]
fn what_a_run_could_not_undo_is_undone_by_what_it_suggests() {
    // Those that are put together in code: each is met below.
    let built: usize = sources().iter().map(|source| source.matches("try_command(").count()).sum();
    assert_eq!(built, 1 + 2 + 1, "the function, what is met here, and what `fleet/command.rs` meets");

    let stage = Stage::with_steps(Duration::from_millis(100));
    stage.server.faults().add("cancel_by_batch_ids", Fault::status(403), 1);
    let program = Program::start(&strs(&stage.denoise(&[])));
    until("it runs", || stage.rows().items.iter().any(|(_, status)| status == "in_progress"));
    program.signal("INT");
    let stopped = program.end();
    let [line] = suggested(&stopped)[..] else { panic!("{stopped:?}") };
    assert!(line.starts_with("invokeai-client cancel "), "{line}");
    assert_eq!(ended(line, stage.folder.path()).code, Some(0), "{line}");
    until("it is canceled", || stage.rows().is_quiet());

    let stage = Stage::new();
    stage.proxy.on("POST", "/images/delete", [Act::Silence, Act::Pass]);
    let program = Program::start(&strs(&stage.resize(&["--cleanup"])));
    until("it cleans up", || stage.proxy.count("POST", "/images/delete") == 1);
    for _ in 0..2 {
        program.signal("INT");
        sleep(Duration::from_millis(300));
    }
    let stopped = program.end();
    let [line] = suggested(&stopped)[..] else { panic!("{stopped:?}") };
    assert!(line.starts_with("invokeai-client cleanup "), "{line}");
    assert_eq!(ended(line, stage.folder.path()).code, Some(0), "{line}");
    assert!(stage.rows().items.is_empty(), "{:?}", stage.rows());
}

#[test]
fn hints_name_the_server_that_was_named_but_no_secret() {
    let stage = Stage::new();
    let url = &stage.proxy.url;
    let secret = ["--token", "hush-5ecret", "--header", "X-Key: hush-5ecret"];
    let ended = run(&[&["inspect", RESIZE, "--set", "Nothing=1", "--server", url][..], &secret].concat());
    assert!(ended.stderr.contains(&format!("`invokeai-client inspect WORKFLOW --server {url}`")), "{ended:?}");
    assert!(!ended.stderr.contains("hush-5ecret"), "{ended:?}");
    let ended = run(&["inspect", RESIZE, "--set", "Nothing=1"]);
    assert!(ended.stderr.contains("`invokeai-client inspect WORKFLOW`"), "{ended:?}");
}
