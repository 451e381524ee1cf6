//! JSON objects from people.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// An object in which no member is given twice: which of two values is meant nobody knows.
pub(crate) struct Distinct(pub(crate) Map<String, Value>);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Distinct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from input to value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Distinct, A::Error> {
                let mut row = Map::new();
                while let Some(name) = members.next_key::<String>()? {
                    if row.contains_key(&name) {
                        return Err(A::Error::custom(format!("`{name}` is given twice")));
                    }
                    row.insert(name, members.next_value()?);
                }
                Ok(Distinct(row))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_given_twice_is_named() {
        let Distinct(read) = serde_json::from_str(r#"{"a": {"b": 1, "c": [null]}, "b": 2.5}"#).expect("an object");
        assert_eq!(Value::Object(read), serde_json::json!({"a": {"b": 1, "c": [null]}, "b": 2.5}));
        let refused = serde_json::from_str::<Distinct>(r#"{"a": 1, "b": 2, "a": 1}"#).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().starts_with("`a` is given twice"), "{refused}");
    }
}
