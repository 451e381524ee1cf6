//! Nodes of pictures (`image.py`, `mask.py`, `tiles.py`), with Pillow's arithmetic.

mod blur;
mod channels;
mod color;
mod compose;
mod geometry;
mod masks;
pub(super) mod pixels;
pub(super) mod resample;
mod tensor_masks;

use super::call::{Call, Fields, Run, fields, pixels as side};
use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::json;

pub(super) fn implementation(node_type: &str) -> Option<Run> {
    let run: Run = match node_type {
        "image" | "show_image" => primitive,
        "blank_image" => blank,
        "save_image" | "canvas_output" => save,
        "img_crop" => geometry::crop,
        "img_pad_crop" => geometry::pad_crop,
        "crop_image_to_bounding_box" => geometry::crop_to_box,
        "img_resize" => geometry::resize,
        "img_scale" => geometry::scale,
        "img_paste" => compose::paste,
        "paste_image_into_bounding_box" => compose::paste_into_box,
        "img_mul" => compose::multiply,
        "merge_tiles_to_image" => compose::merge_tiles,
        "img_blur" => blur::blur,
        "unsharp_mask" => blur::unsharp,
        "img_chan" => channels::extract,
        "img_conv" => channels::convert,
        "img_channel_offset" => channels::offset,
        "img_channel_multiply" => channels::multiply,
        "img_lerp" => color::lerp,
        "img_ilerp" => color::inverse_lerp,
        "img_hue_adjust" => color::hue,
        "img_noise" => color::noise,
        "tomask" => masks::from_alpha,
        "mask_combine" => masks::combine,
        "mask_from_id" => masks::from_color,
        "apply_mask_to_image" => masks::apply,
        "get_image_mask_bounding_box" => masks::bounding_box,
        "rectangle_mask" => tensor_masks::rectangle,
        "alpha_mask_to_tensor" | "image_mask_to_tensor" => tensor_masks::from_image,
        "invert_tensor_mask" => tensor_masks::invert,
        "tensor_mask_to_image" => tensor_masks::to_image,
        "apply_tensor_mask_to_image" => tensor_masks::apply,
        _ => return None,
    };
    Some(run)
}

/// Passes its image on: no new file.
fn primitive(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    fields(json!({"image": call.value("image"), "width": image.width(), "height": image.height()}))
}

fn blank(call: &mut Call<'_>) -> Fields {
    let (width, height, [r, g, b, a]) = (call.pixels("width")?, call.pixels("height")?, call.color("color"));
    let image: DynamicImage = if call.text("mode")? == "RGBA" {
        RgbaImage::from_pixel(width, height, Rgba([r, g, b, a])).into()
    } else {
        RgbImage::from_pixel(width, height, Rgb([r, g, b])).into()
    };
    call.save(image)
}

fn save(call: &mut Call<'_>) -> Fields {
    let image = call.image("image")?;
    call.save(image.as_ref().clone())
}
