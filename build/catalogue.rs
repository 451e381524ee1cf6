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
/// Members of a field that it does not read.
const FIELD_NOISE: [&str; 4] = ["orig_default", "additionalProperties", "examples", "propertyNames"];

/// The document with nothing but the invocation and output schemas, each with nothing but what the catalogue reads.
/// Reading the result gives the same catalogue as reading the whole document.
pub(crate) fn compact(document: &Value) -> Value {
    let no_schemas = Map::new();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&no_schemas);
    let kept: Map<String, Value> = schemas
        .iter()
        .filter_map(|(name, schema)| Some((name, schema.as_object()?)))
        .filter(|(_, schema)| schema.get("class").is_some_and(|class| class == "invocation" || class == "output"))
        .map(|(name, schema)| (name.clone(), Value::Object(compact_schema(schema))))
        .collect();
    json!({"components": {"schemas": kept}})
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
            // Of these the catalogue reads the default only.
            let attribute = name == "type" || name == "use_cache";
            field.retain(|key, _| if attribute { key == "default" } else { !FIELD_NOISE.contains(&key.as_str()) });
        }
    }
    kept
}
