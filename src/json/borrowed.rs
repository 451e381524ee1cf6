//! A tree of JSON that borrows its strings.
//!
//! [`Value`] copies each name and each string, and hashes each name. A program reads the schemas of a dozen nodes at its
//! start and keeps little of them, so with `Value` most of its start would be copying and hashing.

use std::{borrow::Cow, collections::HashMap, fmt};

use foldhash::fast::RandomState;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

#[derive(Clone)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object, in order. Each is looked for from the start: the objects of schemas have few.
#[derive(Clone, Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Where serde_json is built with `arbitrary_precision`, it shows a number as an object with this one member, the text
/// of the number. Any crate of a program may turn that on for all.
const NUMBER: &str = "$serde_json::private::Number";

impl<'a> Members<'a> {
    /// More than any object of InvokeAI's schemas has.
    const FEW: usize = 64;

    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.iter().find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Of several members with the same name, the last counts and takes the place of the first, as in a [`Value`].
    fn of(members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        let mut unique: Vec<(Cow<'a, str>, Json<'a>)> = Vec::with_capacity(members.len());
        let mut places: Option<HashMap<Cow<'a, str>, usize, RandomState>> =
            (members.len() > Self::FEW).then(HashMap::default);
        for (name, value) in members {
            let place = match &mut places {
                Some(places) => Some(*places.entry(name.clone()).or_insert(unique.len())),
                None => unique.iter().position(|(member, _)| *member == name),
            };
            match place.and_then(|place| unique.get_mut(place)) {
                Some(member) => member.1 = value,
                None => unique.push((name, value)),
            }
        }
        Members(unique)
    }
}

// The same words as those of `Value`.
impl<'a> Json<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.as_object()?.get(name)
    }

    pub(crate) fn as_object(&self) -> Option<&Members<'a>> {
        if let Json::Object(members) = self { Some(members) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Json<'a>]> {
        if let Json::Array(elements) = self { Some(elements) } else { None }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Json::Bool(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_number(&self) -> Option<&Number> {
        if let Json::Number(number) = self { Some(number) } else { None }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// A copy that borrows nothing.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::String(text.clone().into_owned()),
            Json::Array(elements) => elements.iter().map(Json::to_value).collect(),
            Json::Object(members) => members.iter().map(|(name, value)| (name.to_owned(), value.to_value())).collect(),
        }
    }
}

impl PartialEq<str> for Json<'_> {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if members.is_empty() && name == NUMBER {
                let text: String = map.next_value()?;
                return serde_json::from_str(&text).map(Json::Number).map_err(A::Error::custom);
            }
            members.push((name, map.next_value()?));
        }
        Ok(Json::Object(Members::of(members)))
    }
}

/// A `Cow` alone would always be read as a copy.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_value_is() {
        let many: Vec<_> = (0..100).map(|n| format!("\"{}\": {n}", n % 90)).collect();
        let many = format!("{{{}}}", many.join(", "));
        for text in [
            r#"{"a": [null, true, -7, 18446744073709551615, 0.1, 1e300, "x\u0041y", {}], "b": {"c": ""}}"#,
            r#"{"a": 1, "b": 2, "a": [3]}"#,
            &many,
            r#""" "#,
            "[[[[]]]]",
            "7",
        ] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            let json: Json<'_> = serde_json::from_str(text).expect("JSON");
            // As text, because the order of members counts as well.
            assert_eq!(json.to_value().to_string(), value.to_string());
            let again = Json::deserialize(&value).expect("a value is JSON");
            assert_eq!(again.to_value().to_string(), value.to_string());
        }
        let deep = "[".repeat(100_000);
        for bad in ["", "{", "[1e999]", r#"{"a" 1}"#, "{} {}", r#""\ud800""#, &deep] {
            let value = serde_json::from_str::<Value>(bad).expect_err("not JSON");
            let json = serde_json::from_str::<Json<'_>>(bad).err().expect("not JSON");
            assert_eq!(json.to_string(), value.to_string());
        }
    }

    #[test]
    fn strings_without_escapes_are_not_copied() {
        let json: Json<'_> = serde_json::from_str(r#"{"\u0061": "\u0062"}"#).expect("JSON");
        let members = json.as_object().expect("an object");
        assert!(matches!(&members.0[..], [(Cow::Owned(a), Json::String(Cow::Owned(b)))] if a == "a" && b == "b"));
        let json: Json<'_> = serde_json::from_str(r#"{"a": "b"}"#).expect("JSON");
        let members = json.as_object().expect("an object");
        assert!(matches!(&members.0[..], [(Cow::Borrowed("a"), Json::String(Cow::Borrowed("b")))]));
    }

    #[test]
    fn numbers_of_arbitrary_precision_are_numbers() {
        let shown = format!(r#"{{"a": {{"{NUMBER}": "0.10"}}}}"#);
        let json: Json<'_> = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(json.get("a").and_then(Json::as_f64), Some(0.1));
        let shown = format!(r#"{{"a": {{"{NUMBER}": "x"}}}}"#);
        assert!(serde_json::from_str::<Json<'_>>(&shown).is_err());
    }
}
