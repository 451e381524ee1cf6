//! Pillow's arithmetic on pixels of 8 bits.

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

/// `a * b / 255`, rounded.
pub(super) fn scaled(a: u8, b: u8) -> u8 {
    divided(u32::from(a) * u32::from(b))
}

/// `a * b / 255`, cut off: what multiplying pictures does.
pub(super) fn product(a: u8, b: u8) -> u8 {
    (u32::from(a) * u32::from(b) / 255) as u8
}

/// `value / 255`, rounded.
pub(super) fn divided(value: u32) -> u8 {
    let value = value + 128;
    (((value >> 8) + value) >> 8).min(255) as u8
}

/// Between two values: all of the first at 0, all of the second at 255.
pub(super) fn blended(first: u8, second: u8, share: u8) -> u8 {
    let share = u32::from(share);
    divided(u32::from(first) * (255 - share) + u32::from(second) * share)
}

/// Brightness of a color.
pub(super) fn brightness(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// The picture in mode `L`. Not the conversion of the `image` crate, which weighs colors differently.
pub(in super::super) fn gray(image: &DynamicImage) -> GrayImage {
    match image {
        DynamicImage::ImageLuma8(gray) => gray.clone(),
        DynamicImage::ImageLumaA8(_) => {
            let rgba = image.to_rgba8();
            GrayImage::from_fn(rgba.width(), rgba.height(), |x, y| Luma([rgba.get_pixel(x, y)[0]]))
        }
        _ => {
            let rgb = image.to_rgb8();
            GrayImage::from_fn(rgb.width(), rgb.height(), |x, y| {
                let Rgb([r, g, b]) = *rgb.get_pixel(x, y);
                Luma([brightness(r, g, b)])
            })
        }
    }
}

/// Mode of the picture in Pillow's words.
pub(super) fn mode(image: &DynamicImage) -> &'static str {
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLuma16(_) => "L",
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLumaA16(_) => "LA",
        image if image.color().has_alpha() => "RGBA",
        _ => "RGB",
    }
}

/// The picture in another of the modes above.
pub(super) fn in_mode(image: &DynamicImage, mode: &str) -> DynamicImage {
    match mode {
        "L" => gray(image).into(),
        "LA" => image.to_luma_alpha8().into(),
        "RGB" => image.to_rgb8().into(),
        _ => image.to_rgba8().into(),
    }
}

/// Each band changed by itself.
pub(super) fn each_band(image: &DynamicImage, mut change: impl FnMut(u8) -> u8) -> DynamicImage {
    let mut changed = in_mode(image, mode(image));
    let bytes = match &mut changed {
        DynamicImage::ImageLuma8(image) => &mut **image,
        DynamicImage::ImageLumaA8(image) => &mut **image,
        DynamicImage::ImageRgb8(image) => &mut **image,
        DynamicImage::ImageRgba8(image) => &mut **image,
        _ => return changed,
    };
    bytes.iter_mut().for_each(|byte| *byte = change(*byte));
    changed
}

/// The alpha band.
pub(super) fn alpha(image: &RgbaImage) -> GrayImage {
    GrayImage::from_fn(image.width(), image.height(), |x, y| Luma([image.get_pixel(x, y)[3]]))
}

/// The picture with another alpha band of its size.
pub(super) fn with_alpha(mut image: RgbaImage, alpha: &GrayImage) -> RgbaImage {
    for (pixel, alpha) in image.pixels_mut().zip(alpha.pixels()) {
        pixel[3] = alpha[0];
    }
    image
}

/// Colors multiplied by alpha, as filters need them.
pub(super) fn premultiplied(image: &RgbaImage) -> RgbaImage {
    let mut image = image.clone();
    for Rgba([r, g, b, a]) in image.pixels_mut() {
        (*r, *g, *b) = (scaled(*r, *a), scaled(*g, *a), scaled(*b, *a));
    }
    image
}

/// The reverse.
pub(super) fn unmultiplied(mut image: RgbaImage) -> RgbaImage {
    for Rgba([r, g, b, a]) in image.pixels_mut() {
        if *a != 0 && *a != 255 {
            let back = |channel: u8| (255 * u32::from(channel) / u32::from(*a)).min(255) as u8;
            (*r, *g, *b) = (back(*r), back(*g), back(*b));
        }
    }
    image
}

/// Hue, saturation and value, each of 8 bits.
pub(super) fn to_hsv(Rgb([r, g, b]): Rgb<u8>) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let distance = |channel: u8| f32::from(most - channel) / range;
    let hue = if r == most {
        distance(b) - distance(g)
    } else if g == most {
        2.0 + distance(r) - distance(b)
    } else {
        4.0 + distance(g) - distance(r)
    };
    // Pillow computes with 64 bits and keeps 32.
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    let saturation = range / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// The reverse.
pub(super) fn from_hsv([h, s, v]: [u8; 3]) -> Rgb<u8> {
    if s == 0 {
        return Rgb([v, v, v]);
    }
    let sector = f64::from(h) * 6.0 / 255.0;
    let (saturation, value) = (f64::from((f64::from(s) / 255.0) as f32), f64::from(v));
    let part = f64::from((sector - sector.floor()) as f32);
    let shade = |share: f64| (value * (1.0 - saturation * share)).round() as u8;
    let (p, q, t) = (shade(1.0), shade(part), shade(1.0 - part));
    Rgb(match sector as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    })
}

/// One picture pasted into another; what is outside is cut off. The mask, of the pasted picture's size, says how much
/// of it shows.
pub(in super::super) fn paste(base: &mut RgbaImage, top: &RgbaImage, x: i64, y: i64, mask: Option<&GrayImage>) {
    for (column, row, pixel) in top.enumerate_pixels() {
        let place = (u32::try_from(x + i64::from(column)), u32::try_from(y + i64::from(row)));
        let (Ok(to_x), Ok(to_y)) = place else { continue };
        let Some(target) = base.get_pixel_mut_checked(to_x, to_y) else { continue };
        match mask.and_then(|mask| mask.get_pixel_checked(column, row)) {
            Some(Luma([share])) => {
                for (to, from) in target.0.iter_mut().zip(pixel.0) {
                    *to = blended(*to, from, *share);
                }
            }
            None => *target = *pixel,
        }
    }
}

/// An opaque picture.
pub(super) fn opaque(image: &RgbImage) -> RgbaImage {
    DynamicImage::ImageRgb8(image.clone()).to_rgba8()
}
