//! The node catalog against documents of other releases, and generators against what the web editor makes of stored ones.
//!
//! Neither is part of the package: see [`crate::reference`].

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::generator::{Generated, Generator, GeneratorKind};
use serde_json::Value;

use crate::common::reference;

/// 6.3 names model kinds by `ui_type` and 6.9 by filters; the nodes are the same.
#[test]
fn old_and_new_servers_say_the_same_about_models() {
    let read = |version: &str| {
        let path = reference::documents("comparing two releases")?.join(format!("invokeai-{version}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Some(NodeCatalog::from_openapi(&serde_json::from_str(&text).expect("JSON")).expect("a catalog"))
    };
    let (Some(old), Some(new)) = (read("6.3.0"), read("6.9.0")) else { return };
    let mut models = 0;
    for input in old.iter().flat_map(|node| node.inputs.values().map(move |input| (node, input))) {
        let (node, input) = input;
        let Some(newer) = new.get(&node.node_type).and_then(|node| node.inputs.get(&input.name)) else { continue };
        assert_eq!(input.field_type, newer.field_type, "{}.{}", node.node_type, input.name);
        if input.field_type.name == "ModelIdentifierField" && !input.model_filter.is_empty() {
            let (old, new) = (&input.model_filter, &newer.model_filter);
            assert_eq!(old.model_type, new.model_type, "{}.{}", node.node_type, input.name);
            // 6.9 names bases for more kinds, and FLUX.2 came later.
            let narrower = old.base.is_empty() || new.base.iter().all(|base| old.base.contains(base));
            assert!(narrower, "{}.{}", node.node_type, input.name);
            models += 1;
        }
    }
    assert!(models > 25, "only {models} model inputs");
}

/// The editor's own lists for stored generators, where the reference files are at hand.
#[test]
fn the_golden_cases_agree() {
    let Some(cases) = reference::golden("generators of the editor") else { return };
    let cases = cases.display();
    let files = std::fs::read_dir(format!("{cases}/cases/extra")).expect("the set `extra`");
    let read = |path: String| -> Value { serde_json::from_slice(&std::fs::read(path).expect("file")).expect("JSON") };
    let mut compared = 0;
    for name in files.map(|file| file.expect("entry").file_name().into_string().expect("name")) {
        if !name.starts_with("generator-") || name.contains("random.json") {
            continue;
        }
        let nodes = read(format!("{cases}/cases/extra/{name}"))["nodes"].take();
        let node = nodes.as_array().expect("nodes").iter().find(|node| node["data"]["inputs"]["generator"].is_object());
        let inputs = &node.expect("a generator node")["data"]["inputs"];
        let kind = match name.split('-').nth(1) {
            Some("float") => GeneratorKind::Float,
            Some("integer") => GeneratorKind::Integer,
            _ => GeneratorKind::String,
        };
        let expected = read(format!("{cases}/expected/extra/{name}"));
        let expected = expected.pointer("/enqueue_body/batch/data/0/0/items");
        let generator = inputs["generator"].get("value").and_then(|value| Generator::from_json(kind, value));
        let values = generator.map(|generator| match generator.generate() {
            Ok(Generated::Values(values)) => Value::Array(values),
            other => panic!("{name}: {other:?}"),
        });
        assert_eq!(values.as_ref(), expected, "{name}");
        compared += 1;
    }
    assert!(compared >= 15, "only {compared} cases");
}
