//! Images, videos, boards and models that a workflow names, and what to do about those a server does not have.

use super::warning::{Warning, WarningKind};
use super::working_copy::Workflow;
use serde_json::Value;
use std::fmt;

/// Something on a server that a workflow names.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// An image, by name.
    Image(String),
    /// A video, by name.
    Video(String),
    /// A board, by id.
    Board(String),
    /// A model, by key.
    Model(String),
}

crate::base::debug::short_debug! { enum Reference { Image(value), Video(value), Board(value), Model(value) } }

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Image(name) => write!(f, "image {name}"),
            Reference::Video(name) => write!(f, "video {name}"),
            Reference::Board(id) => write!(f, "board {id}"),
            Reference::Model(key) => write!(f, "model {key}"),
        }
    }
}

impl Reference {
    /// What a value of a field type names.
    fn of(type_name: &str, value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match type_name {
            "ImageField" => text("image_name").map(Reference::Image),
            "VideoField" => text("video_name").map(Reference::Video),
            "BoardField" => text("board_id").map(Reference::Board),
            "ModelIdentifierField" => text("key").map(Reference::Model),
            _ => None,
        }
    }
}

/// A field with the references in its value; list items are in order.
pub(super) struct Referring {
    pub(super) node_id: String,
    pub(super) field: String,
    value: Value,
    pub(super) references: Vec<Reference>,
}

impl Workflow {
    pub(super) fn referring(&self) -> Vec<Referring> {
        let mut found = Vec::new();
        for node in &self.document().nodes {
            let Some(invocation) = node.invocation() else { continue };
            let Some(template) = self.catalog().get(&invocation.node_type) else { continue };
            for (name, field) in &invocation.inputs {
                let (Some(input), Some(value)) = (invocation.template_of(template, name), &field.value) else {
                    continue;
                };
                let of = |value| Reference::of(&input.field_type.name, value);
                let references: Option<Vec<Reference>> = match value {
                    Value::Array(items) => items.iter().map(of).collect(),
                    value => of(value).map(|reference| vec![reference]),
                };
                if let Some(references) = references.filter(|references| !references.is_empty()) {
                    let (node_id, field) = (node.id.to_string(), name.to_string());
                    found.push(Referring { node_id, field, value: value.clone(), references });
                }
            }
        }
        found
    }

    /// Every image, video, board and model that the workflow names, once each, in the order of the file.
    pub fn references(&self) -> Vec<Reference> {
        let mut seen = std::collections::HashSet::new();
        let all = self.referring().into_iter().flat_map(|referring| referring.references);
        all.filter(|reference| seen.insert(reference.clone())).collect()
    }

    /// Unsets the fields whose image, video, board or model is not accessible, as the editor does on loading; missing
    /// items are removed from lists. Each adds a [`Warning`] to [`warnings`](Self::warnings).
    ///
    /// To find models again under another key, call [`use_models`](Self::use_models) first.
    pub fn drop_inaccessible(&mut self, mut is_accessible: impl FnMut(&Reference) -> bool) {
        for Referring { node_id, field, value, references } in self.referring() {
            let accessible: Vec<bool> = references.iter().map(&mut is_accessible).collect();
            if accessible.iter().all(|accessible| *accessible) {
                continue;
            }
            let left = match value {
                Value::Array(items) => {
                    let kept = items.into_iter().zip(&accessible).filter(|(_, accessible)| **accessible);
                    Some(kept.map(|(item, _)| item).collect())
                }
                _ => None,
            };
            for (reference, _) in references.iter().zip(&accessible).filter(|(_, accessible)| !**accessible) {
                let message = format!("{node_id}.{field}: the {reference} is not accessible");
                self.warn(Warning::new(WarningKind::ReferenceDropped, &node_id, Some(&field), message));
            }
            self.store_value(&node_id, &field, left);
        }
    }
}
