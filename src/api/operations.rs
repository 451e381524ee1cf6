//! Which operations a server has, by its own document.

use super::{OPERATIONS, Operation};
use crate::json::member::member;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

/// The operations known to this crate that a document lists, by [name](Operation::name); `None` if it does not say.
pub(super) fn listed(document: &str) -> Option<HashSet<String>> {
    member(document, &["paths"], PhantomData).ok().map(|Listed(names)| names)
}

struct Listed(HashSet<String>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut paths: A) -> Result<Listed, A::Error> {
                // Nothing is kept of the others, of which there can be any number.
                let known: HashSet<&str> = OPERATIONS.iter().map(Operation::plain_path).collect();
                let (mut names, mut has_paths) = (HashSet::new(), false);
                while let Some(path) = paths.next_key::<Cow<'de, str>>()? {
                    has_paths = true;
                    if !known.contains(&*path) {
                        paths.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let item = paths.next_value::<&RawValue>()?;
                    let methods: HashMap<String, IgnoredAny> = serde_json::from_str(item.get()).unwrap_or_default();
                    names.extend(methods.keys().map(|method| format!("{} {path}", method.to_uppercase())));
                }
                if has_paths { Ok(Listed(names)) } else { Err(A::Error::custom("no paths")) }
            }
        }

        deserializer.deserialize_map(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_lists_is_known_and_nothing_else() {
        let has = |document: &str| {
            let names = listed(document)?;
            Some(
                OPERATIONS.iter().filter(|operation| names.contains(&operation.name())).map(|found| found.id).collect(),
            )
        };
        let own = std::fs::read_to_string(env!("INVOKEAI_DOCUMENT")).unwrap();
        let all: Vec<&str> = has(&own).unwrap();
        assert!(all.len() * 10 > OPERATIONS.len() * 9, "{all:?}");
        let one = r#"{"paths": {"/other": {"get": {}}, "/api/v1/app/version": {"get": {}}, "/api/v1/boards/": 1}}"#;
        assert_eq!(has(one), Some(vec!["app_version"]));
        assert_eq!(has(r#"{"paths": {"/other": {"get": {}}}}"#), Some(Vec::new()));
        for none in ["", "{}", r#"{"paths": 1}"#, r#"{"paths": {}}"#] {
            assert_eq!(has(none), None, "{none}");
        }
    }
}
