//! The embedded catalogue, the document it was cut from and small hand-made documents.

use super::*;
use crate::schema::{Cardinality, FieldType, InputKind, InputTemplate};
use serde_json::json;

#[test]
fn the_embedded_catalogue_is_that_of_the_whole_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json");
    let text = std::fs::read_to_string(path).expect("the package's own document");
    let document = serde_json::from_str(&text).expect("JSON");
    let whole = NodeCatalogue::from_openapi(&document).expect("a catalogue");
    assert_eq!(whole.len(), 309);
    assert_eq!(&whole, NodeCatalogue::embedded());
}

#[test]
fn only_the_free_form_object_of_saved_workflows_is_unreadable() {
    let unreadable = NodeCatalogue::embedded().unreadable();
    let names: Vec<_> = unreadable.iter().map(|u| (u.schema.as_str(), u.field.as_deref())).collect();
    assert_eq!(names, [("CallSavedWorkflowInvocation", Some("workflow_inputs"))]);
}
