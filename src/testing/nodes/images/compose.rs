//! Pictures put together.

use super::pixels::{alpha, blended, gray, in_mode, mode, paste as pasted, product as multiplied};
use super::side;
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, value_error};
use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;

pub(super) fn paste(call: &mut Call<'_>) -> Fields {
    let base = call.image("base_image")?.to_rgba8();
    let image = call.image("image")?.to_rgba8();
    let mask = call.optional_image("mask")?.map(|mask| {
        let mask = gray(&mask);
        GrayImage::from_fn(mask.width(), mask.height(), |x, y| Luma([255 - mask.get_pixel(x, y)[0]]))
    });
    if mask.as_ref().is_some_and(|mask| mask.dimensions() != image.dimensions()) {
        return Err(value_error("images do not match"));
    }
    let (x, y) = (call.int("x")?, call.int("y")?);
    let (left, top) = (x.min(0), y.min(0));
    let width = side(i64::from(base.width()).max(i64::from(image.width()) + x) - left)?;
    let height = side(i64::from(base.height()).max(i64::from(image.height()) + y) - top)?;
    let mut below = RgbaImage::new(width, height);
    pasted(&mut below, &base, -left, -top, None);
    let mut above = RgbaImage::new(width, height);
    pasted(&mut above, &image, x.max(0), y.max(0), mask.as_ref());
    for (below, above) in below.pixels_mut().zip(above.pixels()) {
        *below = composite(*below, *above);
    }
    if call.boolean("crop")? {
        let mut cropped = RgbaImage::new(base.width(), base.height());
        pasted(&mut cropped, &below, left, top, None);
        below = cropped;
    }
    call.save(below)
}

/// One pixel over another (Pillow's `alpha_composite`).
fn composite(below: Rgba<u8>, above: Rgba<u8>) -> Rgba<u8> {
    if above[3] == 0 {
        return below;
    }
    let shift = |value: u32| ((value >> 8) + value) >> 8;
    let (over, under) = (u32::from(above[3]), u32::from(below[3]));
    let alpha = over * 255 + under * (255 - over);
    let weight = over * 255 * 255 * (1 << 7) / alpha;
    let rest = 255 * (1 << 7) - weight;
    let channel = |band: usize| {
        let sum = u32::from(above[band]) * weight + u32::from(below[band]) * rest;
        (shift(sum + (0x80 << 7)) >> 7) as u8
    };
    Rgba([channel(0), channel(1), channel(2), shift(alpha + 0x80) as u8])
}

pub(super) fn paste_into_box(call: &mut Call<'_>) -> Fields {
    let source = call.image("source_image")?.to_rgba8();
    let mut target = call.image("target_image")?.to_rgba8();
    let edges = call.value("bounding_box");
    let [left, top, right, bottom] =
        ["x_min", "y_min", "x_max", "y_max"].map(|edge| edges[edge].as_i64().unwrap_or_default());
    if (right - left, bottom - top) != (i64::from(source.width()), i64::from(source.height())) {
        return Err(value_error("images do not match"));
    }
    pasted(&mut target, &source, left, top, Some(&alpha(&source)));
    call.save(target)
}

pub(super) fn multiply(call: &mut Call<'_>) -> Fields {
    let (first, second) = (call.image("image1")?, call.image("image2")?);
    if mode(&first) != mode(&second) {
        return Err(value_error("images do not match"));
    }
    let mode = mode(&first);
    let (first, second) = (first.to_rgba8(), second.to_rgba8());
    let size = (first.width().min(second.width()), first.height().min(second.height()));
    let product = RgbaImage::from_fn(size.0, size.1, |x, y| {
        let (a, b) = (first.get_pixel(x, y), second.get_pixel(x, y));
        Rgba([0, 1, 2, 3].map(|band| multiplied(a[band], b[band])))
    });
    // A gray picture has the same in each band, so its product is gray again.
    let product = match mode {
        "L" => GrayImage::from_fn(size.0, size.1, |x, y| Luma([product.get_pixel(x, y)[0]])).into(),
        _ => in_mode(&product.into(), mode),
    };
    call.save(product)
}

/// Tiles side by side. Where two overlap, they are blended linearly around the middle; the node's other way, along the
/// seam that shows least, gives the same size, but other pixels there.
pub(super) fn merge_tiles(call: &mut Call<'_>) -> Fields {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let mut tiles: Vec<&Value> = call.list("tiles_with_images")?.iter().collect();
    tiles.sort_by_key(|tile| (number(&tile["tile"]["coords"]["top"]), number(&tile["tile"]["coords"]["left"])));
    let far = |edge: &str| tiles.iter().map(|tile| number(&tile["tile"]["coords"][edge])).max().unwrap_or_default();
    let mut merged = RgbImage::new(side(far("right"))?, side(far("bottom"))?);
    let blend = call.int("blend_amount")?;
    for tile in &tiles {
        let (coords, overlap) = (&tile["tile"]["coords"], &tile["tile"]["overlap"]);
        let (left, top) = (number(&overlap["left"]), number(&overlap["top"]));
        if (left > 0 && left < blend) || (top > 0 && top < blend) {
            return Err(NodeError::new("AssertionError", ""));
        }
        let image = call.image_named(tile["image"]["image_name"].as_str().unwrap_or_default())?.to_rgb8();
        let share = |at: u32, overlap: i64| {
            let start = overlap / 2 - blend / 2;
            let along = (i64::from(at) - start) as f64 / (blend - 1).max(1) as f64;
            if overlap > 0 { along.clamp(0.0, 1.0) } else { 1.0 }
        };
        for (x, y, Rgb(pixel)) in image.enumerate_pixels() {
            let place = (number(&coords["left"]) + i64::from(x), number(&coords["top"]) + i64::from(y));
            let (Ok(to_x), Ok(to_y)) = (u32::try_from(place.0), u32::try_from(place.1)) else { continue };
            if let Some(target) = merged.get_pixel_mut_checked(to_x, to_y) {
                let share = (share(x, left) * share(y, top) * 255.0) as u8;
                for band in 0..3 {
                    target[band] = blended(target[band], pixel[band], share);
                }
            }
        }
    }
    call.save(merged)
}
