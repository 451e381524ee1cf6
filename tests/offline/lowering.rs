//! The lowering of OpenAPI documents: every rule before and after, every refusal, and the counts for the document of the package.

use std::{fs, path::Path};

use lower::{Count, lower, report, rules};
use lowering_cases::{Case, cases, faults};
use serde_json::{Value, json};

use crate::common::{listing, lowering_cases, reference};
use crate::{enums, incompatible, lower, merge, required};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// The document of the package.
fn own_document() -> Value {
    let version = include_str!("../../openapi/VERSION").trim();
    document(format!("{PACKAGE}/openapi/invokeai-{version}.json"))
}

fn document(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn apply(name: &str, document: &mut Value) -> Result<usize, lower::Fault> {
    let rule = rules().into_iter().find(|rule| rule.name == name).unwrap_or_else(|| panic!("no rule `{name}`"));
    (rule.apply)(document)
}

#[test]
fn every_rule_does_what_it_says() {
    let cases = cases();
    for rule in rules() {
        assert!(cases.iter().any(|case| case.rule == rule.name), "no case for the rule `{}`", rule.name);
    }
    for Case { rule, mut before, after, touched } in cases {
        let counted = apply(rule, &mut before).unwrap_or_else(|fault| panic!("{rule}: {fault}"));
        assert_eq!(before, after, "{rule}\n  got {before}\n  not {after}");
        assert_eq!(counted, touched, "count of {rule}");
    }
}

#[test]
fn a_rule_leaves_alone_what_it_is_not_about() {
    // Members that are called like keywords are members.
    let properties = json!({
        "title": {"type": "string"}, "default": {"type": "string"}, "const": {"type": "string"}, "anyOf": {"type": "string"},
        "format": {"type": "string"}, "enum": {"type": "string"}, "$ref": {"type": "string"}, "nullable": {"type": "string"},
    });
    let mut document = json!({"openapi": "3.0.3", "paths": {}, "components": {"schemas": {
        "AnEvent": {"type": "object", "properties": properties},
    }}});
    let before = document.clone();
    let counts = lower(&mut document).unwrap();
    assert_eq!(document, before);
    assert!(counts.iter().all(|count| count.touched == 0));
}

#[test]
fn what_no_rule_understands_is_refused_with_its_place() {
    for (rule, mut before, pointer, message) in faults() {
        let outcome = match rule {
            "check" => lower::check::check(&mut before).map(|()| 0),
            rule => apply(rule, &mut before),
        };
        let fault = outcome.expect_err(rule);
        assert_eq!(fault.pointer, pointer, "{rule}: {fault}");
        assert!(fault.message.contains(message), "{rule}: {fault}");
        assert_eq!(fault.to_string(), format!("#{pointer}: {}", fault.message));
    }
}

#[test]
fn a_document_with_something_new_is_refused_as_a_whole() {
    let mut document = own_document();
    document["components"]["schemas"]["ImageDTO"]["properties"]["width"]["contentEncoding"] = json!("base64");
    let fault = lower(&mut document).map(|_| ()).unwrap_err();
    assert_eq!(fault.pointer, "/components/schemas/ImageDto/properties/width/contentEncoding");
}

#[test]
fn counts_for_the_document_of_the_package() {
    let counts = lower(&mut own_document()).unwrap();
    assert_eq!(counts.len(), rules().len());
    listing::check("openapi/lowering.txt", &report(&counts));
}

#[test]
fn nothing_of_3_1_is_left() {
    let mut document = own_document();
    lower(&mut document).unwrap();
    lower::walk::schemas(&mut document, &mut |pointer, schema| {
        for keyword in ["anyOf", "oneOf", "const", "title", "default", "discriminator", "examples"] {
            assert!(!schema.contains_key(keyword), "{pointer}/{keyword}");
        }
        Ok(0)
    })
    .unwrap();
    // Every reference leads somewhere.
    for name in lower::schemas::references(&document) {
        assert!(document["components"]["schemas"].get(&name).is_some(), "{name}");
    }
}

#[test]
fn what_is_not_a_document_of_invokeai_is_refused_with_its_place() {
    let own = own_document();
    required::check(&own).unwrap();
    let without = |pointer: &str| {
        let mut document = own.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&name).unwrap();
        required::check(&document).unwrap_err()
    };
    for pointer in ["/openapi", "/paths", "/components/schemas", "/components/schemas/ImageCategory"] {
        assert_eq!(without(pointer).pointer, pointer);
    }
    let fault = without("/paths/~1api~1v1~1queue~1{queue_id}~1enqueue_batch");
    assert_eq!(
        (&*fault.pointer, &*fault.message),
        ("/paths", "no operation `enqueue_batch`: this is not a document of InvokeAI")
    );
    for (document, pointer) in [
        (json!([]), ""),
        (json!("text"), ""),
        (json!({"swagger": "2.0", "paths": {}}), "/openapi"),
        (json!({"openapi": "3.1.0", "paths": [], "components": {"schemas": {}}}), "/paths"),
        (json!({"openapi": "3.1.0", "paths": {}, "components": {"schemas": {}}}), "/paths"),
    ] {
        assert_eq!(required::check(&document).unwrap_err().pointer, pointer, "{document}");
    }
    let mut nodeless = own.clone();
    let schemas = nodeless["components"]["schemas"].as_object_mut().unwrap();
    schemas.retain(|_, schema| schema["class"] != "invocation");
    assert_eq!(required::check(&nodeless).unwrap_err().pointer, "/components/schemas");
}

#[test]
fn documents_of_other_releases() {
    let Some(folder) = reference::documents("lowering documents of other releases") else { return };
    let entries = fs::read_dir(&folder).unwrap();
    let mut seen = 0;
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        let counts = lower(&mut document(&path)).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        let zero: Vec<_> = counts.iter().filter(|c| c.touched == 0).map(|Count { rule, .. }| rule.name).collect();
        eprintln!("{}: lowered; rules without work: {zero:?}", path.display());
        seen += 1;
    }
    assert!(seen > 0, "no document in {}", folder.display());
}

#[test]
fn enum_values_become_rust_names() {
    let schemas =
        |values: &[&str]| json!({"components": {"schemas": {"E": {"type": "string", "enum": values}, "F": {}}}});
    let source = |values: &[&str]| enums::source(&enums::find(&schemas(values)));
    let made = source(&["sd-1", "", "4k", "Unknown", "any", "Self", "wan_2.1", "BFloat16", "++"]);
    let expected = r#"crate::base::open_enum::open_enum! { E {
    Sd1 = "sd-1",
    Empty = "",
    V4k = "4k",
    UnknownValue = "Unknown",
    Any = "any",
    SelfValue = "Self",
    Wan21 = "wan_2.1",
    BFloat16 = "BFloat16",
"#;
    // Punctuation alone does not leave a name either.
    let clash = made.unwrap_err();
    assert_eq!(clash, "`` and `++` of E would both be called `Empty`");
    let made = source(&["sd-1", "", "4k", "Unknown", "any", "Self", "wan_2.1", "BFloat16"]).unwrap();
    assert_eq!(made, format!("{expected}}} }}\n"));
    assert_eq!(source(&["a b", "a-b"]).unwrap_err(), "`a b` and `a-b` of E would both be called `AB`");
}

/// A lowered document: only what operations ask for and how they answer counts here.
fn operations(paths: Value) -> Value {
    let mut document = json!({"paths": paths, "components": {"schemas": {}}});
    lower::walk::operations(&mut document, &mut |_, _, operation| {
        operation.entry("responses").or_insert(json!({"200": {"content": {"application/json": {"schema": {}}}}}));
        Ok(())
    })
    .unwrap();
    document
}

fn found(document: &Value, id: &str) -> (String, String, Value) {
    let mut all = lower::walk::each_operation(document).filter(|(_, _, operation)| operation["operationId"] == id);
    let (path, method, operation) = all.next().unwrap_or_else(|| panic!("no operation `{id}`"));
    assert!(all.next().is_none(), "two operations are called `{id}`");
    (path.clone(), method.clone(), operation.clone())
}

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn operations_with_only_the_name_in_common_are_incompatible() {
    let json = json!({"content": {"application/json": {"schema": {}}}});
    let file = json!({"200": {"content": {"application/octet-stream": {"schema": {}}}}});
    let fields = |required: bool| json!([{"name": "file", "required": true}, {"name": "note", "required": required}]);
    let own = operations(json!({
        "/videos/i/{video_name}": {"get": {"operationId": "get_video_dto"}, "patch": {"operationId": "update_video"}},
        "/images/": {"get": {"operationId": "list_images", "parameters": [{"in": "query", "name": "limit"}]}},
        "/boards/": {"get": {"operationId": "list_boards", "parameters": [{"in": "query", "name": "all"}]}},
        "/names": {"get": {"operationId": "by_query"}, "post": {"operationId": "by_body", "requestBody": json}},
        "/file": {"get": {"operationId": "file"}, "post": {"operationId": "upload", "x-form-fields": fields(false)}},
        "/gone": {"delete": {"operationId": "delete", "responses": {"204": {}}}},
    }));
    let other = operations(json!({
        "/videos/i/{video_id}": {"get": {"operationId": "get_video_dto"}},
        "/v2/videos/i/{video_name}": {"patch": {"operationId": "update_video"}},
        "/images/": {"get": {"operationId": "list_images", "parameters": [
            {"in": "query", "name": "limit", "required": true},
            {"in": "query", "name": "new"},
        ]}},
        "/boards/": {"get": {"operationId": "list_boards", "parameters": [
            {"in": "query", "name": "owner", "required": true},
        ]}},
        "/names": {"get": {"operationId": "by_query", "requestBody": json}, "post": {"operationId": "by_body"}},
        "/file": {"get": {"operationId": "file", "responses": file}, "post": {"operationId": "upload", "x-form-fields": fields(true)}},
        "/gone": {"delete": {"operationId": "delete"}},
        "/new/{id}": {"get": {"operationId": "new"}},
    }));
    let names: Vec<String> = incompatible::incompatible(&other, &own).into_iter().collect();
    assert_eq!(names, ["by_body", "by_query", "delete", "file", "get_video_dto", "list_boards"]);
    assert_eq!(incompatible::incompatible(&own, &own).len(), 0);
    let without = json!({"x-form-fields": [{"name": "file", "required": true}], "operationId": "upload"});
    let older = operations(json!({"/file": {"post": without}}));
    assert_eq!(incompatible::incompatible(&other, &older).into_iter().collect::<Vec<_>>(), ["upload"]);
}

#[test]
fn a_missing_operation_is_added_with_its_types() {
    let answer = json!({"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}});
    let body = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}});
    let mut own = operations(json!({
        "/things/{id}": {
            "get": {"operationId": "get_thing", "responses": answer},
            "put": {"operationId": "put_thing", "requestBody": body, "responses": answer, "parameters": [
                {"in": "query", "name": "kind", "required": true, "schema": {"$ref": "#/components/schemas/Kind"}},
            ]},
        },
        "/taken": {"get": {"operationId": "mine", "responses": {"200": {}}}},
    }));
    own["components"]["schemas"] = json!({
        "Answer": {"type": "object"},
        "Body": {"type": "object", "properties": {"part": {"$ref": "#/components/schemas/Part"}}},
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Part": {"type": "object", "properties": {"whole": {"$ref": "#/components/schemas/Body"}}},
        "Unused": {"type": "object"},
    });
    let mut document = operations(json!({
        "/things/{id}": {"get": {"operationId": "get_thing", "responses": answer}},
        "/taken": {"get": {"operationId": "theirs"}},
    }));
    document["components"]["schemas"] =
        json!({"Answer": {"type": "object"}, "Kind": {"type": "string", "enum": ["c"]}});
    let before = document.clone();
    merge::merge(&mut document, &own).unwrap();

    assert_eq!(found(&document, "get_thing"), found(&before, "get_thing"));
    assert_eq!(found(&document, "theirs"), found(&before, "theirs"));
    let (path, method, put) = found(&document, "put_thing");
    assert_eq!((&*path, &*method, &put["x-missing"]), ("/things/{id}", "put", &json!(true)));
    assert_eq!(put["requestBody"], body);
    assert_eq!(put["parameters"][0]["required"], true);
    assert_eq!(
        put["responses"],
        json!({"200": {"content": {"application/json": {"schema": {}}}}}),
        "no type of answers"
    );
    let (path, method, mine) = found(&document, "mine");
    assert_eq!((&*path, &*method, &mine["x-missing"]), ("/taken?x-missing", "get", &json!(true)));
    assert_eq!(mine["responses"], json!({"200": {}}));
    assert_eq!(names(&document["components"]["schemas"]), ["Answer", "Body", "Kind", "Part"]);
    assert_eq!(document["components"]["schemas"]["Kind"]["enum"], json!(["c"]), "the type of the document");
}

#[test]
fn a_missing_parameter_is_added_and_may_be_left_out() {
    let parameter = |name: &str, required: bool| json!({"in": "query", "name": name, "required": required, "schema": {"$ref": format!("#/components/schemas/{name}")}});
    let field = |name: &str, required: bool| json!({"name": name, "required": required, "file": false});
    let mut own = operations(json!({"/things/": {
        "get": {"operationId": "list", "parameters": [parameter("limit", false), parameter("order", false), parameter("owner", true)]},
        "post": {"operationId": "upload", "x-form-fields": [field("file", true), field("note", true)]},
        "delete": {"operationId": "clear", "parameters": [parameter("all", false)]},
    }}));
    own["components"]["schemas"] = json!({"limit": {}, "order": {}, "owner": {}, "all": {}});
    let mut document = operations(json!({"/things/": {
        "get": {"operationId": "list", "parameters": [parameter("limit", false), parameter("theirs", false)]},
        "post": {"operationId": "upload", "x-form-fields": [field("file", true)]},
        "delete": {"operationId": "clear"},
    }}));
    merge::merge(&mut document, &own).unwrap();

    let missing = |mut parameter: Value| {
        parameter["required"] = json!(false);
        parameter["x-missing"] = json!(true);
        parameter
    };
    let list = found(&document, "list").2;
    let [order, owner] = ["order", "owner"].map(|name| missing(parameter(name, false)));
    assert_eq!(list["parameters"], json!([parameter("limit", false), parameter("theirs", false), order, owner]));
    assert_eq!(list.get("x-missing"), None);
    let upload = found(&document, "upload").2;
    assert_eq!(upload["x-form-fields"], json!([field("file", true), missing(field("note", false))]));
    assert_eq!(found(&document, "clear").2["parameters"], json!([missing(parameter("all", false))]));
    assert_eq!(names(&document["components"]["schemas"]), ["all", "order", "owner"]);
}

#[test]
fn an_incompatible_operation_makes_way_for_the_form_of_the_package() {
    let own = operations(json!({
        "/videos/i/{video_name}": {"get": {"operationId": "get_video_dto"}},
        "/boards/": {"get": {"operationId": "list_boards"}},
    }));
    let mut document = operations(json!({
        "/videos/i/{video_id}": {"get": {"operationId": "get_video_dto"}},
        "/boards/": {"get": {"operationId": "list_boards", "parameters": [
            {"in": "query", "name": "owner", "required": true},
        ]}},
    }));
    let before = document.clone();
    merge::merge(&mut document, &own).unwrap();
    for (id, renamed, place) in [
        ("get_video_dto", "get_video_dto_videos_i_video_id_get", "/videos/i/{video_name}"),
        ("list_boards", "list_boards_boards_get", "/boards/?x-missing"),
    ] {
        let (path, _, own) = found(&document, id);
        assert_eq!((&*path, &own["x-missing"]), (place, &json!(true)));
        let (path, method, mut theirs) = found(&document, renamed);
        theirs["operationId"] = json!(id);
        assert_eq!((path, method, theirs), found(&before, id), "as it was, except for the name");
    }
}

#[test]
fn the_document_of_the_package_needs_no_additions() {
    let mut own = own_document();
    lower(&mut own).unwrap();
    let before = own.clone();
    merge::merge(&mut own, &before).unwrap();
    assert_eq!(own, before);
}
