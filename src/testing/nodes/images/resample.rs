//! Resizing as Pillow does it: a separable filter with 22 bits of precision and a picture of 8 bits in between.

use super::pixels::{premultiplied, unmultiplied};
use image::DynamicImage;
use std::f64::consts::PI;

const PRECISION: u32 = 22;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Filter {
    Nearest,
    Box,
    Bilinear,
    Hamming,
    Bicubic,
    Lanczos,
}

impl Filter {
    /// By the word of `resample_mode`.
    pub(in super::super) fn named(name: &str) -> Self {
        match name {
            "nearest" => Filter::Nearest,
            "box" => Filter::Box,
            "bilinear" => Filter::Bilinear,
            "hamming" => Filter::Hamming,
            "lanczos" => Filter::Lanczos,
            _ => Filter::Bicubic,
        }
    }

    fn support(self) -> f64 {
        match self {
            Filter::Nearest | Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        match self {
            Filter::Nearest | Filter::Box => f64::from(x > -0.5 && x <= 0.5),
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Hamming if x == 0.0 => 1.0,
            Filter::Hamming if x.abs() >= 1.0 => 0.0,
            Filter::Hamming => sinc(x) * (0.54 + 0.46 * (x * PI).cos()),
            Filter::Bicubic => {
                let (a, x) = (-0.5, x.abs());
                if x < 1.0 {
                    ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * a
                } else {
                    0.0
                }
            }
            Filter::Lanczos => {
                if (-3.0..3.0).contains(&x) {
                    sinc(x) * sinc(x / 3.0)
                } else {
                    0.0
                }
            }
        }
    }
}

/// The picture in another size.
pub(in super::super) fn resize(image: &DynamicImage, width: u32, height: u32, filter: Filter) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(image) => {
            let bytes = bytes::<1>(image, image.dimensions(), (width, height), filter);
            image::GrayImage::from_raw(width, height, bytes).unwrap_or_default().into()
        }
        image if !image.color().has_alpha() => {
            let image = image.to_rgb8();
            let bytes = bytes::<3>(&image, image.dimensions(), (width, height), filter);
            image::RgbImage::from_raw(width, height, bytes).unwrap_or_default().into()
        }
        image => {
            let image = image.to_rgba8();
            let nearest = filter == Filter::Nearest;
            let image = if nearest { image } else { premultiplied(&image) };
            let bytes = bytes::<4>(&image, image.dimensions(), (width, height), filter);
            let resized = image::RgbaImage::from_raw(width, height, bytes).unwrap_or_default();
            if nearest { resized.into() } else { unmultiplied(resized).into() }
        }
    }
}

fn bytes<const BANDS: usize>(from: &[u8], (w, h): (u32, u32), (width, height): (u32, u32), filter: Filter) -> Vec<u8> {
    let (w, h, width, height) = (w as usize, h as usize, width as usize, height as usize);
    if (w, h) == (width, height) || w == 0 || h == 0 {
        return from.to_vec();
    }
    if filter == Filter::Nearest {
        // Pillow adds the step up, rounding errors and all.
        let places = |size: usize, new: usize| -> Vec<usize> {
            let step = size as f64 / new as f64;
            let next = |at: &f64| Some(at + step);
            std::iter::successors(Some(step * 0.5), next).take(new).map(|at| (at as usize).min(size - 1)).collect()
        };
        let (rows, columns) = (places(h, height), places(w, width));
        let mut resized = Vec::with_capacity(width * height * BANDS);
        for row in &rows {
            for column in &columns {
                let at = (row * w + column) * BANDS;
                resized.extend_from_slice(&from[at..at + BANDS]);
            }
        }
        return resized;
    }
    let wide = if w == width { from.to_vec() } else { across::<BANDS>(from, w, h, &weights(w, width, filter)) };
    if h == height {
        return wide;
    }
    let mut tall = Vec::with_capacity(width * height * BANDS);
    for (start, weights) in &weights(h, height, filter) {
        for at in 0..width * BANDS {
            tall.push(weighted(&wide, start * width * BANDS + at, width * BANDS, weights));
        }
    }
    tall
}

fn across<const BANDS: usize>(from: &[u8], w: usize, h: usize, weights: &[(usize, Vec<i64>)]) -> Vec<u8> {
    let mut wide = Vec::with_capacity(weights.len() * h * BANDS);
    for row in 0..h {
        for (start, weights) in weights {
            for band in 0..BANDS {
                wide.push(weighted(from, (row * w + start) * BANDS + band, BANDS, weights));
            }
        }
    }
    wide
}

/// Bytes from a place on, a step apart, each with its weight. A plain loop: it is run without optimization, too.
fn weighted(bytes: &[u8], mut at: usize, step: usize, weights: &[i64]) -> u8 {
    let (mut sum, mut index) = (0, 0);
    while index < weights.len() {
        sum += i64::from(bytes[at]) * weights[index];
        at += step;
        index += 1;
    }
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// For each new pixel the first old one and the weights from there on.
fn weights(size: usize, new: usize, filter: Filter) -> Vec<(usize, Vec<i64>)> {
    let scale = size as f64 / new as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = |to: usize| {
        let center = (to as f64 + 0.5) * scale;
        let start = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(size);
        let raw: Vec<f64> = (start..end).map(|at| filter.weight((at as f64 - center + 0.5) / stretch)).collect();
        let total: f64 = raw.iter().sum();
        let unit = if total == 0.0 { 0.0 } else { f64::from(1 << PRECISION) / total };
        (start, raw.iter().map(|weight| (weight * unit).round() as i64).collect())
    };
    (0..new).map(one).collect()
}
