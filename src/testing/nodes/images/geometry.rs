//! Size and place of pictures.

use super::pixels::{in_mode, mode, paste};
use super::resample::{Filter, resize as resized};
use super::side;
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, value_error};
use image::{DynamicImage, RgbaImage};

/// A window on the picture; outside of it, it is transparent.
fn window(call: &mut Call<'_>, left: i64, top: i64, width: u32, height: u32) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let mut cropped = RgbaImage::new(width, height);
    paste(&mut cropped, &image, left, top, None);
    call.save(cropped)
}

pub(super) fn crop(call: &mut Call<'_>) -> Fields {
    let (width, height) = (call.pixels("width")?, call.pixels("height")?);
    window(call, -call.int("x")?, -call.int("y")?, width, height)
}

pub(super) fn pad_crop(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let (left, top) = (call.int("left")?, call.int("top")?);
    let width = side(i64::from(image.width()) + left + call.int("right")?)?;
    let height = side(i64::from(image.height()) + top + call.int("bottom")?)?;
    window(call, left, top, width, height)
}

/// Without a box, crops to the pixels that are not empty.
pub(super) fn crop_to_box(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let edges = match call.given("bounding_box") {
        Some(edges) => ["x_min", "y_min", "x_max", "y_max"].map(|edge| edges[edge].as_i64().unwrap_or_default()),
        None => filled(&image).unwrap_or([0, 0, i64::from(image.width()), i64::from(image.height())]),
    };
    let [left, top, right, bottom] = edges;
    let (width, height) = (side(right - left)?, side(bottom - top)?);
    let mut cropped = RgbaImage::new(width, height);
    paste(&mut cropped, &image.to_rgba8(), -left, -top, None);
    call.save(in_mode(&cropped.into(), mode(&image)))
}

/// The box of what Pillow's `getbbox` counts: pixels with alpha, or without any, those that are not black.
fn filled(image: &DynamicImage) -> Option<[i64; 4]> {
    let has_alpha = image.color().has_alpha();
    let mut edges: Option<[i64; 4]> = None;
    for (x, y, pixel) in image.to_rgba8().enumerate_pixels() {
        if if has_alpha { pixel[3] != 0 } else { pixel.0[..3] != [0, 0, 0] } {
            let (x, y) = (i64::from(x), i64::from(y));
            let [left, top, right, bottom] = edges.unwrap_or([x, y, x + 1, y + 1]);
            edges = Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]);
        }
    }
    edges
}

pub(super) fn resize(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let (width, height) = (call.pixels("width")?, call.pixels("height")?);
    let filter = Filter::named(call.text("resample_mode")?);
    call.save(resized(&image, width, height, filter))
}

pub(super) fn scale(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let factor = call.float("scale_factor")?;
    let scaled = |size: u32| -> Result<u32, NodeError> {
        let size = (f64::from(size) * factor).trunc();
        if size < 1.0 { Err(value_error("height and width must be > 0")) } else { side(size as i64) }
    };
    let (width, height) = (scaled(image.width())?, scaled(image.height())?);
    let filter = Filter::named(call.text("resample_mode")?);
    call.save(resized(&image, width, height, filter))
}
