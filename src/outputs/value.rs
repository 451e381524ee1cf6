//! Outputs of nodes, typed for the classes of InvokeAI's own nodes.

use serde_json::{Map, Value};

use crate::json::{lenient, tagged};

/// The output of a node, by its class (`type`, for example `integer_output`).
///
/// Classes are those of InvokeAI 6.14.2 (`invokeai/app/invocations/primitives.py` and the nodes themselves). Everything
/// else, such as the outputs of custom nodes, is [`Other`](Self::Other): read
/// [`NodeOutput::raw`](super::NodeOutput::raw).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum OutputValue {
    /// One image.
    Image {
        /// The image.
        image: ImageField,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// Several images.
    Images {
        /// The images.
        collection: Vec<ImageField>,
    },
    /// One video.
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
    Integer {
        /// The number.
        value: i64,
    },
    /// Whole numbers.
    Integers {
        /// The numbers.
        collection: Vec<i64>,
    },
    /// A number.
    Float {
        /// The number.
        value: f64,
    },
    /// Numbers.
    Floats {
        /// The numbers.
        collection: Vec<f64>,
    },
    /// A string.
    String {
        /// The string.
        value: String,
    },
    /// Strings.
    Strings {
        /// The strings.
        collection: Vec<String>,
    },
    /// A Boolean.
    Boolean {
        /// The value.
        value: bool,
    },
    /// Booleans.
    Booleans {
        /// The values.
        collection: Vec<bool>,
    },
    /// A color.
    Color {
        /// The color.
        color: Color,
    },
    /// Colors.
    Colors {
        /// The colors.
        collection: Vec<Color>,
    },
    /// Latents (an image before decoding), kept on the server.
    Latents {
        /// Name and seed.
        latents: LatentsField,
        /// Width of the resulting image, in pixels.
        width: u64,
        /// Height of the resulting image, in pixels.
        height: u64,
    },
    /// Several latents.
    LatentsCollection {
        /// Names and seeds.
        collection: Vec<LatentsField>,
    },
    /// Noise, kept on the server.
    Noise {
        /// Name and seed.
        noise: LatentsField,
        /// Width of the resulting image, in pixels.
        width: u64,
        /// Height of the resulting image, in pixels.
        height: u64,
    },
    /// A conditioning (a prompt encoded for a model), kept on the server. There is one class for each kind of model.
    Conditioning {
        /// Name.
        conditioning: ConditioningField,
    },
    /// Several conditionings.
    ConditioningCollection {
        /// Names.
        collection: Vec<ConditioningField>,
    },
    /// A mask, kept on the server as a tensor.
    Mask {
        /// Name.
        mask: TensorField,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// A mask for denoising, kept on the server. The gradient kind comes with an image.
    DenoiseMask {
        /// Names.
        denoise_mask: DenoiseMaskField,
    },
    /// A rectangle.
    BoundingBox {
        /// The rectangle.
        bounding_box: BoundingBox,
    },
    /// Several rectangles.
    BoundingBoxes {
        /// The rectangles.
        collection: Vec<BoundingBox>,
    },
    /// The elements that a `collect` node gathered, in order.
    Collection {
        /// The elements.
        collection: Vec<Value>,
    },
    /// One step of an `iterate` node.
    Iteration {
        /// The element.
        item: Value,
        /// Its index, from 0.
        index: u64,
        /// Total number of elements.
        total: u64,
    },
    /// Named values that a saved workflow returns to its caller.
    Returned {
        /// The values.
        values: Map<String, Value>,
    },
    /// Anything else.
    Other,
}

crate::json::tagged::tagged! {
    OutputValue by "type" {
        "image_output" => Image { 0 image, 1 width, 2 height },
        "image_collection_output" => Images { 0 collection },
        "video_output" | "extract_video_range_output" => Video {
            0 video, 1 width, 2 height, 3 num_frames nullable, 4 fps nullable, 5 duration nullable,
        },
        "integer_output" => Integer { 0 value },
        "integer_collection_output" => Integers { 0 collection },
        "float_output" => Float { 0 value },
        "float_collection_output" => Floats { 0 collection },
        "string_output" => String { 0 value },
        "string_collection_output" => Strings { 0 collection },
        "boolean_output" => Boolean { 0 value },
        "boolean_collection_output" => Booleans { 0 collection },
        "color_output" => Color { 0 color },
        "color_collection_output" => Colors { 0 collection },
        "latents_output" | "latents_meta_output" => Latents { 0 latents, 1 width, 2 height },
        "latents_collection_output" => LatentsCollection { 0 collection },
        "noise_output" => Noise { 0 noise, 1 width, 2 height },
        "conditioning_output"
        | "anima_conditioning_output"
        | "cogview4_conditioning_output"
        | "ernie_image_conditioning_output"
        | "flux_conditioning_output"
        | "ideogram4_conditioning_output"
        | "krea2_conditioning_output"
        | "qwen_image_conditioning_output"
        | "sd3_conditioning_output"
        | "wan_conditioning_output"
        | "z_image_conditioning_output" => Conditioning {
            0 conditioning,
        },
        "conditioning_collection_output"
        | "flux_conditioning_collection_output" => ConditioningCollection {
            0 collection,
        },
        "mask_output" => Mask { 0 mask, 1 width, 2 height },
        "denoise_mask_output" | "gradient_mask_output" => DenoiseMask { 0 denoise_mask },
        "bounding_box_output" => BoundingBox { 0 bounding_box },
        "bounding_box_collection_output" => BoundingBoxes { 0 collection },
        "collect_output" => Collection { 0 collection default },
        "iterate_output" => Iteration { 0 item default, 1 index, 2 total },
        "workflow_return_output" => Returned { 0 values default },
    }
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
        tagged::from_value(raw).or_else(|_| tagged::from_value(&lenient::simplified(raw))).unwrap_or(Self::Other)
    }
}

/// Reference to an image.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageField {
    /// Name on the server.
    pub image_name: String,
}

crate::json::record::readable! { ImageField { 0 image_name } }

crate::base::debug::short_debug! { ImageField { image_name } }

/// Reference to a video.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoField {
    /// Name on the server.
    pub video_name: String,
}

crate::json::record::readable! { VideoField { 0 video_name } }

crate::base::debug::short_debug! { VideoField { video_name } }

crate::workflow::field::settable! { ImageField: "image_name" = image_name, VideoField: "video_name" = video_name }

/// Reference to latents.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatentsField {
    /// Name on the server.
    pub latents_name: String,
    /// Seed that they were made with.
    pub seed: Option<i64>,
}

crate::json::record::readable! { LatentsField { 0 latents_name, 1 seed nullable } }

crate::base::debug::short_debug! { LatentsField { latents_name, seed } }

/// Reference to a conditioning.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditioningField {
    /// Name on the server.
    pub conditioning_name: String,
}

crate::json::record::readable! { ConditioningField { 0 conditioning_name } }

crate::base::debug::short_debug! { ConditioningField { conditioning_name } }

/// Reference to a tensor.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorField {
    /// Name on the server.
    pub tensor_name: String,
}

crate::json::record::readable! { TensorField { 0 tensor_name } }

crate::base::debug::short_debug! { TensorField { tensor_name } }

/// Reference to a mask for denoising.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DenoiseMaskField {
    /// Name of the mask on the server.
    pub mask_name: String,
    /// Name of the latents that it was applied to.
    pub masked_latents_name: Option<String>,
    /// Whether it is soft.
    pub gradient: bool,
}

crate::json::record::readable! { DenoiseMaskField { 0 mask_name, 1 masked_latents_name nullable, 2 gradient default } }

crate::base::debug::short_debug! { DenoiseMaskField { mask_name, masked_latents_name, gradient } }

/// A color. Each component is 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

crate::json::record::readable! { Color { 0 r, 1 g, 2 b, 3 a } }

/// A rectangle in pixels. Its right and lower edges are not part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
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

crate::json::record::readable! { BoundingBox { 0 x_min, 1 x_max, 2 y_min, 3 y_max, 4 score nullable } }

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
