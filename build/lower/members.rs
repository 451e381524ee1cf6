//! Rules about which members of an object are always there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fault, overrides, walk, walk::Object};

pub(super) fn ghost_members(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let members: BTreeSet<String> = match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => properties.keys().cloned().collect(),
            None => BTreeSet::new(),
        };
        let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else {
            return Ok(0);
        };
        let before = required.len();
        let mut seen = BTreeSet::new();
        required
            .retain(|name| name.as_str().is_some_and(|name| members.contains(name) && seen.insert(name.to_owned())));
        Ok(before - required.len())
    })
}

pub(super) fn nullable_members(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let mut nullable = Vec::new();
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, property) in properties {
                let Some(property) = property.as_object_mut().filter(|property| property.contains_key("nullable"))
                else {
                    continue;
                };
                nullable.push(name.clone());
                // For a list or a map that may be missing, the generator uses an empty one, which can be neither read
                // from null nor sent. One that stays nullable can.
                if !property.get("type").is_some_and(|kind| kind == "array" || kind == "object") {
                    property.remove("nullable");
                }
            }
        }
        not_required(schema, |name| nullable.iter().any(|nullable| nullable == name));
        Ok(nullable.len())
    })
}

fn not_required(schema: &mut Object, which: impl Fn(&str) -> bool) -> usize {
    let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else {
        return 0;
    };
    let before = required.len();
    required.retain(|name| !name.as_str().is_some_and(&which));
    before - required.len()
}

pub(super) fn young_members(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    for (name, members) in overrides::YOUNG_MEMBERS {
        let schema = document.pointer_mut(&format!("/components/schemas/{name}")).and_then(Value::as_object_mut);
        if let Some(schema) = schema {
            touched += not_required(schema, |member| members.contains(&member));
        }
    }
    Ok(touched)
}
