//! Reads JSON as another release may write it.
//!
//! Two differences mean nothing: a whole number may be written `1.0`, and a member that is left out may be `null`
//! instead. What is kept as JSON is kept as it came. Text of today's server is read without any of this; only what does
//! not fit is read again here.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value, map, value::Index};

/// What is wrong with JSON, and where.
pub(crate) type Misfit = serde_path_to_error::Error<Error>;

/// Reads a value; the fault of one that does not fit names its place.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    // Most values fit.
    T::deserialize(value).or_else(|_| serde_path_to_error::deserialize(Lenient(value)))
}

/// A whole number, also if it is written as a float.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| whole(value.as_f64()?))
}

/// A whole member of an object.
pub(crate) fn integer_at(value: &Value, member: impl Index) -> Option<i64> {
    integer(value.get(member)?)
}

/// The elements of a list that can be read. The others are told in the log.
pub(crate) fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let elements = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    let read = |(index, element): (usize, &Value)| {
        let logged = |misfit: &Misfit| tracing::warn!(index, %misfit, "an element of a list cannot be read");
        from_value(element).inspect_err(logged).ok()
    };
    Ok(elements.iter().enumerate().filter_map(read).collect())
}

/// A copy in which whole numbers are integers and null members are missing. For enums with a tag, which serde reads out
/// of a buffer.
pub(crate) fn simplified(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (name.clone(), simplified(value))).collect())
        }
        Value::Array(elements) => elements.iter().map(simplified).collect(),
        Value::Number(_) => integer(value).map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

fn whole(float: f64) -> Option<i64> {
    // Beyond 2^53 a float says nothing exact.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
}

#[derive(Clone, Copy)]
struct Lenient<'de>(&'de Value);

impl<'de> Lenient<'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.as_f64().filter(|_| self.0.is_f64()).and_then(whole) {
            Some(whole) => visitor.visit_i64(whole),
            None => self.0.deserialize_any(visitor),
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.number(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Lenient<'de> {
    type Error = Error;

    // Also what fills a `Value`: nothing changes in there.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(elements) => visitor.visit_seq(Elements(elements.iter())),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::new(members, false)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::new(members, true)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct tuple_struct identifier ignored_any
    }
}

struct Elements<'de>(std::slice::Iter<'de, Value>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|element| seed.deserialize(Lenient(element))).transpose()
    }
}

struct Members<'de> {
    rest: map::Iter<'de>,
    next: Option<&'de Value>,
    skip_null: bool,
}

impl<'de> Members<'de> {
    fn new(members: &'de Map<String, Value>, skip_null: bool) -> Self {
        Self { rest: members.iter(), next: None, skip_null }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let skip_null = self.skip_null;
        let Some((name, value)) = self.rest.find(|(_, value)| !(skip_null && value.is_null())) else {
            return Ok(None);
        };
        self.next = Some(value);
        seed.deserialize(StrDeserializer::<Error>::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.next.take().ok_or_else(|| Error::custom("a value is asked for before its name"))?;
        seed.deserialize(Lenient(value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Thing {
        id: i64,
        #[serde(default)]
        size: u64,
        #[serde(default)]
        names: Vec<String>,
        parent: Option<Box<Thing>>,
        #[serde(default)]
        kept: Value,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Plain {
        id: i64,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        kept: Value,
        child: Option<Thing>,
    }

    #[test]
    fn whole_floats_are_integers_and_null_is_missing() {
        let value = json!({"id": 7.0, "names": null, "kept": {"a": 1.0, "b": null}, "child": {"id": 8.0, "size": 9.0,
            "parent": null, "names": null}});
        let plain: Plain = from_value(&value).unwrap();
        assert_eq!((plain.id, plain.names.len()), (7, 0));
        // As text, because JSON numbers of one value are equal.
        assert_eq!(plain.kept.to_string(), r#"{"a":1.0,"b":null}"#);
        let child = plain.child.unwrap();
        assert_eq!((child.id, child.size), (8, 9));
    }

    #[test]
    fn what_means_something_else_is_refused_with_its_place() {
        for (value, place, says) in [
            (json!({"id": 7.5}), "id", "7.5"),
            (json!({"id": 1e300}), "id", "1e+300"),
            (json!({"id": null}), ".", "missing field `id`"),
            (json!({"id": 1.0, "names": ["a", 7]}), "names[1]", "expected a string"),
            (json!({"id": 1.0, "child": {"id": 1.0, "size": -1.0}}), "child.size", "-1"),
        ] {
            let misfit = from_value::<Plain>(&value).unwrap_err();
            assert_eq!(misfit.path().to_string(), place, "{misfit}");
            assert!(misfit.to_string().contains(says), "{misfit}");
        }
    }

    #[test]
    fn integers_are_exact_or_none() {
        assert_eq!([json!(3), json!(3.0), json!(-0.0)].map(|value| integer(&value)), [Some(3), Some(3), Some(0)]);
        for odd in [json!(3.5), json!(1e17), json!("3"), json!(null), json!(u64::MAX)] {
            assert_eq!(integer(&odd), None, "{odd}");
        }
    }

    #[test]
    fn a_simplified_copy_keeps_fractions_and_elements() {
        let value = json!({"a": [1.0, null, 1.5], "b": null, "c": {"d": null}});
        assert_eq!(simplified(&value).to_string(), r#"{"a":[1,null,1.5],"c":{}}"#);
    }
}
