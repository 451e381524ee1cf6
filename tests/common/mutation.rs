//! Changes to JSON as another release of the server might make them, at every position.

use serde_json::{Map, Value, json};

/// Where a value stands.
pub(crate) type Pointer = String;

/// The name and value of a member that nobody knows.
pub(crate) const NEW: &str = "x_new_member";
pub(crate) const NEWS: &str = "brand_new";

/// Every position of a value, itself included, outermost first.
pub(crate) fn positions(value: &Value) -> Vec<Pointer> {
    fn walk(value: &Value, at: &str, found: &mut Vec<Pointer>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    walk(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
                }
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    walk(element, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// The names and kinds of all that a value holds, as text, without the values.
pub(crate) fn shape(value: &Value) -> String {
    fn without_values(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), without_values(member))).collect()
            }
            Value::Array(elements) => elements.iter().map(without_values).collect(),
            Value::String(_) => json!("text"),
            Value::Number(number) => json!(if number.is_f64() { "float" } else { "integer" }),
            Value::Bool(_) => json!("bool"),
            Value::Null => Value::Null,
        }
    }
    without_values(value).to_string()
}

/// Parent and last part of a pointer.
pub(crate) fn split(pointer: &str) -> (&str, String) {
    let (parent, name) = pointer.rsplit_once('/').expect("not the root");
    (parent, name.replace("~1", "/").replace("~0", "~"))
}

pub(crate) fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut changed = value.clone();
    *changed.pointer_mut(pointer).expect("a position") = new;
    changed
}

/// The same without a member; `None` if the position is not a member.
pub(crate) fn without(value: &Value, pointer: &str) -> Option<Value> {
    if pointer.is_empty() {
        return None;
    }
    let mut changed = value.clone();
    let (parent, name) = split(pointer);
    changed.pointer_mut(parent)?.as_object_mut()?.shift_remove(&name)?;
    Some(changed)
}

/// The same with every object changed, innermost first.
pub(crate) fn each_object(value: &Value, at: &str, change: &dyn Fn(&str, &mut Map<String, Value>)) -> Value {
    match value {
        Value::Object(members) => {
            let changed = members
                .iter()
                .map(|(name, member)| (name.clone(), each_object(member, &format!("{at}/{name}"), change)));
            let mut changed: Map<String, Value> = changed.collect();
            change(at, &mut changed);
            Value::Object(changed)
        }
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, element)| each_object(element, &format!("{at}/{index}"), change))
            .collect(),
        other => other.clone(),
    }
}

/// Every object of known members with one more member.
pub(crate) fn with_new_members(value: &Value, is_map: &dyn Fn(&str) -> bool) -> Value {
    each_object(value, "", &|at, members| {
        if !is_map(at) {
            members.insert(NEW.into(), json!(NEWS));
        }
    })
}

/// Every object with its members in reverse order.
pub(crate) fn reordered(value: &Value) -> Value {
    each_object(value, "", &|_, members| *members = std::mem::take(members).into_iter().rev().collect())
}

/// Every integer as a float.
pub(crate) fn floats(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), floats(member))).collect(),
        Value::Array(elements) => elements.iter().map(floats).collect(),
        Value::Number(number) if !number.is_f64() => json!(number.as_f64()),
        other => other.clone(),
    }
}

/// A value of another kind.
pub(crate) fn of_another_kind(value: &Value) -> Value {
    match value {
        Value::Object(_) => json!([NEWS]),
        Value::Array(_) => json!({ NEW: NEWS }),
        Value::String(_) => json!({ "text": NEWS }),
        _ => json!(NEWS),
    }
}

/// The words of a debug text, in any order, without what the changes above may rightly show.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = text.replace(&format!("\"{NEW}\": String(\"{NEWS}\")"), "");
    let words = text.split(|c: char| c.is_whitespace() || "{}[](),:\"\\".contains(c)).filter(|word| !word.is_empty());
    let mut words: Vec<String> = words.map(|word| word.strip_suffix(".0").unwrap_or(word).to_owned()).collect();
    words.sort_unstable();
    words
}
