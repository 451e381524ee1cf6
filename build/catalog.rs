//! Cuts InvokeAI's OpenAPI document down to what the node catalog reads (`src/schema/`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Members of the schema of an invocation that the catalog reads.
const INVOCATION: [&str; 10] = [
    "class",
    "title",
    "description",
    "category",
    "tags",
    "version",
    "node_pack",
    "classification",
    "output",
    "properties",
];
/// Members of the schema of an output that the catalog reads.
const OUTPUT: [&str; 2] = ["class", "properties"];
/// Members of a field that the catalog does not read.
const FIELD_NOISE: [&str; 4] = ["orig_default", "additionalProperties", "examples", "propertyNames"];

/// The `Document` of `src/schema/catalog/embedded.rs`, as Rust: the schemas of the nodes and of their outputs, as
/// JSON text, reduced to what the catalog reads. Reading all nodes, in this order, gives the same catalog as reading
/// the whole document. A schema that names no type gets an empty one.
pub(crate) fn nodes(document: &Value) -> String {
    let no_schemas = Map::new();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&no_schemas);
    let (mut nodes, mut outputs) = (String::new(), BTreeMap::new());
    for (name, schema) in schemas {
        let Some(schema) = schema.as_object().filter(|s| s.get("class").is_some_and(|class| class == "invocation"))
        else {
            continue;
        };
        let output = schema.get("output").and_then(|output| output["$ref"].as_str()?.rsplit('/').next());
        if let Some((name, output)) = output.and_then(|name| Some((name, schemas.get(name)?.as_object()?))) {
            outputs.entry(name).or_insert_with(|| text(compact(output, &OUTPUT)));
        }
        let node_type = schema.get("properties").and_then(|p| p["type"]["default"].as_str()).unwrap_or_default();
        let schema = text(compact(schema, &INVOCATION));
        nodes.push_str(&format!("({node_type:?}, {name:?}, {schema}),\n"));
    }
    let outputs: String = outputs.iter().map(|(name, schema)| format!("({name:?}, {schema}),\n")).collect();
    format!("Document {{ nodes: &[\n{nodes}], outputs: &[\n{outputs}] }}")
}

/// A raw string keeps quotes as they are: the text is shorter, and rustc reads it faster.
fn text(schema: Map<String, Value>) -> String {
    let text = Value::Object(schema).to_string();
    let hashes = "#".repeat(1 + text.matches("\"#").count());
    format!("r{hashes}\"{text}\"{hashes}")
}

fn compact(schema: &Map<String, Value>, members: &[&str]) -> Map<String, Value> {
    let mut kept: Map<String, Value> = schema.clone();
    kept.retain(|key, _| members.contains(&key.as_str()));
    if let Some(properties) = kept.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, property| name != "id" && property["ui_type"] != "IsIntermediate");
        for (name, property) in properties.iter_mut() {
            let Some(field) = property.as_object_mut() else {
                continue;
            };
            // Of these, the catalog reads only the default.
            let attribute = name == "type" || name == "use_cache";
            field.retain(|key, _| if attribute { key == "default" } else { !FIELD_NOISE.contains(&key.as_str()) });
        }
    }
    kept
}
