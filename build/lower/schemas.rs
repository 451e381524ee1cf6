//! Rules about schemas: 3.1 constructs, InvokeAI's own keywords, and what the server does otherwise than it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Fault, Rule, overrides, walk, walk::Object};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "opaque_schemas",
        why: "documents that must not lose a member stay JSON values",
        apply: opaque_schemas,
    },
    Rule {
        name: "any_references",
        why: "a reference to a schema that says nothing is that nothing: a plain JSON value, no wrapper type",
        apply: any_references,
    },
    Rule {
        name: "open_unions",
        why: "nodes, outputs, model configurations and install sources grow with every release and custom node: JSON",
        apply: open_unions,
    },
    Rule {
        name: "unreachable_schemas",
        why: "what neither a call nor an event mentions is nobody's type (nodes are data: see the catalogue)",
        apply: unreachable_schemas,
    },
    Rule {
        name: "node_hints",
        why: "keywords of InvokeAI's editor, no JSON Schema",
        apply: |document| strip(document, NODE_HINTS),
    },
    Rule {
        name: "titles",
        why: "inline titles become type names and collide (`Log Level`, `Graph`, `Workflow`)",
        apply: |document| strip(document, &["title"]),
    },
    Rule {
        name: "annotations",
        why: "no influence on the shape of a value",
        apply: |document| strip(document, &["examples", "propertyNames", "uniqueItems", "contentMediaType"]),
    },
    Rule { name: "constants", why: "a constant is a value of its type; its text says which", apply: constants },
    Rule { name: "mixed_enums", why: "strings and numbers in one enum have no Rust type", apply: mixed_enums },
    Rule { name: "integer_enums", why: "an integer the server may extend", apply: integer_enums },
    Rule {
        name: "formats",
        why: "the server's dates, mail addresses and paths do not keep to their formats: plain strings",
        apply: formats,
    },
    Rule { name: "bounds", why: "the server judges values; the text says the range", apply: bounds },
    Rule {
        name: "equal_alternatives",
        why: "a date or a string is a string, once formats are gone",
        apply: equal_alternatives,
    },
    Rule {
        name: "nullable_unions",
        why: "`anyOf` of one schema and null is that schema, nullable",
        apply: nullable_unions,
    },
    Rule {
        name: "scalar_unions",
        why: "an untagged choice of several shapes stays a JSON value",
        apply: scalar_unions,
    },
    Rule {
        name: "defaults",
        why: "a default is the server's business; not sending a member says the same and survives a change of it",
        apply: |document| strip(document, &["default"]),
    },
    Rule {
        name: "ghost_members",
        why: "`required` names members twice or names some that do not exist (`output_meta`)",
        apply: ghost_members,
    },
    Rule {
        name: "nullable_members",
        why: "a member that may be null may be missing (`GET queue/{q}/i/{id}` leaves every null out)",
        apply: nullable_members,
    },
    Rule { name: "young_members", why: "older servers do not send them", apply: young_members },
    Rule { name: "inline_enums", why: "an enum gets a name of its own, so that it can be open", apply: inline_enums },
    Rule { name: "reference_siblings", why: "3.0 ignores what stands beside `$ref`", apply: reference_siblings },
    Rule {
        name: "schema_names",
        why: "names as Rust writes them, so that types and schemas are called the same",
        apply: schema_names,
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
    "ui_choice_labels",
    "ui_component",
    "ui_hidden",
    "ui_model_base",
    "ui_model_format",
    "ui_model_provider_id",
    "ui_model_type",
    "ui_model_variant",
    "ui_order",
    "ui_type",
    "version",
];

/// From this many members on, a union is one of the great ones.
const GREAT_UNION: usize = 8;

/// Schemas that no path reaches but the socket sends.
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

fn open_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let tagged = schema.remove("discriminator").is_some();
        let mut touched = 0;
        for keyword in ["anyOf", "oneOf"] {
            let Some(members) = schema.get(keyword).and_then(Value::as_array) else {
                continue;
            };
            let references = members.iter().filter(|member| member.get("$ref").is_some()).count();
            if tagged || references >= GREAT_UNION {
                schema.remove(keyword);
                touched += 1;
            }
        }
        Ok(touched)
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
            other => {
                return Err(Fault::new(pointer, format!("a constant of an unexpected type: {other}")));
            }
        };
        schema.insert("type".into(), json!(kind));
        describe(schema, &format!("Always `{constant}`."));
        Ok(1)
    })
}

fn enum_values(schema: &Object) -> Option<&Vec<Value>> {
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

/// The members of a union that are not null, and whether null was one of them.
fn without_null(members: &[Value]) -> (Vec<Value>, bool) {
    let rest: Vec<Value> = members.iter().filter(|member| member["type"] != "null").cloned().collect();
    let nullable = rest.len() < members.len();
    (rest, nullable)
}

fn equal_alternatives(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let Some(members) = schema.get_mut("anyOf").and_then(Value::as_array_mut) else {
            return Ok(0);
        };
        let before = members.len();
        let mut kept: Vec<Value> = Vec::new();
        for member in members.drain(..) {
            if !kept.contains(&member) {
                kept.push(member);
            }
        }
        let touched = usize::from(kept.len() < before);
        if kept.len() == 1 && before > 1 {
            schema.remove("anyOf");
            inherit(schema, kept.remove(0));
        } else {
            schema.insert("anyOf".into(), Value::Array(kept));
        }
        Ok(touched)
    })
}

/// Puts the only member of a union in the place of the union.
fn inherit(schema: &mut Object, member: Value) {
    if let Value::Object(member) = member {
        for (keyword, value) in member {
            schema.entry(keyword).or_insert(value);
        }
    }
}

fn nullable_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let Some(members) = schema.get("anyOf").and_then(Value::as_array) else {
            return Ok(0);
        };
        let (mut rest, nullable) = without_null(members);
        if !nullable {
            return Ok(0);
        }
        match rest.len() {
            0 => {
                schema.remove("anyOf");
            }
            1 => {
                schema.remove("anyOf");
                inherit(schema, rest.remove(0));
            }
            _ => {
                schema.insert("anyOf".into(), Value::Array(rest));
            }
        }
        schema.insert("nullable".into(), json!(true));
        Ok(1)
    })
}

fn scalar_unions(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let unions = ["anyOf", "oneOf"].iter().filter(|keyword| schema.remove(**keyword).is_some()).count();
        Ok(unions)
    })
}

fn ghost_members(document: &mut Value) -> Result<usize, Fault> {
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

fn nullable_members(document: &mut Value) -> Result<usize, Fault> {
    walk::schemas(document, &mut |_, schema| {
        let mut nullable = Vec::new();
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, property) in properties {
                let Some(property) = property.as_object_mut().filter(|property| property.contains_key("nullable"))
                else {
                    continue;
                };
                nullable.push(name.clone());
                // For a list or a map that may be missing the generator makes an empty one, which can be neither read
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

fn young_members(document: &mut Value) -> Result<usize, Fault> {
    let mut touched = 0;
    for (name, members) in overrides::YOUNG_MEMBERS {
        let schema = document.pointer_mut(&format!("/components/schemas/{name}")).and_then(Value::as_object_mut);
        if let Some(schema) = schema {
            touched += not_required(schema, |member| members.contains(&member));
        }
    }
    Ok(touched)
}

fn inline_enums(document: &mut Value) -> Result<usize, Fault> {
    let owners = operation_owners(document)?;
    let mut found: Vec<(String, Value)> = Vec::new();
    let touched = walk::schemas(document, &mut |pointer, schema| {
        let component = pointer.strip_prefix("/components/schemas/");
        if enum_values(schema).is_none() || component.is_some_and(|rest| !rest.contains('/')) {
            return Ok(0);
        }
        let in_operation = || {
            let (place, owner) = owners.iter().find(|(place, _)| pointer.starts_with(place.as_str()))?;
            Some(format!("{owner}{}", &pointer[place.len()..]))
        };
        let path = component.map(str::to_owned).or_else(in_operation);
        let name = enum_name(&path.ok_or_else(|| Fault::new(pointer, "an enum that nothing gives a name to"))?);
        let definition = json!({"type": "string", "enum": schema["enum"]});
        schema.remove("enum");
        schema.remove("type");
        schema.insert("$ref".into(), json!(format!("#/components/schemas/{name}")));
        match found.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != definition => {
                return Err(Fault::new(pointer, format!("two different enums would be called `{name}`")));
            }
            Some(_) => {}
            None => found.push((name, definition)),
        }
        Ok(1)
    })?;
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return Err(Fault::new("/components/schemas", "missing"));
    };
    for (name, definition) in found {
        if schemas.contains_key(&name) {
            return Err(Fault::new(format!("/components/schemas/{name}"), "the name of an inline enum is taken"));
        }
        schemas.insert(name, definition);
    }
    Ok(touched)
}

/// Where an operation's parameters, body and answers stand, and what enums in them are named after.
fn operation_owners(document: &mut Value) -> Result<Vec<(String, String)>, Fault> {
    let mut owners = Vec::new();
    walk::operations(document, &mut |pointer, _, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let parameters = operation.get("parameters").and_then(Value::as_array);
        for (i, parameter) in parameters.into_iter().flatten().enumerate() {
            let name = parameter["name"].as_str().unwrap_or_default();
            owners.push((format!("{pointer}/parameters/{i}/schema"), format!("{id}_{name}")));
        }
        owners.push((format!("{pointer}/requestBody/content/application~1json/schema"), format!("{id}_body")));
        owners.push((format!("{pointer}/responses/"), format!("{id}_answer/")));
        Ok(())
    })?;
    Ok(owners)
}

/// `Owner/properties/status` is `OwnerStatus`; lists and unions on the way add nothing.
fn enum_name(path: &str) -> String {
    const SILENT: &[&str] = &["properties", "items", "anyOf", "allOf", "additionalProperties"];
    path.split('/')
        .filter(|part| !SILENT.contains(part) && part.parse::<usize>().is_err())
        .flat_map(|part| part.split('_'))
        .map(capitalise)
        .collect()
}

fn capitalise(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
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

fn schema_names(document: &mut Value) -> Result<usize, Fault> {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return Err(Fault::new("/components/schemas", "missing"));
    };
    let mut renamed = Object::new();
    let mut touched = 0;
    for (name, schema) in std::mem::take(schemas) {
        let rust = heck::AsUpperCamelCase(&name).to_string();
        touched += usize::from(rust != name);
        if renamed.contains_key(&rust) {
            return Err(Fault::new(format!("/components/schemas/{name}"), format!("a second schema called `{rust}`")));
        }
        renamed.insert(rust, schema);
    }
    *schemas = renamed;
    walk::schemas(document, &mut |_, schema| {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).map(schema_name) {
            let rust = heck::AsUpperCamelCase(name).to_string();
            schema.insert("$ref".into(), json!(format!("#/components/schemas/{rust}")));
        }
        Ok(0)
    })?;
    Ok(touched)
}
