//! What guides denoising besides prompts (`controlnet.py`, `t2i_adapter.py`, `flux_controlnet.py`, `ip_adapter.py`).

use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::{Map, Value, json};

/// The inputs as one object.
fn gathered(call: &Call<'_>, members: &[&str]) -> Map<String, Value> {
    let present = members.iter().filter(|member| call.node().contains_key(**member));
    present.map(|member| ((*member).to_owned(), call.value(member).clone())).collect()
}

pub(super) fn control(call: &mut Call<'_>) -> Fields {
    let (output, members): (_, &[&str]) = match call.node_type() {
        "t2i_adapter" => ("t2i_adapter", &["image", "t2i_adapter_model", "weight"]),
        _ => ("control", &["image", "control_model", "control_weight", "control_mode", "instantx_control_mode"]),
    };
    let mut guide = gathered(call, members);
    guide.extend(gathered(call, &["begin_step_percent", "end_step_percent", "resize_mode"]));
    if call.float("begin_step_percent")? > call.float("end_step_percent")? {
        return Err(value_error("Begin step percent must be less than or equal to end step percent"));
    }
    fields(json!({ output: guide }))
}

/// The image encoder is the installed one; the real server would download a missing one.
pub(super) fn ip_adapter(call: &mut Call<'_>) -> Fields {
    let adapter = call.record(call.value("ip_adapter_model"))?;
    let wanted = adapter["image_encoder_model_id"].as_str().and_then(|id| id.rsplit('/').next()).map(str::to_owned);
    let models = call.context.models();
    let encoder = models.iter().find(|model| {
        let named = wanted.as_deref().is_none_or(|wanted| model["name"].as_str() == Some(wanted));
        model["type"] == "clip_vision" && named
    });
    let Some(encoder) = encoder else {
        let wanted = wanted.unwrap_or_else(|| "of the IP-Adapter".into());
        return Err(value_error(format!("The image encoder {wanted} is not installed")));
    };
    let method = call.text("method")?;
    let target_blocks: &[&str] = match (method, adapter["base"].as_str()) {
        ("full", _) => &["block"],
        ("style", Some("sd-1")) => &["up_blocks.1"],
        ("style", Some("sdxl")) => &["up_blocks.0.attentions.1"],
        ("composition", Some("sd-1")) => &["down_blocks.2", "mid_block"],
        ("composition", Some("sdxl")) => &["down_blocks.2.attentions.1"],
        _ => return Err(value_error(format!("the embedded server has no blocks for the method {method}"))),
    };
    let mut guide = gathered(call, &["image", "ip_adapter_model", "weight", "method"]);
    guide.extend(gathered(call, &["begin_step_percent", "end_step_percent", "mask"]));
    let identifier = ["key", "hash", "name", "base", "type"].map(|member| (member.to_owned(), encoder[member].clone()));
    guide.insert("image_encoder_model".into(), Value::Object(identifier.into_iter().collect()));
    guide.insert("target_blocks".into(), json!(target_blocks));
    fields(json!({"ip_adapter": guide}))
}
