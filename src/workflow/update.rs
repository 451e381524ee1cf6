//! Updating nodes to the version of their template (`features/nodes/util/node/nodeUpdate.ts`).

use super::document::{FieldInstance, Invocation};
use super::table::Ordered;
use super::text::Text;
use super::value::{self, Loaded, accepts_extra_inputs};
use crate::schema::NodeTemplate;
use serde_json::Value;
use std::cmp::Ordering;

/// The version of `image_collection` that split `images` off `collection`.
const IMAGES_SPLIT: [u64; 3] = [1, 0, 2];

pub(super) fn needs_update(node: &Invocation, template: &NodeTemplate) -> bool {
    node.version != template.version.as_str()
}

/// Whether the editor would update the node: only the minor version differs.
pub(super) fn is_minor(node: &Invocation, template: &NodeTemplate) -> bool {
    let major = |version: &str| numbers(version).and_then(|numbers| numbers.first().copied());
    major(&node.version).is_some_and(|from| major(&template.version) == Some(from))
}

/// Updates the node. `is_connected` says whether an input has an edge.
///
/// Missing and unset inputs get the template's defaults; unknown ones are removed and returned; values stay.
pub(super) fn update(
    node: &mut Invocation,
    template: &NodeTemplate,
    is_connected: impl Fn(&str) -> bool,
) -> Vec<(Text, FieldInstance)> {
    let from = numbers(&node.version).unwrap_or_default();
    node.version = template.version.as_str().into();
    let mut before = std::mem::take(&mut node.inputs);
    let mut inputs = Ordered::with_capacity_and_hasher(template.inputs.len(), Default::default());
    for (name, input) in &template.inputs {
        let (name, mut field) = before.shift_remove_entry(name).unwrap_or_else(|| {
            let name = Text::from(name);
            (name.clone(), FieldInstance::new(&name, None))
        });
        match (&mut field.value, &input.default) {
            (Some(value), Some(default)) => {
                merge(value, default);
                // A rule of another kind than the default's does not have the default's parameters.
                if input.field_type.name.ends_with("GeneratorField")
                    && let Loaded::Value(rule) = value::load(value, &node.node_type, Some(&input.field_type))
                {
                    *value = rule;
                }
            }
            (value @ None, default) => *value = default.clone(),
            (Some(_), None) => {}
        }
        inputs.insert(name, field);
    }
    let gone = if accepts_extra_inputs(&node.node_type) {
        inputs.extend(before);
        Vec::new()
    } else {
        before.into_iter().collect()
    };
    node.inputs = inputs;
    if node.node_type == "image_collection" && from.as_slice().cmp(&IMAGES_SPLIT[..]) == Ordering::Less {
        move_images(node, is_connected);
    }
    gone
}

/// Moves the direct list of an old `image_collection` to its new input, unless that has a list or the old one has an
/// edge.
fn move_images(node: &mut Invocation, is_connected: impl Fn(&str) -> bool) {
    let list = |name: &str| node.inputs.get(name).and_then(|field| field.value.as_ref()?.as_array());
    let occupied = list("images").is_some_and(|images| !images.is_empty());
    if occupied || is_connected("collection") || !node.inputs.contains_key("images") {
        return;
    }
    let Some(images) = list("collection").cloned() else { return };
    for (name, value) in [("images", images), ("collection", Vec::new())] {
        if let Some(field) = node.inputs.get_mut(name) {
            field.value = Some(Value::Array(value));
        }
    }
}

/// Fills what the value lacks from the default, deeply: members of objects and the tail of lists.
fn merge(value: &mut Value, default: &Value) {
    match (value, default) {
        (Value::Object(members), Value::Object(defaults)) => {
            for (name, default) in defaults {
                match members.get_mut(name) {
                    Some(member) => merge(member, default),
                    None => drop(members.insert(name.clone(), default.clone())),
                }
            }
        }
        (Value::Array(items), Value::Array(defaults)) => {
            for (place, default) in defaults.iter().enumerate() {
                match items.get_mut(place) {
                    Some(item) => merge(item, default),
                    None => items.push(default.clone()),
                }
            }
        }
        _ => {}
    }
}

/// The new name of a field that an update renamed.
pub(super) fn renamed_field(node: &Invocation, field: &str) -> Option<&'static str> {
    let renamed = field == "collection" && node.node_type == "image_collection" && node.inputs.contains_key("images");
    renamed.then_some("images")
}

/// The numbers of a version; `None` if it has anything but three or four plain numbers. The editor's schema accepts
/// odder ones; its version comparison does not.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let digits =
        |part: &str| (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?;
    let numbers: Vec<u64> = version.split('.').map(digits).collect::<Option<_>>()?;
    (3..=4).contains(&numbers.len()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_fill_gaps_deeply() {
        let mut value = json!({"r": 1, "list": [9]});
        merge(&mut value, &json!({"r": 0, "a": 255, "list": [1, 2]}));
        assert_eq!(value, json!({"r": 1, "list": [9, 2], "a": 255}));
        let mut text = json!("kept");
        merge(&mut text, &json!({"a": 1}));
        assert_eq!(text, json!("kept"));
    }

    #[test]
    fn versions_that_are_not_numbers_are_not_compared() {
        assert_eq!(numbers("1.0.2"), Some(vec![1, 0, 2]));
        for odd in ["1.0", "1.0.x", " 1.0.0", "1..0", "1.0.0.0.0", "+1.0.0"] {
            assert_eq!(numbers(odd), None, "{odd}");
        }
    }
}
