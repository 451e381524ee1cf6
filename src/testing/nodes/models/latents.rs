//! Noise and latents (`noise.py`, `resize_latents.py`, `crop_latents.py`, `blend_latents.py`, `ideal_size.py`).

use super::encode::picture_of;
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, pixels, value_error};
use crate::testing::nodes::images::resample::{Filter, resize as resized};
use crate::testing::nodes::tensors::Tensor;
use image::{DynamicImage, Rgb, RgbImage};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn noise(call: &mut Call<'_>) -> Fields {
    let (width, height) = (call.pixels("width")?, call.pixels("height")?);
    let digest = call.digest()?;
    let name = call.keep(Tensor::Noise { digest, width, height });
    let noise = json!({"latents_name": name, "seed": call.value("seed")});
    fields(json!({"noise": noise, "width": width, "height": height}))
}

pub(super) fn primitive(call: &mut Call<'_>) -> Fields {
    let (width, height) = call.tensor("latents", "latents_name")?.size();
    let name = &call.value("latents")["latents_name"];
    fields(json!({"latents": {"latents_name": name, "seed": null}, "width": width, "height": height}))
}

/// New latents from the picture of the given ones.
fn changed(
    call: &mut Call<'_>,
    keeps_seed: bool,
    change: impl FnOnce(&mut Call<'_>, &RgbImage) -> Result<RgbImage, NodeError>,
) -> Fields {
    let picture = picture_of(&call.tensor("latents", "latents_name")?)?;
    let picture = Arc::new(change(call, &picture)?);
    let seed = if keeps_seed { call.value("latents")["seed"].clone() } else { Value::Null };
    let digest = call.digest()?;
    call.keep_latents(Tensor::Latents { digest, picture }, &seed)
}

fn in_size(call: &Call<'_>, picture: &RgbImage, width: u32, height: u32) -> Result<RgbImage, NodeError> {
    let filter = if call.text("mode")?.starts_with("nearest") { Filter::Nearest } else { Filter::Bilinear };
    Ok(resized(&DynamicImage::from(picture.clone()), width, height, filter).to_rgb8())
}

pub(super) fn resize(call: &mut Call<'_>) -> Fields {
    changed(call, true, |call, picture| in_size(call, picture, call.pixels("width")?, call.pixels("height")?))
}

pub(super) fn scale(call: &mut Call<'_>) -> Fields {
    changed(call, true, |call, picture| {
        let factor = call.float("scale_factor")?;
        let scaled = |side: u32| pixels((f64::from(side / 8) * factor).floor() as i64 * 8);
        in_size(call, picture, scaled(picture.width())?, scaled(picture.height())?)
    })
}

pub(super) fn crop(call: &mut Call<'_>) -> Fields {
    changed(call, false, |call, picture| {
        let within = |field: &str, most: u32| Ok::<u32, NodeError>(call.int(field)?.clamp(0, i64::from(most)) as u32);
        let (left, top) = (within("x", picture.width())?, within("y", picture.height())?);
        let width = within("width", picture.width() - left)?;
        let height = within("height", picture.height() - top)?;
        Ok(image::imageops::crop_imm(picture, left, top, width, height).to_image())
    })
}

pub(super) fn blend(call: &mut Call<'_>) -> Fields {
    let first = picture_of(&call.tensor("latents_a", "latents_name")?)?;
    let second = picture_of(&call.tensor("latents_b", "latents_name")?)?;
    if first.dimensions() != second.dimensions() {
        return Err(value_error("Latents to blend must be the same size."));
    }
    let alpha = call.float("alpha")?.min(1.0);
    let picture = RgbImage::from_fn(first.width(), first.height(), |x, y| {
        let (a, b) = (first.get_pixel(x, y), second.get_pixel(x, y));
        Rgb([0, 1, 2].map(|band| (f64::from(a[band]) * (1.0 - alpha) + f64::from(b[band]) * alpha) as u8))
    });
    let digest = call.digest()?;
    call.keep_latents(Tensor::Latents { digest, picture: Arc::new(picture) }, &Value::Null)
}

pub(super) fn ideal_size(call: &mut Call<'_>) -> Fields {
    let record = call.record(&call.value("unet")["unet"])?;
    let dimension = match record["base"].as_str() {
        Some("sd-1") => 512.0,
        Some("sd-2") => 768.0,
        Some("sdxl" | "flux" | "flux2" | "sd-3") => 1024.0,
        other => return Err(value_error(format!("Unsupported model type: {}", other.unwrap_or("None")))),
    };
    let dimension = dimension * call.float("multiplier")?;
    let aspect = call.int("width")? as f64 / call.int("height")? as f64;
    if !aspect.is_finite() || aspect <= 0.0 {
        return Err(NodeError::new("ZeroDivisionError", "division by zero"));
    }
    let (least, area) = ((dimension * 0.5).floor(), dimension * dimension);
    let (width, height) = if aspect > 1.0 {
        let height = least.max((area / aspect).sqrt());
        (height * aspect, height)
    } else {
        let width = least.max((area * aspect).sqrt());
        (width, width / aspect)
    };
    let trimmed = |side: f64| side.floor() as i64 / 8 * 8;
    fields(json!({"width": trimmed(width), "height": trimmed(height)}))
}
