//! The report as Markdown.

use std::{fmt::Write as _, fs, process::Command};

/// What is promised, what was measured, and whether it holds.
struct Promise {
    what: String,
    promised: String,
    measured: String,
    holds: bool,
}

/// The report as it grows. Everything is also printed right away.
pub(crate) struct Page {
    promises: Vec<Promise>,
    body: String,
    skipped: Vec<String>,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self { promises: Vec::new(), body: String::new(), skipped: Vec::new() }
    }

    pub(crate) fn heading(&mut self, text: &str) {
        println!("\n## {text}");
        self.body += &format!("\n## {text}\n\n");
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        println!("{}", text.as_ref());
        self.body += text.as_ref();
        self.body += "\n";
    }

    pub(crate) fn table(&mut self, head: &[&str]) {
        self.line(format!("\n| {} |", head.join(" | ")));
        self.line(format!("|{}", " --- |".repeat(head.len())));
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.line(format!("| {} |", cells.join(" | ")));
    }

    pub(crate) fn promise(&mut self, what: &str, promised: &str, measured: String, holds: bool) {
        let said = if holds { "holds" } else { "DOES NOT HOLD" };
        println!("PROMISED {what}: {promised}; measured {measured}: {said}");
        let (what, promised) = (what.to_owned(), promised.to_owned());
        self.promises.push(Promise { what, promised, measured, holds });
    }

    pub(crate) fn skipped(&mut self, what: &str) {
        eprintln!("SKIPPED {what}");
        self.skipped.push(what.to_owned());
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("# Report of invokeai-client {}\n\n", env!("CARGO_PKG_VERSION"));
        text += &machine();
        text += "\n## Promises\n\n| promised | | measured | |\n| --- | --- | --- | --- |\n";
        for Promise { what, promised, measured, holds } in &self.promises {
            let said = if *holds { "holds" } else { "**does not hold**" };
            let _ = writeln!(text, "| {what} | {promised} | {measured} | {said} |");
        }
        for what in &self.skipped {
            let _ = writeln!(text, "\n**Skipped**: {what}");
        }
        text + &self.body
    }
}

/// Date and machine, as far as the system reports them.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let lines = [
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("processor", processor.map(|name| format!("{name}, {cores} cores"))),
        ("system", said("uname", &["-sr"])),
        ("compiler", said("rustc", &["--version"])),
        ("load average at the end", Some(load.trim().to_owned())),
    ];
    lines.into_iter().map(|(what, text)| format!("- {what}: {}\n", text.unwrap_or_else(|| "unknown".into()))).collect()
}
