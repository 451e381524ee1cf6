//! Texts (`strings.py`).

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::json;

pub(super) fn join(call: &mut Call<'_>) -> Fields {
    let parts = ["string_left", "string_middle", "string_right"];
    let joined: String = parts.iter().filter_map(|part| call.value(part).as_str()).collect();
    fields(json!({"value": joined}))
}

pub(super) fn split(call: &mut Call<'_>) -> Fields {
    let (string, delimiter) = (call.text("string")?, call.text("delimiter")?);
    if delimiter.is_empty() {
        return Err(value_error("empty separator"));
    }
    let (first, second) = string.split_once(delimiter).unwrap_or((string, ""));
    fields(json!({"string_1": first, "string_2": second}))
}

/// What is in brackets is negative; a backslash keeps a bracket.
pub(super) fn split_negative(call: &mut Call<'_>) -> Fields {
    let (mut positive, mut negative) = (String::new(), String::new());
    let (mut depth, mut escaped) = (0_i64, false);
    for char in call.text("string")?.chars() {
        match char {
            '[' if !escaped => {
                negative.push(' ');
                depth += 1;
            }
            ']' if !escaped => depth -= 1,
            char if depth > 0 => negative.push(char),
            char => positive.push(char),
        }
        escaped = char == '\\' && !escaped;
    }
    fields(json!({"positive_string": positive, "negative_string": negative}))
}

/// Not case-sensitive. Python reads the replacement as a template, in which a backslash has a meaning.
pub(super) fn replace(call: &mut Call<'_>) -> Fields {
    let (string, search, replacement) =
        (call.text("string")?, call.text("search_string")?, call.text("replace_string")?);
    if search.is_empty() {
        return fields(json!({"value": string}));
    }
    if call.boolean("use_regex")? || replacement.contains('\\') {
        let message = "the embedded server has no regular expressions, nor backslashes in replacements";
        return Err(NodeError::new("NotImplementedError", message));
    }
    let lower = |char: &char| char.to_lowercase().next().unwrap_or(*char);
    let chars: Vec<char> = string.chars().collect();
    let folded: Vec<char> = chars.iter().map(lower).collect();
    let search: Vec<char> = search.chars().map(|char| lower(&char)).collect();
    let (mut replaced, mut at) = (String::new(), 0);
    while at < chars.len() {
        if folded[at..].starts_with(&search) {
            replaced.push_str(replacement);
            at += search.len();
        } else {
            replaced.push(chars[at]);
            at += 1;
        }
    }
    fields(json!({"value": replaced}))
}
