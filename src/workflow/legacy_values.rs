//! Values of versions 1.0.0 and 2.0.0, judged by the type stored beside them
//! (`features/nodes/types/v1/workflowV1.ts`, `v2/field.ts`).

use super::json::{At, Fit};
use super::shape::{Member, Shape};
use super::text::Text;
use serde_json::Value;

const BASES: Shape = Shape::OneOf(&["any", "sd-1", "sd-2", "sdxl", "sdxl-refiner"]);
static IMAGE: Shape = Shape::Object(&[Member::required("image_name", Shape::Word)]);
static BOARD: Shape = Shape::Object(&[Member::required("board_id", Shape::Word)]);
const CHANNEL: Shape = Shape::IntegerIn(0, 255);
static COLOR: Shape = Shape::Object(&[
    Member::required("r", CHANNEL),
    Member::required("g", CHANNEL),
    Member::required("b", CHANNEL),
    Member::required("a", CHANNEL),
]);
/// Schedulers that existed while these versions were written.
static SCHEDULER: Shape = Shape::OneOf(&[
    "euler",
    "deis",
    "ddim",
    "ddpm",
    "dpmpp_2s",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_sde",
    "heun",
    "kdpm_2",
    "lms",
    "pndm",
    "unipc",
    "euler_k",
    "dpmpp_2s_k",
    "dpmpp_2m_k",
    "dpmpp_2m_sde_k",
    "dpmpp_sde_k",
    "heun_k",
    "lms_k",
    "euler_a",
    "kdpm_2_a",
    "lcm",
]);
static MODEL: Shape =
    Shape::Object(&[Member::required("model_name", Shape::Word), Member::required("base_model", BASES)]);
static MAIN_MODEL: Shape = Shape::Object(&[
    Member::required("model_name", Shape::StringFrom(1)),
    Member::required("base_model", BASES),
    Member::required("model_type", Shape::OneOf(&["main", "onnx"])),
]);
const INFO_TYPES: Shape = Shape::OneOf(&["onnx", "main", "vae", "lora", "controlnet", "embedding"]);
const INFO_SUBMODELS: Shape = Shape::OneOf(&[
    "unet",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "vae",
    "vae_decoder",
    "vae_encoder",
    "scheduler",
    "safety_checker",
]);
static MODEL_INFO_MEMBERS: [Member; 5] = [
    Member::required("model_name", Shape::Word),
    Member::required("base_model", BASES),
    Member::required("model_type", INFO_TYPES),
    Member::optional("submodel", INFO_SUBMODELS),
    Member::optional("weight", Shape::Number),
];
static MODEL_INFO: Shape = Shape::Object(&MODEL_INFO_MEMBERS);
const MODEL_INFO_REF: Shape = Shape::Object(&MODEL_INFO_MEMBERS);
static UNET: Shape = Shape::Object(&[
    Member::required("unet", MODEL_INFO_REF),
    Member::required("scheduler", MODEL_INFO_REF),
    Member::required("loras", Shape::List(&MODEL_INFO)),
]);
static CLIP: Shape = Shape::Object(&[
    Member::required("tokenizer", MODEL_INFO_REF),
    Member::required("text_encoder", MODEL_INFO_REF),
    Member::required("skipped_layers", Shape::Number),
    Member::required("loras", Shape::List(&MODEL_INFO)),
]);
static VAE: Shape = Shape::Object(&[Member::required("vae", MODEL_INFO_REF)]);
static LATENTS: Shape =
    Shape::Object(&[Member::required("latents_name", Shape::Word), Member::optional("seed", Shape::Integer)]);
static CONDITIONING: Shape = Shape::Object(&[Member::required("conditioning_name", Shape::Word)]);
static DENOISE_MASK: Shape =
    Shape::Object(&[Member::required("mask_name", Shape::Word), Member::optional("masked_latents_name", Shape::Word)]);
const IMAGE_MEMBERS: &[Member] = &[Member::required("image_name", Shape::Word)];
const MODEL_MEMBERS: &[Member] = &[Member::required("model_name", Shape::Word), Member::required("base_model", BASES)];
const WEIGHTS: Shape = Shape::Either(&[Shape::Number, Shape::List(&Shape::Number)]);
const RESIZE: Shape = Shape::OneOf(&["just_resize", "crop_resize", "fill_resize", "just_resize_simple"]);
static CONTROL: Shape = Shape::Object(&[
    Member::required("image", Shape::Object(IMAGE_MEMBERS)),
    Member::required("control_model", Shape::Object(MODEL_MEMBERS)),
    Member::optional("control_weight", WEIGHTS),
    Member::optional("begin_step_percent", Shape::Number),
    Member::optional("end_step_percent", Shape::Number),
    Member::optional("control_mode", Shape::OneOf(&["balanced", "more_prompt", "more_control", "unbalanced"])),
    Member::optional("resize_mode", RESIZE),
]);
static IP_ADAPTER: Shape = Shape::Object(&[
    Member::required("image", Shape::Object(IMAGE_MEMBERS)),
    Member::required("ip_adapter_model", Shape::Object(MODEL_MEMBERS)),
    Member::required("weight", Shape::Number),
    Member::optional("begin_step_percent", Shape::Number),
    Member::optional("end_step_percent", Shape::Number),
]);
static T2I_ADAPTER: Shape = Shape::Object(&[
    Member::required("image", Shape::Object(IMAGE_MEMBERS)),
    Member::required("t2i_adapter_model", Shape::Object(MODEL_MEMBERS)),
    Member::optional("weight", WEIGHTS),
    Member::optional("begin_step_percent", Shape::Number),
    Member::optional("end_step_percent", Shape::Number),
    Member::optional("resize_mode", RESIZE),
]);
static METADATA: Shape = Shape::Map(&Shape::Any);
static METADATA_ITEM: Shape =
    Shape::Object(&[Member::required("label", Shape::String), Member::optional("value", Shape::Any)]);

/// How many values a type of version 1.0.0 stood for.
enum Count {
    One,
    Many,
    OneOrMany,
}

/// A type of version 1.0.0: the name it has now, and the shape of its values.
fn v1_type_of(name: &str) -> Option<(&'static str, &'static Shape, Count)> {
    use Count::{Many, One, OneOrMany};
    Some(match name {
        "Any" | "CollectionItem" => ("AnyField", &Shape::Any, One),
        "Collection" => ("CollectionField", &Shape::Any, Many),
        "BoardField" => ("BoardField", &BOARD, One),
        "boolean" | "BooleanPolymorphic" => ("BooleanField", &Shape::Boolean, One),
        "BooleanCollection" => ("BooleanField", &Shape::Boolean, Many),
        "ColorField" => ("ColorField", &COLOR, One),
        "ColorCollection" => ("ColorField", &COLOR, Many),
        "ColorPolymorphic" => ("ColorField", &COLOR, OneOrMany),
        "enum" => ("EnumField", &Shape::String, One),
        "float" | "FloatPolymorphic" => ("FloatField", &Shape::Number, One),
        "FloatCollection" => ("FloatField", &Shape::Number, Many),
        "ImageField" | "ImagePolymorphic" => ("ImageField", &IMAGE, One),
        "ImageCollection" => ("ImageField", &IMAGE, Many),
        "integer" | "IntegerPolymorphic" => ("IntegerField", &Shape::Integer, One),
        "IntegerCollection" => ("IntegerField", &Shape::Integer, Many),
        "string" | "StringPolymorphic" => ("StringField", &Shape::String, One),
        "StringCollection" => ("StringField", &Shape::String, Many),
        "Scheduler" => ("SchedulerField", &SCHEDULER, One),
        "MainModelField" => ("MainModelField", &MAIN_MODEL, One),
        "SDXLMainModelField" => ("SDXLMainModelField", &MAIN_MODEL, One),
        "SDXLRefinerModelField" => ("SDXLRefinerModelField", &MAIN_MODEL, One),
        "VaeModelField" => ("VAEModelField", &MODEL, One),
        "LoRAModelField" => ("LoRAModelField", &MODEL, One),
        "ControlNetModelField" => ("ControlNetModelField", &MODEL, One),
        "IPAdapterModelField" => ("IPAdapterModelField", &MODEL, One),
        "T2IAdapterModelField" => ("T2IAdapterModelField", &MODEL, One),
        "UNetField" => ("UNetField", &UNET, One),
        "ClipField" => ("ClipField", &CLIP, One),
        "VaeField" => ("VaeField", &VAE, One),
        "LatentsField" => ("LatentsField", &LATENTS, One),
        "LatentsCollection" => ("LatentsField", &LATENTS, Many),
        "LatentsPolymorphic" => ("LatentsField", &LATENTS, OneOrMany),
        "DenoiseMaskField" => ("DenoiseMaskField", &DENOISE_MASK, One),
        "ConditioningField" => ("ConditioningField", &CONDITIONING, One),
        "ConditioningCollection" => ("ConditioningField", &CONDITIONING, Many),
        "ConditioningPolymorphic" => ("ConditioningField", &CONDITIONING, OneOrMany),
        "ControlField" => ("ControlField", &CONTROL, One),
        "ControlCollection" => ("ControlField", &CONTROL, Many),
        "ControlPolymorphic" => ("ControlField", &CONTROL, OneOrMany),
        "IPAdapterField" => ("IPAdapterField", &IP_ADAPTER, One),
        "IPAdapterCollection" => ("IPAdapterField", &IP_ADAPTER, Many),
        "IPAdapterPolymorphic" => ("IPAdapterField", &IP_ADAPTER, OneOrMany),
        "T2IAdapterField" => ("T2IAdapterField", &T2I_ADAPTER, One),
        "T2IAdapterCollection" => ("T2IAdapterField", &T2I_ADAPTER, Many),
        "T2IAdapterPolymorphic" => ("T2IAdapterField", &T2I_ADAPTER, OneOrMany),
        "MetadataField" => ("MetadataField", &METADATA, One),
        "MetadataCollection" => ("MetadataField", &METADATA, Many),
        "MetadataItemField" => ("MetadataItemField", &METADATA_ITEM, One),
        "MetadataItemCollection" => ("MetadataItemField", &METADATA_ITEM, Many),
        "MetadataItemPolymorphic" => ("MetadataItemField", &METADATA_ITEM, OneOrMany),
        _ => return None,
    })
}

/// Checks that a type of version 1.0.0 exists.
pub(super) fn v1_type(at: &At<'_>) -> Fit<()> {
    match v1_type_of(at.string()?) {
        Some(_) => Ok(()),
        None => at.expected("a field type of workflow version 1.0.0"),
    }
}

/// The value of an input of version 1.0.0. One that does not fit its type makes the workflow unreadable.
pub(super) fn v1_value(at: &At<'_>) -> Fit<Option<Value>> {
    at.need("label")?.string()?;
    let kind = at.need("type")?;
    v1_type(&kind)?;
    let Some((name, shape, count)) = v1_type_of(kind.string()?) else {
        return kind.expected("a field type of workflow version 1.0.0");
    };
    let Some(value) = at.get("value")? else {
        return Ok(None);
    };
    let list = |value: &Value| {
        value.as_array()?.iter().map(|item| shape.fit(item)).collect::<Option<Vec<_>>>().map(Value::Array)
    };
    let fitted = match count {
        Count::One => shape.fit(value.value),
        Count::Many => list(value.value),
        Count::OneOrMany => shape.fit(value.value).or_else(|| list(value.value)),
    };
    match fitted {
        Some(fitted) => Ok(keep_stateful(name, &fitted)),
        None => value.expected(&format!("a value of type {}", kind.string()?)),
    }
}

/// Checks a type of version 2.0.0: `{name, isCollection, isCollectionOrScalar}`.
pub(super) fn v2_type(at: &At<'_>) -> Fit<Text> {
    at.need_boolean("isCollection")?;
    at.need_boolean("isCollectionOrScalar")?;
    at.need("name")?.filled()
}

/// The value of an input of version 2.0.0. One that does not fit its type is dropped.
pub(super) fn v2_value(at: &At<'_>) -> Fit<Option<Value>> {
    if let Some(label) = at.get("label")?.filter(|at| !at.value.is_null()) {
        label.string()?;
    }
    let name = v2_type(&at.need("type")?)?;
    Ok(at.get("value")?.and_then(|at| keep_stateful(&name, at.value)))
}

/// What version 2.0.0 kept of a value: only single values of types with a widget.
fn keep_stateful(type_name: &str, value: &Value) -> Option<Value> {
    const NAMED: Shape =
        Shape::Object(&[Member::required("model_name", Shape::StringFrom(3)), Member::required("base_model", BASES)]);
    const MAIN: Shape = Shape::Object(&[
        Member::required("model_name", Shape::StringFrom(3)),
        Member::required("base_model", BASES),
        Member::required("model_type", Shape::Literal("main")),
    ]);
    let shape = match type_name {
        "IntegerField" => &Shape::Integer,
        "FloatField" => &Shape::Number,
        "StringField" | "EnumField" => &Shape::String,
        "BooleanField" => &Shape::Boolean,
        "ImageField" => &IMAGE,
        "BoardField" => &BOARD,
        "ColorField" => &COLOR,
        "SchedulerField" => &SCHEDULER,
        "MainModelField" | "SDXLMainModelField" | "SDXLRefinerModelField" => &MAIN,
        "VAEModelField"
        | "LoRAModelField"
        | "ControlNetModelField"
        | "IPAdapterModelField"
        | "T2IAdapterModelField" => &NAMED,
        _ => return None,
    };
    shape.fit(value)
}
