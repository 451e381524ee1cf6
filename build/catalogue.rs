//! Cuts InvokeAI's OpenAPI document down to what the node catalogue reads (`src/schema/`).

use serde_json::{Map, Value, json};

/// Members of an invocation or output schema that the catalogue reads.
const SCHEMA_MEMBERS: [&str; 10] = [
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
/// Members of a field that the catalogue does not read.
const FIELD_NOISE: [&str; 4] = ["orig_default", "additionalProperties", "examples", "propertyNames"];

/// The nodes as a Rust array: the type of each, and the JSON text of a document with only its schema and that of its
/// output, reduced to what the catalogue reads. Reading them all, in this order, gives the same catalogue as reading
/// the whole document. A schema that names no type gets an empty one.
pub(crate) fn nodes(document: &Value) -> String {
    let no_schemas = Map::new();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&no_schemas);
    let mut array = String::from("[\n");
    for (name, schema) in schemas {
        let Some(schema) = schema.as_object().filter(|s| s.get("class").is_some_and(|class| class == "invocation"))
        else {
            continue;
        };
        let output = schema.get("output").and_then(|output| output["$ref"].as_str()?.rsplit('/').next());
        let parts = [Some((name.as_str(), schema)), output.and_then(|o| Some((o, schemas.get(o)?.as_object()?)))];
        let parts = parts.into_iter().flatten();
        let kept: Map<String, Value> =
            parts.map(|(name, schema)| (name.to_owned(), Value::Object(compact_schema(schema)))).collect();
        let node_type = schema.get("properties").and_then(|p| p["type"]["default"].as_str()).unwrap_or_default();
        let document = json!({"components": {"schemas": kept}}).to_string();
        // A raw string keeps quotes as they are: the text is shorter, and rustc reads it faster.
        let hashes = "#".repeat(1 + document.matches("\"#").count());
        array.push_str(&format!("({node_type:?}, r{hashes}\"{document}\"{hashes}),\n"));
    }
    array + "]"
}

fn compact_schema(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut kept: Map<String, Value> = schema.clone();
    kept.retain(|key, _| SCHEMA_MEMBERS.contains(&key.as_str()));
    if let Some(properties) = kept.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, property| name != "id" && property["ui_type"] != "IsIntermediate");
        for (name, property) in properties.iter_mut() {
            let Some(field) = property.as_object_mut() else {
                continue;
            };
            // Of these, the catalogue reads only the default.
            let attribute = name == "type" || name == "use_cache";
            field.retain(|key, _| if attribute { key == "default" } else { !FIELD_NOISE.contains(&key.as_str()) });
        }
    }
    kept
}
