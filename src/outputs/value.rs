//! Outputs of nodes, typed for the classes of InvokeAI's own nodes.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::json::lenient;

/// The output of a node, by its class (`type`, for example `integer_output`).
///
/// Classes are those of InvokeAI 6.14.2 (`invokeai/app/invocations/primitives.py` and the nodes themselves). Everything
/// else, such as the outputs of custom nodes, is [`Other`](Self::Other): read
/// [`NodeOutput::raw`](super::NodeOutput::raw).
#[derive(Clone, PartialEq, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum OutputValue {
    /// One image.
    #[serde(rename = "image_output")]
    Image {
        /// The image.
        image: ImageField,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// Several images.
    #[serde(rename = "image_collection_output")]
    Images {
        /// The images.
        collection: Vec<ImageField>,
    },
    /// One video.
    #[serde(rename = "video_output", alias = "extract_video_range_output")]
    Video {
        /// The video.
        video: VideoField,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// How many frames it has.
        num_frames: Option<u64>,
        /// Frames per second.
        fps: Option<f64>,
        /// Length in seconds.
        duration: Option<f64>,
    },
    /// A whole number.
    #[serde(rename = "integer_output")]
    Integer {
        /// The number.
        value: i64,
    },
    /// Whole numbers.
    #[serde(rename = "integer_collection_output")]
    Integers {
        /// The numbers.
        collection: Vec<i64>,
    },
    /// A number.
    #[serde(rename = "float_output")]
    Float {
        /// The number.
        value: f64,
    },
    /// Numbers.
    #[serde(rename = "float_collection_output")]
    Floats {
        /// The numbers.
        collection: Vec<f64>,
    },
    /// A string.
    #[serde(rename = "string_output")]
    String {
        /// The string.
        value: String,
    },
    /// Strings.
    #[serde(rename = "string_collection_output")]
    Strings {
        /// The strings.
        collection: Vec<String>,
    },
    /// A Boolean.
    #[serde(rename = "boolean_output")]
    Boolean {
        /// The value.
        value: bool,
    },
    /// Booleans.
    #[serde(rename = "boolean_collection_output")]
    Booleans {
        /// The values.
        collection: Vec<bool>,
    },
    /// A color.
    #[serde(rename = "color_output")]
    Color {
        /// The color.
        color: Color,
    },
    /// Colors.
    #[serde(rename = "color_collection_output")]
    Colors {
        /// The colors.
        collection: Vec<Color>,
    },
    /// Latents (an image before decoding), kept on the server.
    #[serde(rename = "latents_output", alias = "latents_meta_output")]
    Latents {
        /// Name and seed.
        latents: LatentsField,
        /// Width of the resulting image, in pixels.
        width: u64,
        /// Height of the resulting image, in pixels.
        height: u64,
    },
    /// Several latents.
    #[serde(rename = "latents_collection_output")]
    LatentsCollection {
        /// Names and seeds.
        collection: Vec<LatentsField>,
    },
    /// Noise, kept on the server.
    #[serde(rename = "noise_output")]
    Noise {
        /// Name and seed.
        noise: LatentsField,
        /// Width of the resulting image, in pixels.
        width: u64,
        /// Height of the resulting image, in pixels.
        height: u64,
    },
    /// A conditioning (a prompt encoded for a model), kept on the server. There is one class for each kind of model.
    #[serde(
        rename = "conditioning_output",
        alias = "anima_conditioning_output",
        alias = "cogview4_conditioning_output",
        alias = "ernie_image_conditioning_output",
        alias = "flux_conditioning_output",
        alias = "ideogram4_conditioning_output",
        alias = "krea2_conditioning_output",
        alias = "qwen_image_conditioning_output",
        alias = "sd3_conditioning_output",
        alias = "wan_conditioning_output",
        alias = "z_image_conditioning_output"
    )]
    Conditioning {
        /// Name.
        conditioning: ConditioningField,
    },
    /// Several conditionings.
    #[serde(rename = "conditioning_collection_output", alias = "flux_conditioning_collection_output")]
    ConditioningCollection {
        /// Names.
        collection: Vec<ConditioningField>,
    },
    /// A mask, kept on the server as a tensor.
    #[serde(rename = "mask_output")]
    Mask {
        /// Name.
        mask: TensorField,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// A mask for denoising, kept on the server. The gradient kind comes with an image.
    #[serde(rename = "denoise_mask_output", alias = "gradient_mask_output")]
    DenoiseMask {
        /// Names.
        denoise_mask: DenoiseMaskField,
    },
    /// A rectangle.
    #[serde(rename = "bounding_box_output")]
    BoundingBox {
        /// The rectangle.
        bounding_box: BoundingBox,
    },
    /// Several rectangles.
    #[serde(rename = "bounding_box_collection_output")]
    BoundingBoxes {
        /// The rectangles.
        collection: Vec<BoundingBox>,
    },
    /// The elements that a `collect` node gathered, in order.
    #[serde(rename = "collect_output")]
    Collection {
        /// The elements.
        #[serde(default)]
        collection: Vec<Value>,
    },
    /// One step of an `iterate` node.
    #[serde(rename = "iterate_output")]
    Iteration {
        /// The element.
        #[serde(default)]
        item: Value,
        /// Its index, from 0.
        index: u64,
        /// Total number of elements.
        total: u64,
    },
    /// Named values that a saved workflow returns to its caller.
    #[serde(rename = "workflow_return_output")]
    Returned {
        /// The values.
        #[serde(default)]
        values: Map<String, Value>,
    },
    /// Anything else.
    #[serde(skip)]
    Other,
}

crate::base::debug::short_debug! {
    enum OutputValue {
        Image { image, width, height },
        Images { collection },
        Video { video, width, height, num_frames, fps, duration },
        Integer { value },
        Integers { collection },
        Float { value },
        Floats { collection },
        String { value },
        Strings { collection },
        Boolean { value },
        Booleans { collection },
        Color { color },
        Colors { collection },
        Latents { latents, width, height },
        LatentsCollection { collection },
        Noise { noise, width, height },
        Conditioning { conditioning },
        ConditioningCollection { collection },
        Mask { mask, width, height },
        DenoiseMask { denoise_mask },
        BoundingBox { bounding_box },
        BoundingBoxes { collection },
        Collection { collection },
        Iteration { item, index, total },
        Returned { values },
        Other,
    }
}

impl OutputValue {
    pub(super) fn read(raw: &Value) -> Self {
        Self::deserialize(raw).or_else(|_| Self::deserialize(lenient::simplified(raw))).unwrap_or(Self::Other)
    }
}

/// Reference to an image.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ImageField {
    /// Name on the server.
    pub image_name: String,
}

crate::base::debug::short_debug! { ImageField { image_name } }

/// Reference to a video.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VideoField {
    /// Name on the server.
    pub video_name: String,
}

crate::base::debug::short_debug! { VideoField { video_name } }

crate::workflow::field::settable! { ImageField: "image_name" = image_name, VideoField: "video_name" = video_name }

/// Reference to latents.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LatentsField {
    /// Name on the server.
    pub latents_name: String,
    /// Seed that they were made with.
    pub seed: Option<i64>,
}

crate::base::debug::short_debug! { LatentsField { latents_name, seed } }

/// Reference to a conditioning.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ConditioningField {
    /// Name on the server.
    pub conditioning_name: String,
}

crate::base::debug::short_debug! { ConditioningField { conditioning_name } }

/// Reference to a tensor.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TensorField {
    /// Name on the server.
    pub tensor_name: String,
}

crate::base::debug::short_debug! { TensorField { tensor_name } }

/// Reference to a mask for denoising.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DenoiseMaskField {
    /// Name of the mask on the server.
    pub mask_name: String,
    /// Name of the latents that it was applied to.
    pub masked_latents_name: Option<String>,
    /// Whether it is soft.
    #[serde(default)]
    pub gradient: bool,
}

crate::base::debug::short_debug! { DenoiseMaskField { mask_name, masked_latents_name, gradient } }

/// A color. Each component is 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// Alpha: 255 is opaque.
    pub a: u8,
}

/// A rectangle in pixels. Its right and lower edges are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct BoundingBox {
    /// Left edge.
    pub x_min: i64,
    /// Right edge.
    pub x_max: i64,
    /// Upper edge.
    pub y_min: i64,
    /// Lower edge.
    pub y_max: i64,
    /// Confidence of the detector, from 0 to 1.
    pub score: Option<f64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_classes_are_typed_and_all_others_kept_as_they_are() {
        let read = |raw: Value| OutputValue::read(&raw);
        assert_eq!(read(json!({"type": "integer_output", "value": 7})), OutputValue::Integer { value: 7 });
        assert_eq!(read(json!({"type": "float_output", "value": 7})), OutputValue::Float { value: 7.0 });
        let latents = LatentsField { latents_name: "l".into(), seed: None };
        let raw = json!({"type": "latents_output", "latents": {"latents_name": "l"}, "width": 64, "height": 32});
        assert_eq!(read(raw), OutputValue::Latents { latents, width: 64, height: 32 });
        let raw = json!({"type": "flux_conditioning_output", "conditioning": {"conditioning_name": "c", "mask": null}});
        let conditioning = ConditioningField { conditioning_name: "c".into() };
        assert_eq!(read(raw), OutputValue::Conditioning { conditioning });
        for odd in [
            json!({"type": "my_own_output", "value": 7}),
            json!({"type": "integer_output", "value": "seven"}),
            json!({"value": 7}),
            json!(null),
        ] {
            assert_eq!(read(odd), OutputValue::Other);
        }
    }
}
