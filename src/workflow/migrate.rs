//! Older versions, brought to the current one as the editor does (`features/nodes/util/workflow/migrations.ts`).
//!
//! 1.0.0 and 2.0.0 stored the type of every field beside its value. Their schemas judge a value by that type; the
//! types are dropped afterwards, because the catalog knows better.

use super::document::{NodeData, Position};
use super::json::{At, Fit, is_version};
use super::legacy_values::{v1_value, v2_value};
use serde_json::{Map, Value, json};

/// A workflow of version 1.0.0 as 4.0.0. Node packs are left open, the catalog fills them in.
pub(super) fn from_v1(at: &At<'_>) -> Fit<Value> {
    let mut workflow = Map::new();
    for name in ["name", "author", "description", "version", "contact", "tags", "notes"] {
        let text = at.get(name)?.map_or(Ok(""), |at| at.string())?;
        workflow.insert(name.into(), Value::from(text));
    }
    let nodes = match at.get("nodes")? {
        Some(at) => at.items()?.map(|at| node(&at, v1_data)).collect::<Fit<_>>()?,
        None => Vec::new(),
    };
    workflow.insert("nodes".into(), Value::Array(nodes));
    for name in ["edges", "exposedFields"] {
        let items = at.get(name)?.map_or(Ok(Vec::new()), |at| at.array().cloned())?;
        workflow.insert(name.into(), Value::Array(items));
    }
    drop_hidden(&mut workflow);
    workflow.insert("meta".into(), json!({"category": "user", "version": "4.0.0"}));
    Ok(Value::Object(workflow))
}

/// A workflow of version 2.0.0 as 4.0.0.
pub(super) fn from_v2(at: &At<'_>) -> Fit<Value> {
    let mut workflow = at.object()?.clone();
    let nodes = at.need("nodes")?;
    let nodes = nodes.items()?.map(|at| node(&at, v2_data)).collect::<Fit<_>>()?;
    workflow.insert("nodes".into(), Value::Array(nodes));
    // This version had no forms, so a form in such a file is not part of it.
    workflow.shift_remove("form");
    drop_hidden(&mut workflow);
    let mut meta = at.need("meta")?.object()?.clone();
    meta.insert("version".into(), Value::from("4.0.0"));
    workflow.insert("meta".into(), Value::Object(meta));
    Ok(Value::Object(workflow))
}

/// Edges of these versions could not be hidden, so the member meant nothing.
fn drop_hidden(workflow: &mut Map<String, Value>) {
    let edges = workflow.get_mut("edges").and_then(Value::as_array_mut);
    for edge in edges.into_iter().flatten().filter_map(Value::as_object_mut) {
        edge.shift_remove("hidden");
    }
}

fn node(at: &At<'_>, data_of: fn(&At<'_>) -> Fit<Value>) -> Fit<Value> {
    let kind = at.need("type")?;
    let data_at = at.need("data")?;
    let data = match kind.string()? {
        "invocation" => data_of(&data_at)?,
        "notes" => {
            NodeData::parse_notes(&data_at)?;
            data_at.value.clone()
        }
        _ => return kind.expected("\"invocation\" or \"notes\""),
    };
    for side in ["width", "height"] {
        if let Some(at) = at.get(side)?.filter(|at| !at.value.is_null())
            && at.number()?.as_f64().is_none_or(|length| length <= 0.0)
        {
            return at.expected("a number greater than 0");
        }
    }
    Ok(json!({
        "id": at.need_word("id")?,
        "type": kind.value,
        "data": data,
        "position": Position::parse(at)?,
    }))
}

fn v1_data(at: &At<'_>) -> Fit<Value> {
    let mut data = shared_data(at)?;
    at.need_boolean("embedWorkflow")?;
    let version = match at.get("version")? {
        None => "1.0.0",
        Some(at) if is_version(at.string()?, true) => at.string()?,
        Some(at) => return at.expected("a version like 1.2.3"),
    };
    data.insert("version".into(), Value::from(version));
    let use_cache = at.get("useCache")?.map_or(Ok(true), |at| at.boolean())?;
    data.insert("useCache".into(), Value::Bool(use_cache));
    data.insert("inputs".into(), inputs(at, v1_value)?);
    for (_, output) in at.need("outputs")?.members()? {
        field_head(&output, "output")?;
        super::legacy_values::v1_type(&output.need("type")?)?;
    }
    Ok(Value::Object(data))
}

fn v2_data(at: &At<'_>) -> Fit<Value> {
    let mut data = shared_data(at)?;
    data.insert("version".into(), Value::from(at.need_string("version")?.as_str()));
    data.insert("useCache".into(), Value::Bool(at.need_boolean("useCache")?));
    if let Some(pack) = at.get("nodePack")? {
        data.insert("nodePack".into(), pack.value.clone());
    }
    data.insert("inputs".into(), inputs(at, v2_value)?);
    for (_, output) in at.need("outputs")?.members()? {
        field_head(&output, "output")?;
        super::legacy_values::v2_type(&output.need("type")?)?;
    }
    Ok(Value::Object(data))
}

fn shared_data(at: &At<'_>) -> Fit<Map<String, Value>> {
    let data = json!({
        "id": at.need_word("id")?,
        "type": at.need_word("type")?,
        "label": at.need_string("label")?,
        "isOpen": at.need_boolean("isOpen")?,
        "notes": at.need_string("notes")?,
        "isIntermediate": at.need_boolean("isIntermediate")?,
    });
    match data {
        Value::Object(members) => Ok(members),
        _ => at.expected("an object"),
    }
}

fn inputs(at: &At<'_>, value_of: fn(&At<'_>) -> Fit<Option<Value>>) -> Fit<Value> {
    let inputs = at.need("inputs")?;
    let mut migrated = Map::new();
    for (name, input) in inputs.members()? {
        field_head(&input, "input")?;
        let label = input.get("label")?.and_then(|at| at.string().ok()).unwrap_or_default();
        let mut field = json!({"name": input.need_word("name")?, "label": label, "description": ""});
        if let (Some(value), Value::Object(members)) = (value_of(&input)?, &mut field) {
            members.insert("value".into(), value);
        }
        migrated.insert(name.to_owned(), field);
    }
    Ok(Value::Object(migrated))
}

fn field_head(at: &At<'_>, kind: &str) -> Fit<()> {
    at.need_word("id")?;
    at.need_word("name")?;
    let found = at.need("fieldKind")?;
    if found.string()? == kind { Ok(()) } else { found.expected(&format!("{kind:?}")) }
}
