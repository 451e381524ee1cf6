//! The part of an answer that counts: its form, not its numbers and names.

use serde_json::{Map, Value};

/// Members whose texts are part of the contract.
const EXACT: [&str; 12] = [
    "detail",
    "msg",
    "type",
    "loc",
    "status",
    "kind",
    "reason",
    "error_type",
    "error_message",
    "category",
    "message",
    "format",
];

/// The form of a value. `known` has texts that stand for something; they are shown by name.
pub(crate) fn shape(value: &Value, known: &[(String, String)]) -> Value {
    shape_of(value, known, false)
}

fn shape_of(value: &Value, known: &[(String, String)], exact: bool) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) if exact => number.to_string().into(),
        Value::Number(number) if number.is_f64() => "float".into(),
        Value::Number(_) => "integer".into(),
        Value::String(text) if exact => named(text, known).into(),
        Value::String(_) => "string".into(),
        Value::Array(elements) if exact => elements.iter().map(|element| shape_of(element, known, true)).collect(),
        Value::Array(elements) => {
            // How many there are is not part of the form.
            let mut shapes: Vec<Value> = Vec::new();
            for element in elements {
                let shape = shape_of(element, known, false);
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
            shapes.sort_by_key(Value::to_string);
            shapes.into()
        }
        Value::Object(members) => {
            let mut sorted: Vec<(String, Value)> = members
                .iter()
                .map(|(name, value)| {
                    // The input of a complaint repeats what was sent; a traceback is the server's own.
                    let exact = exact && name != "input" || EXACT.contains(&name.as_str()) && !value.is_object();
                    (key(name), shape_of(value, known, exact && name != "error_traceback"))
                })
                .collect();
            sorted.sort_by(|one, other| one.0.cmp(&other.0));
            sorted.into_iter().collect::<Map<_, _>>().into()
        }
    }
}

/// Ids as keys of maps are all the same.
fn key(name: &str) -> String {
    let is_id = name.len() == 36 && name.chars().filter(|character| *character == '-').count() == 4;
    if is_id { "<id>".into() } else { name.to_owned() }
}

/// The text, with known texts replaced by their names.
fn named(text: &str, known: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (name, value) in known {
        if value.parse::<i64>().is_ok() {
            text = text.replace(&format!("id {value} "), &format!("id {{{name}}} "));
        } else if value.len() > 5 {
            text = text.replace(value, &format!("{{{name}}}"));
        }
    }
    text
}
