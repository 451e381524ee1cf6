//! Payloads read in place. They stay text: a tree takes up to 50 times the memory, and few ask for one.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::lenient;

/// The members that every job needs. Members of another type count as missing.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) queue_id: Option<Box<str>>,
    pub(super) batch_id: Option<Box<str>>,
    pub(super) session_id: Option<Box<str>>,
    pub(super) origin: Option<Box<str>>,
    pub(super) destination: Option<Box<str>>,
    pub(super) status: Option<Box<str>>,
    pub(super) item_id: Option<i64>,
    pub(super) timestamp: Option<i64>,
    pub(super) status_sequence: Option<i64>,
    pub(super) percentage: Option<f64>,
    pub(super) source_id: Option<Box<str>>,
    /// Id and type of the execution.
    pub(super) invocation: (Option<Box<str>>, Option<Box<str>>),
    /// The member that lists items, if there is one.
    pub(super) items: Option<&'static str>,
}

/// Members that list items; the first one present counts.
const LISTS: [&str; 2] = ["canceled_item_ids", "retried_item_ids"];

impl Head {
    /// Reads a payload. An error means that no tree could be made of it either.
    pub(super) fn read(json: &str) -> serde_json::Result<Self> {
        read(json, ReadHead)
    }
}

/// A member of an object as text. The last one counts, as it does in a tree.
pub(super) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    read(json, ReadMember(name)).ok().flatten()
}

/// A member that is a text.
pub(super) fn text(json: &str, name: &str) -> Option<String> {
    read(member(json, name)?, ReadText).ok().flatten().map(String::from)
}

/// A member that is a whole number.
pub(super) fn integer(json: &str, name: &str) -> Option<i64> {
    read(member(json, name)?, ReadInteger).ok().flatten()
}

/// Calls `call` with each whole number of a list, until it breaks.
pub(super) fn integers(json: &str, call: impl FnMut(i64) -> ControlFlow<()>) {
    // It was read before: it is a list.
    let _ = read(json, ReadIntegers(call));
}

fn read<'de, R: Read<'de>>(json: &'de str, reader: R) -> serde_json::Result<R::Value> {
    let mut json = serde_json::Deserializer::from_str(json);
    let value = Any(reader).deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Reads any JSON, as strictly as a tree would be read, and keeps what it says. By default that is nothing.
trait Read<'de>: Sized {
    type Value: Default;

    fn text(self, _: &str) -> Self::Value {
        Self::Value::default()
    }

    fn number(self, _: f64) -> Self::Value {
        Self::Value::default()
    }

    fn integer(self, _: i64) -> Self::Value {
        Self::Value::default()
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element_seed(Any(Skip))?.is_some() {}
        Ok(Self::Value::default())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_key_seed(Any(Skip))?.is_some() {
            object.next_value_seed(Any(Skip))?;
        }
        Ok(Self::Value::default())
    }
}

struct Any<R>(R);

impl<'de, R: Read<'de>> DeserializeSeed<'de> for Any<R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<R::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Read<'de>> Visitor<'de> for Any<R> {
    type Value = R::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<R::Value, E> {
        Ok(R::Value::default())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<R::Value, E> {
        Ok(self.0.integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<R::Value, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => self.0.integer(value),
            Err(_) => self.0.number(value as f64),
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<R::Value, E> {
        Ok(self.0.number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<R::Value, E> {
        Ok(self.0.text(value))
    }

    fn visit_unit<E: Error>(self) -> Result<R::Value, E> {
        Ok(R::Value::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<R::Value, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<R::Value, A::Error> {
        self.0.object(object)
    }
}

struct Skip;

impl Read<'_> for Skip {
    type Value = ();
}

struct ReadText;

impl Read<'_> for ReadText {
    type Value = Option<Box<str>>;

    fn text(self, text: &str) -> Self::Value {
        Some(text.into())
    }
}

struct ReadInteger;

impl Read<'_> for ReadInteger {
    type Value = Option<i64>;

    fn number(self, number: f64) -> Self::Value {
        lenient::whole(number)
    }

    fn integer(self, integer: i64) -> Self::Value {
        Some(integer)
    }
}

struct ReadNumber;

impl Read<'_> for ReadNumber {
    type Value = Option<f64>;

    fn number(self, number: f64) -> Self::Value {
        Some(number)
    }

    fn integer(self, integer: i64) -> Self::Value {
        Some(integer as f64)
    }
}

struct IsList;

impl<'de> Read<'de> for IsList {
    type Value = bool;

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        Skip.list(list).map(|()| true)
    }
}

struct ReadIntegers<F>(F);

impl<'de, F: FnMut(i64) -> ControlFlow<()>> Read<'de> for ReadIntegers<F> {
    type Value = ();

    fn list<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element_seed(Any(ReadInteger))? {
            if element.is_some_and(|integer| (self.0)(integer).is_break()) {
                break;
            }
        }
        Skip.list(list)
    }
}

/// A name of a member, copied only if it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct ReadMember<'n>(&'n str);

impl<'de> Read<'de> for ReadMember<'_> {
    type Value = Option<&'de str>;

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Name(name)) = object.next_key()? {
            if name == self.0 {
                found = Some(object.next_value::<&'de RawValue>()?.get());
            } else {
                object.next_value_seed(Any(Skip))?;
            }
        }
        Ok(found)
    }
}

struct ReadInvocation;

impl<'de> Read<'de> for ReadInvocation {
    type Value = (Option<Box<str>>, Option<Box<str>>);

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut kind) = (None, None);
        while let Some(Name(name)) = object.next_key()? {
            match &*name {
                "id" => id = object.next_value_seed(Any(ReadText))?,
                "type" => kind = object.next_value_seed(Any(ReadText))?,
                _ => object.next_value_seed(Any(Skip))?,
            }
        }
        Ok((id, kind))
    }
}

struct ReadHead;

impl<'de> Read<'de> for ReadHead {
    type Value = Head;

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Head, A::Error> {
        let mut head = Head::default();
        let mut lists = [false; 2];
        while let Some(Name(name)) = object.next_key()? {
            match &*name {
                "queue_id" => head.queue_id = object.next_value_seed(Any(ReadText))?,
                "batch_id" => head.batch_id = object.next_value_seed(Any(ReadText))?,
                "session_id" => head.session_id = object.next_value_seed(Any(ReadText))?,
                "origin" => head.origin = object.next_value_seed(Any(ReadText))?,
                "destination" => head.destination = object.next_value_seed(Any(ReadText))?,
                "status" => head.status = object.next_value_seed(Any(ReadText))?,
                "item_id" => head.item_id = object.next_value_seed(Any(ReadInteger))?,
                "timestamp" => head.timestamp = object.next_value_seed(Any(ReadInteger))?,
                "status_sequence" => head.status_sequence = object.next_value_seed(Any(ReadInteger))?,
                "percentage" => head.percentage = object.next_value_seed(Any(ReadNumber))?,
                "invocation_source_id" => head.source_id = object.next_value_seed(Any(ReadText))?,
                "invocation" => head.invocation = object.next_value_seed(Any(ReadInvocation))?,
                name => match LISTS.iter().position(|list| *list == name) {
                    Some(which) => lists[which] = object.next_value_seed(Any(IsList))?,
                    None => object.next_value_seed(Any(Skip))?,
                },
            }
        }
        head.items = LISTS.into_iter().zip(lists).find(|(_, is_there)| *is_there).map(|(name, _)| name);
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_payload_is_refused_as_a_tree_of_it_is() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        for json in
            ["{}", "7", "[1,{}]", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "{\"a\":1}x", "{", "", &deep(127), &deep(128)]
        {
            let tree = serde_json::from_str::<Value>(json);
            assert_eq!(Head::read(json).is_ok(), tree.is_ok(), "{}", &json[..json.len().min(20)]);
        }
    }

    #[test]
    fn members_of_another_type_are_missing_and_the_last_one_counts() {
        let json = r#"{"queue_id":"a","queue_id":"b","item_id":7.0,"batch_id":[],"status":"x","status":1,"\u0061":"é",
            "invocation":{"id":"i","type":"t","id":"j"},"canceled_item_ids":{},"retried_item_ids":[1,"2",3.0,[4],5]}"#;
        let head = Head::read(json).unwrap();
        assert_eq!((head.queue_id.as_deref(), head.item_id), (Some("b"), Some(7)));
        assert_eq!((head.batch_id, head.status), (None, None));
        assert_eq!(head.invocation, (Some("j".into()), Some("t".into())));
        assert_eq!(head.items, Some("retried_item_ids"));
        let mut seen = Vec::new();
        integers(member(json, "retried_item_ids").unwrap(), |id| {
            seen.push(id);
            if id == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, [1, 3]);
        assert_eq!((text(json, "a").as_deref(), member(json, "none")), (Some("é"), None));
    }
}
