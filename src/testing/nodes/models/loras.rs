//! LoRAs are noted beside the parts of the model they apply to (`model.py`, `flux_lora_loader.py`).

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields};
use serde_json::{Map, Value, json};

/// Inputs that a LoRA may apply to, with the real server's words for them.
const PARTS: [(&str, &str); 5] = [
    ("unet", "unet"),
    ("transformer", "transformer"),
    ("clip", "clip"),
    ("clip2", "clip2"),
    ("t5_encoder", "T5 encoder"),
];

fn key(lora: &Value) -> &str {
    lora["lora"]["key"].as_str().unwrap_or_default()
}

pub(super) fn select(call: &mut Call<'_>) -> Fields {
    fields(json!({"lora": {"lora": call.value("lora"), "weight": call.value("weight")}}))
}

fn parts(call: &Call<'_>) -> Map<String, Value> {
    let present = PARTS.iter().filter(|(part, _)| call.node().contains_key(*part));
    present.map(|(part, _)| ((*part).to_owned(), call.value(part).clone())).collect()
}

fn add(parts: &mut Map<String, Value>, lora: &Value) {
    for part in parts.values_mut() {
        if let Some(loras) = part.get_mut("loras").and_then(Value::as_array_mut) {
            loras.push(lora.clone());
        }
    }
}

fn must_exist(call: &mut Call<'_>, key: &str, error_type: &str) -> Result<(), NodeError> {
    let known = call.context.model(key).is_some();
    if known { Ok(()) } else { Err(NodeError::new(error_type, format!("Unknown lora: {key}!"))) }
}

pub(super) fn apply(call: &mut Call<'_>) -> Fields {
    let is_flux = call.node_type() == "flux_lora_loader";
    let error_type = if is_flux { "ValueError" } else { "Exception" };
    let lora = json!({"lora": call.value("lora"), "weight": call.value("weight")});
    must_exist(call, key(&lora), error_type)?;
    let mut parts = parts(call);
    for (part, words) in PARTS {
        let loras = parts.get(part).and_then(|part| part["loras"].as_array());
        if loras.is_some_and(|loras| loras.iter().any(|other| key(other) == key(&lora))) {
            let (words, end) = match (is_flux, words) {
                (true, "clip") => ("CLIP encoder", "."),
                (true, words) => (words, "."),
                (false, words) => (words, ""),
            };
            let message = format!("LoRA \"{}\" already applied to {words}{end}", key(&lora));
            return Err(NodeError::new(error_type, message));
        }
    }
    add(&mut parts, &lora);
    Ok(parts)
}

/// Each LoRA once, whatever the number of times it is in the list.
pub(super) fn apply_all(call: &mut Call<'_>) -> Fields {
    let loras = call.value("loras");
    let loras = loras.as_array().map_or(std::slice::from_ref(loras), Vec::as_slice);
    let bases: &[&str] = if call.node_type().starts_with("sdxl") { &["sdxl"] } else { &["sd-1", "sd-2"] };
    let (mut parts, mut added) = (parts(call), Vec::new());
    for lora in loras.iter().filter(|lora| !lora.is_null()) {
        if added.contains(&key(lora)) {
            continue;
        }
        must_exist(call, key(lora), "Exception")?;
        if !lora["lora"]["base"].as_str().is_some_and(|base| bases.contains(&base)) {
            return Err(NodeError::new("AssertionError", ""));
        }
        added.push(key(lora));
        add(&mut parts, lora);
    }
    Ok(parts)
}
