//! How big this crate is, in counts that no machine changes: what is generated, and what it depends on.
//!
//! A ceiling is a little above the current count. Whoever needs more raises it in `common/counts.rs`, with a reason;
//! whoever makes something smaller lowers it.

use std::collections::BTreeSet;

use counts::{CRATES, GENERATED, SOURCES, crates};

use crate::common::{counts, skip};

/// Crates that may occur in several versions: macros have moved to syn 3, the generator and tracing have not; ring asks
/// for randomness in an older way, and tokio-websockets for base64.
const DUPLICATES: &[&str] = &["base64", "getrandom", "syn"];

#[test]
fn the_generated_part_stays_as_small_as_it_is() {
    if skip::other_document("counting what is generated") {
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
        assert!(crates.iter().any(|line| line.starts_with("serde_json v")), "no dependencies: {crates:?}");
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
