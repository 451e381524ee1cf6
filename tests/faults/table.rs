//! The table of faults names tests that exist, and every test of a fault is in the table.

use std::{collections::BTreeSet, fs, path::Path};

const TABLE: &str = "docs/faults.md";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the tests in a file of `tests/`.
fn tests_in(file: &str) -> BTreeSet<String> {
    let text = read(&format!("tests/{file}"));
    let mut names = BTreeSet::new();
    let mut marked = false;
    for line in text.lines() {
        let line = line.trim_start();
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some(name) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
            && marked
        {
            names.insert(name.split('(').next().unwrap_or_default().to_owned());
            marked = false;
        }
    }
    names
}

/// The tests that the table names, as file and name: `` `file.rs: name` ``.
fn named() -> BTreeSet<(String, String)> {
    let table = read(TABLE);
    let quoted = table.split('`').skip(1).step_by(2);
    let test = |text: &str| {
        let (file, name) = text.split_once(": ")?;
        file.ends_with(".rs").then(|| (file.to_owned(), name.to_owned()))
    };
    quoted.filter_map(test).collect()
}

#[test]
fn every_test_that_the_table_names_exists() {
    let named = named();
    assert!(named.len() > 50, "the table is read: {named:?}");
    let missing: Vec<_> = named.iter().filter(|(file, name)| !tests_in(file).contains(name)).collect();
    assert!(missing.is_empty(), "{TABLE} names tests that do not exist: {missing:#?}");
}

#[test]
fn every_row_of_the_table_names_a_test() {
    let table = read(TABLE);
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| fault") && !line.starts_with("| ---"))
        .collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.matches('|').count(), 5, "four columns: {row}");
        let tests = row.rsplit('|').nth(1).unwrap_or_default();
        assert!(tests.contains(".rs: "), "no test: {row}");
    }
}

#[test]
fn every_test_of_a_fault_is_in_the_table() {
    let named = named();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<_> = files.filter(|file| file.ends_with(".rs") && file != "table.rs").collect();
    assert!(files.len() > 4, "{files:?}");
    for file in files.iter().map(|file| format!("faults/{file}")) {
        // A child is part of the test that runs it.
        let tests = tests_in(&file).into_iter().filter(|name| !name.starts_with("child_"));
        let absent: Vec<_> = tests.filter(|name| !named.contains(&(file.clone(), name.clone()))).collect();
        assert!(absent.is_empty(), "{TABLE} lacks tests of {file}: {absent:?}");
    }
}
