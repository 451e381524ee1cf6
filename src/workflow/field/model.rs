//! Models and lists of LoRAs.

use super::bounds::{admits_count, describe_count, in_force};
use super::input_value::{InputValue, Refused};
use super::json_schema;
use super::list::convert_items;
use super::rules::{FieldKind, sealed::Rules};
use super::typed::TypedField;
use crate::schema::{InputTemplate, ModelFilter, ModelRecord};
use serde_json::{Map, Value, json};

/// Weight of a LoRA whose record suggests none, as in the editor.
const DEFAULT_WEIGHT: f64 = 0.75;

/// A model: `{key, hash, name, base, type}` and perhaps `submodel_type`. A model record is reduced to that. The hash
/// must not be empty, and type and base must be among those that the field's filter names, as must variant, format and
/// provider where the value has them.
pub struct Model;

/// A list of LoRAs: `[{lora, weight}]`. An item may also be a model record alone, which gets the weight that its
/// `default_settings` suggest, or 0.75.
pub struct Loras;

/// A LoRA model and how strongly it is applied.
#[derive(Clone, PartialEq)]
pub struct LoraWeight {
    /// The LoRA.
    pub lora: ModelRecord,
    /// Its weight; 1 is full strength, and negative weights are allowed.
    pub weight: f64,
}

crate::base::debug::short_debug! { LoraWeight { lora, weight } }

impl From<LoraWeight> for InputValue {
    fn from(lora: LoraWeight) -> Self {
        InputValue(json!({"lora": lora.lora.to_json(), "weight": lora.weight}))
    }
}

/// Declares names for model fields whose filter asks for one model type.
macro_rules! model_kinds {
    ($($model_type:literal: $alias:ident,)*) => {
        $(
            #[doc = concat!("An [`InkModelIdentifierField`](super::InkModelIdentifierField) for models of type `",
                $model_type, "`.")]
            pub type $alias = TypedField<Model>;
        )*

        /// The name of a field with this filter.
        pub(super) fn ink_type(filter: &ModelFilter) -> &'static str {
            match filter.model_type.as_slice() {
                [only] => match only.as_str() {
                    $($model_type => stringify!($alias),)*
                    _ => "InkModelIdentifierField",
                },
                _ => "InkModelIdentifierField",
            }
        }
    };
}

model_kinds! {
    "main": InkMainModelField,
    "vae": InkVaeModelField,
    "lora": InkLoraModelField,
    "control_lora": InkControlLoraField,
    "controlnet": InkControlNetField,
    "t2i_adapter": InkT2iAdapterField,
    "ip_adapter": InkIpAdapterField,
    "clip_vision": InkClipVisionField,
    "clip_embed": InkClipEmbedField,
    "siglip": InkSigLipField,
    "spandrel_image_to_image": InkSpandrelImageToImageField,
    "t5_encoder": InkT5EncoderField,
    "wan_t5_encoder": InkWanT5EncoderField,
    "qwen3_encoder": InkQwen3EncoderField,
    "qwen_vl_encoder": InkQwenVlEncoderField,
    "qwen3_vl_encoder": InkQwen3VlEncoderField,
    "mistral_encoder": InkMistralEncoderField,
    "gemma2_encoder": InkGemma2EncoderField,
    "flux_redux": InkFluxReduxField,
    "llava_onevision": InkLlavaOnevisionField,
    "text_llm": InkTextLlmField,
    "pid_decoder": InkPidDecoderField,
    "external_image_generator": InkExternalImageGeneratorField,
}

impl FieldKind for Model {
    type Typed<'a> = ModelRecord;

    fn read(value: &Value) -> Option<ModelRecord> {
        ModelRecord::from_json(value).filter(|model| {
            let members = [model.hash.as_deref().unwrap_or_default(), &model.key, &model.name, &model.base];
            members.iter().all(|member| !member.is_empty()) && !model.model_type.is_empty()
        })
    }
}

impl Rules for Model {
    fn accepts(template: &InputTemplate) -> String {
        let wanted = &template.model_filter;
        let which = if wanted.is_empty() { "any model".to_owned() } else { format!("a model of {wanted}") };
        format!("{which}, as a model record of the server or `{{key, hash, name, base, type}}`, none of them empty")
    }

    fn schema(template: &InputTemplate) -> Value {
        model_schema(&template.model_filter)
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        identifier(&value, &template.model_filter).ok_or(Refused::new(value))
    }
}

impl FieldKind for Loras {
    type Typed<'a> = Vec<LoraWeight>;

    fn read(value: &Value) -> Option<Vec<LoraWeight>> {
        let lora = |item: &Value| {
            let lora = Model::read(item.get("lora")?)?;
            Some(LoraWeight { lora, weight: item.get("weight")?.as_f64()? })
        };
        value.as_array()?.iter().map(lora).collect()
    }
}

impl Rules for Loras {
    fn accepts(template: &InputTemplate) -> String {
        let bounds = in_force(template);
        let list = describe_count("a list", "items", bounds.min_items, bounds.max_items);
        let filter = lora_filter(template);
        format!("{list} `{{lora, weight}}` with a model of {filter} and a number, or of such model records")
    }

    fn schema(template: &InputTemplate) -> Value {
        let model = model_schema(&lora_filter(template));
        let weighted =
            json!({"required": ["lora"], "properties": {"lora": model.clone(), "weight": {"type": "number"}}});
        let item = json!({"if": {"type": "object", "required": ["lora"]}, "then": weighted, "else": model});
        json_schema::list(item, &in_force(template))
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let bounds = in_force(template);
        let filter = lora_filter(template);
        match value {
            Value::Array(items) if admits_count(items.len(), bounds.min_items, bounds.max_items) => {
                convert_items(items, &|item| weighted(&item, &filter).ok_or(Refused::new(item)))
            }
            value => Err(Refused::new(value)),
        }
    }

    /// The value is already a list.
    fn takes_list(_: &InputTemplate) -> bool {
        false
    }
}

/// The picker of LoRA lists offers LoRAs and looks at the base only.
fn lora_filter(template: &InputTemplate) -> ModelFilter {
    let mut filter = ModelFilter::default();
    filter.base.clone_from(&template.model_filter.base);
    filter.model_type = vec!["lora".into()];
    filter
}

fn weighted(item: &Value, filter: &ModelFilter) -> Option<Value> {
    let (model, weight) = match item.get("lora") {
        Some(lora) => (lora, item.get("weight")),
        None => (item, None),
    };
    let suggested = || model.pointer("/default_settings/weight").and_then(Value::as_f64).unwrap_or(DEFAULT_WEIGHT);
    let weight = weight.cloned().unwrap_or_else(|| suggested().into());
    weight.is_number().then_some(json!({"lora": identifier(model, filter)?, "weight": weight}))
}

/// What [`identifier`] takes.
fn model_schema(filter: &ModelFilter) -> Value {
    let filled = json!({"type": "string", "minLength": 1});
    let one_of = |list: &[String]| if list.is_empty() { filled.clone() } else { json!({"enum": list}) };
    let (base, kind) = (one_of(&filter.base), one_of(&filter.model_type));
    let mut schema = json!({
        "type": "object",
        "format": "invokeai-model",
        "required": ["key", "hash", "name", "base", "type"],
        "properties": {"key": filled, "hash": filled, "name": filled, "base": base, "type": kind},
    });
    let picks = !filter.base.is_empty() || !filter.model_type.is_empty() || !filter.provider_id.is_empty();
    let more = [("format", &filter.format), ("provider_id", &filter.provider_id)];
    let named = more.into_iter().filter(|(_, list)| !list.is_empty());
    let mut properties: Map<String, Value> =
        named.map(|(name, list)| (name.to_owned(), json!({"enum": list}))).collect();
    // An identifier has only type and base; a record has the others too, unless the server does not say.
    let told: Vec<String> = properties.keys().cloned().collect();
    if !filter.variant.is_empty() {
        let unsaid = json!({"not": {"type": "string", "minLength": 1}});
        properties.insert("variant".into(), json!({"anyOf": [{"enum": filter.variant}, unsaid]}));
    }
    if picks && !properties.is_empty() {
        schema["if"] = json!({"required": ["format"], "properties": {"format": {"type": "string"}}});
        schema["then"] = json!({"required": told, "properties": properties});
    }
    schema
}

/// The identifier of a model that fits.
fn identifier(value: &Value, filter: &ModelFilter) -> Option<Value> {
    let model = Model::read(value)?;
    let mut known = filter.clone();
    // An identifier does not have these; a record has at least the format.
    if model.format.is_none() {
        (known.variant, known.format, known.provider_id) = Default::default();
    }
    if !known.matches(&model) {
        return None;
    }
    let mut identifier = model.identifier();
    if let Some(submodel) = value.get("submodel_type").filter(|submodel| submodel.is_string()) {
        identifier["submodel_type"] = submodel.clone();
    }
    Some(identifier)
}
