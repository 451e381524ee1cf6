//! The fuzz targets, run with the files of their corpora, so that faults that were found once do not come back.
//!
//! The targets are those of `fuzz/`, not copies of them. See `fuzz/README.md`.

#![cfg(feature = "events")]

// In `fuzz/` these are the public items of a library.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use crate::targets;

/// The repository keeps small files; what a run collects beyond them stays on the machine.
const LARGEST_CORPUS: u64 = 1024 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> BTreeSet<String> {
    files(folder).iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_target_survives_every_file_of_its_corpus() {
    let mut fallen = Vec::new();
    for (name, target) in targets::TARGETS {
        let corpus = files(&folder("corpus").join(name));
        assert!(!corpus.is_empty(), "{name} has a corpus");
        for file in corpus {
            let bytes = fs::read(&file).unwrap();
            // The panic's message is printed by the harness.
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                fallen.push(file);
            }
        }
    }
    assert!(fallen.is_empty(), "{fallen:#?}");
}

#[test]
fn targets_programs_and_corpora_are_the_same_set() {
    let known: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets")), known);
    assert_eq!(names(&folder("corpus")), known);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in known {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is a program of fuzz/");
    }
}

#[test]
fn the_corpora_are_small() {
    let sizes = targets::TARGETS.map(|(name, _)| {
        files(&folder("corpus").join(name)).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>()
    });
    let whole: u64 = sizes.iter().sum();
    assert!(whole < LARGEST_CORPUS, "{whole} bytes");
}
