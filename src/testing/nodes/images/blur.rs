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
    let mut turned = RgbaImage::from_fn(height, width, |x, y| *blurred.get_pixel(y, x));
    rows(&mut turned, height);
    RgbaImage::from_fn(width, height, |x, y| *turned.get_pixel(y, x))
}

/// One pass over one line of pixels; beyond its ends the outermost pixels repeat.
fn blur_line(line: &mut [u8], radius: f64) {
    let pixels = line.len() / 4;
    let whole = radius as usize;
    let unit = ((1_u64 << 24) as f64 / (radius * 2.0 + 1.0)) as u64;
    let edge = ((1_u64 << 24) - (whole as u64 * 2 + 1) * unit) / 2;
    let old = line.to_vec();
    for band in 0..4 {
        let at = |index: i64| u64::from(old[index.clamp(0, pixels as i64 - 1) as usize * 4 + band]);
        let reach = whole as i64;
        let mut sum: u64 = (-reach..=reach).map(at).sum();
        for index in 0..pixels as i64 {
            let ends = at(index - reach - 1) + at(index + reach + 1);
            line[index as usize * 4 + band] = ((sum * unit + ends * edge + (1 << 23)) >> 24).min(255) as u8;
            sum = sum + at(index + reach + 1) - at(index - reach);
        }
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
