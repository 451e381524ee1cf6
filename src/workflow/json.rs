//! Reading JSON with limits, with a path for errors, and with JavaScript's notions of blank and number where the
//! editor's schema depends on them.

use super::definition_error::DefinitionError;
use super::text::Text;
use crate::json::weight::{Meter, weigh};
use serde_json::{Map, Number, Value};

/// The largest file that is read, in bytes. It may be an image, most of which is pixels.
pub(super) const MAX_FILE: usize = 64 * 1024 * 1024;
/// The most memory that a workflow may take as a tree of JSON, in bytes: enough for 40,000 nodes. Most workflows are
/// read without a tree.
const MAX_MEMORY: usize = 128 * 1024 * 1024;
/// Deepest nesting that is accepted; the same limit that `serde_json` puts on text.
pub(super) const MAX_DEPTH: usize = 128;

pub(super) fn check_length(text: &str) -> Result<(), DefinitionError> {
    if text.len() > MAX_FILE { Err(DefinitionError::TooLarge { limit: MAX_FILE }) } else { Ok(()) }
}

/// Reads the JSON text of a workflow, unless it is too large or would take too much memory, which is checked before it
/// does.
pub(super) fn read(text: &str) -> Result<Value, DefinitionError> {
    check_length(text)?;
    let meter = Meter::of(text.len(), MAX_MEMORY);
    let failed = |error: serde_json::Error| match meter.is_exceeded() {
        true => DefinitionError::TooCostly { limit: meter.limit() },
        false => DefinitionError::Json { message: error.to_string() },
    };
    if !meter.is_small() {
        weigh(text, &meter).map_err(failed)?;
    }
    // serde_json refuses text nested deeper than MAX_DEPTH by itself.
    serde_json::from_str(text).map_err(failed)
}

/// A JSON value and its place, for error messages. Costs nothing until there is an error.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    step: Step<'a>,
    parent: Option<&'a At<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Item(usize),
}

/// What is wrong with a value, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) path: String,
    pub(super) message: String,
}

impl From<Misfit> for DefinitionError {
    fn from(Misfit { path, message }: Misfit) -> Self {
        let path = if path.is_empty() { "workflow".to_owned() } else { path };
        DefinitionError::Invalid { path, message }
    }
}

pub(super) type Fit<T> = Result<T, Misfit>;

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        At { value, step: Step::Root, parent: None }
    }

    /// `nodes[3].data.inputs.steps.value`; the root itself is the empty path.
    pub(super) fn path(&self) -> String {
        let mut steps = vec![self.step];
        let mut above = self.parent;
        while let Some(at) = above {
            steps.push(at.step);
            above = at.parent;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Member(name) => join_member(&mut path, name),
                Step::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    pub(super) fn misfit<T>(&self, message: impl Into<String>) -> Fit<T> {
        Err(Misfit { path: self.path(), message: message.into() })
    }

    /// "expected a string, got 7"
    pub(super) fn expected<T>(&self, what: &str) -> Fit<T> {
        self.misfit(format!("expected {what}, got {}", describe(self.value)))
    }

    pub(super) fn object(&self) -> Fit<&'a Map<String, Value>> {
        match self.value {
            Value::Object(members) => Ok(members),
            _ => self.expected("an object"),
        }
    }

    pub(super) fn array(&self) -> Fit<&'a Vec<Value>> {
        match self.value {
            Value::Array(items) => Ok(items),
            _ => self.expected("a list"),
        }
    }

    pub(super) fn items(&'a self) -> Fit<impl Iterator<Item = At<'a>>> {
        let items = self.array()?;
        Ok(items.iter().enumerate().map(|(i, value)| At { value, step: Step::Item(i), parent: Some(self) }))
    }

    pub(super) fn members(&'a self) -> Fit<impl Iterator<Item = (&'a str, At<'a>)>> {
        let members = self.object()?;
        Ok(members.iter().map(|(name, value)| (name.as_str(), self.child(name, value))))
    }

    fn child(&'a self, name: &'a str, value: &'a Value) -> At<'a> {
        At { value, step: Step::Member(name), parent: Some(self) }
    }

    /// The member, if this is an object that has it.
    pub(super) fn get(&'a self, name: &'a str) -> Fit<Option<At<'a>>> {
        Ok(self.object()?.get(name).map(|value| self.child(name, value)))
    }

    /// The member, which must exist.
    pub(super) fn need(&'a self, name: &'a str) -> Fit<At<'a>> {
        match self.get(name)? {
            Some(at) => Ok(at),
            None => {
                let mut path = self.path();
                join_member(&mut path, name);
                Err(Misfit { path, message: "is missing".into() })
            }
        }
    }

    pub(super) fn string(&self) -> Fit<&'a str> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => self.expected("a string"),
        }
    }

    /// An identifier: blanks around it do not count, and something must be left.
    pub(super) fn word(&self) -> Fit<Text> {
        let word = trim(self.string()?);
        if word.is_empty() { self.misfit("must not be blank") } else { Ok(word.into()) }
    }

    /// A string with at least one character.
    pub(super) fn filled(&self) -> Fit<Text> {
        let text = self.string()?;
        if text.is_empty() { self.misfit("must not be empty") } else { Ok(text.into()) }
    }

    pub(super) fn boolean(&self) -> Fit<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn number(&self) -> Fit<Number> {
        match self.value {
            Value::Number(number) => Ok(number.clone()),
            _ => self.expected("a number"),
        }
    }

    pub(super) fn need_string(&'a self, name: &'a str) -> Fit<Text> {
        Ok(self.need(name)?.string()?.into())
    }

    pub(super) fn need_word(&'a self, name: &'a str) -> Fit<Text> {
        self.need(name)?.word()
    }

    pub(super) fn need_boolean(&'a self, name: &'a str) -> Fit<bool> {
        self.need(name)?.boolean()
    }
}

fn join_member(path: &mut String, name: &str) {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain {
        path.push_str(&format!("[{}]", Value::from(name)));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// An object of these members, in this order. Unlike `json!` it moves values in instead of copying them.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A value for an error message: short, whatever its size.
pub(super) fn describe(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Object(members) if members.is_empty() => "{}".into(),
        Value::Object(members) => {
            let names: Vec<_> = members.keys().take(4).map(String::as_str).collect();
            let more = if members.len() > 4 { ", …" } else { "" };
            format!("an object with {}{more}", names.join(", "))
        }
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::String(text) if text.chars().count() > LONGEST => {
            let start: String = text.chars().take(LONGEST).collect();
            format!("{}…", Value::from(start))
        }
        scalar => scalar.to_string(),
    }
}

/// Whether the value is nested deeper than `limit`. Looks no deeper than that itself.
pub(super) fn is_deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        _ if limit == 0 => true,
        Value::Array(items) => items.iter().any(|item| is_deeper_than(item, limit - 1)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(member, limit - 1)),
        _ => false,
    }
}

/// `String.prototype.trim`, which differs from Rust's in U+FEFF and U+0085.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}')
}

/// `Number.isSafeInteger`: what the editor's schema takes for an integer.
pub(super) fn is_integer(value: &Value) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    value.as_f64().is_some_and(|number| number.fract() == 0.0 && number.abs() <= LARGEST)
}

/// `Number(text)` for the parts of a version; `None` is NaN.
fn js_number(text: &str) -> Option<f64> {
    // Nearly all are a digit or two.
    if (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<u32>().ok().map(f64::from);
    }
    let text = trim(text);
    let radix = |digits: &str, radix| {
        let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        valid.then(|| u64::from_str_radix(digits, radix).map_or(f64::INFINITY, |n| n as f64))
    };
    match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        _ if text.is_empty() => return Some(0.0),
        Some("0x") => return radix(&text[2..], 16),
        Some("0o") => return radix(&text[2..], 8),
        Some("0b") => return radix(&text[2..], 2),
        _ => {}
    }
    // Rust also reads words such as "inf" and "nan", JavaScript only "Infinity", which is not an integer anyway.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().ok() } else { None }
}

/// `major.minor.patch` as the editor's schema tests it: the first three parts, each of which JavaScript reads as a
/// whole number (`types/semver.ts`). More parts are ignored.
pub(super) fn is_version(text: &str, may_be_negative: bool) -> bool {
    let mut parts = text.split('.');
    (0..3).all(|_| {
        let number = parts.next().and_then(js_number);
        number.is_some_and(|n| n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_991.0 && (may_be_negative || n >= 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_name_every_step() {
        let value = json!({"nodes": [{"data": {"odd name": 1}}]});
        let root = At::root(&value);
        let nodes = root.need("nodes").unwrap();
        let node = nodes.items().unwrap().next().unwrap();
        let data = node.need("data").unwrap();
        let odd = data.need("odd name").unwrap();
        assert_eq!(odd.path(), r#"nodes[0].data["odd name"]"#);
        let missing = data.need("label").err().unwrap();
        assert_eq!(missing, Misfit { path: "nodes[0].data.label".into(), message: "is missing".into() });
    }

    #[test]
    fn versions_as_javascript_reads_them() {
        for good in ["1.0.0", "0.0.0", "1..0", " 1. 2 .3", "1.0.0.beta", "1e1.0.0", "0x1.0.0", "-0.0.0"] {
            assert!(is_version(good, false), "{good}");
        }
        for bad in ["", "1", "1.0", "1.0.0-beta", "1.0.x", "latest", "1.5e-1.0.0", "-1.0.0", "inf.0.0", "1.0.0+5"] {
            assert!(!is_version(bad, false), "{bad}");
        }
        assert!(is_version("-1.0.0", true));
    }

    #[test]
    fn integers_are_safe_integers() {
        for good in [json!(0), json!(8.0), json!(-3), json!(9007199254740991_u64)] {
            assert!(is_integer(&good), "{good}");
        }
        for bad in [json!(1.5), json!(9007199254740992_u64), json!(1e21), json!("1"), json!(true), json!(null)] {
            assert!(!is_integer(&bad), "{bad}");
        }
    }
}
