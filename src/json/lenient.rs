//! Reads JSON as another release may write it, in memory that is bounded by its length.
//!
//! Two differences mean nothing: a whole number may be written `1.0`, and a member that could be left out may be `null`
//! instead. What is kept as JSON is kept as it came. Short text from today's server is read without any of this; only
//! what is long, or does not fit, is read here.
//!
//! Text is read in place, without a tree ([`reader`]). What is kept as JSON becomes a tree, and is weighed before that.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{
    Error, Value,
    value::{Index, RawValue},
};

use crate::json::{
    reader,
    weight::{self, Meter},
};

pub(crate) use reader::whole;

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

/// Reads a text, taking no more memory than the meter allows. If the text does not fit the type, the error names the
/// place.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8], meter: &Meter) -> Result<T, Misfit> {
    // Most texts are short and fit.
    if meter.is_small()
        && let Ok(text) = str::from_utf8(json)
        && let Ok(value) = reader::read(text, None)
    {
        return Ok(value);
    }
    // After this it is known to be JSON.
    let json: &RawValue = serde_json::from_slice(json).map_err(|error| not_json(json, &error))?;
    reader::read(json.get(), Some(meter))
        .map_err(|fault| Misfit { path: fault.path(), problem: fault.problem().to_string() })
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
