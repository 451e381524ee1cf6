//! Rules about unions: which ones stay JSON, and which ones are really one type.

use serde_json::{Value, json};

use super::{Fault, walk, walk::Object};

/// A union with at least this many members is a great one.
const GREAT_UNION: usize = 8;

pub(super) fn open_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let tagged = schema.remove("discriminator").is_some();
        let mut touched = 0;
        for keyword in ["anyOf", "oneOf"] {
            let Some(members) = schema.get(keyword).and_then(Value::as_array) else {
                continue;
            };
            let references = members.iter().filter(|member| member.get("$ref").is_some()).count();
            if tagged || references >= GREAT_UNION {
                schema.remove(keyword);
                touched += 1;
            }
        }
        Ok(touched)
    })
}

/// The members of a union that are not null, and whether null was one of them.
fn without_null(members: &[Value]) -> (Vec<Value>, bool) {
    let rest: Vec<Value> = members.iter().filter(|member| member["type"] != "null").cloned().collect();
    let nullable = rest.len() < members.len();
    (rest, nullable)
}

pub(super) fn equal_alternatives(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let Some(members) = schema.get_mut("anyOf").and_then(Value::as_array_mut) else {
            return Ok(0);
        };
        let before = members.len();
        let mut kept: Vec<Value> = Vec::new();
        for member in members.drain(..) {
            if !kept.contains(&member) {
                kept.push(member);
            }
        }
        let touched = usize::from(kept.len() < before);
        if kept.len() == 1 && before > 1 {
            schema.remove("anyOf");
            inherit(schema, kept.remove(0));
        } else {
            schema.insert("anyOf".into(), Value::Array(kept));
        }
        Ok(touched)
    })
}

/// Puts the only member of a union in the place of the union.
fn inherit(schema: &mut Object, member: Value) {
    if let Value::Object(member) = member {
        for (keyword, value) in member {
            schema.entry(keyword).or_insert(value);
        }
    }
}

pub(super) fn nullable_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let Some(members) = schema.get("anyOf").and_then(Value::as_array) else {
            return Ok(0);
        };
        let (mut rest, nullable) = without_null(members);
        if !nullable {
            return Ok(0);
        }
        match rest.len() {
            0 => {
                schema.remove("anyOf");
            }
            1 => {
                schema.remove("anyOf");
                inherit(schema, rest.remove(0));
            }
            _ => {
                schema.insert("anyOf".into(), Value::Array(rest));
            }
        }
        schema.insert("nullable".into(), json!(true));
        Ok(1)
    })
}

pub(super) fn scalar_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let unions = ["anyOf", "oneOf"].iter().filter(|keyword| schema.remove(**keyword).is_some()).count();
        Ok(unions)
    })
}
