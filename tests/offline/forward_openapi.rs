//! The OpenAPI document of a newer server: the catalog of nodes, and what the build makes of it.

use std::{fs, sync::LazyLock};

use invokeai_client::schema::NodeCatalog;
use mutation::{NEW, NEWS};
use serde_json::{Map, Value, json};

use crate::common::mutation;
use crate::{enums, lower};

/// A copy of the document, which is read once.
fn document() -> Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    });
    DOCUMENT.clone()
}

fn schemas(document: &mut Value) -> &mut Map<String, Value> {
    document["components"]["schemas"].as_object_mut().unwrap()
}

fn nodes(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    schemas(document).values_mut().filter(|schema| schema["class"] == "invocation")
}

fn members(schema: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    schema["properties"].as_object_mut().unwrap().values_mut().map(|member| member.as_object_mut().unwrap())
}

fn catalog(document: &Value) -> NodeCatalog {
    NodeCatalog::from_openapi(document).unwrap()
}

fn types(catalog: &NodeCatalog) -> Vec<(String, Vec<String>)> {
    let inputs = |node: &invokeai_client::schema::NodeTemplate| node.inputs.keys().map(str::to_owned).collect();
    catalog.iter().map(|node| (node.node_type.clone(), inputs(node))).collect()
}

#[test]
fn a_catalog_with_unknown_keywords_is_the_same() {
    let before = catalog(&document());
    let mut newer = document();
    newer[NEW] = json!(NEWS);
    newer["components"][NEW] = json!({ NEW: NEWS });
    for node in nodes(&mut newer) {
        node[NEW] = json!({ NEW: [NEWS] });
        for member in members(node) {
            member.insert(NEW.into(), json!([NEWS]));
        }
    }
    let after = catalog(&newer);
    assert_eq!(before, after);

    // Hints for the editor are kept as they are, known or not.
    for node in nodes(&mut newer) {
        for member in members(node) {
            member.insert("ui_brand_new".into(), json!({ "a": 1 }));
        }
    }
    let after = catalog(&newer);
    assert_eq!(types(&before), types(&after));
    let hints = |node: &invokeai_client::schema::NodeTemplate| {
        node.inputs.values().all(|input| input.ui.members.contains_key("ui_brand_new"))
    };
    assert!(after.iter().all(hints));
}

#[test]
fn a_catalog_with_unknown_kinds_has_every_node() {
    let before = types(&catalog(&document()));
    for (key, value) in [
        ("field_kind", json!(NEWS)),
        ("input", json!(NEWS)),
        ("ui_type", json!(NEWS)),
        ("ui_component", json!(NEWS)),
        ("ui_model_base", json!([NEWS])),
        ("ui_choice_labels", json!({ "a": null })),
        ("orig_required", json!(null)),
        ("default", json!(null)),
        ("title", json!(null)),
        ("description", json!(7)),
        ("minimum", json!(1e300)),
        ("ui_order", json!(1.0)),
    ] {
        let mut newer = document();
        for node in nodes(&mut newer) {
            // The default of `type` says what a node is.
            let properties = node["properties"].as_object_mut().unwrap();
            for (_, member) in properties.iter_mut().filter(|(name, _)| *name != "type") {
                let member = member.as_object_mut().unwrap();
                if member.contains_key("field_kind") {
                    member.insert(key.into(), value.clone());
                }
            }
        }
        let after = catalog(&newer);
        assert_eq!(
            types(&after).len(),
            before.len(),
            "{key}: {:?}",
            &after.unreadable()[..after.unreadable().len().min(3)]
        );
        if key != "ui_type" {
            assert_eq!(types(&after), before, "{key}");
        }
    }
    for (key, value) in
        [("category", json!(7)), ("tags", json!(null)), ("classification", json!(NEWS)), ("version", json!(null))]
    {
        let mut newer = document();
        nodes(&mut newer).for_each(|node| node[key] = value.clone());
        assert_eq!(types(&catalog(&newer)), before, "{key}");
    }
}

#[test]
fn one_strange_node_is_reported_and_the_others_are_there() {
    let before = types(&catalog(&document()));
    for strange in [
        json!({ "class": "invocation" }),
        json!({ "class": "invocation", "properties": 7 }),
        json!({ "class": "invocation", "properties": { "type": { "default": NEWS } } }),
        json!({ "class": "invocation", "properties": { "type": { "default": NEWS } }, "output": { "$ref": "#/nowhere" } }),
    ] {
        let mut newer = document();
        schemas(&mut newer).insert("StrangeInvocation".into(), strange.clone());
        let after = catalog(&newer);
        assert_eq!(types(&after), before);
        assert!(after.unreadable().iter().any(|one| one.schema == "StrangeInvocation"), "{strange}");
    }
    // A field that nobody understands costs only that field.
    let mut newer = document();
    let field = json!({ "field_kind": "input", "not": { "type": "string" } });
    schemas(&mut newer)["AddInvocation"]["properties"][NEW] = field;
    let after = catalog(&newer);
    assert!(after.get("add").unwrap().inputs.contains_key("a"));
    assert!(after.unreadable().iter().any(|one| one.field.as_deref() == Some(NEW)));
}

#[test]
fn any_position_of_the_nodes_may_be_anything() {
    // One node of each kind of field, changed everywhere: no panic, and the other nodes stay.
    let document = document();
    assert!(catalog(&document).len() > 250);
    for name in
        ["AddInvocation", "DenoiseLatentsInvocation", "ImageResizeInvocation", "IntegerOutput", "StringBatchInvocation"]
    {
        let schema = document["components"]["schemas"][name].clone();
        let mut small = json!({ "components": { "schemas": {} } });
        for needed in ["SubtractInvocation", "IntegerOutput", "ImageOutput", "LatentsOutput", "StringOutput"] {
            schemas(&mut small).insert(needed.into(), document["components"]["schemas"][needed].clone());
        }
        for at in mutation::positions(&schema) {
            let value = schema.pointer(&at).unwrap();
            let missing = mutation::without(&schema, &at).unwrap_or_default();
            for changed in [
                missing,
                mutation::with(&schema, &at, mutation::of_another_kind(value)),
                mutation::with(&schema, &at, Value::Null),
            ] {
                schemas(&mut small).insert(name.into(), changed);
                match NodeCatalog::from_openapi(&small) {
                    Ok(catalog) => {
                        let names: Vec<_> = catalog.iter().map(|node| node.node_type.as_str()).collect();
                        assert!(name == "IntegerOutput" || names.contains(&"sub"), "{name}{at}: {names:?}");
                    }
                    Err(error) => assert_eq!(name, "IntegerOutput", "{at}: {error}"),
                }
            }
        }
    }
}

/// The document as a newer release may have it: more of everything that releases have brought so far.
fn newer() -> Value {
    let mut document = document();
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let new = schemas(&mut document);
    new.insert(
        "BrandNewKind".into(),
        json!({ "type": "string", "enum": ["one", "two-b", "3c"], "title": "BrandNewKind" }),
    );
    new.insert(
        "BrandNewThing".into(),
        json!({
            "type": "object", "title": "BrandNewThing", "required": ["id", "kind", "pair"], "deprecated": true,
            "x-brand-new": { "a": 1 }, "properties": {
                "id": { "type": "string", "title": "Id", "format": "uuid", "readOnly": true },
                "kind": { "$ref": "#/components/schemas/BrandNewKind", "description": "A kind", "ui_brand_new": 1 },
                "pair": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer" }], "minItems": 2 },
                "inline": { "anyOf": [{ "type": "string", "enum": ["a", "b"] }, { "type": "null" }], "default": null },
                "level": { "type": "number", "enum": [0.5, 1], "title": "Level" },
                "always": { "const": null }, "half": { "const": 0.5 }, "nothing": { "type": "null" },
                "either": { "anyOf": [{ "type": "string" }, { "type": "integer" }, { "type": "array", "items": { "type": "string" } }] },
                "things": { "type": "array", "items": { "$ref": "#/components/schemas/BrandNewThing" } },
                "by_name": { "type": "object", "additionalProperties": { "$ref": "#/components/schemas/ImageDTO" } },
                "by_pattern": { "type": "object", "patternProperties": { "^a": { "type": "integer" } } },
                "source": { "oneOf": [reference("LocalModelSource"), reference("HFModelSource")],
                    "discriminator": { "propertyName": "type" } },
                "type": { "const": "thing", "type": "string" },
            },
        }),
    );
    new.insert(
        "BrandNewEvent".into(),
        json!({ "type": "object", "title": "BrandNewEvent", "required": ["timestamp", "thing"], "properties": {
            "timestamp": { "type": "integer" }, "thing": reference("BrandNewThing") } }),
    );
    // Members that are new in known answers, bodies and events.
    for name in [
        "ImageDTO",
        "BoardDTO",
        "SessionQueueItem",
        "ImageRecordChanges",
        "BatchEnqueuedEvent",
        "StylePresetRecordWithImage",
    ] {
        new[name]["properties"]["brand_new"] = json!({ "anyOf": [reference("BrandNewThing"), { "type": "null" }] });
        new[name]["properties"]["brand_new_required"] = json!({ "type": "integer" });
        if let Some(required) = new[name].get_mut("required").and_then(Value::as_array_mut) {
            required.push(json!("brand_new_required"));
        }
    }
    for name in ["ImageCategory", "ResourceOrigin", "BaseModelType", "ModelType", "ModelFormat", "InstallStatus"] {
        new[name]["enum"].as_array_mut().unwrap_or_else(|| panic!("{name}")).push(json!("brand-new 1"));
    }
    let paths = document["paths"].as_object_mut().unwrap();
    let thing = || json!({ "description": "", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/BrandNewThing" } } } });
    let parameter = |name: &str, place: &str, required: bool, schema: Value| json!({ "name": name, "in": place, "required": required, "schema": schema });
    paths.insert(
        "/api/v1/brand_new/{thing_id}".into(),
        json!({
            "get": { "operationId": "get_brand_new", "responses": { "200": thing(), "404": { "description": "" } },
                "security": [{ "HTTPBearer": [] }], "deprecated": true, "x-brand-new": 1, "parameters": [
                    parameter("thing_id", "path", true, json!({ "type": "string", "title": "Thing Id" })),
                    parameter("type", "query", false, json!({ "$ref": "#/components/schemas/BrandNewKind" })),
                    parameter("if-none-match", "header", false, json!({ "type": "string" })),
                    parameter("kinds", "query", false, json!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "null" }] })),
                ] },
            "put": { "operationId": "put_brand_new", "responses": { "200": thing(), "202": { "description": "" } }, "parameters": [
                    parameter("thing_id", "path", true, json!({ "type": "string" })) ],
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/BrandNewThing" } } } } },
            "delete": { "operationId": "delete_brand_new", "responses": { "204": { "description": "" } }, "parameters": [
                    parameter("thing_id", "path", true, json!({ "type": "string" })) ] },
        }),
    );
    paths.insert(
        "/api/v1/brand_new/".into(),
        json!({
            "get": { "operationId": "list_users_api_v1_brand_new__get", "responses": { "200": { "description": "", "content": {
                "application/json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/BrandNewThing" } } } } } } },
            "post": { "operationId": "upload_brand_new", "responses": { "201": thing() }, "requestBody": { "content": {
                "multipart/form-data": { "schema": { "type": "object", "required": ["file"], "properties": {
                    "file": { "type": "string", "contentMediaType": "application/octet-stream" }, "note": { "type": "string" } } } } } } },
        }),
    );
    paths.insert(
        "/api/v1/brand_new/export".into(),
        json!({ "get": { "operationId": "export_brand_new", "responses": { "200": { "description": "", "content": {
            "application/json": { "schema": {} }, "text/csv": {} } } } } }),
    );
    document
}

/// Also written to a file, to build the whole crate against it:
/// `INVOKEAI_OPENAPI=target/tmp/newer-openapi.json cargo check --all-features`.
#[test]
fn a_newer_document_is_lowered_as_it_is() {
    let document = newer();
    crate::other_document::keep("newer-openapi.json", &document);

    let mut lowered = document;
    let before = lowered["paths"].as_object().unwrap().len();
    lower::lower(&mut lowered).unwrap_or_else(|fault| panic!("{fault}"));
    // The page and the list of boards become two.
    assert_eq!(lowered["paths"].as_object().unwrap().len(), before + 1);
    let found = lower::schemas::references(&lowered);
    assert!(found.iter().any(|name| name == "BrandNewThing"));
    assert_eq!(
        lowered["paths"]["/api/v1/brand_new/export"]["get"]["responses"]["200"]["content"].as_object().unwrap().len(),
        1
    );
    let parameters = lowered["paths"]["/api/v1/brand_new/{thing_id}"]["get"]["parameters"].as_array().unwrap();
    assert!(parameters.iter().all(|parameter| parameter["in"] != "header"));
    assert_eq!(
        lowered["paths"]["/api/v1/auth/users"]["get"]["operationId"], "list_users",
        "the first one keeps the name"
    );
    assert_eq!(
        lowered["paths"]["/api/v1/brand_new/"]["get"]["operationId"], "list_users_api_v1_brand_new_get",
        "the later one has the whole name, spelled as the generator does"
    );
    let enums = enums::source(&enums::find(&lowered)).unwrap();
    assert!(enums.contains("BrandNew1 = \"brand-new 1\"") && enums.contains("{ BrandNewKind {"), "{enums}");
}

#[test]
fn every_single_addition_is_lowered() {
    // Each keyword that schemas of this document have, on one more member.
    let (mut old, new) = (document(), newer());
    for needed in ["BrandNewKind", "BrandNewThing"] {
        schemas(&mut old).insert(needed.into(), new["components"]["schemas"][needed].clone());
    }
    let addition = &new["components"]["schemas"]["BrandNewThing"]["properties"];
    for (name, member) in addition.as_object().unwrap() {
        let mut document = old.clone();
        schemas(&mut document)["ImageDTO"]["properties"][name.as_str()] = member.clone();
        lower::lower(&mut document).map(drop).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}
