//! Changes of all colors.

use super::pixels::{alpha, blended, each_band, from_hsv, gray, paste, to_hsv, with_alpha};
use super::resample::{Filter, resize};
use crate::testing::nodes::call::{Call, Fields};
use crate::testing::nodes::digest::{Dice, mix};
use image::{GrayImage, Luma, Rgba, RgbaImage};

pub(super) fn lerp(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let (min, max) = (call.float("min")? as f32, call.float("max")? as f32);
    call.save(each_band(&image, |value| (f32::from(value) / 255.0 * (max - min) + min) as u8))
}

pub(super) fn inverse_lerp(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let (min, max) = (call.float("min")? as f32, call.float("max")? as f32);
    call.save(each_band(&image, |value| (((f32::from(value) - min).max(0.0) / (max - min)).min(1.0) * 255.0) as u8))
}

pub(super) fn hue(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?.to_rgb8();
    let turn = (256.0 * (call.int("hue")?.rem_euclid(360) as f64 / 360.0)) as u8;
    let turned = |x, y| {
        let [h, s, v] = to_hsv(*image.get_pixel(x, y));
        let [r, g, b] = from_hsv([h.wrapping_add(turn), s, v]).0;
        Rgba([r, g, b, 255])
    };
    call.save(RgbaImage::from_fn(image.width(), image.height(), turned))
}

/// Noise from the seed, though not the same as NumPy's.
pub(super) fn noise(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let (width, height) = image.dimensions();
    let (amount, colored) = (call.float("amount")?, call.boolean("noise_color")?);
    let size = u32::try_from(call.int("size")?).unwrap_or(1).max(1);
    let (seed, speckled) = (call.int("seed")?.cast_unsigned(), call.text("noise_type")? == "salt_and_pepper");
    let share = (amount * 255.0) as u8;
    let noisy = RgbaImage::from_fn(width, height, |x, y| {
        let mut dice = Dice::new(mix(seed ^ mix(u64::from(x / size) << 32 | u64::from(y / size))));
        let first = dice.unit();
        let mut grain = |band: usize| {
            let value = if band == 0 || !colored { first } else { dice.unit() };
            if speckled { if f64::from(value) < amount { 255 } else { 0 } } else { (value * 255.0) as u8 }
        };
        let Rgba([r, g, b, a]) = *image.get_pixel(x, y);
        Rgba([blended(r, grain(0), share), blended(g, grain(1), share), blended(b, grain(2), share), a])
    });
    let mut result = noisy;
    if let Some(mask) = call.optional_image("mask")? {
        let mask = gray(&resize(&mask, width, height, Filter::Lanczos));
        let inverted = GrayImage::from_fn(width, height, |x, y| Luma([255 - mask.get_pixel(x, y)[0]]));
        let mut masked = image.clone();
        paste(&mut masked, &result, 0, 0, Some(&inverted));
        result = masked;
    }
    call.save(with_alpha(result, &alpha(&image)))
}
