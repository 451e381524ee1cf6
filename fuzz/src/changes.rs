//! Changes to a JSON document, encoded as bytes: random text is hardly ever JSON, but any bytes encode some change.

use serde_json::{Map, Value, json};

/// Names and values that mean something in workflows and in InvokeAI's OpenAPI document.
const WORDS: [&str; 40] = [
    "",
    "id",
    "type",
    "data",
    "value",
    "inputs",
    "nodes",
    "edges",
    "form",
    "root",
    "elements",
    "children",
    "parentId",
    "container",
    "node-field",
    "nodeId",
    "fieldName",
    "invocation",
    "connector",
    "notes",
    "default",
    "collapsed",
    "in",
    "out",
    "auto",
    "1.0.0",
    "4.0.0",
    "add",
    "collect",
    "image_name",
    "workflow_return",
    "call_saved_workflow",
    "$ref",
    "#/components/schemas/AddInvocation",
    "anyOf",
    "items",
    "array",
    "integer_generator_random_distribution_uniform",
    "settings",
    "ui_type",
];

/// Reads numbers from the front of some bytes, and zeros after their end.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn word(&mut self) -> String {
        WORDS[self.next() % WORDS.len()].to_owned()
    }

    /// Some JSON.
    pub(crate) fn value(&mut self, depth: usize) -> Value {
        match self.next() % if depth == 0 { 10 } else { 12 } {
            0 => Value::Null,
            1 => Value::Bool(self.next() % 2 == 1),
            2 => json!(self.next()),
            3 => json!(-(self.next() as i64)),
            4 => json!([i64::MIN, i64::MAX, 1 << 53, u32::MAX.into()][self.next() % 4]),
            5 => json!([0.5, -0.0, 1e300, 5e-324, f64::MAX, 1e19][self.next() % 6]),
            6 => json!(u64::MAX),
            7 | 8 => Value::from(self.word()),
            9 => {
                let length = self.next().min(self.0.len());
                let (text, rest) = self.0.split_at(length);
                self.0 = rest;
                Value::from(String::from_utf8_lossy(text))
            }
            10 => (0..self.next() % 5).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.next() % 5).map(|_| (self.word(), self.value(depth - 1))).collect()),
        }
    }
}

/// Carries out changes until the bytes end.
pub(crate) fn change(value: &mut Value, bytes: &mut Bytes<'_>) {
    while !bytes.is_empty() {
        let depth = 1 + bytes.next() % 9;
        change_at(value, depth, bytes);
    }
}

/// Goes down this many levels, by one byte each, and changes the value there.
fn change_at(value: &mut Value, depth: usize, bytes: &mut Bytes<'_>) {
    let step = bytes.next();
    match value {
        Value::Object(members) if !members.is_empty() => {
            let place = step % members.len();
            if depth > 1
                && let Some((_, inner)) = members.iter_mut().nth(place)
            {
                return change_at(inner, depth - 1, bytes);
            }
            change_members(members, place, bytes);
        }
        Value::Array(items) if !items.is_empty() => {
            let place = step % items.len();
            if depth > 1 {
                return change_at(&mut items[place], depth - 1, bytes);
            }
            match bytes.next() % 4 {
                0 => drop(items.remove(place)),
                1 => items.push(items[place].clone()),
                2 => items.rotate_left(place),
                _ => items[place] = bytes.value(3),
            }
        }
        leaf => *leaf = bytes.value(3),
    }
}

fn change_members(members: &mut Map<String, Value>, place: usize, bytes: &mut Bytes<'_>) {
    let Some(name) = members.keys().nth(place).cloned() else { return };
    let other = members.keys().nth(bytes.next() % members.len()).cloned().unwrap_or_default();
    match bytes.next() % 5 {
        0 => drop(members.shift_remove(&name)),
        1 => drop(members.insert(bytes.word(), bytes.value(3))),
        // One member's value under the other's name.
        2 => drop(members.insert(other, members[&name].clone())),
        3 => drop(members.insert(format!("{name}2"), members[&name].clone())),
        _ => drop(members.insert(name, bytes.value(3))),
    }
}
