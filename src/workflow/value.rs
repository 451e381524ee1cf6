//! What is left of a stored value when a workflow is loaded.
//!
//! The editor matches a value against a list of shapes without looking at the template of its field
//! (`zFieldInputInstance` in `features/nodes/types/field.ts`); what matches nothing becomes unset. We do the same, but
//! consult the template where the editor goes wrong: an object of no known shape becomes unset instead of a float
//! generator, an image generator keeps its board, and lists of booleans and videos are kept.

use super::generator::{Generator, GeneratorKind, Rule};
use super::shape::{Fitted, Member, Shape};
use crate::schema::{Cardinality, FieldType};
use serde_json::{Map, Value};

/// Node types that take inputs their schema does not declare (pydantic `extra = "allow"`).
pub(super) fn accepts_extra_inputs(node_type: &str) -> bool {
    node_type == "core_metadata"
}

/// Architectures and kinds of models that InvokeAI 6.14 knows (`BaseModelType`, `ModelType`).
const BASES: Shape = Shape::OneOf(&[
    "any",
    "sd-1",
    "sd-2",
    "sd-3",
    "sdxl",
    "sdxl-refiner",
    "flux",
    "flux2",
    "cogview4",
    "qwen-image",
    "z-image",
    "ernie-image",
    "krea-2",
    "ideogram-4",
    "external",
    "anima",
    "wan",
    "unknown",
]);
const MODEL_TYPES: Shape = Shape::OneOf(&[
    "main",
    "vae",
    "lora",
    "llava_onevision",
    "text_llm",
    "control_lora",
    "controlnet",
    "t2i_adapter",
    "ip_adapter",
    "embedding",
    "onnx",
    "clip_vision",
    "spandrel_image_to_image",
    "t5_encoder",
    "qwen3_encoder",
    "qwen_vl_encoder",
    "mistral_encoder",
    "qwen3_vl_encoder",
    "wan_t5_encoder",
    "gemma2_encoder",
    "clip_embed",
    "siglip",
    "flux_redux",
    "prompt_enhancer",
    "external_image_generator",
    "pid_decoder",
    "unknown",
]);
const SUBMODELS: Shape = Shape::OneOf(&[
    "unet",
    "transformer",
    "transformer_2",
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
    "tokenizer",
    "tokenizer_2",
    "tokenizer_3",
    "pe",
    "pe_tokenizer",
    "vae",
    "vae_decoder",
    "vae_encoder",
    "scheduler",
    "safety_checker",
]);
const MODEL_MEMBERS: &[Member] = &[
    Member::required("key", Shape::StringFrom(1)),
    Member::required("hash", Shape::StringFrom(1)),
    Member::required("name", Shape::StringFrom(1)),
    Member::required("base", BASES),
    Member::required("type", MODEL_TYPES),
    Member::nullish("submodel_type", SUBMODELS),
];
const CHANNEL: Shape = Shape::IntegerIn(0, 255);

static IMAGE: Shape = Shape::Object(&[Member::required("image_name", Shape::Word)]);
static VIDEO: Shape = Shape::Object(&[Member::required("video_name", Shape::Word)]);
static LORA: Shape =
    Shape::Object(&[Member::required("lora", Shape::Object(MODEL_MEMBERS)), Member::required("weight", Shape::Number)]);

/// Objects a field may hold, before the generators.
static OBJECTS: Shape = Shape::Either(&[
    Shape::Object(&[Member::required("image_name", Shape::Word)]),
    Shape::Object(&[Member::required("video_name", Shape::Word)]),
    Shape::Object(&[Member::required("board_id", Shape::Word)]),
    Shape::Object(&[Member::required("style_preset_id", Shape::Word)]),
    Shape::Object(&[Member::required("system_prompt_id", Shape::Word)]),
    Shape::Object(MODEL_MEMBERS),
    Shape::Object(&[
        Member::required("r", CHANNEL),
        Member::required("g", CHANNEL),
        Member::required("b", CHANNEL),
        Member::required("a", CHANNEL),
    ]),
]);

const GENERATORS: [GeneratorKind; 4] =
    [GeneratorKind::Float, GeneratorKind::Integer, GeneratorKind::String, GeneratorKind::Image];

/// Cleans a stored generator of one of these kinds.
fn load_generator(kinds: &[GeneratorKind], value: &Value) -> Option<Value> {
    let generator = kinds.iter().find_map(|kind| Generator::from_json(*kind, value))?;
    let mut cleaned = generator.to_json();
    // These two may be `null`, which means the same as absent; the editor keeps the `null`.
    let seeded = matches!(generator.rule(), Rule::Uniform { .. } | Rule::DynamicPromptsRandom { .. });
    for (name, known) in [("seed", seeded), ("values", generator.kind() == GeneratorKind::Float)] {
        if let (true, Some(Value::Null), Value::Object(members)) = (known, value.get(name), &mut cleaned) {
            members.insert(name.into(), Value::Null);
        }
    }
    Some(cleaned)
}

/// The result of loading a stored value.
#[derive(Debug, PartialEq)]
pub(super) enum Loaded {
    /// The value as it is.
    Kept,
    /// What is left of it.
    Value(Value),
    Unset,
    /// Unset because no field can hold a value of this shape: the user gets a warning.
    Dropped,
    /// The same, for an object that the editor takes for a float generator.
    ObjectDropped,
}

/// Loads a stored value of a field of the given type; `None` if the field has no template.
pub(super) fn load(value: &Value, node_type: &str, field_type: Option<&FieldType>) -> Loaded {
    let found = match value {
        Value::Bool(_) | Value::Number(_) | Value::String(_) => return Loaded::Kept,
        Value::Null if accepts_extra_inputs(node_type) => return Loaded::Kept,
        Value::Null => return Loaded::Unset,
        Value::Array(items) => load_list(items, value, field_type),
        Value::Object(members) => load_object(members, value, field_type),
    };
    match found {
        Some(Fitted::Whole) => Loaded::Kept,
        Some(Fitted::Cut(value)) => Loaded::Value(value),
        None if accepts_extra_inputs(node_type) => Loaded::Kept,
        None if value.is_object() && value.get("type").is_none() => Loaded::ObjectDropped,
        None => Loaded::Dropped,
    }
}

fn load_list(items: &[Value], value: &Value, field_type: Option<&FieldType>) -> Option<Fitted> {
    if items.iter().all(Value::is_number) || items.iter().all(Value::is_string) {
        return Some(Fitted::Whole);
    }
    let list_of = |name: &str| field_type.is_some_and(|t| t.name == name && t.cardinality != Cardinality::Single);
    if items.iter().all(Value::is_boolean) && list_of("BooleanField") {
        return Some(Fitted::Whole);
    }
    let list = |shape: &'static Shape| Shape::List(shape).fitted(value);
    list(&IMAGE).or_else(|| list(&LORA)).or_else(|| list(&VIDEO).filter(|_| list_of("VideoField")))
}

fn load_object(members: &Map<String, Value>, value: &Value, field_type: Option<&FieldType>) -> Option<Fitted> {
    let type_name = field_type.map_or("", |field_type| field_type.name.as_str());
    let generator = |kinds| load_generator(kinds, value).map(Fitted::Cut);
    if members.contains_key("type") {
        if type_name == "ImageGeneratorField"
            && let Some(generator) = generator(&[GeneratorKind::Image])
        {
            return Some(generator);
        }
        return OBJECTS.fitted(value).or_else(|| generator(&GENERATORS));
    }
    // The editor takes any other object for a float generator; it can only be one in a field for float generators.
    let is_generator = type_name == "FloatGeneratorField";
    OBJECTS.fitted(value).or_else(|| generator(&[GeneratorKind::Float]).filter(|_| is_generator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn loaded(value: Value, field_type: &str, cardinality: Cardinality) -> Loaded {
        kept(&value, load(&value, "some_node", Some(&FieldType::new(field_type, cardinality))))
    }

    fn kept(value: &Value, loaded: Loaded) -> Loaded {
        if loaded == Loaded::Kept { Loaded::Value(value.clone()) } else { loaded }
    }

    #[test]
    fn values_are_cleaned_by_shape() {
        let image = loaded(json!({"image_name": " a.png ", "width": 3}), "ImageField", Cardinality::Single);
        assert_eq!(image, Loaded::Value(json!({"image_name": "a.png"})));
        let text = loaded(json!("seven"), "IntegerField", Cardinality::Single);
        assert_eq!(text, Loaded::Value(json!("seven")), "the editor does not look at the template");
        assert_eq!(loaded(json!(null), "IntegerField", Cardinality::Single), Loaded::Unset);
        assert_eq!(loaded(json!([1, "a"]), "IntegerField", Cardinality::Collection), Loaded::Dropped);
    }

    #[test]
    fn objects_of_no_shape_are_dropped() {
        for value in
            [json!({}), json!({"model_name": "a", "base_model": "sd-1"}), json!({"r": 0.5, "g": 0, "b": 0, "a": 1})]
        {
            assert_eq!(loaded(value, "ModelIdentifierField", Cardinality::Single), Loaded::ObjectDropped);
        }
        let generator = loaded(json!({"start": 1}), "FloatGeneratorField", Cardinality::Single);
        let expected = json!({"type": "float_generator_arithmetic_sequence", "start": 1, "step": 0.1, "count": 10});
        assert_eq!(generator, Loaded::Value(expected));
    }

    #[test]
    fn what_the_editor_loses_is_kept() {
        let stored = json!({"type": "image_generator_images_from_board", "board_id": "b", "category": "assets"});
        assert_eq!(loaded(stored.clone(), "ImageGeneratorField", Cardinality::Single), Loaded::Value(stored));
        assert_eq!(loaded(json!([true]), "BooleanField", Cardinality::Collection), Loaded::Value(json!([true])));
        let videos = json!([{"video_name": "v.mp4"}]);
        assert_eq!(loaded(videos.clone(), "VideoField", Cardinality::Collection), Loaded::Value(videos));
    }

    #[test]
    fn core_metadata_keeps_everything() {
        for value in [json!(null), json!({"x": {"y": 1}}), json!([[1], "a"])] {
            assert_eq!(load(&value, "core_metadata", None), Loaded::Kept, "{value}");
        }
    }
}
