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
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share]
}

/// What is below 0 or above 1 saturates.
fn bytes(color: Color) -> [u8; 3] {
    [(color[0] * 255.0) as u8, (color[1] * 255.0) as u8, (color[2] * 255.0) as u8]
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
    // Tests paint thousands of pictures without optimization, so there are plain loops, and whatever is the same along a
    // row or a column is computed once.
    let (columns, rows) = (width as usize, height as usize);
    let downs: Vec<f32> = (0..height).map(|y| y as f32 / height as f32).collect();
    let skies: Vec<Color> = downs.iter().map(|down| between(zenith, horizon, (down * 1.6).min(1.0))).collect();
    let plain_skies: Vec<[u8; 3]> = skies.iter().map(|sky| bytes(*sky)).collect();
    let square = |place: f32| place * place;
    let alongs: Vec<f32> = (0..height).map(|y| square(y as f32 - sun_y * height as f32)).collect();
    // As far as the sun glows, and a little more, as rounding may have it.
    let glows_within = square(sun_size * 5.01 * unit);
    let mut pixels = vec![0; columns * rows * 3];
    let painted = pixels.as_mut_slice();
    for x in 0..columns {
        let across = square(x as f32 - sun_x * width as f32);
        // From the front to the back: each range begins somewhere, and ends where one before it begins.
        let mut end = rows;
        for (ridge, shade) in hills.iter().rev() {
            let top = ridge[x];
            let start = downs.partition_point(|down| *down < top);
            let plain = bytes(*shade);
            let mut y = start;
            while y < end {
                // Mist where a range begins.
                let mist = 1.0 - (downs[y] - top) * 7.0;
                let color = if mist > 0.0 { bytes(between(*shade, horizon, mist * 0.35)) } else { plain };
                put(painted, y * columns + x, color);
                y += 1;
            }
            end = end.min(start);
        }
        let mut y = 0;
        while y < end {
            let distance = across + alongs[y];
            let color = if distance > glows_within {
                plain_skies[y]
            } else {
                let distance = distance.sqrt() / unit;
                let edge = ((sun_size - distance) * unit).clamp(0.0, 1.0);
                let glow = (1.0 - (distance - sun_size) / (sun_size * 4.0)).clamp(0.0, 1.0);
                bytes(between(between(skies[y], sun, glow * glow * 0.7), sun, edge))
            };
            put(painted, y * columns + x, color);
            y += 1;
        }
    }
    RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

fn put(pixels: &mut [u8], at: usize, color: [u8; 3]) {
    pixels[at * 3] = color[0];
    pixels[at * 3 + 1] = color[1];
    pixels[at * 3 + 2] = color[2];
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
    let (bytes, others): (&mut [u8], &[u8]) = (&mut mixed, second);
    let count = bytes.len().min(others.len());
    let mut at = 0;
    while at < count {
        bytes[at] = ((u32::from(bytes[at]) * (256 - share) + u32::from(others[at]) * share) >> 8) as u8;
        at += 1;
    }
    mixed
}
