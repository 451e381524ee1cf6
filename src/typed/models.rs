//! Models by kind.

use super::value::InputType;
use crate::schema::ModelRecord;
use crate::workflow::field::{FieldKind, InputValue, kind::Model};
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;

/// The kind of model that an input takes. Implemented by the markers in [`kinds`].
pub trait ModelKind: 'static {
    /// The model type, for example `main`; `None` if any will do.
    const TYPE: Option<&'static str>;
}

/// A model of one kind: given by its record or identifier, or only by name or key, and then looked up on the server
/// that the workflow is submitted to.
///
/// ```
/// use invokeai_client::typed::{MainModel, VaeModel};
///
/// let model = MainModel::named("FLUX Dev");
/// assert_eq!(model.name(), Some("FLUX Dev"));
/// assert_ne!(VaeModel::key("b2f0"), VaeModel::named("b2f0"));
/// ```
pub struct ModelRef<K> {
    value: Value,
    kind: PhantomData<fn() -> K>,
}

impl<K: ModelKind> ModelRef<K> {
    /// The model with this name. If several fit, the first in the server's list.
    pub fn named(name: impl Into<String>) -> Self {
        Self::of(json!({"name": name.into()}))
    }

    /// The model with this key on the server.
    pub fn key(key: impl Into<String>) -> Self {
        Self::of(json!({"key": key.into()}))
    }

    /// The model with this identifier: its five members, in the order in which InvokeAI writes them.
    pub fn identifier(key: &str, hash: &str, name: &str, base: &str, model_type: &str) -> Self {
        Self::of(json!({"key": key, "hash": hash, "name": name, "base": base, "type": model_type}))
    }

    /// The same model, but only one part of it (`submodel_type`).
    #[must_use]
    pub fn with_submodel(mut self, submodel: &str) -> Self {
        self.value["submodel_type"] = submodel.into();
        self
    }

    /// Its name, if known.
    pub fn name(&self) -> Option<&str> {
        self.value.get("name")?.as_str()
    }

    fn of(value: Value) -> Self {
        ModelRef { value, kind: PhantomData }
    }
}

impl<K: ModelKind> InputType for ModelRef<K> {
    fn from_json(value: &Value) -> Option<Self> {
        let named = ["name", "key"].iter().any(|member| value.get(member).is_some_and(Value::is_string));
        named.then(|| Self::of(value.clone()))
    }

    fn to_json(&self) -> Value {
        self.value.clone()
    }

    fn is_complete(&self) -> bool {
        Model::read(&self.value).is_some()
    }
}

/// Accepts any record: whether it is of this kind is checked when it is set.
impl<K: ModelKind> From<&ModelRecord> for ModelRef<K> {
    fn from(model: &ModelRecord) -> Self {
        Self::of(model.to_json())
    }
}

impl<K: ModelKind> From<ModelRecord> for ModelRef<K> {
    fn from(model: ModelRecord) -> Self {
        (&model).into()
    }
}

impl<K> From<ModelRef<K>> for InputValue {
    fn from(model: ModelRef<K>) -> Self {
        model.value.into()
    }
}

impl<K> From<&ModelRef<K>> for ModelRef<K> {
    fn from(model: &ModelRef<K>) -> Self {
        model.clone()
    }
}

// Derives would require the same of `K`, of which there are no values.
impl<K> Clone for ModelRef<K> {
    fn clone(&self) -> Self {
        ModelRef { value: self.value.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for ModelRef<K> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<K> fmt::Debug for ModelRef<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| write!(f, "ModelRef({})", self.value))
    }
}

macro_rules! kinds {
    ($($alias:ident, $kind:ident = $model_type:expr;)*) => {
        /// Markers of model kinds, for [`ModelRef`].
        pub mod kinds {
            use super::ModelKind;
            $(
                #[doc = concat!("See [`", stringify!($alias), "`](super::", stringify!($alias), ").")]
                #[derive(Debug)]
                pub enum $kind {}

                impl ModelKind for $kind {
                    const TYPE: Option<&'static str> = $model_type;
                }
            )*
        }

        $(
            #[doc = concat!("A model for inputs that take `", stringify!($model_type), "`.")]
            pub type $alias = ModelRef<kinds::$kind>;
        )*
    };
}

// The names are those of `workflow::field`, without `Ink` and `Field`.
kinds! {
    AnyModel, Any = None;
    MainModel, Main = Some("main");
    VaeModel, Vae = Some("vae");
    LoraModel, LoraKind = Some("lora");
    ControlLora, ControlLoraKind = Some("control_lora");
    ControlNet, ControlNetKind = Some("controlnet");
    T2iAdapter, T2iAdapterKind = Some("t2i_adapter");
    IpAdapter, IpAdapterKind = Some("ip_adapter");
    ClipVision, ClipVisionKind = Some("clip_vision");
    ClipEmbed, ClipEmbedKind = Some("clip_embed");
    SigLip, SigLipKind = Some("siglip");
    SpandrelImageToImage, SpandrelKind = Some("spandrel_image_to_image");
    T5Encoder, T5EncoderKind = Some("t5_encoder");
    WanT5Encoder, WanT5EncoderKind = Some("wan_t5_encoder");
    Qwen3Encoder, Qwen3EncoderKind = Some("qwen3_encoder");
    QwenVlEncoder, QwenVlEncoderKind = Some("qwen_vl_encoder");
    Qwen3VlEncoder, Qwen3VlEncoderKind = Some("qwen3_vl_encoder");
    MistralEncoder, MistralEncoderKind = Some("mistral_encoder");
    Gemma2Encoder, Gemma2EncoderKind = Some("gemma2_encoder");
    FluxRedux, FluxReduxKind = Some("flux_redux");
    LlavaOnevision, LlavaOnevisionKind = Some("llava_onevision");
    TextLlm, TextLlmKind = Some("text_llm");
    PidDecoder, PidDecoderKind = Some("pid_decoder");
    ExternalImageGenerator, ExternalImageGeneratorKind = Some("external_image_generator");
}

/// A LoRA and how strongly it is applied.
#[derive(Clone, PartialEq)]
pub struct Lora {
    /// The model.
    pub model: LoraModel,
    /// Its weight; 1 is full strength, and negative weights are allowed.
    pub weight: f64,
}

crate::base::debug::short_debug! { Lora { model, weight } }

impl Lora {
    /// Creates a LoRA with this weight.
    pub fn new(model: impl Into<LoraModel>, weight: f64) -> Self {
        Lora { model: model.into(), weight }
    }
}

impl InputType for Lora {
    fn from_json(value: &Value) -> Option<Self> {
        Some(Lora { model: LoraModel::from_json(value.get("lora")?)?, weight: value.get("weight")?.as_f64()? })
    }

    fn to_json(&self) -> Value {
        json!({"lora": self.model.to_json(), "weight": self.weight})
    }

    fn is_complete(&self) -> bool {
        self.model.is_complete()
    }
}
