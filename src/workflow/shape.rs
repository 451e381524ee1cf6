//! Shapes of JSON values, as data: what a value must look like, and what is left of it.
//!
//! The editor decides by shape what to keep of a stored value (`features/nodes/types/common.ts` and `field.ts`).
//! Fitting a value also cleans it: unknown members of objects and blanks around identifiers are dropped, defaults are
//! filled in.

use super::json::{is_integer, trim};
use serde_json::{Map, Value};

/// What a value must look like.
pub(super) enum Shape {
    /// Anything, `null` included.
    Any,
    Boolean,
    /// A whole number that JavaScript holds exactly.
    Integer,
    /// A whole number from the first to the second.
    IntegerIn(i64, i64),
    Number,
    String,
    /// A string of at least this many characters.
    StringFrom(usize),
    /// A string that is not blank; the blanks around it are dropped.
    Word,
    Literal(&'static str),
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// An object with any member names.
    Map(&'static Shape),
    Object(&'static [Member]),
    /// The first shape that fits wins.
    Either(&'static [Shape]),
}

/// A member of an object.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
}

/// What happens if the member is absent.
pub(super) enum Presence {
    Required,
    /// Stays absent.
    Optional,
    /// Stays absent; `null` is a value.
    Nullish,
    DefaultText(&'static str),
    DefaultFalse,
}

impl Member {
    pub(super) const fn required(name: &'static str, shape: Shape) -> Self {
        Member { name, shape, presence: Presence::Required }
    }

    pub(super) const fn optional(name: &'static str, shape: Shape) -> Self {
        Member { name, shape, presence: Presence::Optional }
    }

    pub(super) const fn nullish(name: &'static str, shape: Shape) -> Self {
        Member { name, shape, presence: Presence::Nullish }
    }

    pub(super) const fn text(name: &'static str, shape: Shape, default: &'static str) -> Self {
        Member { name, shape, presence: Presence::DefaultText(default) }
    }

    /// Takes the member out of an object into another; `None` if it does not fit.
    fn fit(&self, from: &Map<String, Value>, into: &mut Map<String, Value>) -> Option<()> {
        let value = match (from.get(self.name), &self.presence) {
            (Some(Value::Null), Presence::Nullish) => Some(Value::Null),
            (Some(value), _) => Some(self.shape.fit(value)?),
            (None, Presence::Required) => return None,
            (None, Presence::Optional | Presence::Nullish) => None,
            (None, Presence::DefaultText(text)) => Some(Value::from(*text)),
            (None, Presence::DefaultFalse) => Some(Value::Bool(false)),
        };
        if let Some(value) = value {
            into.insert(self.name.to_owned(), value);
        }
        Some(())
    }
}

impl Shape {
    /// The cleaned value, if it has this shape.
    pub(super) fn fit(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Shape::Word, Value::String(text)) => {
                let word = trim(text);
                (!word.is_empty()).then(|| Value::from(word))
            }
            (Shape::List(item), Value::Array(items)) => {
                items.iter().map(|value| item.fit(value)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            (Shape::Map(item), Value::Object(members)) => {
                let fitted = members.iter().map(|(name, value)| Some((name.clone(), item.fit(value)?)));
                fitted.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
            (Shape::Object(members), Value::Object(from)) => {
                let mut into = Map::new();
                members.iter().try_for_each(|member| member.fit(from, &mut into))?;
                Some(Value::Object(into))
            }
            (Shape::Either(shapes), _) => shapes.iter().find_map(|shape| shape.fit(value)),
            _ => self.takes(value).then(|| value.clone()),
        }
    }

    /// Whether the value has this shape, and it is one that never cuts anything off.
    fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Shape::Any, _)
            | (Shape::Boolean, Value::Bool(_))
            | (Shape::Number, Value::Number(_))
            | (Shape::String, Value::String(_)) => true,
            (Shape::Integer, _) => is_integer(value),
            (Shape::IntegerIn(low, high), _) => {
                let between = |number| (*low as f64..=*high as f64).contains(&number);
                is_integer(value) && value.as_f64().is_some_and(between)
            }
            (Shape::StringFrom(least), Value::String(text)) => text.encode_utf16().count() >= *least,
            (Shape::Literal(word), Value::String(text)) => text == word,
            (Shape::OneOf(words), Value::String(text)) => words.contains(&text.as_str()),
            _ => false,
        }
    }
}

/// The result of fitting a value.
#[derive(Debug, PartialEq)]
pub(super) enum Fitted {
    /// The value as it is.
    Whole,
    /// What is left of it.
    Cut(Value),
}

impl Shape {
    /// Like [`fit`](Self::fit), but without copying a value that stays as it is, as nearly all do.
    pub(super) fn fitted(&self, value: &Value) -> Option<Fitted> {
        if self.is_whole(value) { Some(Fitted::Whole) } else { self.fit(value).map(Fitted::Cut) }
    }

    /// Like [`fit`](Self::fit), for a value that nobody else needs.
    pub(super) fn fit_own(&self, value: Value) -> Option<Value> {
        match self.fitted(&value)? {
            Fitted::Whole => Some(value),
            Fitted::Cut(cut) => Some(cut),
        }
    }

    /// Whether the value has this shape and nothing is to be cut off, added or moved.
    fn is_whole(&self, value: &Value) -> bool {
        match (self, value) {
            (Shape::Word, Value::String(text)) => !text.is_empty() && trim(text).len() == text.len(),
            (Shape::List(item), Value::Array(items)) => items.iter().all(|value| item.is_whole(value)),
            (Shape::Map(item), Value::Object(members)) => members.values().all(|value| item.is_whole(value)),
            (Shape::Object(members), Value::Object(from)) => {
                let mut next = from.iter().peekable();
                let in_order = members.iter().all(|member| match (next.peek(), &member.presence) {
                    (Some((name, value)), presence) if *name == member.name => {
                        let nullish = value.is_null() && matches!(presence, Presence::Nullish);
                        let whole = nullish || member.shape.is_whole(value);
                        next.next();
                        whole
                    }
                    (_, Presence::Optional | Presence::Nullish) => true,
                    (_, Presence::Required | Presence::DefaultText(_) | Presence::DefaultFalse) => false,
                });
                in_order && next.peek().is_none()
            }
            // The first shape that fits wins, even if a later one would cut less off.
            (Shape::Either(shapes), _) => {
                let first = shapes.iter().find_map(|shape| match shape.is_whole(value) {
                    true => Some(true),
                    false => shape.fit(value).map(|_| false),
                });
                first.unwrap_or(false)
            }
            _ => self.takes(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_whole_if_fitting_gives_it_back() {
        const MEMBERS: &[Member] = &[
            Member::required("name", Shape::Word),
            Member::nullish("base", Shape::OneOf(&["a", "b"])),
            Member::optional("weight", Shape::Number),
        ];
        static NAMED: Shape = Shape::Object(MEMBERS);
        static FLAGGED: Shape =
            Shape::Object(&[Member { name: "flag", shape: Shape::Boolean, presence: Presence::DefaultFalse }]);
        static EITHER: Shape = Shape::Either(&[Shape::Object(&[Member::required("name", Shape::String)]), Shape::Any]);
        let values = [
            json!({"name": "n"}),
            json!({"name": " n "}),
            json!({"name": "n", "base": "a", "weight": 1}),
            json!({"base": "a", "name": "n"}),
            json!({"name": "n", "base": null}),
            json!({"name": "n", "base": "c"}),
            json!({"name": "n", "weight": null}),
            json!({"name": "n", "more": 1}),
            json!({"flag": true}),
            json!({}),
            json!([]),
            json!([{"name": "n"}, {"name": "n", "more": 1}]),
            json!("n"),
            json!(7),
            json!(null),
        ];
        for shape in [&NAMED, &FLAGGED, &EITHER, &Shape::List(&NAMED), &Shape::Map(&Shape::Word), &Shape::Integer] {
            for value in &values {
                // Compared as text, because the order of members counts.
                let text = value.to_string();
                let expected = shape.fit(value).map(|cut| match cut.to_string() {
                    same if same == text => Fitted::Whole,
                    _ => Fitted::Cut(cut),
                });
                assert_eq!(shape.fitted(value), expected, "{text}");
            }
        }
    }
}
