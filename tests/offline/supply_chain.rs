//! What this crate brings with it: licenses, duplicates, sources, Rust versions, unsafe code. Offline, by
//! `cargo tree` for this machine's platform and the lists in `deny.toml`.
//!
//! `cargo deny check` looks at other platforms, too, and at advisories.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use proc_macro2::{TokenStream, TokenTree};
use serde::Deserialize;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Everything but fleets, whose database needs a newer Rust.
const WITHOUT_FLEETS: &str = "--features=bindings,blocking,cli,serve,testing";

/// A package that is built into the crate, or builds it.
struct Package {
    name: String,
    version: String,
    license: String,
    source: Option<String>,
    rust_version: Option<String>,
    /// Whether this crate itself asks for it.
    direct: bool,
}

/// What cargo says, offline and without changing anything.
fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command.args(arguments).args(["--offline", "--locked"]).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Names and versions that `cargo tree` lists. (`cargo metadata` also resolves what no feature asks for.)
fn tree(features: &[&str], more: &[&str]) -> BTreeSet<(String, String)> {
    let arguments = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let listed = cargo(&[&arguments[..], features, more].concat());
    let lines = listed.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split_whitespace().next()?.to_owned()))
    });
    lines.filter(|(name, _)| name != env!("CARGO_PKG_NAME")).collect()
}

/// All packages for these features, without those that only tests need.
fn packages(features: &[&str]) -> Vec<Package> {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo(&["metadata", "--format-version", "1", "--all-features", "--filter-platform", host]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let known: HashMap<(&str, &str), &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| ((package["name"].as_str().unwrap(), package["version"].as_str().unwrap()), package))
        .collect();
    let direct = tree(features, &["--depth", "1"]);
    let package = |(name, version): (String, String)| {
        let text = |member: &str| known[&(&*name, &*version)][member].as_str().map(str::to_owned);
        Package {
            license: text("license")
                .or_else(|| license_in(&text("license_file")?, &text("manifest_path")?))
                .unwrap_or_default(),
            source: text("source"),
            rust_version: text("rust_version"),
            direct: direct.contains(&(name.clone(), version.clone())),
            name,
            version,
        }
    };
    let packages: Vec<_> = tree(features, &[]).into_iter().map(package).collect();
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

/// The license of a package that has only its text.
fn license_in(file: &str, manifest: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new(manifest).parent()?.join(file)).ok()?;
    text.trim_start().starts_with("MIT License").then(|| "MIT".to_owned())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// The settings of `cargo deny`. It refuses members that it does not know, as do we: a typo would turn a check off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    graph: toml::Table,
    licenses: Licenses,
    bans: Bans,
    sources: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Bans {
    multiple_versions: String,
    wildcards: String,
    deny: Vec<Listed>,
    skip: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn deny() -> Deny {
    toml::from_str(&read("deny.toml")).unwrap_or_else(|error| panic!("deny.toml: {error}"))
}

#[test]
fn the_settings_of_cargo_deny_are_strict() {
    let Deny { graph, bans, sources, .. } = deny();
    assert_eq!(graph["all-features"].as_bool(), Some(true));
    assert_eq!((&*bans.multiple_versions, &*bans.wildcards), ("deny", "deny"));
    for kind in ["unknown-registry", "unknown-git"] {
        assert_eq!(sources[kind].as_str(), Some("deny"), "{kind}");
    }
    let denied: Vec<_> = bans.deny.iter().map(|ban| &*ban.name).collect();
    assert_eq!(denied, ["openssl-sys", "native-tls"], "TLS is rustls");
    for Listed { name, reason } in bans.deny.iter().chain(&bans.skip) {
        assert!(!reason.is_empty(), "{name}");
    }
}

/// Whether a license expression can be met with accepted licenses.
fn is_met(expression: &str, accepted: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = alternatives(&mut words, accepted);
    assert!(words.next().is_none(), "cannot read {expression}");
    met
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(words: &mut Words<'_>, accepted: &[String]) -> bool {
    let mut met = together(words, accepted);
    while words.next_if_eq(&"OR").is_some() {
        met |= together(words, accepted);
    }
    met
}

fn together(words: &mut Words<'_>, accepted: &[String]) -> bool {
    let mut met = license(words, accepted);
    while words.next_if_eq(&"AND").is_some() {
        met &= license(words, accepted);
    }
    met
}

fn license(words: &mut Words<'_>, accepted: &[String]) -> bool {
    match words.next() {
        Some("(") => {
            let met = alternatives(words, accepted);
            assert_eq!(words.next(), Some(")"));
            met
        }
        Some(name) => {
            // An exception permits more, but is another license by name.
            let with_exception = words.next_if_eq(&"WITH").is_some() && words.next().is_some();
            !with_exception && accepted.iter().any(|accepted| accepted == name)
        }
        None => false,
    }
}

#[test]
fn every_license_is_accepted() {
    let Licenses { allow: accepted, exceptions } = deny().licenses;
    let excepted = |package: &Package| {
        let exception = exceptions.iter().find(|exception| exception.name == package.name);
        exception.is_some_and(|exception| is_met(&package.license, &exception.allow))
    };
    for package in packages(&["--all-features"]) {
        let Package { name, version, license, .. } = &package;
        assert!(is_met(license, &accepted) || excepted(&package), "{name} {version} is under {license:?}");
    }
    // The parser of expressions itself.
    let two = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("GPL-3.0/MIT", true),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("MIT WITH some-exception", false),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &two), met, "{expression}");
    }
}

/// Versions by name, newest last.
fn duplicates(packages: &[Package]) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions.retain(|_, versions| {
        versions.sort_by_key(|version| numbers(version));
        versions.len() > 1
    });
    versions
}

#[test]
fn every_duplicate_has_a_reason_and_every_reason_a_duplicate() {
    let skipped = deny().bans.skip;
    let skipped: Vec<(&str, &str)> =
        skipped.iter().map(|skip| skip.name.split_once('@').expect("name@version")).collect();
    let packages = packages(&["--all-features"]);
    let mut needed = BTreeSet::new();
    for (name, versions) in duplicates(&packages) {
        for old in &versions[..versions.len() - 1] {
            let skip = skipped
                .iter()
                .find(|(skipped, version)| *skipped == name && numbers(old).starts_with(&numbers(version)));
            needed.insert(*skip.unwrap_or_else(|| panic!("{name} {versions:?}: deny.toml gives no reason for {old}")));
        }
    }
    let stale: Vec<_> = skipped.iter().filter(|skip| !needed.contains(*skip)).collect();
    assert!(stale.is_empty(), "no duplicates any more: {stale:?}");
}

#[test]
fn the_library_alone_brings_hardly_any_duplicates_and_causes_none() {
    let packages = packages(&[]);
    let duplicates = duplicates(&packages);
    assert_eq!(duplicates.keys().copied().collect::<Vec<_>>(), ["base64", "getrandom", "syn"], "{duplicates:?}");
    for package in packages.iter().filter(|package| package.direct) {
        // `prettyplease` prints the syntax trees of syn 2.
        if let Some(versions) = duplicates.get(&*package.name).filter(|_| package.name != "syn") {
            assert_eq!(versions.last(), Some(&&*package.version), "{} causes a duplicate", package.name);
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_nothing_is_there_twice_that_must_not_be() {
    let packages = packages(&["--all-features"]);
    let denied = deny().bans.deny;
    for Package { name, version, source, .. } in &packages {
        let from = source.as_deref().unwrap_or("this machine");
        assert_eq!(from, "registry+https://github.com/rust-lang/crates.io-index", "{name} {version}");
        let ban = denied.iter().find(|ban| ban.name == *name);
        assert!(ban.is_none(), "{name}: {}", ban.map_or("", |ban| &ban.reason));
    }
    for once in ["reqwest", "hyper", "rustls", "tokio", "serde_json"] {
        assert_eq!(packages.iter().filter(|package| package.name == once).count(), 1, "{once}");
    }
}

#[test]
fn no_dependency_says_that_it_needs_a_newer_rust() {
    let manifest = read("Cargo.toml");
    let ours = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    needs_at_most(ours, &packages(&[WITHOUT_FLEETS]));
    let of_fleets = manifest.lines().find_map(|line| line.split_once("Needs Rust ")?.1.split(',').next());
    needs_at_most(of_fleets.expect("what fleets need"), &packages(&["--all-features"]));
}

fn needs_at_most(ours: &str, packages: &[Package]) {
    let whole = |version: &str| [numbers(version), vec![0; 3]].concat()[..3].to_vec();
    let newer: Vec<_> = packages
        .iter()
        .filter(|package| package.rust_version.as_deref().is_some_and(|rust| whole(rust) > whole(ours)))
        .map(|package| format!("{} {} needs {:?}", package.name, package.version, package.rust_version))
        .collect();
    assert!(newer.is_empty(), "this crate says {ours}: {newer:#?}");
    let silent = packages.iter().filter(|package| package.rust_version.is_none()).count();
    assert!(silent * 2 < packages.len(), "most say what they need; {silent} of {} do not", packages.len());
}

// Unsafe code

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Built files, and other packages that tests may make.
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_said(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => is_said(group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The compiler refuses it in all targets, the build script included, because the manifest forbids it. The text shows
/// that nothing lifts this.
#[test]
fn no_target_has_unsafe_code() {
    let manifest = read("Cargo.toml");
    let lints = manifest.split_once("[lints.rust]").expect("lints").1;
    assert!(lints.lines().any(|line| line == "unsafe_code = \"forbid\""));
    let mut files = vec![Path::new(ROOT).join("build.rs")];
    for folder in ["src", "build", "tests", "examples", "benches", "fuzz"] {
        rust_files(&Path::new(ROOT).join(folder), &mut files);
    }
    assert!(files.len() > 200, "{} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Comments and texts may have the word; most files do not have it at all, and need not be read as code.
        if text.contains("unsafe") {
            let code: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(!is_said(code, "unsafe"), "{}", file.display());
        }
    }
}
