//! Upscalers (`spandrel_image_to_image.py`): a plain resize stands for the model.

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, pixels};
use crate::testing::nodes::images::resample::{Filter, resize};
use image::DynamicImage;

/// What most of these models do.
const MODEL_SCALE: f64 = 4.0;

pub(super) fn upscale(call: &mut Call<'_>) -> Fields {
    let image = DynamicImage::from(call.image("image")?.to_rgb8());
    call.load_model(call.value("image_to_image_model"))?;
    let scale = match call.given("scale") {
        Some(_) => call.float("scale")?,
        None => MODEL_SCALE,
    };
    call.context.progress("Processing tile 0/1", Some(0.0), None);
    let scaled = |side: u32| pixels((f64::from(side) * scale) as i64);
    let (mut width, mut height) = (scaled(image.width())?, scaled(image.height())?);
    if call.value("fit_to_multiple_of_8") == true {
        (width, height) = ((width - width % 8).max(8), (height - height % 8).max(8));
    }
    let upscaled = resize(&image, width, height, Filter::Lanczos);
    if call.context.is_canceled() {
        return Err(NodeError::canceled());
    }
    call.context.progress("Processing tile 1/1", Some(1.0), None);
    call.save(upscaled)
}
