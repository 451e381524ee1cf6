//! Single bands of pictures, and their modes.

use super::pixels::{from_hsv, in_mode, mode, to_hsv};
use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, value_error};
use image::{GrayImage, Luma, Rgb, Rgba, RgbaImage};

pub(super) fn extract(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    let channel = call.text("channel")?;
    let bands = mode(&image);
    // Pillow finds a band by its letter.
    let Some(band) = bands.find(channel) else {
        return Err(value_error(format!("The image has no channel \"{channel}\"")));
    };
    let rgba = image.to_rgba8();
    let band = if bands == "LA" { 3 } else { band };
    call.save(GrayImage::from_fn(rgba.width(), rgba.height(), |x, y| Luma([rgba.get_pixel(x, y)[band]])))
}

pub(super) fn convert(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    match call.text("mode")? {
        known @ ("L" | "RGB" | "RGBA") => call.save(in_mode(&image, known)),
        "I" => Err(NodeError::new("NotImplementedError", "the embedded server does not support 32-bit images")),
        // Pillow converts, but PNG has no such mode.
        _ => Err(NodeError::new("ImageFileSaveException", "Image file not saved")),
    }
}

/// Changes one channel of a pixel. The function that changes the value is passed whether it is a hue, which wraps
/// around.
type ChangePixel = fn(Rgba<u8>, &dyn Fn(u8, bool) -> u8) -> [u8; 4];

/// Changes one channel of every pixel, by its name in the node.
fn change(call: &mut Call<'_>, change: impl Fn(u8, bool) -> u8) -> Fields {
    let image = call.image("image")?.to_rgba8();
    let channel = call.text("channel")?;
    let changed: ChangePixel = match channel {
        "Red (RGBA)" => |Rgba([r, g, b, a]), change| [change(r, false), g, b, a],
        "Green (RGBA)" => |Rgba([r, g, b, a]), change| [r, change(g, false), b, a],
        "Blue (RGBA)" => |Rgba([r, g, b, a]), change| [r, g, change(b, false), a],
        "Alpha (RGBA)" => |Rgba([r, g, b, a]), change| [r, g, b, change(a, false)],
        "Hue (HSV)" => |pixel, change| in_hsv(pixel, |[h, s, v]| [change(h, true), s, v]),
        "Saturation (HSV)" => |pixel, change| in_hsv(pixel, |[h, s, v]| [h, change(s, false), v]),
        "Value (HSV)" => |pixel, change| in_hsv(pixel, |[h, s, v]| [h, s, change(v, false)]),
        "Cyan (CMYK)" => |Rgba([r, g, b, a]), change| [255 - change(255 - r, false), g, b, a],
        "Magenta (CMYK)" => |Rgba([r, g, b, a]), change| [r, 255 - change(255 - g, false), b, a],
        "Yellow (CMYK)" => |Rgba([r, g, b, a]), change| [r, g, 255 - change(255 - b, false), a],
        other => {
            let message = format!("the embedded server has no color space for the channel {other}");
            return Err(NodeError::new("NotImplementedError", message));
        }
    };
    let pixel = |x, y| Rgba(changed(*image.get_pixel(x, y), &change));
    call.save(RgbaImage::from_fn(image.width(), image.height(), pixel))
}

fn in_hsv(Rgba([r, g, b, a]): Rgba<u8>, change: impl Fn([u8; 3]) -> [u8; 3]) -> [u8; 4] {
    let Rgb([r, g, b]) = from_hsv(change(to_hsv(Rgb([r, g, b]))));
    [r, g, b, a]
}

pub(super) fn offset(call: &mut Call<'_>) -> Fields {
    let offset = call.int("offset")?;
    change(call, |value, is_hue| {
        let moved = i64::from(value) + offset;
        if is_hue { moved.rem_euclid(256) as u8 } else { moved.clamp(0, 255) as u8 }
    })
}

pub(super) fn multiply(call: &mut Call<'_>) -> Fields {
    let (scale, invert) = (call.float("scale")?, call.boolean("invert_channel")?);
    change(call, |value, _| {
        let scaled = (f64::from(value) * scale).clamp(0.0, 255.0);
        (if invert { 255.0 - scaled } else { scaled }) as u8
    })
}
