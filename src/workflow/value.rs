//! What is left of a stored value when a workflow is loaded.
//!
//! The editor matches a value against a list of shapes without looking at the template of its field
//! (`zFieldInputInstance` in `features/nodes/types/field.ts`); what matches nothing becomes unset. We do the same, but
//! consult the template where the editor goes wrong: an object of no known shape becomes unset instead of a float
//! generator, an image generator keeps its board, lists of booleans and videos are kept, and so are models of kinds
//! that this crate does not know.

use super::generator::{Generator, GeneratorKind, Rule};
use super::shape::{Fitted, Member, Shape};
use crate::schema::{Cardinality, EnumOption, FieldType};
use serde_json::{Map, Number, Value};

/// Node types that take inputs their schema does not declare (pydantic `extra = "allow"`).
pub(super) fn accepts_extra_inputs(node_type: &str) -> bool {
    node_type == "core_metadata"
}

/// Architectures, kinds and submodels may be any words: a newer server has new ones, and its editor keeps them, because
/// that has them in its own lists.
const MODEL_MEMBERS: &[Member] = &[
    Member::required("key", Shape::StringFrom(1)),
    Member::required("hash", Shape::StringFrom(1)),
    Member::required("name", Shape::StringFrom(1)),
    Member::required("base", Shape::StringFrom(1)),
    Member::required("type", Shape::StringFrom(1)),
    Member::nullish("submodel_type", Shape::StringFrom(1)),
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

/// The integer among these options that a stored text spells. The editor's widget for choices stores texts, whatever
/// the options are, and sends them; the server then refuses to run.
pub(super) fn spelled_option(stored: &Value, options: &[EnumOption]) -> Option<Value> {
    let number: Number = stored.as_str()?.parse().ok()?;
    options.iter().map(|option| &option.value).find(|option| option.as_number() == Some(&number)).cloned()
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
    fn models_of_newer_servers_are_kept() {
        let model = json!({"key": "k", "hash": "h", "name": "n", "base": "nova-1", "type": "nova_encoder",
            "submodel_type": "nova_part"});
        let kept = loaded(model.clone(), "ModelIdentifierField", Cardinality::Single);
        assert_eq!(kept, Loaded::Value(model.clone()));
        let loras = json!([{"lora": model, "weight": 0.5}]);
        assert_eq!(loaded(loras.clone(), "LoRAField", Cardinality::Collection), Loaded::Value(loras));
    }

    #[test]
    fn core_metadata_keeps_everything() {
        for value in [json!(null), json!({"x": {"y": 1}}), json!([[1], "a"])] {
            assert_eq!(load(&value, "core_metadata", None), Loaded::Kept, "{value}");
        }
    }
}
