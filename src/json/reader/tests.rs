//! The reader against `serde_json` and `serde_path_to_error`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
struct Of<T> {
    id: i64,
    size: Option<u8>,
    ratio: f64,
    name: String,
    parts: Vec<T>,
    by_number: BTreeMap<i32, T>,
    pair: (bool, T),
    kind: Option<Kind>,
    #[serde(default)]
    kept: Value,
    raw: Option<Box<Kept>>,
}

/// The text of a value, which can be compared.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Kept(Box<RawValue>);

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Sized(u32),
}

const TEXT: &str = r#" {"id": -12, "size": 7, "ratio": 1.5e2, "name": "a\u00e9\"é", "parts": [{"x": 1}, null, []],
    "by_number": {"1": 0, "-2": "b"}, "pair": [true, -0], "kind": {"sized": 3}, "kept": {"a": [1.0, {}]},
    "unknown": [{"b": "\\"}, 1e5], "raw": [ 1 , "x" ]} "#;

/// The sample, and what becomes of it if a byte is missing or another.
fn texts() -> impl Iterator<Item = String> {
    let bytes = TEXT.as_bytes();
    let changed = (0..bytes.len()).flat_map(move |place| {
        let with = move |by: &[u8]| [&bytes[..place], by, &bytes[place + 1..]].concat();
        ["", "0", "1.0", "\"", "{", "}", "]", ",", ":", " ", "-", "e", "null", "\\", "\n"].map(|by| with(by.as_bytes()))
    });
    let cut = (0..bytes.len()).map(move |place| bytes[..place].to_vec());
    changed.chain(cut).chain([bytes.to_vec()]).filter_map(|bytes| String::from_utf8(bytes).ok())
}

#[test]
fn without_a_meter_it_takes_and_gives_what_serde_json_does() {
    let (mut taken, mut refused) = (0, 0);
    for text in texts() {
        let here = read::<Of<Value>>(&text, None).ok();
        let there = serde_json::from_str::<Of<Value>>(&text).ok();
        assert_eq!(here, there, "{text}");
        if here.is_some() { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 500 && refused > 1000, "{taken} {refused}");
}

#[test]
fn what_does_not_fit_is_named_as_serde_path_to_error_names_it() {
    let mut named = 0;
    for text in texts().filter(|text| serde_json::from_str::<Value>(text).is_ok()) {
        let mut json = serde_json::Deserializer::from_str(&text);
        let Err(there) = serde_path_to_error::deserialize::<_, Of<Option<u8>>>(&mut json) else { continue };
        let here = read::<Of<Option<u8>>>(&text, None).unwrap_err();
        // With the line and column that its text ends with, which are cut.
        let problem = Fault::from(Error::custom(there.inner()));
        // Within an enum, the place is that of the enum.
        if !there.path().to_string().starts_with("kind") {
            assert_eq!(here.path(), there.path().to_string(), "{text}");
        }
        assert_eq!(here.problem().to_string(), problem.problem().to_string(), "{text}");
        named += 1;
    }
    assert!(named > 100, "{named}");
}
