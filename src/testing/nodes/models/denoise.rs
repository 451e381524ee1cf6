//! Denoising: a picture emerges from grain, step by step.

use super::encode::picture_of;
use super::picture::{grain, landscape, mixed};
use crate::testing::nodes::call::{Call, Fields, value_error};
use crate::testing::nodes::images::resample::{Filter, resize};
use crate::testing::nodes::tensors::Tensor;
use crate::testing::nodes::{NodeError, Preview};
use image::{DynamicImage, RgbImage};
use serde_json::json;
use std::sync::Arc;

/// More steps than this are announced as this many.
const MOST_STEPS: i64 = 1000;
/// A preview is this much smaller than the picture.
const PREVIEW_SCALE: u32 = 8;

pub(super) fn denoise(call: &mut Call<'_>) -> Fields {
    let latents = call.given("latents").map(|_| call.tensor("latents", "latents_name")).transpose()?;
    let noise = call.given("noise").map(|_| call.tensor("noise", "latents_name")).transpose()?;
    let (width, height) = match (&latents, &noise) {
        (Some(tensor), _) | (None, Some(tensor)) => tensor.size(),
        _ if call.given("width").is_some() => (call.pixels("width")?, call.pixels("height")?),
        _ => return Err(value_error("'latents' or 'noise' must be provided!")),
    };
    for (field, parts) in [("unet", ["unet", "scheduler"]), ("transformer", ["transformer", ""])] {
        for part in parts {
            let part = &call.value(field)[part];
            if part.is_object() {
                call.load_model(part)?;
            }
        }
    }
    let start = call.value("denoising_start").as_f64().unwrap_or(0.0);
    let end = call.value("denoising_end").as_f64().unwrap_or(1.0);
    let digest = call.digest()?;
    let before = match &latents {
        Some(latents) => Some(picture_of(latents)?),
        None => None,
    };
    let picture = result(call, digest, (width, height), before.as_deref(), start)?;
    let steps = call.value("steps").as_i64().or(call.value("num_steps").as_i64()).unwrap_or(1);
    let steps = ((steps.clamp(0, MOST_STEPS) as f64) * (end - start).max(0.0)).round() as u32;
    announce(call, digest, &picture, steps)?;
    call.keep_latents(Tensor::Latents { digest, picture: Arc::new(picture) }, &json!(null))
}

/// The result of denoising. The later it starts, the more it keeps of the previous picture; where the mask is white, it
/// keeps all of it.
fn result(
    call: &mut Call<'_>,
    digest: u64,
    (width, height): (u32, u32),
    before: Option<&RgbImage>,
    start: f64,
) -> Result<RgbImage, NodeError> {
    let new = landscape(digest, width, height);
    let Some(before) = before else { return Ok(new) };
    // The first steps decide most, so that even a small start, as FLUX workflows have it, keeps a visible part.
    let mut picture = mixed(&new, before, start.max(0.0).sqrt() as f32);
    if call.given("denoise_mask").is_some()
        && let Tensor::Mask { mask, .. } = call.tensor("denoise_mask", "mask_name")?
    {
        let mask = resize(&DynamicImage::from(mask.as_ref().clone()), width, height, Filter::Bilinear).to_luma8();
        for ((pixel, before), mask) in picture.pixels_mut().zip(before.pixels()).zip(mask.pixels()) {
            if mask[0] >= 128 {
                *pixel = *before;
            }
        }
    }
    Ok(picture)
}

/// The steps with their previews, the first of which is before any work.
fn announce(call: &mut Call<'_>, digest: u64, picture: &RgbImage, steps: u32) -> Result<(), NodeError> {
    let (width, height) = picture.dimensions();
    let (small_width, small_height) = ((width / PREVIEW_SCALE).max(1), (height / PREVIEW_SCALE).max(1));
    // Nearest is enough for a preview, and quick.
    let small = resize(&DynamicImage::from(picture.clone()), small_width, small_height, Filter::Nearest).to_rgb8();
    let grain = grain(digest, small_width, small_height);
    for step in 0..=steps {
        if call.context.is_canceled() {
            return Err(NodeError::canceled());
        }
        let done = f64::from(step) / f64::from(steps.max(1));
        let image = mixed(&grain, &small, done as f32);
        call.context.progress("Denoising", Some(done), Some(Preview { image, width, height }));
    }
    Ok(())
}
