//! JSON in which no member is given twice: which of two values is meant nobody knows, and readers of JSON differ in which
//! they take (RFC 8259, section 4).

use std::{collections::HashSet, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::json::weight::{self, Meter};

/// The memory that a body may always take once it is read. One that is long may take more: see [`Meter`].
const ALWAYS: usize = 16 << 20;

/// Most members of an object that are read before it is known how many there are.
const MOST: usize = 10_000;

/// How much of a name is said.
const SAID: usize = 60;

/// The members of an object, all of them; each value is [`Distinct`].
#[derive(Debug)]
pub(super) struct Members(pub(super) Vec<(String, Value)>);

/// A value in which no object has a member twice, and which takes no more memory than this meter allows.
#[derive(Clone, Copy)]
struct Distinct<'m>(&'m Meter);

/// Whether the text is a value in which no object has a member twice.
pub(in crate::serve) fn check(text: &[u8]) -> serde_json::Result<()> {
    let meter = Meter::of(text.len(), ALWAYS);
    let mut reader = serde_json::Deserializer::from_slice(text);
    Distinct(&meter).deserialize(&mut reader)?;
    reader.end()
}

impl Members {
    /// Reads an object.
    pub(super) fn read(text: &[u8]) -> serde_json::Result<Self> {
        struct All<'m>(&'m Meter);
        impl<'de> Visitor<'de> for All<'_> {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names of inputs and their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key()? {
                    if members.len() >= MOST {
                        return Err(A::Error::custom(format!("the object has more than {MOST} members")));
                    }
                    members.push((name, map.next_value_seed(Distinct(self.0))?));
                }
                Ok(Members(members))
            }
        }
        let meter = Meter::of(text.len(), ALWAYS);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let members = reader.deserialize_map(All(&meter))?;
        reader.end()?;
        Ok(members)
    }

    /// Names that occur more than once.
    pub(super) fn repeated(&self) -> Vec<&str> {
        let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
        let names = self.0.iter().map(|(name, _)| &**name);
        names.filter(|name| !seen.insert(*name) && repeated.insert(*name)).collect()
    }
}

impl Distinct<'_> {
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        self.0.take(bytes).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Distinct<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct<'_> {
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

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(weight::text(value.len()))?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.take(weight::list_growth(all.len(), size_of::<Value>()))?;
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let grown = weight::map_growth(all.len(), size_of::<String>(), size_of::<Value>());
            self.take(grown.saturating_add(weight::text(name.len())))?;
            let value = members.next_value_seed(self)?;
            if all.contains_key(&name) {
                let name: String = name.chars().take(SAID).collect();
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
        let members = Members::read(text.as_bytes()).expect("an object");
        assert!(members.repeated().is_empty());
        let plain: Map<String, Value> = serde_json::from_str(text).expect("an object");
        assert_eq!(members.0, plain.into_iter().collect::<Vec<_>>());
        assert!(Members::read(format!("{{\"a\": {}", "[".repeat(10_000)).as_bytes()).is_err());
    }

    #[test]
    fn what_would_take_much_memory_is_not_read() {
        let small = vec!["[0]"; 300_000].join(",");
        for text in [format!("[{small}]"), format!("{{\"a\": [{small}]}}")] {
            let told = check(text.as_bytes()).expect_err("90 times its length").to_string();
            assert!(told.contains("takes more than"), "{told}");
        }
        assert!(Members::read(format!("{{\"a\": [{small}]}}").as_bytes()).is_err());
        let many: Vec<String> = (0..=MOST).map(|n| format!("\"{n}\": 0")).collect();
        assert!(Members::read(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
        // A picture takes little more than its text.
        assert!(Members::read(format!("{{\"a\": \"{}\"}}", "x".repeat(20 << 20)).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_given_twice_is_named() {
        let members = Members::read(br#"{"a": 1, "b": 1, "a": 2, "\u0061": 3}"#).expect("an object");
        assert_eq!(members.repeated(), ["a"]);
        let error = Members::read(br#"{"a": [{"b": 1, "b": 1}]}"#).expect_err("`b` is there twice");
        assert!(error.to_string().starts_with("`b` is given twice in one object"), "{error}");
    }
}
