//! Workflows are read straight from their text, and odd ones through a tree of JSON. Both ways give the same, for files
//! as they are and for files in which anything was changed.

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::reference;

/// Texts that mean something to a reader of JSON or of workflows, to be put anywhere.
const PIECES: [&str; 36] = [
    "null",
    "true",
    "0",
    "-1.5e3",
    "1e999",
    "\"\"",
    "\" x \"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "{\"a\":1,\"a\":2}",
    "\"id\":\"again\",",
    "\"type\":\"notes\",",
    "\"new\":[1,{\"deep\":null}],",
    "\"value\":{},",
    ",",
    ":",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "\u{feff}",
    "\u{a0}",
    "\"default\"",
    "\"collapsed\"",
    "\"connector\"",
    "\"invocation\"",
    "\"3.0.0\"",
    "\"4.0.0\"",
    "\"container\"",
    "\"hidden\":null,",
    "\"label\":7,",
];

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// A random place in a text, not within a character.
    fn place(&mut self, text: &str) -> usize {
        let mut place = self.below(text.len() + 1);
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    }

    /// A place right before a value or a name, where an added piece gives different JSON rather than none.
    fn token(&mut self, text: &str) -> usize {
        let start = self.place(text);
        let found = text[start..].find(['"', '{', '[', '}', ']']);
        start + found.unwrap_or(text.len() - start)
    }
}

/// Replaces, removes or adds something anywhere in JSON.
fn change(value: &mut Value, random: &mut Random) {
    let replacement = loop {
        if let Ok(value) = serde_json::from_str::<Value>(PIECES[random.below(PIECES.len())]) {
            break value;
        }
    };
    let here = random.below(8) == 0;
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(random.below(members.len())).unwrap().clone();
            match (here, random.below(3)) {
                (false, _) => change(&mut members[&name], random),
                (true, 0) => drop(members.shift_remove(&name)),
                (true, 1) => drop(members.insert(format!("my {name}"), replacement)),
                (true, _) => members[&name] = replacement,
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let place = random.below(items.len());
            match (here, random.below(3)) {
                (false, _) => change(&mut items[place], random),
                (true, 0) => drop(items.remove(place)),
                (true, 1) => items.push(items[place].clone()),
                (true, _) => items[place] = replacement,
            }
        }
        leaf => *leaf = replacement,
    }
}

fn json_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            json_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

/// The workflow files of the repository, and golden cases if there are any.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["examples/workflows", "fuzz/corpus/definition"] {
        json_files(&root.join(folder), &mut files);
    }
    if let Some(golden) = reference::golden("reading golden cases both ways") {
        json_files(&golden.join("cases"), &mut files);
    }
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    files.into_iter().map(|file| (file.display().to_string(), fs::read_to_string(&file).unwrap())).collect()
}

/// Reads a text through a tree of JSON.
fn through_a_tree(text: &str) -> Result<WorkflowDefinition, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the workflow is not JSON: {error}"))?;
    WorkflowDefinition::from_value(value).map_err(|error| error.to_string())
}

/// Reads a text both ways, and returns whether it could be read.
fn read(what: &str, text: &str) -> Option<[WorkflowDefinition; 2]> {
    let straight = text.parse::<WorkflowDefinition>().map_err(|error| error.to_string());
    match (straight, through_a_tree(text)) {
        (Ok(straight), Ok(other)) => {
            assert_eq!(straight, other, "{what}");
            // As text, because the order of members counts, too.
            assert_eq!(straight.as_value().to_string(), other.as_value().to_string(), "{what}");
            Some([straight, other])
        }
        (straight, other) => {
            assert_eq!(straight.map(drop), other.map(drop), "{what}");
            None
        }
    }
}

fn without_id(mut body: Value) -> String {
    body["batch"]["graph"]["id"] = "".into();
    body.to_string()
}

/// Opens both definitions and compares all that can be asked of them. Without random values nothing may differ.
fn compare(what: &str, definitions: [WorkflowDefinition; 2]) {
    let options = EnqueueOptions::default().auto_add_board("board");
    let [one, other] = definitions.map(|definition| Workflow::new(definition, NodeCatalog::embedded()));
    assert_eq!(one.warnings(), other.warnings(), "{what}");
    assert_eq!(one.inputs(), other.inputs(), "{what}");
    assert_eq!(one.problems(), other.problems(), "{what}");
    match (one.enqueue_body(&options), other.enqueue_body(&options)) {
        (Ok(body), Ok(other)) => {
            let body = without_id(body);
            let is_random = |id: &str| id.contains("node-field-") || id.contains("_random_");
            if !is_random(&body) {
                assert_eq!(body, without_id(other), "{what}");
                let bytes = one.enqueue_bytes(&options).unwrap();
                assert_eq!(body, without_id(serde_json::from_slice(&bytes).unwrap()), "{what}");
            }
        }
        (body, other) => {
            assert_eq!(body.as_ref().err(), other.as_ref().err(), "{what}");
            assert_eq!(one.enqueue_bytes(&options).err(), body.err(), "{what}");
        }
    }
}

#[test]
fn files_are_read_the_same_both_ways() {
    let mut good = 0;
    for (file, text) in texts() {
        if let Some(definitions) = read(&file, &text) {
            good += 1;
            compare(&file, definitions);
        }
    }
    assert!(good > 5, "{good} files could be read");
}

/// Cuts, copies, replaces or adds something anywhere in a text.
fn change_text(text: &str, random: &mut Random) -> String {
    let mut changed = text.to_owned();
    let at = random.token(text);
    let length = |from: usize, most: usize| text[from..].char_indices().nth(most).map_or(0, |(length, _)| length);
    match random.below(4) {
        0 => changed.replace_range(at..at + length(at, 1 + random.below(30)), ""),
        1 => {
            let from = random.token(text);
            changed.insert_str(at, &text[from..from + length(from, random.below(80))]);
        }
        2 => {
            let end = text[at..].char_indices().skip(1).find(|(_, c)| matches!(c, '"' | ',' | '}' | ']'));
            let to = at + end.map_or(text.len() - at, |(length, c)| length + usize::from(c == '"'));
            changed.replace_range(at..to, PIECES[random.below(PIECES.len())]);
        }
        _ => changed.insert_str(at, PIECES[random.below(PIECES.len())]),
    }
    changed
}

#[test]
fn changed_files_are_read_the_same_both_ways() {
    let mut random = Random(7);
    let (mut good, mut bad) = (0, 0);
    for (file, text) in texts().into_iter().filter(|(_, text)| text.len() < 100_000) {
        // Without blanks, changes hit something more often.
        let value = serde_json::from_str::<Value>(&text);
        let text = value.as_ref().map_or(text, Value::to_string);
        for round in 0..40 {
            let changed = match &value {
                Ok(value) if round % 2 == 0 => {
                    let mut changed = value.clone();
                    (0..=random.below(3)).for_each(|_| change(&mut changed, &mut random));
                    changed.to_string()
                }
                _ => change_text(&text, &mut random),
            };
            let what = format!("{file}, change {round}: {changed}");
            match read(&what, &changed) {
                Some(definitions) if round % 8 == 0 => {
                    good += 1;
                    compare(&what, definitions);
                }
                Some(_) => good += 1,
                None => bad += 1,
            }
        }
    }
    println!("{good} changed files could be read, {bad} could not");
    // Of the repository's own files a fifth can be read after a change, of the golden cases more.
    let some = (good + bad) / 10;
    assert!(good > some && bad > some, "{good} good, {bad} bad");
}

#[test]
fn limits_hold_in_members_that_nobody_reads() {
    let flux = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json"))
        .unwrap();
    let with = |member: &str| flux.replacen('{', &format!("{{\"more\": {member},"), 1);
    assert!(with("{\"a\": [1, \"\\ud83d\\ude00\", null, true, 1e300]}").parse::<WorkflowDefinition>().is_ok());
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(with(&nested(120)).parse::<WorkflowDefinition>().is_ok());
    for odd in ["1e999", "\"\\ud800\"", "\"\\q\"", "01", "{\"\\udc00\": 1}", &nested(128), &nested(100_000)] {
        let error = with(odd).parse::<WorkflowDefinition>().expect_err(odd);
        assert!(error.to_string().starts_with("the workflow is not JSON: "), "{error}");
    }
}
