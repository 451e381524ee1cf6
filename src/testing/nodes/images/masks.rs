//! Masks that are pictures.

use super::pixels::{gray, mode, product, with_alpha};
use crate::testing::nodes::call::{Call, Fields, fields};
use image::{GrayImage, Luma};
use serde_json::json;

fn inverted(mask: GrayImage, invert: bool) -> GrayImage {
    if !invert {
        return mask;
    }
    GrayImage::from_fn(mask.width(), mask.height(), |x, y| Luma([255 - mask.get_pixel(x, y)[0]]))
}

/// The last band, which is alpha where there is one.
pub(super) fn from_alpha(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let band = match mode(&image) {
        "RGBA" | "LA" => 3,
        _ => 2,
    };
    let image = image.to_rgba8();
    let mask = GrayImage::from_fn(image.width(), image.height(), |x, y| Luma([image.get_pixel(x, y)[band]]));
    let invert = call.boolean("invert")?;
    call.save_as(inverted(mask, invert), "mask")
}

pub(super) fn combine(call: &mut Call<'_>) -> Fields {
    let (first, second) = (gray(&*call.image("mask1")?), gray(&*call.image("mask2")?));
    let (width, height) = (first.width().min(second.width()), first.height().min(second.height()));
    let multiplied = |x, y| Luma([product(first.get_pixel(x, y)[0], second.get_pixel(x, y)[0])]);
    call.save_as(GrayImage::from_fn(width, height, multiplied), "mask")
}

pub(super) fn from_color(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let (color, threshold) = (call.color("color"), call.float("threshold")?);
    let mask = GrayImage::from_fn(image.width(), image.height(), |x, y| {
        let pixel = image.get_pixel(x, y);
        let squares = pixel.0.iter().zip(color).map(|(a, b)| (f64::from(*a) - f64::from(b)).powi(2));
        Luma([if squares.sum::<f64>().sqrt() < threshold { 255 } else { 0 }])
    });
    let invert = call.boolean("invert")?;
    call.save_as(inverted(mask, invert), "mask")
}

pub(super) fn apply(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let mask = gray(&*call.image("mask")?);
    if mask.dimensions() != image.dimensions() {
        return Err(crate::testing::nodes::call::value_error("size mismatch"));
    }
    let invert = call.boolean("invert_mask")?;
    call.save(with_alpha(image, &inverted(mask, invert)))
}

pub(super) fn bounding_box(call: &mut Call<'_>) -> Fields {
    let mask = call.image("mask")?.to_rgba8();
    let (color, margin) = (call.color("mask_color"), call.int("margin")?);
    let mut edges: Option<[i64; 4]> = None;
    for (x, y, _) in mask.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == color) {
        let (x, y) = (i64::from(x), i64::from(y));
        let [left, top, right, bottom] = edges.unwrap_or([x, y, x, y]);
        edges = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
    }
    let [left, top, right, bottom] = match edges {
        None => [0; 4],
        Some([left, top, right, bottom]) => [
            (left - margin).max(0),
            (top - margin).max(0),
            (right + margin).min(i64::from(mask.width())),
            (bottom + margin).min(i64::from(mask.height())),
        ],
    };
    fields(json!({"bounding_box": {"x_min": left, "x_max": right, "y_min": top, "y_max": bottom}}))
}
