//! Pictures from digests: hills under a sun, in colors and shapes of their own.

use crate::testing::nodes::digest::{Dice, mix};
use image::{Rgb, RgbImage};
use std::f32::consts::TAU;

type Color = [f32; 3];

/// A color from hue (in turns), saturation and lightness.
fn color(hue: f32, saturation: f32, lightness: f32) -> Color {
    let reach = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset: f32| {
        let place = (offset + hue.rem_euclid(1.0) * 12.0) % 12.0;
        lightness - reach * (place - 3.0).min(9.0 - place).clamp(-1.0, 1.0)
    })
}

fn between(a: Color, b: Color, share: f32) -> Color {
    [0, 1, 2].map(|band| a[band] + (b[band] - a[band]) * share)
}

fn bytes(color: Color) -> Rgb<u8> {
    Rgb(color.map(|band| (band.clamp(0.0, 1.0) * 255.0) as u8))
}

/// A line of hills: for each column how far down it begins, as a share of the height.
fn ridge(dice: &mut Dice, width: u32, base: f32) -> Vec<f32> {
    let waves: Vec<(f32, f32, f32)> = [1.0, 2.3, 5.1]
        .map(|pitch: f32| (pitch * dice.between(0.7, 1.4), dice.unit() * TAU, dice.between(0.2, 1.0) * 0.09 / pitch))
        .to_vec();
    let height = |x: u32| {
        let along = x as f32 / width as f32 * TAU;
        base + waves.iter().map(|(pitch, phase, size)| (along * pitch + phase).sin() * size).sum::<f32>()
    };
    (0..width).map(height).collect()
}

/// The picture of a digest.
pub(super) fn landscape(digest: u64, width: u32, height: u32) -> RgbImage {
    let mut dice = Dice::new(digest);
    let hue = dice.unit();
    let other = hue + dice.between(0.12, 0.42);
    let (zenith, horizon) = (color(hue, 0.55, dice.between(0.25, 0.45)), color(other, 0.75, 0.78));
    let sun = color(other - 0.08, 0.9, 0.85);
    let (sun_x, sun_y) = (dice.between(0.15, 0.85), dice.between(0.15, 0.5));
    let sun_size = dice.between(0.05, 0.12);
    let ranges = 2 + (dice.next() % 4) as usize;
    let hills: Vec<(Vec<f32>, Color)> = (0..ranges)
        .map(|range| {
            let depth = (range + 1) as f32 / ranges as f32;
            let lightness = 0.55 - 0.4 * depth;
            let base = 0.5 + 0.4 * range as f32 / ranges as f32;
            (ridge(&mut dice, width, base), color(hue + 0.06 * range as f32, 0.45, lightness))
        })
        .collect();
    // Shares of the shorter side, so that the sun is round.
    let unit = width.min(height).max(1) as f32;
    RgbImage::from_fn(width, height, |x, y| {
        let down = y as f32 / height as f32;
        let front = hills.iter().rev().find(|(ridge, _)| down >= ridge[x as usize]);
        if let Some((ridge, shade)) = front {
            // Mist where a range begins.
            let mist = (1.0 - (down - ridge[x as usize]) * 7.0).clamp(0.0, 1.0) * 0.35;
            return bytes(between(*shade, horizon, mist));
        }
        let (across, along) = (x as f32 - sun_x * width as f32, y as f32 - sun_y * height as f32);
        let distance = (across * across + along * along).sqrt() / unit;
        let sky = between(zenith, horizon, (down * 1.6).min(1.0));
        let edge = ((sun_size - distance) * unit).clamp(0.0, 1.0);
        let glow = (1.0 - (distance - sun_size) / (sun_size * 4.0)).clamp(0.0, 1.0);
        bytes(between(between(sky, sun, glow * glow * 0.7), sun, edge))
    })
}

/// Grain, as noise looks.
pub(super) fn grain(digest: u64, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let bits = mix(digest ^ (u64::from(y) << 32 | u64::from(x)));
        Rgb([bits as u8, (bits >> 8) as u8, (bits >> 16) as u8])
    })
}

/// Two pictures of one size mixed: all of the first at 0, all of the second at 1.
pub(super) fn mixed(first: &RgbImage, second: &RgbImage, share: f32) -> RgbImage {
    let share = (share.clamp(0.0, 1.0) * 256.0) as u32;
    let mut mixed = first.clone();
    for (pixel, other) in mixed.pixels_mut().zip(second.pixels()) {
        for band in 0..3 {
            pixel[band] = ((u32::from(pixel[band]) * (256 - share) + u32::from(other[band]) * share) >> 8) as u8;
        }
    }
    mixed
}
