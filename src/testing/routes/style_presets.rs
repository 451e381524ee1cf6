//! Style presets. There are none at the start.

use super::{Answer, Call, Outcome, not_found};
use crate::testing::{png, store::new_id};
use axum::http::header;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "list_style_presets" => list(call),
        "create_style_preset" => create(call),
        "get_style_preset" => get(call),
        "update_style_preset" => update(call),
        "delete_style_preset" => delete(call),
        "get_style_preset_image" => image(call),
        "export_style_presets" => export(call),
        _ => return None,
    })
}

type Preset = (Value, Option<Bytes>);

fn readable(call: &Call<'_>, preset: &Value) -> bool {
    call.caller.is_admin
        || preset["user_id"] == call.caller.user_id.as_str()
        || preset["is_public"] == true
        || preset["type"] == "default"
}

fn with_image((preset, image): &Preset) -> Value {
    let mut preset = preset.clone();
    let id = preset["id"].as_str().unwrap_or_default();
    preset["image"] = image.as_ref().map(|_| format!("api/v1/style_presets/i/{id}/image?{}", new_id())).into();
    preset
}

fn list(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let mut seen: Vec<&Preset> = store.style_presets.values().filter(|(preset, _)| readable(call, preset)).collect();
    seen.sort_by_key(|(preset, _)| preset["name"].as_str().unwrap_or_default().to_lowercase());
    Ok(Answer::json(seen.into_iter().map(with_image).collect::<Vec<_>>()))
}

fn unknown() -> Answer {
    Answer::refusal(404, "Style preset not found")
}

fn found(call: &Call<'_>) -> Result<Preset, Answer> {
    let store = call.world.store();
    let preset = store.style_presets.get(call.text("style_preset_id")).ok_or_else(unknown)?;
    if !readable(call, &preset.0) {
        return Err(Answer::refusal(403, "Not authorized to access this style preset"));
    }
    Ok(preset.clone())
}

fn owned(call: &Call<'_>) -> Result<Preset, Answer> {
    let preset = found(call)?;
    if !call.caller.is_admin && preset.0["user_id"] != call.caller.user_id.as_str() {
        return Err(Answer::refusal(403, "Not authorized to modify this style preset"));
    }
    Ok(preset)
}

/// What the form says: the preset without id, and its picture.
fn read_form(call: &Call<'_>) -> Result<(Value, Option<Bytes>), Answer> {
    let invalid = || Answer::refusal(400, "Invalid preset data");
    let data: Value = serde_json::from_str(&call.form_text("data").unwrap_or_default()).map_err(|_| invalid())?;
    let text = |name: &str| data[name].as_str().ok_or_else(invalid);
    let kind = text("type")?;
    if !matches!(kind, "user" | "default") {
        return Err(invalid());
    }
    let preset = json!({
        "name": text("name")?,
        "preset_data": {"positive_prompt": text("positive_prompt")?, "negative_prompt": text("negative_prompt")?},
        "type": kind,
        "is_public": data["is_public"].as_bool().unwrap_or_default(),
    });
    let Some(file) = call.part("image") else { return Ok((preset, None)) };
    if !file.content_type.as_deref().is_some_and(|kind| kind.starts_with("image")) {
        return Err(Answer::refusal(415, "Not an image"));
    }
    let small = png::thumbnail(&file.bytes).map_err(|_| Answer::refusal(415, "Failed to read image"))?;
    Ok((preset, Some(small)))
}

fn create(call: &Call<'_>) -> Outcome {
    let (mut preset, image) = read_form(call)?;
    if preset["type"] == "default" && !call.caller.is_admin {
        return Err(Answer::refusal(403, "Only admins can create default presets"));
    }
    let id = new_id();
    preset["id"] = id.as_str().into();
    preset["user_id"] = call.caller.user_id.as_str().into();
    let preset = (preset, image);
    let answer = with_image(&preset);
    call.world.store().style_presets.insert(id, preset);
    Ok(Answer::json(answer))
}

fn get(call: &Call<'_>) -> Outcome {
    Ok(Answer::json(with_image(&found(call)?)))
}

fn update(call: &Call<'_>) -> Outcome {
    let (mut changed, image) = read_form(call)?;
    let (old, _) = owned(call)?;
    for name in ["id", "user_id"] {
        changed[name] = old[name].clone();
    }
    let preset = (changed, image);
    let answer = with_image(&preset);
    call.world.store().style_presets.insert(call.text("style_preset_id").into(), preset);
    Ok(Answer::json(answer))
}

fn delete(call: &Call<'_>) -> Outcome {
    owned(call)?;
    call.world.store().style_presets.shift_remove(call.text("style_preset_id"));
    Ok(Answer::json(Value::Null))
}

fn image(call: &Call<'_>) -> Outcome {
    let (_, image) = found(call)?;
    Ok(Answer::bytes("image/png", image.ok_or_else(not_found)?))
}

fn export(call: &Call<'_>) -> Outcome {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |_| Answer::crash();
    csv.write_record(["name", "prompt", "negative_prompt"]).map_err(failed)?;
    let store = call.world.store();
    for (preset, _) in store.style_presets.values().filter(|(preset, _)| preset["type"] == "user") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let data = &preset["preset_data"];
        csv.write_record([text(&preset["name"]), text(&data["positive_prompt"]), text(&data["negative_prompt"])])
            .map_err(failed)?;
    }
    let csv = csv.into_inner().map_err(|_| Answer::crash())?;
    let file = "attachment; filename=prompt_templates.csv";
    Ok(Answer::bytes("text/csv; charset=utf-8", csv).with_header(header::CONTENT_DISPOSITION, file))
}
