//! Metadata (`metadata.py`, `metadata_linked.py`).

use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use crate::testing::openapi::RELEASE;
use serde_json::{Map, Value, json};

const CUSTOM: &str = "* CUSTOM LABEL *";

fn with_version(mut data: Map<String, Value>) -> Fields {
    data.insert("app_version".into(), json!(RELEASE));
    fields(json!({"metadata": data}))
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(super) fn item(call: &mut Call<'_>) -> Fields {
    fields(json!({"item": {"label": call.text("label")?, "value": call.value("value")}}))
}

pub(super) fn collect(call: &mut Call<'_>) -> Fields {
    let items = call.value("items");
    let items = items.as_array().map_or(std::slice::from_ref(items), Vec::as_slice);
    let entry = |item: &Value| Some((item["label"].as_str()?.to_owned(), item["value"].clone()));
    with_version(items.iter().filter_map(entry).collect())
}

pub(super) fn merge(call: &mut Call<'_>) -> Fields {
    let merged: Map<String, Value> = call.list("collection")?.iter().flat_map(object).collect();
    fields(json!({"metadata": merged}))
}

/// All members of the node that have a value, including those it does not declare.
pub(super) fn core(call: &mut Call<'_>) -> Fields {
    let own = ["id", "type", "is_intermediate", "use_cache"];
    let members = call.node().iter().filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_null());
    with_version(members.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn image_metadata(call: &mut Call<'_>) -> Result<(String, Option<Value>), super::super::NodeError> {
    let name = call.value("image")["image_name"].as_str().unwrap_or_default().to_owned();
    call.image_named(&name)?;
    let metadata = call.context.image_metadata(&name);
    Ok((name, metadata))
}

pub(super) fn extract(call: &mut Call<'_>) -> Fields {
    let key = call.text("key")?;
    let (name, metadata) = image_metadata(call)?;
    let metadata = metadata.as_ref().and_then(Value::as_object).filter(|metadata| !metadata.is_empty());
    let metadata = metadata.ok_or_else(|| value_error(format!("No metadata found on image {name}")))?;
    match metadata.get(key) {
        Some(Value::String(text)) => fields(json!({"value": text})),
        Some(_) => Err(value_error(format!("Metadata at key '{key}' must be a string"))),
        None => Err(value_error(format!("No key '{key}' found in the metadata for {name}"))),
    }
}

pub(super) fn of_image(call: &mut Call<'_>) -> Fields {
    let (_, metadata) = image_metadata(call)?;
    fields(json!({"metadata": metadata.unwrap_or_else(|| json!({}))}))
}

fn label(call: &Call<'_>) -> String {
    let label = call.value("label").as_str().unwrap_or_default();
    let custom = call.value("custom_label").as_str();
    if label == CUSTOM { custom.unwrap_or("None").to_owned() } else { label.to_owned() }
}

pub(super) fn linked_item(call: &mut Call<'_>) -> Fields {
    let value = call.value("value");
    // A VAE field is kept as the model it names.
    let value = value.get("vae").unwrap_or(value);
    let mut data = object(call.value("metadata"));
    data.insert(label(call), value.clone());
    with_version(data)
}

/// One value of the metadata, converted as Python's `str`, `int`, `float` and `bool` do.
pub(super) fn value(call: &mut Call<'_>) -> Fields {
    let label = label(call);
    let found = call.value("metadata").get(&label).unwrap_or_else(|| call.value("default_value"));
    let number = |value: &Value| match value {
        Value::Bool(flag) => Some(f64::from(*flag)),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let wrong = || value_error(format!("the metadata {label} is {found}, which {} cannot convert", call.node_type()));
    let value = match call.node_type() {
        "metadata_to_string" => match found {
            Value::String(text) => json!(text),
            Value::Bool(true) => json!("True"),
            Value::Bool(false) => json!("False"),
            Value::Null => json!("None"),
            other => json!(other.to_string()),
        },
        "metadata_to_integer" => match found {
            Value::Number(number) if number.is_i64() => found.clone(),
            other => json!(number(other).ok_or_else(wrong)?.trunc() as i64),
        },
        "metadata_to_float" => json!(number(found).ok_or_else(wrong)?),
        _ => json!(match found {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
        }),
    };
    fields(json!({"value": value}))
}
