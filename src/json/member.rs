//! Reads one member of a JSON text, and skips the rest of it.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Error;

/// Reads the member at this path of nested members. Any other kind of JSON is an error, and so is a member that appears
/// twice.
pub(crate) fn member<'de, S: DeserializeSeed<'de>>(text: &'de str, path: &[&str], read: S) -> Result<S::Value, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Inside { path, read }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Inside<'p, S> {
    path: &'p [&'p str],
    read: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        if self.path.is_empty() { self.read.deserialize(deserializer) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Inside<'_, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the member {:?}", self.path.first().unwrap_or(&""))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<S::Value, A::Error> {
        let Some((wanted, path)) = self.path.split_first() else {
            return Err(A::Error::custom("no member is asked for"));
        };
        let (mut read, mut value) = (Some(self.read), None);
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if name != *wanted {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let read =
                read.take().ok_or_else(|| A::Error::custom(format_args!("the member {wanted:?} appears twice")))?;
            value = Some(members.next_value_seed(Inside { path, read })?);
        }
        value.ok_or_else(|| A::Error::custom(format_args!("the member {wanted:?} is missing")))
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;

    #[test]
    fn only_the_member_is_read() {
        let read = |text: &str| member(text, &["a", "b"], PhantomData::<u8>).ok();
        assert_eq!(read(r#"{"x": [1, {"a": 0}], "\u0061": {"b": 7, "c": "b"}, "y": null} "#), Some(7));
        for none in ["{}", "[]", r#"{"a": 7}"#, r#"{"a": [{"b": 7}]}"#, r#"{"a": {"b": 300}}"#, r#"{"a": {"b": 7}} x"#]
        {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read(r#"{"a": {"b": 7}, "a": {"b": 7}}"#), None, "which of the two counts is up to the reader");
    }
}
