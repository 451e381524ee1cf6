//! How big this crate is, in counts that no machine changes: what is generated, and what it depends on.
//!
//! A ceiling is a little above what is there. Whoever needs more raises it here, in view, with a reason; whoever
//! makes something smaller lowers it.

#[path = "common/skip.rs"]
mod skip;

use std::{collections::BTreeSet, process::Command};

use invokeai_client::api::OPERATIONS;

type Count = fn(&Sources) -> usize;

/// What of the generated source is counted, the most that there may be, and why it matters.
const GENERATED: &[(&str, Count, usize, &str)] = &[
    ("lines of client.rs", |s| s.client.lines().count(), 28_500, "typed operations and what they carry: most of it"),
    ("lines of events.rs", |s| s.events.lines().count(), 720, "payloads of Socket.IO events, open to new members"),
    ("lines of enums.rs", |s| s.enums.lines().count(), 330, "one macro call per enum"),
    ("lines of calls.rs", |s| s.calls.lines().count(), 960, "one macro arm per operation and per optional parameter"),
    ("bytes of catalogue.rs", |s| s.catalogue.len(), 690_000, "part of every program that uses the crate"),
    ("operations", |_| OPERATIONS.len(), 192, "one method and one builder each"),
    ("setters and other functions", |s| s.client.matches(" pub fn ").count(), 1_350, "each is checked on its own"),
    // Such a function is a state machine, and costs what twenty plain ones cost.
    ("async functions", |s| s.client.matches(" async fn ").count(), 14, "only where files are sent"),
    ("types that are read from JSON", |s| s.count("::serde::Deserialize"), 205, "ten functions each"),
    ("types that are written as JSON", |s| s.count("::serde::Serialize"), 205, "a function each"),
];

/// Options of `cargo tree`, the most crates that it may list, and what the figure stands for.
const CRATES: &[(&[&str], usize, &str)] = &[
    (&["--edges=normal", "--no-default-features"], 107, "what nobody can do without: HTTP, JSON, tokio"),
    (&["--edges=normal"], 130, "what a program gets by default: live events and TLS as well"),
    (&["--edges=normal", "--features=blocking"], 130, "blocking needs no crate of its own"),
    (&["--edges=normal", "--features=testing"], 178, "the embedded server: axum, socketioxide, image"),
    (&["--edges=normal", "--all-features"], 220, "the command line"),
    (&["--edges=normal,build"], 157, "with the generator, which runs once on the building machine"),
    (&["--edges=normal,build", "--all-features"], 249, "everything but tests"),
];

/// Crates that may be there in several versions: macros have moved to syn 3, the generator and tracing have not.
const DUPLICATES: &[&str] = &["syn"];

/// Whatever the build script made.
struct Sources {
    client: &'static str,
    events: &'static str,
    enums: &'static str,
    calls: &'static str,
    catalogue: &'static str,
}

impl Sources {
    /// How many types derive a trait.
    fn count(&self, derived: &str) -> usize {
        let derives =
            |source: &str| source.lines().filter(|line| line.contains("derive(") && line.contains(derived)).count();
        derives(self.client) + derives(self.events)
    }
}

const SOURCES: Sources = Sources {
    client: include_str!(concat!(env!("OUT_DIR"), "/client.rs")),
    events: include_str!(concat!(env!("OUT_DIR"), "/events.rs")),
    enums: include_str!(concat!(env!("OUT_DIR"), "/enums.rs")),
    calls: include_str!(concat!(env!("OUT_DIR"), "/calls.rs")),
    catalogue: include_str!(concat!(env!("OUT_DIR"), "/catalogue.rs")),
};

#[test]
fn the_generated_part_stays_as_small_as_it_is() {
    if let Some(other) = option_env!("INVOKEAI_OPENAPI") {
        skip::skipped(format_args!("counting what is generated: this crate was built from {other}"));
        return;
    }
    let mut too_many = Vec::new();
    for (what, count, most, why) in GENERATED {
        let count = count(&SOURCES);
        println!("{count:>7} {what} (at most {most})");
        assert!(count > 0, "nothing is counted as {what}");
        if count > *most {
            too_many.push(format!("{count} {what}, at most {most}: {why}"));
        }
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
}

#[test]
fn no_feature_brings_more_crates_than_it_did() {
    let mut too_many = Vec::new();
    for (options, most, why) in CRATES {
        let crates = crates(options);
        println!("{:>4} crates with {} (at most {most})", crates.len(), options.join(" "));
        assert!(crates.iter().any(|line| line.starts_with("reqwest v")), "no dependencies: {crates:?}");
        if crates.len() > *most {
            too_many.push(format!("{} crates with {}, at most {most}: {why}", crates.len(), options.join(" ")));
        }
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
}

#[test]
fn no_crate_is_there_twice() {
    let mut names = Vec::new();
    for line in crates(&["--edges=normal,build"]) {
        names.extend(line.split_once(' ').map(|(name, _)| name.to_owned()));
    }
    let twice: BTreeSet<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &*pair[0]).collect();
    assert_eq!(twice, DUPLICATES.iter().copied().collect(), "crates in several versions");
}

/// Every crate, with its version, but for this one.
fn crates(options: &[&str]) -> BTreeSet<String> {
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
