//! Typed fields: the values of a workflow's inputs, checked the moment they are set.
//!
//! [`InkField::new`] picks the type from the field's template, never from its name. [`InkField::set`] takes anything
//! that becomes an [`InputValue`], converts what is safe (`"30"` to 30, an image name or an image record to
//! `{image_name}`, a model record to a model identifier) and refuses the rest with a [`ValueError`] that names the
//! field, the value and what is accepted. The bounds are the server's, even where the editor does not see them.
//!
//! One rule goes beyond InvokeAI's schema: an integer field named `steps` or `num_steps` counts steps and must be
//! greater than 0, unless it is optional and 0 by default, as in metadata.
//!
//! ```
//! use invokeai_client::schema::NodeCatalog;
//! use invokeai_client::workflow::field::InkField;
//!
//! let denoise = NodeCatalog::embedded().get("flux_denoise").expect("known");
//! let mut steps = InkField::new("denoise.num_steps", &denoise.inputs["num_steps"]);
//! assert_eq!(steps.ink_type(), "InkIntegerField");
//! steps.set("30")?;
//! assert_eq!(steps.get::<i64>(), Some(30));
//!
//! let refused = steps.set(-5).expect_err("a step count is positive");
//! assert_eq!(
//!     refused.to_string(),
//!     "`denoise.num_steps` does not accept -5; it accepts a whole number greater than 0"
//! );
//! # Ok::<_, invokeai_client::workflow::field::ValueError>(())
//! ```

mod bounds;
mod choice;
mod from_field;
mod input_value;
mod json_schema;
mod list;
mod model;
mod number;
mod reference;
mod rules;
mod structured;
mod typed;

pub use from_field::FromField;
pub(crate) use input_value::settable;
pub use input_value::{InputValue, ValueError};
pub use model::{
    InkClipEmbedField, InkClipVisionField, InkControlLoraField, InkControlNetField, InkExternalImageGeneratorField,
    InkFluxReduxField, InkGemma2EncoderField, InkIpAdapterField, InkLlavaOnevisionField, InkLoraModelField,
    InkMainModelField, InkMistralEncoderField, InkPidDecoderField, InkQwen3EncoderField, InkQwen3VlEncoderField,
    InkQwenVlEncoderField, InkSigLipField, InkSpandrelImageToImageField, InkT2iAdapterField, InkT5EncoderField,
    InkTextLlmField, InkVaeModelField, InkWanT5EncoderField, LoraWeight,
};
pub use reference::BoardChoice;
pub use rules::FieldKind;
pub use structured::ColorChannels;
pub use typed::TypedField;

/// Markers for what a [`TypedField`] holds. They have no values, and are named after the things that fields hold.
pub mod kind {
    pub use super::choice::{Boolean, Choice, SavedWorkflow, Scheduler, Text};
    pub use super::list::Many;
    pub use super::model::{Loras, Model};
    pub use super::number::{Float, Integer};
    pub use super::reference::{Board, Image, StylePreset, SystemPrompt, Video};
    pub use super::structured::{
        Color, FloatGenerator, ImageGenerator, IntegerGenerator, Metadata, Opaque, StringGenerator,
    };
}

use kind::{
    Board, Boolean, Choice, Color, Float, FloatGenerator, Image, ImageGenerator, Integer, IntegerGenerator, Loras,
    Many, Metadata, Model, Opaque, SavedWorkflow, Scheduler, StringGenerator, StylePreset, SystemPrompt, Text, Video,
};

use crate::schema::{Cardinality, InputTemplate, ModelFilter};
use input_value::Refused;
use serde_json::Value;
use std::sync::Arc;
use typed::AnyField;

/// Declares the field types: an alias, a variant of [`InkField`] and of [`Kind`] for each.
macro_rules! ink_fields {
    ($($(#[$doc:meta])* $variant:ident: $alias:ident = $kind:ty;)*) => {
        $($(#[$doc])* pub type $alias = TypedField<$kind>;)*

        /// An input of a workflow with its value, in the type that its template asks for.
        ///
        /// The variants give typed access; the methods work for all of them.
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub enum InkField {
            $($(#[$doc])* $variant($alias),)*
        }

        crate::base::debug::short_debug! { enum InkField { $($variant(field)),* } }

        /// The variants of [`InkField`], before there is a field.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Kind {
            $($variant,)*
        }

        impl Kind {
            fn check(self, value: &Value, template: &InputTemplate) -> Result<(), Refused> {
                match self {
                    $(Kind::$variant => typed::check::<$kind>(value, template),)*
                }
            }

            fn accepts(self, template: &InputTemplate) -> String {
                match self {
                    $(Kind::$variant => typed::accepts::<$kind>(template),)*
                }
            }

            fn schema(self, template: &InputTemplate) -> Value {
                match self {
                    $(Kind::$variant => typed::schema::<$kind>(template),)*
                }
            }

            fn field(self, name: Arc<str>, template: Arc<InputTemplate>) -> InkField {
                match self {
                    $(Kind::$variant => InkField::$variant(TypedField::new(name, template)),)*
                }
            }
        }

        impl InkField {
            fn variant_type(&self) -> &'static str {
                match self {
                    $(InkField::$variant(_) => stringify!($alias),)*
                }
            }

            fn any(&self) -> &dyn AnyField {
                match self {
                    $(InkField::$variant(field) => field,)*
                }
            }

            fn any_mut(&mut self) -> &mut dyn AnyField {
                match self {
                    $(InkField::$variant(field) => field,)*
                }
            }
        }
    };
}

ink_fields! {
    /// A whole number.
    Integer: InkIntegerField = Integer;
    /// A number.
    Float: InkFloatField = Float;
    /// A text.
    String: InkStringField = Text;
    /// True or false.
    Boolean: InkBooleanField = Boolean;
    /// One of the options of the template, a string or an integer.
    Enum: InkEnumField = Choice;
    /// The name of a sampling scheduler.
    Scheduler: InkSchedulerField = Scheduler;
    /// The id of a workflow in the server's library.
    SavedWorkflow: InkSavedWorkflowField = SavedWorkflow;
    /// The name of an image on the server.
    Image: InkImageField = Image;
    /// The name of a video on the server.
    Video: InkVideoField = Video;
    /// Where images are saved: a board, no board, or the board of the run.
    Board: InkBoardField = Board;
    /// The id of a style preset.
    StylePreset: InkStylePresetField = StylePreset;
    /// The id of a system prompt.
    SystemPrompt: InkSystemPromptField = SystemPrompt;
    /// A model of the server that fits the template's filter.
    Model: InkModelIdentifierField = Model;
    /// A list of LoRA models with their weights.
    Loras: InkLoraField = Loras;
    /// A color of red, green, blue and alpha.
    Color: InkColorField = Color;
    /// A rule that makes a list of floats.
    FloatGenerator: InkFloatGeneratorField = FloatGenerator;
    /// A rule that makes a list of integers.
    IntegerGenerator: InkIntegerGeneratorField = IntegerGenerator;
    /// A rule that makes a list of strings.
    StringGenerator: InkStringGeneratorField = StringGenerator;
    /// A rule that makes a list of images.
    ImageGenerator: InkImageGeneratorField = ImageGenerator;
    /// A list of whole numbers.
    IntegerCollection: InkIntegerCollectionField = Many<Integer>;
    /// A list of numbers.
    FloatCollection: InkFloatCollectionField = Many<Float>;
    /// A list of texts.
    StringCollection: InkStringCollectionField = Many<Text>;
    /// A list of booleans. The editor cannot hold one; the server can.
    BooleanCollection: InkBooleanCollectionField = Many<Boolean>;
    /// A list of images on the server.
    ImageCollection: InkImageCollectionField = Many<Image>;
    /// A list of videos on the server. The editor cannot hold one; the server can.
    VideoCollection: InkVideoCollectionField = Many<Video>;
    /// A list of models, as custom nodes may have. The editor cannot hold one; the server can.
    ModelCollection: InkModelCollectionField = Many<Model>;
    /// A list of colors, as custom nodes may have. The editor cannot hold one; the server can.
    ColorCollection: InkColorCollectionField = Many<Color>;
    /// Metadata that is written into images as it is; only on `core_metadata`.
    Metadata: InkMetadataField = Metadata;
    /// A type that takes its value from an edge only, or one unknown to InvokeAI's editor. It accepts no value.
    Opaque: InkOpaqueField = Opaque;
}

impl Kind {
    fn of(template: &InputTemplate) -> Self {
        let collection = template.field_type.cardinality == Cardinality::Collection;
        match (template.field_type.name.as_str(), collection) {
            // InkField knows lists of LoRAs only, as the editor does.
            ("LoRAField", _) if template.field_type.cardinality == Cardinality::Single => Kind::Opaque,
            ("LoRAField", _) => Kind::Loras,
            ("LoRAMetadataField" | "ControlNetMetadataField", _) => Kind::Metadata,
            ("IPAdapterMetadataField" | "T2IAdapterMetadataField" | "MetadataExtraField", _) => Kind::Metadata,
            ("IntegerField", true) => Kind::IntegerCollection,
            ("FloatField", true) => Kind::FloatCollection,
            ("StringField", true) => Kind::StringCollection,
            ("BooleanField", true) => Kind::BooleanCollection,
            ("ImageField", true) => Kind::ImageCollection,
            ("VideoField", true) => Kind::VideoCollection,
            ("ModelIdentifierField", true) => Kind::ModelCollection,
            ("ColorField", true) => Kind::ColorCollection,
            (_, true) => Kind::Opaque,
            ("IntegerField", false) => Kind::Integer,
            ("FloatField", false) => Kind::Float,
            ("StringField", false) => Kind::String,
            ("BooleanField", false) => Kind::Boolean,
            ("EnumField", false) => Kind::Enum,
            ("SchedulerField", false) => Kind::Scheduler,
            ("SavedWorkflowField", false) => Kind::SavedWorkflow,
            ("ImageField", false) => Kind::Image,
            ("VideoField", false) => Kind::Video,
            ("BoardField", false) => Kind::Board,
            ("StylePresetField", false) => Kind::StylePreset,
            ("SystemPromptField", false) => Kind::SystemPrompt,
            ("ModelIdentifierField", false) => Kind::Model,
            ("ColorField", false) => Kind::Color,
            ("FloatGeneratorField", false) => Kind::FloatGenerator,
            ("IntegerGeneratorField", false) => Kind::IntegerGenerator,
            ("StringGeneratorField", false) => Kind::StringGenerator,
            ("ImageGeneratorField", false) => Kind::ImageGenerator,
            (_, false) => Kind::Opaque,
        }
    }
}

impl InkField {
    /// Creates an unset field of the type that the template asks for. `system_name` is only used in errors.
    pub fn new(system_name: impl Into<String>, template: &InputTemplate) -> Self {
        Self::shared(system_name.into(), Arc::new(template.clone()), None)
    }

    /// A field that shares its template, with a value from a file.
    pub(crate) fn shared(
        system_name: impl Into<Arc<str>>,
        template: Arc<InputTemplate>,
        stored: Option<Value>,
    ) -> Self {
        let mut field = Kind::of(&template).field(system_name.into(), template);
        field.load(stored);
        field
    }

    /// Like [`new`](Self::new), with a value from a file, which is kept as it is and not checked; see
    /// [`check`](Self::check).
    pub fn with_stored(system_name: impl Into<String>, template: &InputTemplate, stored: Option<Value>) -> Self {
        let mut field = Self::new(system_name, template);
        field.load(stored);
        field
    }

    /// Name of the field's type, for example `InkIntegerField`. Model fields are named after the one model type that
    /// their filter asks for: `InkT5EncoderField`, `InkVaeModelField`; otherwise `InkModelIdentifierField`.
    pub fn ink_type(&self) -> &'static str {
        match self {
            InkField::Model(field) => model::ink_type(&field.template().model_filter),
            _ => self.variant_type(),
        }
    }

    /// The name given at creation, `{node_id}.{field}`.
    pub fn system_name(&self) -> &str {
        self.any().system_name()
    }

    /// The template of the field, from its node.
    pub fn template(&self) -> &InputTemplate {
        self.any().template()
    }

    /// Which models fit, for fields that hold models.
    pub fn model_filter(&self) -> Option<&ModelFilter> {
        let holds_models = matches!(self, InkField::Model(_) | InkField::Loras(_) | InkField::ModelCollection(_));
        holds_models.then(|| &self.template().model_filter)
    }

    /// The value in the JSON form that workflows store and graphs send.
    pub fn value(&self) -> Option<&Value> {
        self.any().value()
    }

    /// The value as a Rust type; `None` if it is unset or of another type. See [`FromField`] for the types.
    pub fn get<T: FromField>(&self) -> Option<T> {
        T::from_field(self)
    }

    /// Checks, converts and stores a value.
    ///
    /// # Errors
    /// If the field does not accept the value; the old value stays.
    pub fn set(&mut self, value: impl Into<InputValue>) -> Result<(), ValueError> {
        let accepted = self.any().convert(value.into())?;
        self.load(Some(accepted));
        Ok(())
    }

    /// Unsets the value, so that nothing is sent and the server's own default applies.
    pub fn clear(&mut self) {
        self.load(None);
    }

    /// Takes a value from a file as it is; `null` means unset.
    pub fn load(&mut self, stored: Option<Value>) {
        self.any_mut().store(stored.filter(|value| !value.is_null()));
    }

    /// Checks the current value by the rules of [`set`](Self::set), without converting it; unset is fine.
    ///
    /// # Errors
    /// If the value could not have been set, which happens with values from files.
    pub fn check(&self) -> Result<(), ValueError> {
        self.value().map_or(Ok(()), |value| check(self.system_name(), self.template(), value))
    }

    /// What [`set`](Self::set) accepts, in words: `a whole number greater than 0`.
    pub fn accepts(&self) -> String {
        Kind::of(self.template()).accepts(self.template())
    }

    /// What [`set`](Self::set) accepts, as a JSON schema (2020-12).
    ///
    /// It leaves out texts that spell a value of another type (`"30"` for 30, `"true"`), which `set` accepts for the
    /// sake of command lines and tables; and it cannot distinguish `1e17` from 100000000000000000, of which `set`
    /// accepts only the second as a whole number.
    ///
    /// ```
    /// use invokeai_client::schema::NodeCatalog;
    /// use invokeai_client::workflow::field::InkField;
    ///
    /// let denoise = NodeCatalog::embedded().get("flux_denoise").expect("known");
    /// let steps = InkField::new("denoise.num_steps", &denoise.inputs["num_steps"]);
    /// assert_eq!(steps.json_schema()["exclusiveMinimum"], 0);
    /// ```
    pub fn json_schema(&self) -> Value {
        Kind::of(self.template()).schema(self.template())
    }
}

/// Checks a stored value without creating a field: what [`InkField::check`] does, for use with many values.
///
/// # Errors
/// If a field of this template would not accept the value as it is.
pub fn check(system_name: &str, template: &InputTemplate, value: &Value) -> Result<(), ValueError> {
    let kind = Kind::of(template);
    kind.check(value, template).map_err(|refused| refused.error(system_name, kind.accepts(template)))
}

/// The form that [`InkField::set`] gives to a value, if it accepts it.
pub(crate) fn converted(template: &InputTemplate, value: &Value) -> Option<Value> {
    let mut field = InkField::new("", template);
    field.set(value).ok()?;
    field.value().cloned()
}

/// Whether the server takes a stored value that [`check`] refuses, because it converts it, or because only the editor
/// filters such values.
pub(crate) fn server_takes(template: &InputTemplate, value: &Value) -> bool {
    const SPELLED: [&str; 12] = ["0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes"];
    match (Kind::of(template), value) {
        (Kind::Model | Kind::ModelCollection | Kind::Loras, value) => {
            let filter = ModelFilter::default();
            let any = InputTemplate { model_filter: filter, ..template.clone() };
            check("", &any, value).is_ok()
        }
        (Kind::Integer | Kind::Float, Value::String(_)) => converted(template, value).is_some(),
        (Kind::Boolean, Value::String(word)) => SPELLED.contains(&word.to_lowercase().as_str()),
        (Kind::Boolean, Value::Number(number)) => matches!(number.as_f64(), Some(0.0 | 1.0)),
        (Kind::String, Value::Number(number)) => check("", template, &number.to_string().into()).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
