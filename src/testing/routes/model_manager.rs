//! Records of models.

use super::{Answer, Call, Outcome, not_found};
use crate::testing::png;
use axum::http::header;
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "list_model_records" => list(call),
        "list_missing_models" => Ok(Answer::json(json!({"models": []}))),
        "get_model_records_by_attrs" => by_attributes(call),
        "get_model_records_by_hash" => by_hash(call),
        "get_model_record" => get(call),
        "update_model_record" => update(call),
        "delete_model" => delete(call),
        "bulk_delete_models" => bulk_delete(call),
        "get_model_image" => image(call),
        "update_model_image" => set_image(call),
        "delete_model_image" => delete_image(call),
        "get_stats" => Ok(stats(call)),
        "empty_model_cache" => Ok(Answer::json(Value::Null)),
        "get_hf_login_status" => Ok(Answer::json("invalid")),
        _ => return None,
    })
}

fn unknown() -> Answer {
    Answer::refusal(404, "model not found")
}

/// Names and null before the first model are InvokeAI's; sizes and counts mean nothing here.
fn stats(call: &Call<'_>) -> Answer {
    let Some(loaded) = call.world.store().loaded_models.clone() else { return Answer::json(Value::Null) };
    let count = loaded.len();
    Answer::json(json!({
        "hits": 0, "misses": count, "high_watermark": 0, "in_cache": count, "cleared": 0, "cache_size": 0,
        "loaded_model_sizes": loaded,
    }))
}

fn list(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let bases = call.list("base_models");
    let same = |wanted: &str, model: &Value, member: &str| {
        call.find(wanted).is_none_or(|wanted| model[member].as_str() == Some(wanted))
    };
    let wanted = |model: &&Value| {
        bases.as_ref().is_none_or(|bases| bases.contains(&model["base"].as_str().unwrap_or_default()))
            && same("model_type", model, "type")
            && same("model_name", model, "name")
            && same("model_format", model, "format")
    };
    let mut models: Vec<&Value> = store.models.values().filter(wanted).collect();
    let member = match call.text("order_by") {
        "default" | "" => None,
        "size" => Some("file_size"),
        member => Some(member),
    };
    if let Some(member) = member {
        let key = |model: &&Value| (model[member].as_u64(), model[member].as_str().unwrap_or_default().to_lowercase());
        models.sort_by_key(key);
    }
    if call.text("direction") == "DESC" {
        models.reverse();
    }
    Ok(Answer::json(json!({"models": models})))
}

fn by_attributes(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let wanted = |model: &&Value| ["name", "type", "base"].iter().all(|member| model[*member] == call.text(member));
    let found = store.models.values().find(wanted).cloned();
    found.map(Answer::json).ok_or_else(|| Answer::refusal(404, "No model found with these attributes"))
}

fn by_hash(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let found = store.models.values().find(|model| model["hash"] == call.text("hash")).cloned();
    found.map(Answer::json).ok_or_else(|| Answer::refusal(404, "No model found with this hash"))
}

fn get(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    store.models.get(call.text("key")).cloned().map(Answer::json).ok_or_else(unknown)
}

fn update(call: &Call<'_>) -> Outcome {
    let key = call.text("key");
    if call.member("key").as_str().is_some_and(|wanted| wanted != key) {
        return Err(Answer::refusal(422, "A model's key cannot be changed"));
    }
    let mut store = call.world.store();
    let model = store.models.get_mut(key).ok_or_else(unknown)?;
    for (name, value) in call.body.as_object().into_iter().flatten().filter(|(name, _)| *name != "key") {
        // Only members that this kind of model has.
        if let Some(member) = model.get_mut(name) {
            *member = value.clone();
        }
    }
    Ok(Answer::json(model.clone()))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    store.model_images.remove(call.text("key"));
    store.models.shift_remove(call.text("key")).map(|_| Answer::empty(204)).ok_or_else(unknown)
}

fn bulk_delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for key in call.names("keys") {
        match store.models.shift_remove(&key) {
            Some(_) => deleted.push(key),
            None => failed.push(json!({"key": key, "error": "model not found"})),
        }
    }
    Ok(Answer::json(json!({"deleted": deleted, "failed": failed})))
}

fn image(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    // The server does not catch the error if there is none.
    let image = store.model_images.get(call.text("key")).cloned().ok_or_else(Answer::crash)?;
    Ok(Answer::bytes("image/png", image))
}

fn set_image(call: &Call<'_>) -> Outcome {
    let file = call.part("image").ok_or_else(not_found)?;
    if !file.content_type.as_deref().is_some_and(|kind| kind.starts_with("image")) {
        return Err(Answer::refusal(415, "Not an image"));
    }
    let mut store = call.world.store();
    let key = call.text("key").to_owned();
    let model = store.models.get_mut(&key).ok_or_else(unknown)?;
    let small = png::thumbnail(&file.bytes).map_err(|_| Answer::refusal(415, "Failed to read image"))?;
    model["cover_image"] = format!("api/v2/models/i/{key}/image").into();
    store.model_images.insert(key, small);
    Ok(Answer::json(Value::Null))
}

fn delete_image(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let key = call.text("key");
    let gone = store.model_images.remove(key).ok_or_else(not_found)?;
    drop(gone);
    if let Some(model) = store.models.get_mut(key) {
        model["cover_image"] = Value::Null;
    }
    // This one sends a content type without content.
    Ok(Answer::empty(204).with_header(header::CONTENT_TYPE, "application/json"))
}
