//! Blur as Pillow does it: Gaussian blur is three box blurs.

use super::pixels::{alpha, in_mode, mode, opaque, product, with_alpha};
use crate::testing::nodes::call::{Call, Fields};
use image::{DynamicImage, Rgba, RgbaImage};

/// Radius of the box of which three passes are a Gaussian blur.
fn gaussian_box(radius: f64) -> f64 {
    const PASSES: f64 = 3.0;
    let variance = radius * radius / PASSES;
    let length = (12.0 * variance + 1.0).sqrt();
    let whole = ((length - 1.0) / 2.0).floor();
    let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    whole + part
}

pub(super) fn gaussian(image: &RgbaImage, radius: f64) -> RgbaImage {
    if radius == 0.0 { image.clone() } else { boxes(image, gaussian_box(radius), 3) }
}

fn boxes(image: &RgbaImage, radius: f64, passes: usize) -> RgbaImage {
    if radius == 0.0 {
        return image.clone();
    }
    let (width, height) = image.dimensions();
    let mut blurred = image.clone();
    let rows = |image: &mut RgbaImage, length: u32| {
        for line in image.chunks_exact_mut((length as usize * 4).max(1)) {
            for _ in 0..passes {
                blur_line(line, radius);
            }
        }
    };
    rows(&mut blurred, width);
    let mut turned = turned(&blurred);
    rows(&mut turned, height);
    self::turned(&turned)
}

/// Rows as columns.
fn turned(image: &RgbaImage) -> RgbaImage {
    let (width, height) = image.dimensions();
    let (columns, rows) = (width as usize, height as usize);
    let from: &[u8] = image;
    let mut turned = Vec::with_capacity(from.len());
    for x in 0..columns {
        for y in 0..rows {
            let at = (y * columns + x) * 4;
            turned.extend_from_slice(&from[at..at + 4]);
        }
    }
    RgbaImage::from_raw(height, width, turned).unwrap_or_default()
}

/// One pass over one line of pixels; beyond its ends the outermost pixels repeat.
fn blur_line(line: &mut [u8], radius: f64) {
    let pixels = line.len() / 4;
    let whole = radius as usize;
    let unit = ((1_u64 << 24) as f64 / (radius * 2.0 + 1.0)) as u64;
    let edge = ((1_u64 << 24) - (whole as u64 * 2 + 1) * unit) / 2;
    let old = line.to_vec();
    let old = old.as_slice();
    let reach = whole as i64;
    let (count, last) = (pixels as i64, pixels as i64 - 1);
    for band in 0..4 {
        let mut sum: u64 = (-reach..=reach).map(|index| u64::from(old[within(index, last) * 4 + band])).sum();
        let mut index = 0;
        while index < count {
            let next = u64::from(old[within(index + reach + 1, last) * 4 + band]);
            let ends = u64::from(old[within(index - reach - 1, last) * 4 + band]) + next;
            let blurred = (sum * unit + ends * edge + (1 << 23)) >> 24;
            line[index as usize * 4 + band] = if blurred > 255 { 255 } else { blurred as u8 };
            sum = sum + next - u64::from(old[within(index - reach, last) * 4 + band]);
            index += 1;
        }
    }
}

/// The place in a line that is nearest to an index. Called for every byte, without optimization, too: so no closures.
fn within(index: i64, last: i64) -> usize {
    if index <= 0 {
        0
    } else if index > last {
        last as usize
    } else {
        index as usize
    }
}

pub(super) fn blur(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let radius = call.float("radius")?;
    let mut weighted = image;
    for Rgba([r, g, b, a]) in weighted.pixels_mut() {
        (*r, *g, *b) = (product(*r, *a), product(*g, *a), product(*b, *a));
    }
    let mut blurred = match call.text("blur_type")? {
        "box" => boxes(&weighted, radius, 1),
        _ => gaussian(&weighted, radius),
    };
    for Rgba([r, g, b, a]) in blurred.pixels_mut() {
        let share = f32::from(*a) / 255.0 + 1e-6;
        let back = |channel: u8| (f32::from(channel) / share).clamp(0.0, 255.0) as u8;
        (*r, *g, *b) = (back(*r), back(*g), back(*b));
    }
    call.save(blurred)
}

pub(super) fn unsharp(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let (radius, strength) = (call.float("radius")?, call.float("strength")? / 100.0);
    let sharp = opaque(&image.to_rgb8());
    let soft = gaussian(&sharp, radius);
    let mut result = sharp;
    for (pixel, soft) in result.pixels_mut().zip(soft.pixels()) {
        for band in 0..3 {
            let (value, soft) = (f64::from(pixel[band]) / 255.0, f64::from(soft[band]) / 255.0);
            pixel[band] = ((value + (value - soft) * strength).clamp(0.0, 1.0) * 255.0) as u8;
        }
    }
    let result = if image.color().has_alpha() { with_alpha(result, &alpha(&image.to_rgba8())) } else { result };
    call.save(in_mode(&DynamicImage::from(result), mode(&image)))
}
