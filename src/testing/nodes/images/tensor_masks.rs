//! Masks that are tensors.

use super::pixels::gray;
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use crate::testing::nodes::tensors::Tensor;
use image::{GrayImage, Luma};
use serde_json::json;
use std::sync::Arc;

fn keep(call: &mut Call<'_>, mask: GrayImage) -> Fields {
    let (width, height) = mask.dimensions();
    let digest = call.digest()?;
    let name = call.keep(Tensor::Mask { digest, mask: Arc::new(mask) });
    fields(json!({"mask": {"tensor_name": name}, "width": width, "height": height}))
}

fn given(call: &mut Call<'_>) -> Result<Arc<GrayImage>, NodeError> {
    match call.tensor("mask", "tensor_name")? {
        Tensor::Mask { mask, .. } => Ok(mask),
        _ => Err(value_error("the tensor is not a mask")),
    }
}

fn bit(set: bool) -> Luma<u8> {
    Luma([if set { 255 } else { 0 }])
}

pub(super) fn rectangle(call: &mut Call<'_>) -> Fields {
    let (width, height) = (call.pixels("width")?, call.pixels("height")?);
    // Slices of tensors count negative places from the end.
    let slice = |start: i64, length: i64, size: u32| {
        let size = i64::from(size);
        let place = |at: i64| (if at < 0 { at + size } else { at }).clamp(0, size);
        place(start)..place(start + length)
    };
    let columns = slice(call.int("x_left")?, call.int("rectangle_width")?, width);
    let rows = slice(call.int("y_top")?, call.int("rectangle_height")?, height);
    let set = |x: u32, y: u32| columns.contains(&i64::from(x)) && rows.contains(&i64::from(y));
    keep(call, GrayImage::from_fn(width, height, |x, y| bit(set(x, y))))
}

pub(super) fn from_image(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let invert = call.boolean("invert")?;
    let mask = if call.node_type() == "alpha_mask_to_tensor" {
        let image = image.to_rgba8();
        GrayImage::from_fn(image.width(), image.height(), |x, y| bit((image.get_pixel(x, y)[3] > 0) != invert))
    } else {
        let (image, cutoff) = (gray(&image), call.int("cutoff")?);
        GrayImage::from_fn(image.width(), image.height(), |x, y| {
            bit((i64::from(image.get_pixel(x, y)[0]) < cutoff) != invert)
        })
    };
    keep(call, mask)
}

pub(super) fn invert(call: &mut Call<'_>) -> Fields {
    let mask = given(call)?;
    keep(call, GrayImage::from_fn(mask.width(), mask.height(), |x, y| bit(mask.get_pixel(x, y)[0] == 0)))
}

pub(super) fn to_image(call: &mut Call<'_>) -> Fields {
    let mask = given(call)?;
    call.save(mask.as_ref().clone())
}

/// Transparent pixels stay transparent.
pub(super) fn apply(call: &mut Call<'_>) -> Fields {
    let (mut image, mask) = (call.image("image")?.to_rgba8(), given(call)?);
    if mask.dimensions() != image.dimensions() {
        return Err(value_error("operands could not be broadcast together"));
    }
    let invert = call.boolean("invert")?;
    for (pixel, mask) in image.pixels_mut().zip(mask.pixels()) {
        if pixel[3] > 0 {
            pixel[3] = if invert { 255 - mask[0] } else { mask[0] };
        }
    }
    call.save(image)
}
