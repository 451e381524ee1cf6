//! JSON schemas of what callers get: for the OpenAPI document, and for the tools of agents.

use serde_json::{Value, json};

use super::{
    offer::Offer,
    state::{STATES, VALUES},
};
use crate::schema::{Cardinality, FieldType};

/// A run, with what the schemas of outputs and problems are there.
pub(super) fn run(output: &Value, problem: &Value) -> Value {
    let states = STATES.map(|state| state.as_str());
    let text = || json!({ "type": "string" });
    let maybe = |kind: &str| json!({ "type": [kind, "null"] });
    json!({
        "type": "object",
        "required": ["id", "workflow", "state", "created", "ended", "progress", "outputs", "problem", "links"],
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "workflow": text(),
            "state": { "type": "string", "enum": states },
            "created": { "type": "string", "format": "date-time" },
            "ended": { "type": ["string", "null"], "format": "date-time" },
            "progress": {
                "type": ["object", "null"],
                "properties": {
                    "fraction": { "type": "number", "minimum": 0, "maximum": 1 },
                    "items": { "type": "integer" },
                    "items_ended": { "type": "integer" },
                    "node": maybe("string"),
                    "node_fraction": maybe("number"),
                    "message": maybe("string"),
                },
            },
            "outputs": { "type": "array", "items": output },
            "problem": { "anyOf": [problem, { "type": "null" }] },
            "links": {
                "type": "object", "required": ["self", "events"],
                "properties": { "self": text(), "events": text() },
            },
        },
    })
}

/// A run of this workflow, with nothing referred to.
pub(super) fn run_of(offer: &Offer) -> Value {
    let mut run = run(&json!({}), &problem());
    run["properties"]["outputs"] = outputs_of(offer, &file());
    run
}

/// What this workflow gives: files, and its texts and numbers by their fields and types.
pub(super) fn outputs_of(offer: &Offer, file: &Value) -> Value {
    let mut kinds = vec![file.clone()];
    kinds.extend(offer.values().iter().map(|output| {
        let mut schema = value();
        schema["title"] = format!("{}: {}", output.node.name(), output.title).into();
        schema["properties"]["field"] = json!({ "const": output.field });
        schema["properties"]["value"] = of_type(&output.field_type);
        schema
    }));
    json!({ "type": "array", "items": { "anyOf": kinds } })
}

/// The values of a field of this type.
fn of_type(field: &FieldType) -> Value {
    let one = match &*field.name {
        "StringField" => json!({ "type": "string" }),
        "IntegerField" => json!({ "type": "integer" }),
        "FloatField" => json!({ "type": "number" }),
        "BooleanField" => json!({ "type": "boolean" }),
        "CollectionField" => return json!({ "type": "array" }),
        _ => json!({ "type": "object" }),
    };
    let several = json!({ "type": "array", "items": one });
    match field.cardinality {
        Cardinality::Single => one,
        Cardinality::Collection => several,
        Cardinality::SingleOrCollection => json!({ "anyOf": [one, several] }),
    }
}

/// A file that a run made.
pub(super) fn file() -> Value {
    json!({
        "type": "object",
        "required": ["n", "kind", "node", "name", "width", "height", "href"],
        "properties": {
            "n": { "type": "integer" },
            "kind": { "type": "string", "enum": ["image", "video"] },
            "node": { "type": "string", "description": "The node that made it." },
            "name": { "type": "string", "description": "Name on the server: what an input of another run takes." },
            "width": { "type": ["integer", "null"] },
            "height": { "type": ["integer", "null"] },
            "href": { "type": "string", "description": "Address of the file." },
        },
    })
}

/// A text, a number and the like.
pub(super) fn value() -> Value {
    json!({
        "type": "object",
        "required": ["n", "kind", "node", "field", "value", "href"],
        "properties": {
            "n": { "type": "integer" },
            "kind": { "type": "string", "enum": VALUES },
            "node": { "type": "string", "description": "The node that gave it." },
            "field": { "type": "string", "description": "Field of the node's output." },
            "value": { "description": "The value itself." },
            "href": { "type": "string", "description": "Address of the value alone: a text as it is, all else as JSON." },
        },
    })
}

/// A refusal, or why a run failed.
pub(super) fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "One word for programs." },
            "detail": { "type": "string" },
            "retry_after": { "type": "integer", "description": "Seconds after which to try again." },
            "errors": { "type": "array", "items": {
                "type": "object",
                "required": ["field", "value", "accepted"],
                "properties": {
                    "field": { "type": "string" },
                    "value": { "type": ["string", "null"], "description": "What was given, as JSON." },
                    "accepted": { "type": "string" },
                },
            } },
        },
    })
}
