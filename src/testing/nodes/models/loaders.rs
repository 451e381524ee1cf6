//! Loaders: which part of which model is for what (`model.py`, `sdxl.py`, `sd3_model_loader.py` and their like).

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::{Value, json};

/// The model with the name of one of its parts.
fn part(model: &Value, submodel: &str) -> Value {
    let mut part = model.clone();
    part["submodel_type"] = json!(submodel);
    part
}

fn unet(model: &Value) -> Value {
    json!({"unet": part(model, "unet"), "scheduler": part(model, "scheduler"), "loras": [], "seamless_axes": [], "freeu_config": null})
}

fn clip(tokenizer: Value, text_encoder: Value) -> Value {
    json!({"tokenizer": tokenizer, "text_encoder": text_encoder, "skipped_layers": 0, "loras": []})
}

fn first_clip(model: &Value) -> Value {
    clip(part(model, "tokenizer"), part(model, "text_encoder"))
}

fn second_clip(model: &Value) -> Value {
    clip(part(model, "tokenizer_2"), part(model, "text_encoder_2"))
}

fn vae_of(model: &Value) -> Value {
    json!({"vae": part(model, "vae"), "seamless_axes": []})
}

fn transformer(model: &Value) -> Value {
    json!({"transformer": part(model, "transformer"), "loras": []})
}

/// FLUX and SD3 keep the T5 encoder in different places.
fn t5(model: &Value) -> Result<Value, NodeError> {
    let place = match model["base"].as_str() {
        Some("any" | "flux") => 2,
        Some("sd-3") => 3,
        other => return Err(value_error(format!("Unsupported model base: {}", other.unwrap_or("None")))),
    };
    let (tokenizer, encoder) = (format!("tokenizer_{place}"), format!("text_encoder_{place}"));
    Ok(json!({"tokenizer": part(model, &tokenizer), "text_encoder": part(model, &encoder), "loras": []}))
}

/// The model of a field, which the server must have. The error is worded as each node words it.
fn model<'a>(
    call: &mut Call<'a>,
    field: &str,
    error_type: &str,
    before: &str,
    after: &str,
) -> Result<&'a Value, NodeError> {
    let model = call.value(field);
    let key = model["key"].as_str().unwrap_or_default();
    match call.context.model(key) {
        Some(_) => Ok(model),
        None => Err(NodeError::new(error_type, format!("{before}{key}{after}"))),
    }
}

pub(super) fn identifier(call: &mut Call<'_>) -> Fields {
    fields(json!({"model": model(call, "model", "Exception", "Unknown model ", "")?}))
}

pub(super) fn main(call: &mut Call<'_>) -> Fields {
    let model = model(call, "model", "Exception", "Unknown model ", "")?;
    fields(json!({"unet": unet(model), "clip": first_clip(model), "vae": vae_of(model)}))
}

pub(super) fn sdxl(call: &mut Call<'_>) -> Fields {
    let model = model(call, "model", "Exception", "Unknown model: ", "")?;
    let (clip, clip2) = (first_clip(model), second_clip(model));
    fields(json!({"unet": unet(model), "clip": clip, "clip2": clip2, "vae": vae_of(model)}))
}

pub(super) fn sdxl_refiner(call: &mut Call<'_>) -> Fields {
    let model = model(call, "model", "Exception", "Unknown model: ", "")?;
    fields(json!({"unet": unet(model), "clip2": second_clip(model), "vae": vae_of(model)}))
}

/// Does not check whether the models exist; the nodes that use them do.
pub(super) fn sd3(call: &mut Call<'_>) -> Fields {
    let model = call.value("model");
    let or_own = |field: &str| call.given(field).unwrap_or(model);
    fields(json!({
        "transformer": transformer(model),
        "clip_l": clip(part(model, "tokenizer"), part(or_own("clip_l_model"), "text_encoder")),
        "clip_g": clip(part(model, "tokenizer_2"), part(or_own("clip_g_model"), "text_encoder_2")),
        "t5_encoder": t5(or_own("t5_encoder_model"))?,
        "vae": vae_of(or_own("vae_model")),
    }))
}

pub(super) fn flux(call: &mut Call<'_>) -> Fields {
    let parts = [("t5_encoder_model", "T5 Encoder"), ("clip_embed_model", "CLIP Embed"), ("vae_model", "VAE")];
    let main = model(call, "model", "ValueError", "Unknown model: ", "")?;
    for (field, _) in parts {
        if call.given(field).is_some() {
            model(call, field, "ValueError", "Unknown model: ", "")?;
        }
    }
    let missing: Vec<_> =
        parts.iter().filter(|(field, _)| call.given(field).is_none()).map(|(_, title)| *title).collect();
    if !missing.is_empty() {
        let who = if missing.len() == 1 { "it" } else { "they" };
        return Err(value_error(format!(
            "The selected FLUX model does not ship its own {}, so {who} must be selected explicitly. Only a complete \
             SDNQ pipeline install (transformer + CLIP + T5 + VAE) can supply these itself.",
            missing.join(", ")
        )));
    }
    let record = call.record(main)?;
    let max_seq_len = if record["variant"] == "schnell" { 256 } else { 512 };
    fields(json!({
        "transformer": transformer(main),
        "clip": first_clip(call.value("clip_embed_model")),
        "t5_encoder": t5(call.value("t5_encoder_model"))?,
        "vae": vae_of(call.value("vae_model")),
        "max_seq_len": max_seq_len,
    }))
}

pub(super) fn cogview4(call: &mut Call<'_>) -> Fields {
    let model = call.value("model");
    let encoder = json!({"tokenizer": part(model, "tokenizer"), "text_encoder": part(model, "text_encoder")});
    fields(json!({"transformer": transformer(model), "glm_encoder": encoder, "vae": vae_of(model)}))
}

pub(super) fn vae(call: &mut Call<'_>) -> Fields {
    let model = model(call, "vae_model", "Exception", "Unknown vae: ", "!")?;
    fields(json!({"vae": {"vae": model, "seamless_axes": []}}))
}

pub(super) fn clip_skip(call: &mut Call<'_>) -> Fields {
    let mut clip = call.value("clip").clone();
    let skipped = clip["skipped_layers"].as_i64().unwrap_or_default() + call.int("skipped_layers")?;
    clip["skipped_layers"] = json!(skipped);
    fields(json!({"clip": clip}))
}

pub(super) fn seamless(call: &mut Call<'_>) -> Fields {
    let mut axes = Vec::new();
    for (field, axis) in [("seamless_x", "x"), ("seamless_y", "y")] {
        if call.boolean(field)? {
            axes.push(axis);
        }
    }
    let with_axes = |field: &str| {
        let mut part = call.value(field).clone();
        if let Value::Object(members) = &mut part {
            members.insert("seamless_axes".into(), json!(axes));
        }
        part
    };
    fields(json!({"unet": with_axes("unet"), "vae": with_axes("vae")}))
}

pub(super) fn freeu(call: &mut Call<'_>) -> Fields {
    let mut unet = call.value("unet").clone();
    let of = |field: &str| call.value(field);
    unet["freeu_config"] = json!({"s1": of("s1"), "s2": of("s2"), "b1": of("b1"), "b2": of("b2")});
    fields(json!({"unet": unet}))
}
