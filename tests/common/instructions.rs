//! Counts the instructions that functions take, by `valgrind`: the same on every run, unlike times, whatever else the
//! machine does.

use std::{collections::HashMap, path::PathBuf, process::Command};

use super::skip;

const COUNTED: &str = "INVOKEAI_TEST_COUNTED";

/// Whether this process was started to be counted.
pub(crate) fn is_counted() -> bool {
    std::env::var_os(COUNTED).is_some()
}

/// What one call of each of these functions takes, with whatever it calls, when the test of this name calls them in a
/// process of its own: one process, because most of the time goes into its start. `None` if there is no valgrind,
/// which is reported.
///
/// Functions are known by their names, which must be rare, and are not to be inlined.
pub(crate) fn count(test: &str, functions: &[&str]) -> Option<Vec<u64>> {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip::skipped(format_args!("counting instructions: there is no valgrind"));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("counts");
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&counts);
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(option).arg(program(folder.path().join("program")));
    valgrind.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(COUNTED, "1");
    let output = valgrind.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    let counts = Counts::read(&std::fs::read_to_string(counts).unwrap());
    let one = |function: &&str| counts.of_a_call(function).unwrap_or_else(|| panic!("no call of {function}"));
    Some(functions.iter().map(one).collect())
}

/// This program, without what only debuggers read: valgrind would read it at the start.
fn program(stripped: PathBuf) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let strip = Command::new("strip").args(["--strip-debug", "-o"]).arg(&stripped).arg(&program).status();
    if strip.is_ok_and(|status| status.success()) { stripped } else { program }
}

/// By the names of functions: how often each was called, and what the calls took.
struct Counts(HashMap<String, (u64, u64)>);

impl Counts {
    /// Reads a profile of `callgrind`: <https://valgrind.org/docs/manual/cl-format.html>.
    fn read(profile: &str) -> Self {
        // `cfn=(7) name` names a function once; later, `cfn=(7)` is enough.
        let (mut names, mut called, mut counts) = (HashMap::new(), None, HashMap::new());
        let mut lines = profile.lines();
        while let Some(line) = lines.next() {
            if let Some((kind @ ("fn" | "cfn"), function)) = line.split_once('=') {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                if kind == "cfn" {
                    called = names.get(number).copied();
                }
            } else if let Some(calls) = line.strip_prefix("calls=") {
                // The next line says what the calls took: a place, and a count.
                let taken = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
                let calls = calls.split(' ').next().and_then(|calls| calls.parse::<u64>().ok());
                if let (Some(name), Some(calls), Some(taken)) = (called, calls, taken) {
                    let count: &mut (u64, u64) = counts.entry(name.to_owned()).or_default();
                    *count = (count.0 + calls, count.1 + taken);
                }
            }
        }
        Self(counts)
    }

    /// What a call took of the one function with this in its name.
    fn of_a_call(&self, function: &str) -> Option<u64> {
        let mut found = self.0.iter().filter(|(name, _)| name.contains(function));
        let (_, (calls, taken)) = found.next()?;
        assert!(found.next().is_none(), "several functions are called {function}");
        taken.checked_div(*calls)
    }
}
