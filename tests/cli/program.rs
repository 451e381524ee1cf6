//! The command as a process: started, signaled, and never waited for indefinitely.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// No run of the command takes longer in any test.
const DEADLINE: Duration = Duration::from_secs(100);

/// The command, without the environment variables that it reads.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "INVOKEAI_URL",
        "INVOKEAI_TOKEN",
        "INVOKEAI_PROFILE",
        "INVOKEAI_BASIC_AUTH",
    ] {
        command.env_remove(name);
    }
    // No profiles except those that a test creates.
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.args(arguments);
    command
}

/// A running process.
pub(crate) struct Program {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(command(arguments).stdout(Stdio::piped()))
    }

    /// Starts the command with whatever standard output it has.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().map(read);
        let stderr = child.stderr.take().map(read);
        Self { child, stdout, stderr, started: Instant::now() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, such as `INT`. It may have ended already.
    pub(crate) fn signal(&self, name: &str) {
        let _ = Command::new("kill").args(["-s", name, &self.id().to_string()]).stderr(Stdio::null()).status();
    }

    /// Waits until it ends by itself. Panics if it does not.
    pub(crate) fn end(mut self) -> Ended {
        while self.runs() {
            if self.started.elapsed() > DEADLINE {
                self.child.kill().unwrap();
                let said = self.stderr.take().map(|stderr| stderr.join().unwrap());
                panic!("it did not end within {DEADLINE:?}; it said {said:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let took = self.started.elapsed();
        let text = |reader: Option<JoinHandle<String>>| reader.map(|it| it.join().unwrap()).unwrap_or_default();
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout: text(self.stdout), stderr: text(self.stderr), took }
    }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What it printed before it was killed counts, too.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8(bytes).expect("it prints UTF-8")
    })
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::start(arguments).end()
}

/// Waits until a condition holds. Panics if that takes too long.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Names in a folder and below, sorted. Empty if there is no such folder.
pub(crate) fn names_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        names.extend(names_below(&path));
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    names
}
