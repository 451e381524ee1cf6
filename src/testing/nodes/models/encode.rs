//! Texts and pictures to tensors, and back.

use super::picture;
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields};
use crate::testing::nodes::images::pixels::gray;
use crate::testing::nodes::images::resample::{Filter, resize};
use crate::testing::nodes::tensors::Tensor;
use image::DynamicImage;
use serde_json::json;
use std::sync::Arc;

/// Inputs of text encoders, with the parts that are loaded of each, in this order.
const ENCODERS: [&str; 6] = ["clip", "clip2", "clip_l", "clip_g", "t5_encoder", "glm_encoder"];

pub(super) fn text(call: &mut Call<'_>) -> Fields {
    for encoder in ENCODERS {
        for part in ["text_encoder", "tokenizer"] {
            let part = &call.value(encoder)[part];
            if part.is_object() {
                call.load_model(part)?;
            }
        }
    }
    let message = match call.node_type() {
        "flux_text_encoder" => "Running T5 encoder",
        "cogview4_text_encoder" => "Running GLM text encoder",
        _ => "Building conditioning",
    };
    call.context.progress(message, None, None);
    let digest = call.digest()?;
    let name = call.keep(Tensor::Conditioning { digest });
    let mut conditioning = json!({"conditioning_name": name});
    if call.node().contains_key("mask") {
        conditioning["mask"] = call.value("mask").clone();
    }
    fields(json!({"conditioning": conditioning}))
}

/// The picture in a size that latents can have.
fn on_grid(image: &DynamicImage) -> DynamicImage {
    let trimmed = |side: u32| (side - side % 8).max(8);
    resize(image, trimmed(image.width()), trimmed(image.height()), Filter::Lanczos)
}

pub(super) fn image(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    call.load_model(&call.value("vae")["vae"])?;
    let message = if call.node_type() == "i2l" { "Running VAE encoder" } else { "Running VAE" };
    call.context.progress(message, None, None);
    let picture = Arc::new(on_grid(&DynamicImage::from(image.to_rgb8())).to_rgb8());
    let digest = call.digest()?;
    call.keep_latents(Tensor::Latents { digest, picture }, &json!(null))
}

pub(super) fn decode(call: &mut Call<'_>) -> Fields {
    let latents = call.tensor("latents", "latents_name")?;
    call.load_model(&call.value("vae")["vae"])?;
    let message = if call.node_type() == "l2i" { "Running VAE decoder" } else { "Running VAE" };
    call.context.progress(message, None, None);
    let picture = picture_of(&latents)?;
    call.save(picture.as_ref().clone())
}

/// What decoding a tensor shows.
pub(super) fn picture_of(tensor: &Tensor) -> Result<Arc<image::RgbImage>, NodeError> {
    match tensor {
        Tensor::Latents { picture, .. } => Ok(Arc::clone(picture)),
        Tensor::Noise { digest, width, height } => Ok(Arc::new(picture::grain(*digest, *width, *height))),
        _ => Err(crate::testing::nodes::call::value_error("the tensor is neither latents nor noise")),
    }
}

pub(super) fn denoise_mask(call: &mut Call<'_>) -> Fields {
    let mask = on_grid(&DynamicImage::from(gray(&*call.image("mask")?)));
    let mask = Arc::new(gray(&mask));
    let digest = call.digest()?;
    let masked = match call.optional_image("image")? {
        Some(image) => {
            call.load_model(&call.value("vae")["vae"])?;
            call.context.progress("Running VAE encoder", None, None);
            let picture = Arc::new(on_grid(&DynamicImage::from(image.to_rgb8())).to_rgb8());
            Some(call.keep(Tensor::Latents { digest, picture }))
        }
        None => None,
    };
    let mask_name = call.keep(Tensor::Mask { digest, mask });
    fields(json!({"denoise_mask": {"mask_name": mask_name, "masked_latents_name": masked, "gradient": false}}))
}
