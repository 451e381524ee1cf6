//! Tests that measure or change their own process, and so need one to themselves.

use std::process::Command;

const ALONE: &str = "INVOKEAI_TEST_ALONE";

/// Whether the test has this process to itself. If not, runs the test in a process of its own, and fails if it fails.
///
/// `test` is its name as the harness lists it, for example `transfers::large_files`.
pub(crate) fn is_alone(test: &str) -> bool {
    is_alone_with(test, &[])
}

/// The same, with these environment variables.
pub(crate) fn is_alone_with(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var(ALONE).as_deref() == Ok(test) {
        return true;
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", test, "--nocapture"]).env(ALONE, test).envs(variables.iter().copied());
    // What is no longer used goes back to the system at once, or a later measurement would not see memory that takes
    // its place. By itself the GNU library keeps some tens of megabytes.
    process.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
    let output = process.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{complained}");
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    false
}
