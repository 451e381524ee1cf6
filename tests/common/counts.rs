//! Counts of what is generated and of what it depends on, and the highest count allowed for each.

use std::{collections::BTreeSet, process::Command};

use invokeai_client::api::OPERATIONS;

/// What is counted, how, the highest count allowed, and why it matters.
pub(crate) type Ceiling = (&'static str, fn(&Sources) -> usize, usize, &'static str);

/// What is counted in the generated source, how, the highest count allowed, and why it matters.
pub(crate) const GENERATED: &[Ceiling] = &[
    ("lines of client.rs", |s| s.client.lines().count(), 28_200, "typed operations and what they carry: most of it"),
    ("lines of events.rs", |s| s.events.lines().count(), 840, "payloads of Socket.IO events, open to new members"),
    ("lines of enums.rs", |s| s.enums.lines().count(), 330, "one macro call per enum"),
    ("bytes of catalog.rs", |s| s.catalog.len(), 330_000, "part of every program that uses the crate"),
    ("operations", |_| OPERATIONS.len(), 192, "one method and one builder each"),
    ("setters and other functions", |s| s.client.matches(" pub fn ").count(), 1_480, "each is checked on its own"),
    // Such a function is a state machine, and costs what twenty plain ones cost.
    ("async functions", |s| s.client.matches(" async fn ").count(), 14, "only where files are sent"),
    ("types that are read from JSON", |s| s.count("::serde::Deserialize"), 205, "ten functions each"),
    ("types that are written as JSON", |s| s.count("::serde::Serialize"), 205, "a function each"),
];

/// Options of `cargo tree`, the most crates that it may list, and what the figure stands for.
pub(crate) const CRATES: &[(&[&str], usize, &str)] = &[
    (
        &["--edges=normal,build", "--no-default-features", "--features=bindings"],
        40,
        "workflows and code of them, without servers: what a build script of a program builds",
    ),
    (&["--edges=normal", "--no-default-features", "--features=client"], 103, "what servers need: HTTP, JSON, tokio"),
    (&["--edges=normal"], 120, "what a program gets by default: live events and TLS as well"),
    (&["--edges=normal", "--features=blocking"], 120, "blocking needs no crate of its own"),
    (
        &["--edges=normal", "--features=cli"],
        187,
        "the command line, without a web server; 9 of them read YAML, 2 complete in shells",
    ),
    (&["--edges=normal", "--features=testing"], 176, "the embedded server: axum, socketioxide, image"),
    (&["--edges=normal", "--features=serve"], 174, "the service: axum, tools for agents, pictures made smaller"),
    (&["--edges=normal", "--features=fleet"], 208, "fleets: a job engine, SQLite, Postgres, a store of files"),
    (&["--edges=normal", "--all-features"], 318, "the command line with all of it"),
    (&["--edges=normal,build"], 143, "with the generator, which runs once on the building machine"),
    (&["--edges=normal,build", "--all-features"], 342, "everything but tests"),
];

/// Whatever the build script made.
pub(crate) struct Sources {
    client: &'static str,
    events: &'static str,
    enums: &'static str,
    catalog: &'static str,
}

impl Sources {
    /// How many types derive a trait, or get it from `record!`, in which each member but the first follows a comma.
    fn count(&self, derived: &str) -> usize {
        let derives =
            |source: &str| source.lines().filter(|line| line.contains("derive(") && line.contains(derived)).count();
        let records = |source: &str| {
            let calls = source.split("record::record! {").skip(1).filter_map(|rest| rest.split("\n}").next());
            calls.map(|call| call.matches(" { ").count()).sum::<usize>()
        };
        [self.client, self.events].map(|source| derives(source) + records(source)).iter().sum()
    }
}

pub(crate) const SOURCES: Sources = Sources {
    client: include_str!(concat!(env!("OUT_DIR"), "/client.rs")),
    events: include_str!(concat!(env!("OUT_DIR"), "/events.rs")),
    enums: include_str!(concat!(env!("OUT_DIR"), "/enums.rs")),
    catalog: include_str!(concat!(env!("OUT_DIR"), "/catalog.rs")),
};

/// Every crate but this one, with its version.
pub(crate) fn crates(options: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--prefix=none", "--format={p}"])
        .args(options);
    let tree = tree.output().unwrap();
    let problem = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "cargo tree: {problem}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    // `syn v2.0.119 (proc-macro) (*)`: the name and the version count.
    let named = lines.lines().filter_map(|line| line.split(" (").next()).map(str::trim);
    named.filter(|line| !line.is_empty() && !line.starts_with("invokeai-client ")).map(str::to_owned).collect()
}
