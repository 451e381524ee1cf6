//! Workflows that need no model.

use serde_json::{Value, json};

/// Two additions, one after the other, the first with inputs `a` and `b`.
pub(crate) fn additions() -> Value {
    let node = |id: &str, x: i32| {
        json!({"id": id, "type": "invocation", "position": {"x": x, "y": 0}, "data": {
        "id": id, "type": "add", "version": "1.0.1", "nodePack": "invokeai", "label": format!("Adds {id}"),
        "notes": "", "isOpen": true, "isIntermediate": true, "useCache": false,
        "inputs": {
            "a": {"name": "a", "label": format!("{id} a"), "description": "", "value": 1},
            "b": {"name": "b", "label": format!("{id} b"), "description": "", "value": 2},
        }}})
    };
    json!({
        "name": "additions", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"},
        "exposedFields": [{"nodeId": "first", "fieldName": "a"}, {"nodeId": "first", "fieldName": "b"}],
        "nodes": [node("first", 0), node("second", 400)],
        "edges": [{"id": "e", "type": "default", "source": "first", "sourceHandle": "value",
                   "target": "second", "targetHandle": "a"}],
    })
}
