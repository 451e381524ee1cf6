//! Reads JSON as another release may write it, in memory that is bounded by its length.
//!
//! Two differences mean nothing: a whole number may be written `1.0`, and a member that could be left out may be `null`
//! instead. What is kept as JSON is kept as it came. Short text from today's server is read without any of this; only
//! what is long, or does not fit, is read here.
//!
//! Text is read in place, without a tree. What is kept as JSON becomes a tree, and is weighed before that.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
        value::CowStrDeserializer,
    },
};
use serde_json::{
    Error, Value,
    value::{Index, RawValue},
};

use crate::json::weight::{self, Meter};

/// What is wrong with JSON, and where.
#[derive(Debug)]
pub(crate) struct Misfit {
    path: String,
    problem: String,
}

impl Misfit {
    /// Path of the member; `.` is the whole.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// Deepest nesting that is read; the same limit that `serde_json` puts on text.
const MAX_DEPTH: usize = 128;

/// Reads a text, taking no more memory than the meter allows. If the text does not fit the type, the error names the
/// place.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8], meter: &Meter) -> Result<T, Misfit> {
    // Most texts are short and fit.
    if meter.is_small()
        && let Ok(value) = serde_json::from_slice(json)
    {
        return Ok(value);
    }
    // After this it is known to be JSON.
    let json: &RawValue = serde_json::from_slice(json).map_err(|error| not_json(json, &error))?;
    serde_path_to_error::deserialize(Text { json, meter, depth: 0 })
        .map_err(|misfit| Misfit { path: misfit.path().to_string(), problem: misfit.inner().to_string() })
}

/// Where and why a text is not JSON.
fn not_json(text: &[u8], error: &Error) -> Misfit {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let place = weight::look_through(serde_path_to_error::Deserializer::new(&mut deserializer, &mut track));
    match place {
        Err(error) => Misfit { path: track.path().to_string(), problem: error.to_string() },
        // Something follows the value.
        Ok(()) => Misfit { path: ".".to_owned(), problem: error.to_string() },
    }
}

/// Reads a value that is in memory.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    // Most values fit.
    T::deserialize(value).or_else(|_| from_slice(value.to_string().as_bytes(), &Meter::unlimited()))
}

/// A whole number, also if it is written as a float.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| whole(value.as_f64()?))
}

/// A whole member of an object.
pub(crate) fn integer_at(value: &Value, member: impl Index) -> Option<i64> {
    integer(value.get(member)?)
}

/// The elements of a list that can be read. The others are logged.
pub(crate) fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let elements = Option::<Vec<&'de RawValue>>::deserialize(deserializer)?.unwrap_or_default();
    let meter = Meter::of(elements.iter().map(|element| element.get().len()).sum(), weight::ALWAYS);
    let mut read = Vec::new();
    for (index, element) in elements.into_iter().enumerate() {
        meter.take(weight::list_growth(read.len(), size_of::<T>())).map_err(D::Error::custom)?;
        match from_slice(element.get().as_bytes(), &meter) {
            Ok(element) => read.push(element),
            Err(misfit) if meter.is_exceeded() => return Err(D::Error::custom(misfit.problem)),
            Err(misfit) => tracing::warn!(index, %misfit, "an element of a list cannot be read"),
        }
    }
    Ok(read)
}

/// A copy in which whole numbers are integers and null members are missing. For enums with a tag, which serde reads
/// from a buffer.
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

/// A float that is a whole number.
pub(crate) fn whole(float: f64) -> Option<i64> {
    // Beyond 2^53 a float is not exact.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
}

/// One value of a text.
#[derive(Clone, Copy)]
struct Text<'de, 'm> {
    json: &'de RawValue,
    meter: &'m Meter,
    depth: usize,
}

impl<'de, 'm> Text<'de, 'm> {
    /// As serde_json reads it.
    fn strictly<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // The error's line and column would count from this value.
        read(&mut serde_json::Deserializer::from_str(self.json.get())).map_err(unplaced)
    }

    /// A value within this one.
    fn within(self, json: &'de RawValue) -> Result<Self, Error> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self { json, depth: self.depth + 1, ..self }),
            false => Err(Error::custom("is nested too deeply")),
        }
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.json.get();
        let is_float = text.contains(['.', 'e', 'E']) && !text.starts_with(['"', '[', '{', 't', 'f']);
        match text.parse().ok().filter(|_| is_float).and_then(whole) {
            Some(whole) => visitor.visit_i64(whole),
            None => self.strictly(|json| json.deserialize_any(Fits { visitor, text: self, is_struct: false })),
        }
    }

    /// Counts a text without its quotes. Escapes only make it longer than what is kept.
    fn take_text(self) -> Result<(), Error> {
        self.meter.take(weight::text(self.json.get().len().saturating_sub(2)))
    }
}

/// An error without its line and column.
fn unplaced(error: Error) -> Error {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((problem, _)) if error.line() > 0 => Error::custom(problem),
        _ => error,
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.number(visitor)
        })*
    };
}

macro_rules! strict {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.strictly(|json| json.$method(visitor))
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.take_text()?;
            self.strictly(|json| json.$method(visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'de, '_> {
    type Error = Error;

    // This fills a `Value`, inside which nothing changes.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        weight::weigh(self.json.get(), self.meter).map_err(unplaced)?;
        self.strictly(|json| json.deserialize_any(visitor))
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    strict! { deserialize_bool deserialize_f32 deserialize_f64 deserialize_char deserialize_unit deserialize_identifier }

    texts! { deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if is_null(self.json) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.strictly(|json| json.deserialize_unit_struct(name, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.strictly(|json| json.deserialize_newtype_struct(name, Newtype { visitor, text: self }))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.strictly(|json| json.deserialize_seq(Fits { visitor, text: self, is_struct: false }))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.strictly(|json| json.deserialize_map(Fits { visitor, text: self, is_struct: false }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.strictly(|json| json.deserialize_struct(name, fields, Fits { visitor, text: self, is_struct: true }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        weight::weigh(self.json.get(), self.meter).map_err(unplaced)?;
        self.strictly(|json| json.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

fn is_null(json: &RawValue) -> bool {
    json.get() == "null"
}

/// A visitor that gets lists and maps as this module reads them, and anything else as serde_json does.
struct Fits<'de, 'm, V> {
    visitor: V,
    text: Text<'de, 'm>,
    is_struct: bool,
}

macro_rules! passed_on {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Fits<'de, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    passed_on! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_borrowed_str: &'de str,
        visit_string: String
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Elements { access, text: self.text, count: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Self { visitor, text, is_struct } = self;
        visitor.visit_map(Members { access, text, is_struct, count: 0, key_size: 0, next: None })
    }
}

/// The visitor of a type with one member, and of a [`RawValue`], which asks to be read as one.
struct Newtype<'de, 'm, V> {
    visitor: V,
    text: Text<'de, 'm>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Newtype<'de, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(self.text).map_err(D::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        // It is kept as it is, quotes included.
        self.text.meter.take(weight::text(self.text.json.get().len())).map_err(A::Error::custom)?;
        self.visitor.visit_map(access)
    }
}

struct Elements<'de, 'm, A> {
    access: A,
    text: Text<'de, 'm>,
    count: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'de, '_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let Some(json) = self.access.next_element::<&'de RawValue>()? else { return Ok(None) };
        let growth = weight::list_growth(self.count, size_of::<T::Value>());
        self.count += 1;
        let read = self.text.meter.take(growth).and_then(|()| seed.deserialize(self.text.within(json)?));
        read.map(Some).map_err(A::Error::custom)
    }
}

struct Members<'de, 'm, A> {
    access: A,
    text: Text<'de, 'm>,
    is_struct: bool,
    count: usize,
    key_size: usize,
    next: Option<&'de RawValue>,
}

/// A name that is not copied, unless there are escapes in it.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            let Some((Name(name), json)) = self.access.next_entry::<Name<'de>, &'de RawValue>()? else {
                return Ok(None);
            };
            if self.is_struct && is_null(json) {
                continue;
            }
            self.next = Some(json);
            if !self.is_struct {
                self.text.meter.take(weight::text(name.len())).map_err(A::Error::custom)?;
                self.key_size = size_of::<K::Value>();
            }
            let name: CowStrDeserializer<'_, A::Error> = name.into_deserializer();
            return seed.deserialize(name).map(Some);
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let read = || {
            let json = self.next.take().ok_or_else(|| Error::custom("a value is asked for before its name"))?;
            if !self.is_struct {
                self.text.meter.take(weight::map_growth(self.count, self.key_size, size_of::<V::Value>()))?;
            }
            self.count += 1;
            seed.deserialize(self.text.within(json)?)
        };
        read().map_err(A::Error::custom)
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
        // Compared as text, because JSON numbers of the same value are equal.
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
    fn long_text_is_read_as_short_text_is() {
        let elements: Vec<_> = (0..5000)
            .map(
                |id| json!({"id": id, "size": 9.0, "names": ["é\"\u{1f600}", ""], "parent": null, "kept": [null, 1.0]}),
            )
            .collect();
        let json = json!({"things": elements, "raw": {"a": [1.0]}, "unknown": [[[]]]}).to_string();
        #[derive(Deserialize)]
        struct All {
            things: Vec<Thing>,
            raw: Box<RawValue>,
        }
        let meter = Meter::of(json.len(), weight::ALWAYS);
        assert!(!meter.is_small());
        let all: All = from_slice(json.as_bytes(), &meter).unwrap();
        assert_eq!((all.things.len(), all.raw.get()), (5000, r#"{"a":[1.0]}"#));
        for (id, thing) in all.things.iter().enumerate() {
            assert_eq!((thing.id, thing.size, &*thing.names[0]), (id as i64, 9, "é\"\u{1f600}"));
            assert_eq!(thing.kept.to_string(), "[null,1.0]");
        }
    }

    #[test]
    fn what_takes_too_much_memory_is_refused_in_types_and_in_what_is_kept() {
        let dense = format!("[{}[]]", "[],".repeat(500_000));
        let texts = format!("[{}\"\"]", "\"\",".repeat(500_000));
        let kept = format!("{{\"id\": 1, \"kept\": {dense}}}");
        let map = format!("{{{}\"\":0}}", (0..100_000).map(|i| format!("\"{i:x}\":0,")).collect::<String>());
        let raw = format!("[{}0]", "0,".repeat(500_000));
        let little = |json: &str| Meter::of(json.len(), 1024);
        let misfit = from_slice::<Vec<String>>(texts.as_bytes(), &little(&texts)).unwrap_err();
        assert!(misfit.to_string().contains("takes more than"), "{misfit}");
        let meter = little(&kept);
        assert!(from_slice::<Plain>(kept.as_bytes(), &meter).is_err() && meter.is_exceeded());
        let meter = little(&map);
        let read = from_slice::<std::collections::HashMap<String, u64>>(map.as_bytes(), &meter);
        assert!(read.is_err() && meter.is_exceeded());
        let meter = little(&raw);
        assert!(from_slice::<Vec<Box<RawValue>>>(raw.as_bytes(), &meter).is_err() && meter.is_exceeded());
        // What is not wanted takes no memory.
        let unknown = format!("{{\"id\": 1, \"unknown\": {dense}}}");
        assert_eq!(from_slice::<Plain>(unknown.as_bytes(), &little(&unknown)).unwrap().id, 1);
    }

    #[test]
    fn deep_nesting_is_an_error_in_types_and_in_what_is_kept() {
        let deep = |open: &str, inner: &str, close: &str| {
            let json = format!("{}{inner}{}", open.repeat(20_000), close.repeat(20_000));
            from_slice::<Thing>(json.as_bytes(), &Meter::of(json.len(), weight::ALWAYS)).unwrap_err().to_string()
        };
        assert!(deep(r#"{"id": 1, "parent": "#, "null", "}").contains("nested too deep"));
        assert!(deep(r#"{"id": 1, "kept": [{"a":"#, "1", "}]}").contains("recursion limit"));
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
