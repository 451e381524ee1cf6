//! JSON in which no member is given twice: which of two values is meant nobody knows, and readers of JSON differ in which
//! they take (RFC 8259, section 4).

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The members of an object, all of them; each value is [`Distinct`].
#[derive(Debug)]
pub(super) struct Members(pub(super) Vec<(String, Value)>);

/// A value in which no object has a member twice.
pub(super) struct Distinct;

impl Distinct {
    /// Whether the text is such a value.
    pub(super) fn check(text: &[u8]) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        Self.deserialize(&mut reader)?;
        reader.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names of inputs and their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key()? {
                    members.push((name, map.next_value_seed(Distinct)?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl Members {
    /// Names that occur more than once.
    pub(super) fn repeated(&self) -> Vec<&str> {
        let (mut seen, mut repeated) = (HashSet::new(), Vec::new());
        for (name, _) in &self.0 {
            if !seen.insert(name) && !repeated.contains(&&**name) {
                repeated.push(name);
            }
        }
        repeated
    }
}

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if all.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` is given twice in one object")));
            }
            all.insert(name, value);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are() {
        let text = r#"{"a": [null, true, -1, 18446744073709551615, 0.1, "x\ty"], "b": {"c": {}, "d": []}, "": 1e300}"#;
        let members: Members = serde_json::from_str(text).expect("an object");
        assert!(members.repeated().is_empty());
        let plain: Map<String, Value> = serde_json::from_str(text).expect("an object");
        assert_eq!(members.0, plain.into_iter().collect::<Vec<_>>());
        assert!(serde_json::from_str::<Members>(&format!("{{\"a\": {}", "[".repeat(10_000))).is_err());
    }

    #[test]
    fn what_is_given_twice_is_named() {
        let members: Members = serde_json::from_str(r#"{"a": 1, "b": 1, "a": 2, "\u0061": 3}"#).expect("an object");
        assert_eq!(members.repeated(), ["a"]);
        let error = serde_json::from_str::<Members>(r#"{"a": [{"b": 1, "b": 1}]}"#).expect_err("`b` is there twice");
        assert!(error.to_string().starts_with("`b` is given twice in one object"), "{error}");
    }
}
