//! The lowering of OpenAPI documents: every rule before and after, every refusal, and the counts for the document of the package.

use std::{fs, path::Path};

use lower::{Count, lower, report, rules};
use lowering_cases::{Case, cases, faults};
use serde_json::{Value, json};

use crate::common::{listing, lowering_cases, skip};
use crate::{enums, essentials, lower, strangers};

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
fn what_is_no_document_of_invokeai_is_refused_with_its_place() {
    let own = own_document();
    essentials::check(&own).unwrap();
    let without = |pointer: &str| {
        let mut document = own.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&name).unwrap();
        essentials::check(&document).unwrap_err()
    };
    for pointer in ["/openapi", "/paths", "/components/schemas", "/components/schemas/ImageCategory"] {
        assert_eq!(without(pointer).pointer, pointer);
    }
    let fault = without("/paths/~1api~1v1~1queue~1{queue_id}~1enqueue_batch");
    assert_eq!(
        (&*fault.pointer, &*fault.message),
        ("/paths", "no operation `enqueue_batch`: this is no document of InvokeAI")
    );
    for (document, pointer) in [
        (json!([]), ""),
        (json!("text"), ""),
        (json!({"swagger": "2.0", "paths": {}}), "/openapi"),
        (json!({"openapi": "3.1.0", "paths": [], "components": {"schemas": {}}}), "/paths"),
        (json!({"openapi": "3.1.0", "paths": {}, "components": {"schemas": {}}}), "/paths"),
    ] {
        assert_eq!(essentials::check(&document).unwrap_err().pointer, pointer, "{document}");
    }
    let mut nodeless = own.clone();
    let schemas = nodeless["components"]["schemas"].as_object_mut().unwrap();
    schemas.retain(|_, schema| schema["class"] != "invocation");
    assert_eq!(essentials::check(&nodeless).unwrap_err().pointer, "/components/schemas");
}

#[test]
fn documents_of_other_releases() {
    let folder = Path::new(PACKAGE).join("../shared/openapi");
    let Ok(entries) = fs::read_dir(&folder) else {
        skip::skipped(format_args!("lowering documents of other releases: {} is not here", folder.display()));
        return;
    };
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
    let expected = r#"crate::open_enum::open_enum! { E {
    Sd1 = "sd-1",
    Empty = "",
    V4k = "4k",
    UnknownValue = "Unknown",
    Any = "any",
    SelfValue = "Self",
    Wan21 = "wan_2.1",
    BFloat16 = "BFloat16",
"#;
    // Signs alone leave no name either.
    let clash = made.unwrap_err();
    assert_eq!(clash, "`` and `++` of E would both be called `Empty`");
    let made = source(&["sd-1", "", "4k", "Unknown", "any", "Self", "wan_2.1", "BFloat16"]).unwrap();
    assert_eq!(made, format!("{expected}}} }}\n"));
    assert_eq!(source(&["a b", "a-b"]).unwrap_err(), "`a b` and `a-b` of E would both be called `AB`");
}

#[test]
fn operations_that_only_share_the_name_are_none_of_ours() {
    let own = json!({"paths": {
        "/videos/i/{video_name}": {"get": {"operationId": "get_video_dto"}, "patch": {"operationId": "update_video"}},
        "/images/": {"get": {"operationId": "list_images", "parameters": [{"in": "query", "name": "limit"}]}},
        "/boards/": {"get": {"operationId": "list_boards", "parameters": [{"in": "query", "name": "all"}]}},
    }});
    let other = json!({"paths": {
        "/videos/i/{video_id}": {"get": {"operationId": "get_video_dto"}},
        "/v2/videos/i/{video_name}": {"patch": {"operationId": "update_video"}},
        "/images/": {"get": {"operationId": "list_images", "parameters": [
            {"in": "query", "name": "limit", "required": true},
            {"in": "query", "name": "new"},
        ]}},
        "/boards/": {"get": {"operationId": "list_boards", "parameters": [
            {"in": "query", "name": "owner", "required": true},
        ]}},
        "/new/{id}": {"get": {"operationId": "new"}},
    }});
    let found: Vec<String> = strangers::strangers(&other, &own).into_iter().collect();
    assert_eq!(found, ["get_video_dto", "list_boards"]);
    assert_eq!(strangers::strangers(&own, &own).len(), 0);
}
