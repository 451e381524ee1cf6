//! Everything that waits in the async API has its counterpart in `blocking`, with the same name and the same signature.
//!
//! It reads the listing of the public API, which `tests/offline/public_api.rs` keeps up to date.

use std::collections::{BTreeMap, BTreeSet};

const LISTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/public-api.txt");

/// What has another name, and why.
const ELSEWHERE: [(&str, &str, &str); 1] =
    [("Upload::reader", "Upload::blocking_reader", "an upload is data, the same for both")];

/// What serves both as it is, and why.
const SHARED: [(&str, &str); 1] = [("Submittable", "what is submitted is data, which both clients take")];

/// What has another signature, and why.
const DIFFERENT: [(&str, &str); 1] = [("EventHub::new", "starts threads, which can fail")];

/// The methods and traits of some types, by the names of the types.
type Surface = BTreeMap<String, BTreeMap<String, String>>;

/// Methods of the async and of the blocking API.
fn surfaces(listing: &str) -> (Surface, Surface) {
    let (mut normal, mut blocking) = (Surface::new(), Surface::new());
    // The endpoints are for `block_on`, and the embedded server serves either kind of client: it does not wait itself. Nor
    // does the service, whose threads are its own. A worker of a fleet is a service, too, and those who submit to one have the
    // command, or `block_on`.
    let elsewhere = ["api::", "fleet::", "serve::", "testing::"];
    for line in listing.lines().filter(|line| !elsewhere.iter().any(|place| line.starts_with(place))) {
        let Some((place, what)) = line.split_once(": ") else { continue };
        let surface = if place.starts_with("blocking::") { &mut blocking } else { &mut normal };
        let mut parts = place.rsplit("::");
        let last = parts.next().unwrap_or_default();
        let is_function = what.starts_with("fn ") || what.starts_with("async fn ");
        // An iterator of the async API reads what is in memory; one of the blocking API stands for a stream.
        let kinds = ["IntoFuture<", "Future<", if place.starts_with("blocking::") { "Iterator<" } else { "Stream<" }];
        let waits = kinds.iter().any(|name| what.starts_with(name));
        if is_function {
            // A function of a module counts as a method of it.
            let of = parts.next().unwrap_or("the crate").to_owned();
            surface.entry(of).or_default().insert(last.to_owned(), what.to_owned());
        } else if waits {
            let name = what.split('<').next().unwrap_or_default().to_owned();
            surface.entry(last.to_owned()).or_default().insert(name, what.to_owned());
        } else if what.starts_with("struct") {
            surface.entry(last.to_owned()).or_default();
        }
    }
    (normal, blocking)
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

fn result(signature: &str) -> &str {
    signature.rsplit_once(") -> ").map_or("", |(_, result)| result)
}

/// Whether this method cannot be used without `async`.
fn waits(of: &str, name: &str, what: &str, waiting: &BTreeSet<String>) -> bool {
    what.starts_with("async ")
        || !what.starts_with("fn ")
        || ["Stream<", "AsyncRead", "AsyncWrite", "Future<"].iter().any(|sign| what.contains(sign))
        || names(result(what)).any(|ty| waiting.contains(ty) || (ty == "Self" && name != of && waiting.contains(of)))
}

/// Types that have something to wait for, or lead to such a type.
fn waiting(surface: &Surface) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let more: Vec<_> = surface
            .iter()
            .filter(|(ty, _)| !found.contains(*ty))
            .filter(|(ty, methods)| {
                methods.iter().any(|(name, what)| {
                    let method = format!("{ty}::{name}");
                    let elsewhere =
                        |(known, other, _): &(&str, &str, &str)| *known == method || other.ends_with(&method);
                    !ELSEWHERE.iter().any(elsewhere) && waits(ty, name, what, &found)
                })
            })
            .map(|(ty, _)| ty.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// A signature as the blocking counterpart has it.
fn expected(what: &str, waiting: &BTreeSet<String>) -> String {
    let mut text =
        what.replace("async fn", "fn").replace("mut self", "self").replace("impl AsyncWrite + Unpin", "impl Write");
    if let Some(at) = text.find("impl Stream<Item =") {
        let item = text[at..].trim_start_matches("impl Stream<Item =").trim_start();
        let end = item.rfind("> + Send").unwrap_or(item.len());
        text = format!("{}Iter<{}>", &text[..at], &item[..end]);
    }
    // Handles are given by value: they are cheap to clone.
    for ty in waiting {
        text = text.replace(&format!("-> &{ty}"), &format!("-> {ty}"));
    }
    text.replace("std::path::", "")
}

/// What the blocking API lacks.
fn missing(listing: &str) -> Vec<String> {
    let (normal, blocking) = surfaces(listing);
    let waiting = waiting(&normal);
    let mut complaints = Vec::new();
    for (of, other, _) in ELSEWHERE {
        if !listing.lines().any(|line| line.starts_with(&format!("{other}: "))) {
            complaints.push(format!("{of} has no {other}"));
        }
    }
    for (shared, _) in SHARED {
        if !waiting.contains(shared) {
            complaints.push(format!("{shared} is in SHARED for nothing"));
        }
    }
    for ty in waiting.iter().filter(|ty| SHARED.iter().all(|(shared, _)| shared != ty)) {
        let Some(counterpart) = blocking.get(ty) else {
            complaints.push(format!("{ty} has no blocking::{ty}"));
            continue;
        };
        for (name, what) in &normal[ty] {
            let (name, wanted) = match name.as_str() {
                "IntoFuture" | "Future" => {
                    let output = what.split_once("= ").map_or("", |(_, rest)| rest.trim_end_matches('>'));
                    // `trim_end_matches` would take those of the output, too.
                    let open = output.matches('<').count();
                    ("call", format!("fn call(self) -> {output}{}", ">".repeat(open)))
                }
                "Stream" => ("Iterator", what.replace("Stream<", "Iterator<")),
                name => (name, expected(what, &waiting)),
            };
            let is_different = DIFFERENT.iter().any(|(known, _)| *known == format!("{ty}::{name}"));
            match counterpart.get(name) {
                None => complaints.push(format!("{ty}::{name} has no blocking::{ty}::{name}: {wanted}")),
                Some(found) if is_different => {
                    assert_ne!(expected(found, &waiting), wanted, "{ty}::{name} is in DIFFERENT for nothing");
                }
                Some(found) if expected(found, &waiting) != wanted => {
                    complaints.push(format!("blocking::{ty}::{name} is `{found}`, not `{wanted}`"));
                }
                Some(_) => {}
            }
        }
    }
    complaints
}

fn listing() -> String {
    std::fs::read_to_string(LISTING).unwrap()
}

#[test]
fn all_that_waits_has_a_blocking_counterpart() {
    let complaints = missing(&listing());
    assert!(complaints.is_empty(), "{} things differ:\n{}", complaints.len(), complaints.join("\n"));
    // And not because nothing was looked at.
    let (normal, blocking) = surfaces(&listing());
    let methods: usize = waiting(&normal).iter().map(|ty| normal[ty].len()).sum();
    assert!(methods > 300 && blocking.len() > 40, "{methods} methods, {} blocking types", blocking.len());
}

#[test]
fn what_is_async_only_is_found() {
    for (line, complaint) in [
        ("images::Images::fresh: async fn fresh(&self) -> Result<()>", "Images::fresh has no"),
        (
            "images::Images::all: fn all(&self) -> impl Stream<Item = Image> + Send + use<>",
            "fn all(&self) -> Iter<Image>",
        ),
        ("images::Images::size: fn size(&self) -> u64", "Images::size has no"),
        ("news::News::read: async fn read(&self) -> Result<()>", "News has no blocking::News"),
        ("news::Ask: IntoFuture<Output = Result<()>>", "Ask has no blocking::Ask"),
        ("news::News::images: fn images(&self) -> ListImages", "News has no blocking::News"),
        ("news::send: async fn send() -> Result<()>", "news has no blocking::news"),
        ("images::Images::star: async fn star(&self, other: u8) -> Result<()>", "is `fn star(&self, names"),
    ] {
        let found = missing(&format!("{}{line}\n", listing()));
        assert!(found.len() == 1 && found[0].contains(complaint), "{line}: {found:?}");
    }
}
