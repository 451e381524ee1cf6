//! Rules about schemas: 3.1 constructs, InvokeAI's own keywords, and where the server does not do what it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Fault, Rule, members, names, overrides, unions, walk, walk::Object};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "opaque_schemas",
        why: "documents that must not lose a member stay JSON values",
        apply: opaque_schemas,
    },
    Rule {
        name: "any_references",
        why: "a reference to a schema that says nothing is a plain JSON value, not a wrapper type",
        apply: any_references,
    },
    Rule {
        name: "open_unions",
        why: "nodes, outputs, model configurations and install sources grow with every release and custom node: JSON",
        apply: unions::open_unions,
    },
    Rule {
        name: "unreachable_schemas",
        why: "what neither a call nor an event mentions needs no type (nodes are data: see the catalog)",
        apply: unreachable_schemas,
    },
    Rule { name: "node_hints", why: "keywords of InvokeAI's editor, not of JSON Schema", apply: node_hints },
    Rule {
        name: "titles",
        why: "inline titles become type names and collide (`Log Level`, `Graph`, `Workflow`)",
        apply: |document| strip(document, &["title"]),
    },
    Rule {
        name: "annotations",
        why: "no influence on the shape of a value",
        apply: |document| strip(document, ANNOTATIONS),
    },
    Rule {
        name: "closed_objects",
        why: "`additionalProperties: false` would refuse answers and events that have new members",
        apply: closed_objects,
    },
    Rule { name: "tuples", why: "a list with a type for each element is a list of JSON values", apply: tuples },
    Rule { name: "constants", why: "a constant is a value of its type; the description says which", apply: constants },
    Rule { name: "mixed_enums", why: "strings and numbers in one enum have no Rust type", apply: mixed_enums },
    Rule { name: "integer_enums", why: "an integer the server may extend", apply: integer_enums },
    Rule {
        name: "other_enums",
        why: "only strings and integers make a choice that a type can name",
        apply: other_enums,
    },
    Rule {
        name: "formats",
        why: "the server's dates, mail addresses and paths do not keep to their formats: plain strings",
        apply: formats,
    },
    Rule { name: "bounds", why: "the server checks values; the description says the range", apply: bounds },
    Rule {
        name: "equal_alternatives",
        why: "a date or a string is a string, once formats are gone",
        apply: unions::equal_alternatives,
    },
    Rule {
        name: "nullable_unions",
        why: "`anyOf` of one schema and null is that schema, nullable",
        apply: unions::nullable_unions,
    },
    Rule {
        name: "scalar_unions",
        why: "an untagged choice of several shapes stays a JSON value",
        apply: unions::scalar_unions,
    },
    Rule { name: "null_types", why: "nothing but null is a plain JSON value", apply: null_types },
    Rule {
        name: "defaults",
        why: "a default is the server's business; not sending a member means the same and survives changes",
        apply: |document| strip(document, &["default"]),
    },
    Rule {
        name: "ghost_members",
        why: "`required` names members twice or names some that do not exist (`output_meta`)",
        apply: members::ghost_members,
    },
    Rule {
        name: "nullable_members",
        why: "a member that may be null may be missing (`GET queue/{q}/i/{id}` leaves every null out)",
        apply: members::nullable_members,
    },
    Rule { name: "young_members", why: "older servers do not send them", apply: members::young_members },
    Rule {
        name: "inline_enums",
        why: "an enum gets a name of its own, so that it can be open",
        apply: names::inline_enums,
    },
    Rule { name: "reference_siblings", why: "3.0 ignores what is beside `$ref`", apply: reference_siblings },
    Rule {
        name: "schema_names",
        why: "names as Rust writes them, so that types and schemas have the same names",
        apply: names::schema_names,
    },
];

/// Keywords that InvokeAI adds for its editor (`invokeai/app/invocations/fields.py`, `baseinvocation.py`).
const NODE_HINTS: &[&str] = &[
    "category",
    "class",
    "classification",
    "field_kind",
    "ge",
    "input",
    "le",
    "node_pack",
    "orig_default",
    "orig_required",
    "output",
    "tags",
    "version",
];

/// Prefixes of more of them, and the prefix that OpenAPI leaves to everybody.
const HINT_PREFIXES: &[&str] = &["ui_", "x-"];

const ANNOTATIONS: &[&str] = &[
    "$comment",
    "contentMediaType",
    "deprecated",
    "example",
    "examples",
    "patternProperties",
    "propertyNames",
    "readOnly",
    "uniqueItems",
    "writeOnly",
];

/// Whether it is a schema that no path reaches but that the socket sends.
pub(crate) fn is_event(name: &str) -> bool {
    name.ends_with("Event")
}

fn opaque_schemas(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for name in overrides::OPAQUE_SCHEMAS {
            if let Some(schema) = schemas.get_mut(*name) {
                let description = schema.get("description").cloned();
                *schema = json!({});
                if let Some(description) = description {
                    schema["description"] = description;
                }
                touched += 1;
            }
        }
    }
    Ok(touched)
}

fn any_references(document: &mut Value) -> Result<usize, Fault> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let says_nothing = |schema: &Value| {
        schema
            .as_object()
            .is_some_and(|schema| schema.keys().all(|key| matches!(key.as_str(), "description" | "title")))
    };
    let empty: BTreeSet<String> = schemas
        .into_iter()
        .flatten()
        .filter(|(_, schema)| says_nothing(schema))
        .map(|(name, _)| name.clone())
        .collect();
    walk::schemas(document, &mut |_, schema| {
        let target = schema.get("$ref").and_then(Value::as_str).map(schema_name);
        let touched = target.is_some_and(|name| empty.contains(name));
        if touched {
            schema.remove("$ref");
        }
        Ok(usize::from(touched))
    })
}

fn unreachable_schemas(document: &mut Value) -> Result<usize, Fault> {
    let mut reached = BTreeSet::new();
    let mut waiting = references(document.get("paths").unwrap_or(&Value::Null));
    let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) else {
        return Err(Fault::new("/components/schemas", "missing"));
    };
    waiting.extend(schemas.keys().filter(|name| is_event(name)).cloned());
    while let Some(name) = waiting.pop() {
        let Some(schema) = schemas.get(&name) else {
            return Err(Fault::new(format!("/components/schemas/{name}"), "referred to but not there"));
        };
        if reached.insert(name) {
            waiting.extend(references(schema));
        }
    }
    let before = schemas.len();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.retain(|name, _| reached.contains(name));
    }
    Ok(before - reached.len())
}

/// Names of all schemas that a piece of the document refers to.
pub(crate) fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, child)| match child.as_str() {
                Some(target) if key == "$ref" => vec![schema_name(target).to_owned()],
                _ => references(child),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn schema_name(reference: &str) -> &str {
    reference.strip_prefix("#/components/schemas/").unwrap_or(reference)
}

fn strip(document: &mut Value, keywords: &[&str]) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        Ok(keywords.iter().filter(|keyword| schema.remove(**keyword).is_some()).count())
    })
}

fn node_hints(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let before = schema.len();
        schema.retain(|keyword, _| {
            !NODE_HINTS.contains(&keyword.as_str()) && !HINT_PREFIXES.iter().any(|prefix| keyword.starts_with(prefix))
        });
        Ok(before - schema.len())
    })
}

fn closed_objects(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let closed = schema.get("additionalProperties").is_some_and(|more| *more == false);
        if closed {
            schema.remove("additionalProperties");
        }
        Ok(usize::from(closed))
    })
}

fn tuples(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let is_tuple = schema.remove("prefixItems").is_some();
        if is_tuple {
            schema.insert("type".into(), json!("array"));
            schema.insert("items".into(), json!({}));
        }
        Ok(usize::from(is_tuple))
    })
}

fn null_types(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let is_null = schema.get("type").is_some_and(|kind| kind == "null");
        if is_null {
            schema.remove("type");
        }
        Ok(usize::from(is_null))
    })
}

fn describe(schema: &mut Object, note: &str) {
    let text = match schema.get("description").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => format!("{text}\n\n{note}"),
        _ => note.to_owned(),
    };
    schema.insert("description".into(), Value::String(text));
}

fn constants(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |pointer, schema| {
        let Some(constant) = schema.remove("const") else {
            return Ok(0);
        };
        let kind = match &constant {
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::Null => "null",
            other => {
                return Err(Fault::new(pointer, format!("a constant of an unexpected type: {other}")));
            }
        };
        schema.insert("type".into(), json!(kind));
        describe(schema, &format!("Always `{constant}`."));
        Ok(1)
    })
}

pub(super) fn enum_values(schema: &Object) -> Option<&Vec<Value>> {
    schema.get("enum").and_then(Value::as_array)
}

fn mixed_enums(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let mixed = enum_values(schema)
            .is_some_and(|values| values.iter().any(Value::is_string) && !values.iter().all(Value::is_string));
        if mixed {
            schema.remove("enum");
            schema.remove("type");
        }
        Ok(usize::from(mixed))
    })
}

fn integer_enums(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let integers = enum_values(schema).is_some_and(|values| values.iter().all(|v| v.is_i64() || v.is_u64()));
        if !integers {
            return Ok(0);
        }
        if let Some(values) = schema.remove("enum") {
            schema.insert("type".into(), json!("integer"));
            describe(schema, &format!("Known values: {values}."));
        }
        Ok(1)
    })
}

fn other_enums(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let other = enum_values(schema).is_some_and(|values| !values.iter().all(Value::is_string));
        if other && let Some(values) = schema.remove("enum") {
            describe(schema, &format!("Known values: {values}."));
        }
        Ok(usize::from(other))
    })
}

fn formats(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        if schema.get("format").is_none_or(|format| format == "binary") {
            return Ok(0);
        }
        schema.remove("format");
        Ok(1)
    })
}

fn bounds(document: &mut Value) -> Result<usize, Fault> {
    const WORDS: [(&str, &str); 10] = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "greater than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "a multiple of"),
        ("minLength", "length at least"),
        ("maxLength", "length at most"),
        ("minItems", "number of items at least"),
        ("maxItems", "number of items at most"),
        ("pattern", "matching"),
    ];
    walk::schemas(document, &mut |_, schema| {
        let mut said = Vec::new();
        for (keyword, words) in WORDS {
            match schema.remove(keyword) {
                Some(Value::String(pattern)) => said.push(format!("{words} `{pattern}`")),
                Some(limit) => said.push(format!("{words} {limit}")),
                None => {}
            }
        }
        if !said.is_empty() {
            describe(schema, &format!("Accepted: {}.", said.join(", ")));
        }
        Ok(usize::from(!said.is_empty()))
    })
}

fn reference_siblings(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        if !schema.contains_key("$ref") || schema.len() == 1 {
            return Ok(0);
        }
        let nullable = schema.contains_key("nullable");
        schema.retain(|keyword, _| keyword == "$ref" || (nullable && keyword == "nullable"));
        if nullable && let Some(reference) = schema.remove("$ref") {
            schema.insert("allOf".into(), json!([{"$ref": reference}]));
        }
        Ok(1)
    })
}
