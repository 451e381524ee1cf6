//! The embedded catalog, the document it was cut from and small hand-made documents.

use super::*;
use crate::schema::{Cardinality, Constraints, FieldType, InputKind, InputTemplate};
use serde_json::json;

#[test]
fn the_embedded_catalog_is_that_of_the_whole_document() {
    let text = std::fs::read_to_string(env!("INVOKEAI_DOCUMENT")).expect("the document of the build");
    let document = serde_json::from_str(&text).expect("JSON");
    let whole = NodeCatalog::from_openapi(&document).expect("a catalog");
    assert_eq!(&whole, NodeCatalog::embedded());
    for node in whole.iter() {
        assert_eq!(NodeCatalog::embedded().get(&node.node_type), Some(node), "read alone");
    }
    for none in ["graph", "no_such_node", ""] {
        assert_eq!(NodeCatalog::embedded().get(none), None);
    }
    assert_same(&text, "the document");
}

/// Compares what a document gives as text with what it gives as a tree.
fn assert_same(text: &str, what: &str) {
    let document = serde_json::from_str(text).expect("JSON");
    match (NodeCatalog::from_openapi_text(text), NodeCatalog::from_openapi(&document)) {
        (Ok(catalog), Ok(whole)) => {
            for node in whole.iter() {
                assert_eq!(catalog.get(&node.node_type), Some(node), "{what}, node by node");
            }
            for none in ["graph", "no_such_node", ""].into_iter().filter(|none| whole.get(none).is_none()) {
                assert_eq!(catalog.get(none), None, "{what}");
            }
            assert_eq!(catalog, whole, "{what}");
            assert!(catalog.iter().eq(whole.iter()), "{what}: in the same order");
        }
        (catalog, whole) => {
            assert_eq!(catalog.err().map(|e| e.to_string()), whole.err().map(|e| e.to_string()), "{what}");
        }
    }
}

/// A document of a few nodes, and their outputs.
fn some_nodes() -> Value {
    let text = std::fs::read_to_string(env!("INVOKEAI_DOCUMENT")).expect("the document of the build");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let all = document["components"]["schemas"].as_object().expect("schemas");
    let nodes = all.iter().filter(|(_, schema)| schema["class"] == "invocation").step_by(40);
    let mut some = serde_json::Map::new();
    for (name, schema) in nodes {
        some.insert(name.clone(), schema.clone());
        let output = schema["output"]["$ref"].as_str().and_then(|path| path.rsplit('/').next()).expect("an output");
        some.insert(output.to_owned(), all[output].clone());
    }
    json!({"openapi": "3.1.0", "components": {"schemas": some}})
}

/// Replaces or removes a member or an element somewhere; `random` decides which one.
fn change(value: &mut Value, random: &mut impl FnMut(usize) -> usize) {
    let others = [json!(null), json!(7), json!("invocation"), json!("output"), json!("add"), json!({}), json!([["a"]])];
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(random(members.len())).expect("a name").clone();
            match random(6) {
                0 => _ = members.shift_remove(&name),
                1 => members[&name] = others[random(others.len())].clone(),
                _ => change(&mut members[&name], random),
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            let place = random(elements.len());
            change(&mut elements[place], random);
        }
        leaf => *leaf = others[random(others.len())].clone(),
    }
}

#[test]
fn documents_give_the_same_as_text_and_as_trees() {
    let document = some_nodes();
    let mut state = 7_u64;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for round in 0..300 {
        let mut changed = document.clone();
        (0..=random(4)).for_each(|_| change(&mut changed, &mut random));
        assert_same(&changed.to_string(), &format!("round {round}"));
    }
    let text = document.to_string();
    // Names that appear twice, letters that are escaped, and values that are not objects.
    let twice = text.replacen("\"schemas\":{", "\"schemas\":{\"A\":{\"class\":\"invocation\"},\"A\":7,", 1);
    let escaped = text.replace("\"class\":\"invocation\"", "\"class\":\"invoc\\u0061tion\"");
    let typeless = text.replacen("\"default\":", "\"defaults\":", 1);
    for (what, text) in [("twice", twice), ("escaped", escaped), ("typeless", typeless)] {
        assert_same(&text, what);
    }
    let mut both = document.clone();
    let schemas = both["components"]["schemas"].as_object_mut().expect("schemas");
    let first = schemas.values().next().expect("a schema").clone();
    schemas.insert("Again".into(), first);
    assert_same(&both.to_string(), "two nodes of one type");
    for none in ["[]", "{}", "7", "{\"components\":[{\"schemas\":{}}]}", "{\"components\":{\"schemas\":{\"A\":{}}}}"] {
        assert_same(none, none);
    }
}

#[test]
fn text_that_is_not_json_is_an_error_and_a_broken_schema_is_reported() {
    for text in ["", "{", "{} {}", &"[".repeat(100_000)] {
        let error = NodeCatalog::from_openapi_text(text).expect_err("no JSON");
        assert!(matches!(error, CatalogError::NotJson(_)), "{error}");
    }
    let text = one_node(json!({"x": {"type": "integer", "field_kind": "input"}})).to_string();
    // More than a tree can hold, in a place that only the reading of that node comes across.
    let text = text.replacen("\"schemas\":{", "\"schemas\":{\"C\":{\"class\":\"invocation\",\"x\":1e999},", 1);
    let catalog = NodeCatalog::from_openapi_text(&text).expect("the other node can be read");
    assert_eq!((catalog.len(), catalog.get("a").is_some()), (1, true));
    assert_eq!(catalog.unreadable()[0].schema, "C");
}

#[test]
fn only_the_free_form_object_of_saved_workflows_is_unreadable() {
    let unreadable = NodeCatalog::embedded().unreadable();
    let names: Vec<_> = unreadable.iter().map(|u| (u.schema.as_str(), u.field.as_deref())).collect();
    assert_eq!(names, [("CallSavedWorkflowInvocation", Some("workflow_inputs"))]);
}

#[test]
fn known_fields_are_as_the_editor_has_them() {
    let input = |node: &str, name: &str| NodeCatalog::embedded().get(node).expect("a node").inputs[name].clone();

    let images = input("image_batch", "images");
    assert_eq!(images.field_type.to_json(), json!({"name": "ImageField", "cardinality": "COLLECTION", "batch": true}));
    assert_eq!((images.default, images.constraints), (Some(json!([])), Constraints::default()));
    assert_eq!(images.server_constraints.min_items, Some(1));

    let scheduler = input("denoise_latents", "scheduler");
    assert_eq!(scheduler.field_type.name, "SchedulerField");
    assert_eq!(scheduler.original_type, Some(FieldType::new("EnumField", Cardinality::Single)));
    assert!(scheduler.options.iter().any(|option| option.value == "euler"));

    let weight = input("controlnet", "control_weight");
    assert_eq!(weight.field_type, FieldType::new("FloatField", Cardinality::SingleOrCollection));
    assert_eq!(weight.server_constraints.to_json(), *json!({"minimum": -1, "maximum": 2}).as_object().expect("object"));

    let llava = input("llava_onevision_vllm", "images");
    assert_eq!((llava.server_constraints.max_items, llava.server_constraints.max_length), (Some(3), None));

    let resolution = input("wan_i2v_ideal_dimensions", "target_resolution");
    assert_eq!(resolution.options[0].label.as_deref(), Some("480p (Wan native)"));
    let length = input("flux_text_encoder", "t5_max_seq_len");
    assert_eq!(length.options.iter().map(|option| &option.value).collect::<Vec<_>>(), [256, 512]);

    let model = input("cogview4_model_loader", "model");
    assert_eq!((model.input, model.required, model.default), (InputKind::Direct, true, None));
    assert_eq!(input("qwen_image_i2l", "width").default, Some(json!(0)), "a fallback, though it is optional");
    assert_eq!(input("l2i", "latents").input, InputKind::Connection);
    assert_eq!(input("denoise_latents", "denoise_mask").title, "Denoise Mask", "the schema has no title");

    let gemini = NodeCatalog::embedded().get("gemini_image_generation").expect("a node");
    assert!(gemini.inputs.contains_key("mask_image"));
    assert!(gemini.editor_inputs().iter().all(|input| input.name != "mask_image"), "it is hidden");
}

#[test]
fn the_editor_draws_unordered_inputs_first() {
    let document = one_node(json!({
        "b": {"type": "integer", "field_kind": "input", "ui_order": 2},
        "a": {"type": "integer", "field_kind": "input", "ui_order": 1},
        "h": {"type": "integer", "field_kind": "input", "ui_hidden": true},
        "c": {"type": "integer", "field_kind": "input"},
        "n": {"type": "integer"},
    }));
    let catalog = NodeCatalog::from_openapi(&document).expect("a catalog");
    let node = catalog.get("a").expect("the node");
    let names: Vec<_> = node.editor_inputs().iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
    assert_eq!(node.inputs.keys().collect::<Vec<_>>(), ["b", "a", "h", "c"]);
}

/// A document of one node, `a`, with these properties.
fn one_node(mut properties: Value) -> Value {
    properties["type"] = json!({"default": "a"});
    json!({"components": {"schemas": {
        "A": {"class": "invocation", "output": {"$ref": "#/components/schemas/B"}, "properties": properties},
        "B": {"class": "output", "properties": {"type": {"default": "b"}}},
    }}})
}

/// The input that this property becomes, or why it becomes none.
fn input_of(mut property: Value) -> Result<InputTemplate, String> {
    property["field_kind"] = json!("input");
    let catalog = NodeCatalog::from_openapi(&one_node(json!({"x": property}))).expect("a catalog");
    let input = catalog.get("a").expect("the node").inputs.get("x").cloned();
    input.ok_or_else(|| catalog.unreadable()[0].reason.clone())
}

#[test]
fn types_are_read_by_the_editors_rules() {
    use Cardinality::{Collection, Single, SingleOrCollection};
    let image = json!({"$ref": "#/components/schemas/ImageField"});
    let many = |items: &Value| json!({"type": "array", "items": items});
    let any_of = |branches: &[Value]| json!({"anyOf": branches});
    let (null, number) = (json!({"type": "null"}), json!({"type": "number"}));
    for (property, name, cardinality) in [
        (json!({"const": "x"}), "EnumField", Single),
        (json!({"allOf": [image], "title": "Image"}), "ImageField", Single),
        (any_of(&[image.clone(), null.clone()]), "ImageField", Single),
        (any_of(&[many(&image), null.clone()]), "ImageField", Collection),
        (any_of(&[many(&image), image.clone(), null.clone()]), "ImageField", SingleOrCollection),
        (any_of(&[number.clone(), many(&number)]), "FloatField", SingleOrCollection),
        (json!({"type": "integer", "enum": [1, 2]}), "EnumField", Single),
        (many(&json!({"type": "boolean"})), "BooleanField", Collection),
        (json!({"type": "string"}), "StringField", Single),
        (image.clone(), "ImageField", Single),
        (json!({"type": "array", "items": {}, "ui_type": "CollectionField"}), "CollectionField", Collection),
        (json!({"ui_type": "AnyField"}), "AnyField", Single),
        (json!({"$ref": "#/x/ModelIdentifierField", "ui_type": "SDXLMainModelField"}), "ModelIdentifierField", Single),
        (json!({"type": "string", "ui_type": "DEPRECATED_String"}), "StringField", Single),
    ] {
        let input = input_of(property.clone()).unwrap_or_else(|reason| panic!("{property}: {reason}"));
        assert_eq!(input.field_type, FieldType::new(name, cardinality), "{property}");
    }
    for property in [
        json!({}),
        json!({"type": "object"}),
        json!({"oneOf": [image]}),
        json!({"allOf": []}),
        json!({"type": ["string", "null"]}),
        any_of(&[image.clone(), number.clone()]),
        any_of(&[many(&image), number.clone()]),
        any_of(&[many(&image), many(&image)]),
        any_of(&[image.clone(), number, null]),
        many(&json!({})),
        json!({"type": "array"}),
        json!({"$ref": 7}),
        json!({"type": "string", "enum": []}),
    ] {
        assert!(input_of(property.clone()).is_err(), "{property}");
    }
}

#[test]
fn broken_documents_are_errors_and_broken_nodes_are_reported() {
    for document in [json!(null), json!({}), json!({"components": {"schemas": []}})] {
        assert!(matches!(NodeCatalog::from_openapi(&document), Err(CatalogError::NotOpenApi)), "{document}");
    }
    let mut document = one_node(json!({}));
    document["components"]["schemas"]["A"]["class"] = json!("other");
    assert!(matches!(NodeCatalog::from_openapi(&document), Err(CatalogError::NoNodes)));

    let mut document = one_node(json!({"x": {"type": "integer", "field_kind": "input"}}));
    let schemas = &mut document["components"]["schemas"];
    schemas["NoOutput"] = json!({"class": "invocation", "properties": {"type": {"default": "n"}}});
    schemas["LostOutput"] =
        json!({"class": "invocation", "properties": {"type": {"default": "l"}}, "output": {"$ref": "#/x/Lost"}});
    schemas["NoType"] = json!({"class": "invocation", "properties": {"type": 7}});
    schemas["Graph"] = json!({"class": "invocation", "properties": {"type": {"default": "graph"}}});
    schemas["Odd"] = json!(7);
    let catalog = NodeCatalog::from_openapi(&document).expect("one node can be read");
    assert_eq!(catalog.iter().map(|node| node.node_type.as_str()).collect::<Vec<_>>(), ["a"]);
    let names: Vec<_> = catalog.unreadable().iter().map(|u| u.schema.as_str()).collect();
    assert_eq!(names, ["NoOutput", "LostOutput", "NoType"]);
}
