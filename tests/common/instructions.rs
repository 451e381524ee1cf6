//! Counts the instructions that a piece of work takes, by `valgrind`: the same on every run, unlike times, whatever else
//! the machine does.

use std::{path::PathBuf, process::Command, sync::LazyLock};

use super::skip;

const WORK: &str = "INVOKEAI_TEST_WORK";

/// The words of the work that this process was started for.
pub(crate) fn wanted() -> Option<Vec<String>> {
    Some(std::env::var(WORK).ok()?.split('|').map(str::to_owned).collect())
}

/// The instructions that the test of this name takes in a process of its own with these words, start included. `None`
/// if there is no valgrind, which is reported.
pub(crate) fn count(test: &str, words: &[&str]) -> Option<u64> {
    if !*VALGRIND {
        return None;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]).arg(&*PROGRAM);
    valgrind.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(WORK, words.join("|"));
    let output = valgrind.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{words:?}: {said}\n{complained}");
    let count =
        complained.lines().find_map(|line| line.split_once("I   refs:")?.1.trim().replace(',', "").parse().ok());
    Some(count.unwrap_or_else(|| panic!("valgrind counts nothing: {complained}")))
}

static VALGRIND: LazyLock<bool> = LazyLock::new(|| {
    let found = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skip::skipped(format_args!("counting instructions: there is no valgrind"));
    }
    found
});

/// This program, without what only debuggers read: valgrind would read it at every start.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = std::env::current_exe().unwrap();
    let stripped = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("counted-{}", std::process::id()));
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&program).status();
    if strip.is_ok_and(|status| status.success()) { stripped } else { program }
});
