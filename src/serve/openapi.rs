//! The OpenAPI document of a service: exactly its addresses, with the inputs of each workflow.

use serde_json::{Map, Value, json};

use super::{inputs::model_names, limits::Limits, offer::Offer, schemas};
use crate::{schema::ModelRecord, workflow::field::InkField};

/// The document.
pub(super) fn document(offers: &[Offer], models: &[ModelRecord], limits: &Limits, has_token: bool) -> Value {
    let mut paths = Map::new();
    for offer in offers {
        paths.insert(format!("/workflows/{}/runs", offer.name), start(offer, models, limits));
    }
    for (path, item) in runs() {
        paths.insert(path.to_owned(), item);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Workflows of InvokeAI",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Each workflow can be run. A run is answered at once with its address, or with its end if the \
                            request prefers to wait.",
        },
        "paths": paths,
        "components": { "schemas": {
            "Run": schemas::run(&reference("Output"), &reference("Problem")),
            "Output": { "oneOf": [reference("File"), reference("Value")] },
            "File": schemas::file(),
            "Value": schemas::value(),
            "Problem": schemas::problem(),
        } },
    });
    if has_token {
        document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
        document["security"] = json!([{ "token": [] }]);
    }
    document
}

/// `POST /workflows/{name}/runs`.
fn start(offer: &Offer, models: &[ModelRecord], limits: &Limits) -> Value {
    let json_inputs = offer.schema(&|input| model_names(input, models));
    let mut form_inputs = json_inputs.clone();
    for (name, input) in offer.inputs() {
        let file = json!({ "type": "string", "format": "binary" });
        let property = &mut form_inputs["properties"][name];
        match &input.field {
            InkField::Image(_) => in_form(property, file),
            InkField::ImageCollection(_) => in_form(property, json!({ "type": "array", "items": file })),
            _ => {}
        }
    }
    json!({ "post": {
        "operationId": format!("run_{}", offer.name.replace('-', "_")),
        "summary": offer.title(),
        "description": offer.description(),
        "parameters": [
            {
                "name": "Prefer", "in": "header", "schema": { "type": "string" }, "example": "wait=60",
                "description": format!(
                    "`wait=N` answers when the run has ended, or after N seconds, at most {}.", limits.wait.as_secs()
                ),
            },
            {
                "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 255 },
                "description": "A text that no other run has. A request that is sent again with it gives the same run.",
            },
        ],
        "requestBody": { "required": !json_inputs["required"].as_array().is_none_or(Vec::is_empty), "content": {
            "application/json": { "schema": json_inputs },
            "multipart/form-data": { "schema": form_inputs },
        } },
        "responses": with_problems(json!({
            "200": located("The run, which an earlier request with this key led to, and which has ended.", run_of(offer)),
            "201": located("The run, which has ended.", run_of(offer)),
            "202": located("The run, which goes on.", reference("Run")),
        })),
    } })
}

/// A file where JSON takes the name of an image.
fn in_form(property: &mut Value, file: Value) {
    let mut widened = json!({ "anyOf": [file, { "type": "string" }] });
    for key in ["title", "description"] {
        if let Some(text) = property.get(key) {
            widened[key] = text.clone();
        }
    }
    *property = widened;
}

fn runs() -> [(&'static str, Value); 3] {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } });
    let n = json!({ "name": "n", "in": "path", "required": true, "schema": { "type": "integer", "minimum": 0 } });
    let the_run = |text: &str| json!({ "200": described(text, "application/json", reference("Run")) });
    let file = json!({ "type": "string", "format": "binary" });
    [
        (
            "/runs/{id}",
            json!({
                "parameters": [id],
                "get": {
                    "operationId": "get_run", "summary": "How a run stands, and what it gave",
                    "responses": with_problems(the_run("The run.")),
                },
                "delete": {
                    "operationId": "cancel_run", "summary": "Cancel a run",
                    "description": "Nothing changes if it has ended. What it made stays.",
                    "responses": with_problems(the_run("The run, as it is now.")),
                },
            }),
        ),
        (
            "/runs/{id}/events",
            json!({
                "parameters": [id],
                "get": {
                    "operationId": "get_run_events", "summary": "What happens in a run, as server-sent events",
                    "description": "`run` has the run, `preview` the picture as it is now (`width`, `height`, `data`: a data \
                                    URL), `end` the run as it ended; then the stream ends.",
                    "responses": with_problems(json!({
                        "200": described("Events.", "text/event-stream", json!({ "type": "string" })),
                    })),
                },
            }),
        ),
        (
            "/runs/{id}/outputs/{n}",
            json!({
                "parameters": [id, n],
                "get": {
                    "operationId": "get_output", "summary": "What a run made: a file, a text, or JSON",
                    "responses": with_problems(json!({ "200": { "description": "The file, or the value.", "content": {
                        "image/png": { "schema": file }, "video/mp4": { "schema": file },
                        "text/plain": { "schema": { "type": "string" } }, "application/json": { "schema": {} },
                    } } })),
                },
            }),
        ),
    ]
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn described(text: &str, kind: &str, schema: Value) -> Value {
    json!({ "description": text, "content": { kind: { "schema": schema } } })
}

/// A run of this workflow: of what it gives more is known than of others.
fn run_of(offer: &Offer) -> Value {
    let outputs = schemas::outputs_of(offer, &reference("File"));
    json!({ "allOf": [
        reference("Run"),
        { "type": "object", "properties": { "workflow": { "const": offer.name }, "outputs": outputs } },
    ] })
}

fn located(text: &str, schema: Value) -> Value {
    let mut response = described(text, "application/json", schema);
    response["headers"] =
        json!({ "Location": { "schema": { "type": "string" }, "description": "Address of the run." } });
    response
}

fn with_problems(mut responses: Value) -> Value {
    responses["default"] = described("A refusal.", "application/problem+json", reference("Problem"));
    responses
}
