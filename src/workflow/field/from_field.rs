//! Reading a field's value as a Rust type.

use super::{BoardChoice, ColorChannels, FieldKind, Float, Image, InkField, Integer, LoraWeight, Many, Text};
use crate::schema::ModelRecord;
use crate::workflow::generator::Generator;
use serde_json::Value;

/// Types that [`InkField::get`] can return.
///
/// `i64`, `f64` (also for integer fields), `bool`, `String` (texts, choices, schedulers, and the names and ids of
/// images, videos, boards, presets, prompts and workflows), lists of those (also for a field that holds one or many),
/// [`ModelRecord`], [`LoraWeight`] lists, [`ColorChannels`], [`Generator`], and `Value` for every field.
pub trait FromField: Sized {
    /// The value; `None` if it is unset or of another type.
    fn from_field(field: &InkField) -> Option<Self>;
}

impl FromField for Value {
    fn from_field(field: &InkField) -> Option<Self> {
        field.value().cloned()
    }
}

impl FromField for i64 {
    fn from_field(field: &InkField) -> Option<Self> {
        match field {
            InkField::Integer(field) => field.get(),
            InkField::Enum(field) => field.get()?.as_i64(),
            _ => None,
        }
    }
}

impl FromField for f64 {
    fn from_field(field: &InkField) -> Option<Self> {
        match field {
            InkField::Float(field) => field.get(),
            InkField::Integer(field) => field.get().map(|number| number as f64),
            _ => None,
        }
    }
}

impl FromField for bool {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::Boolean(field) = field { field.get() } else { None }
    }
}

impl FromField for String {
    fn from_field(field: &InkField) -> Option<Self> {
        let text = match field {
            InkField::String(field) => field.get(),
            InkField::Enum(field) => field.get()?.as_str(),
            InkField::Scheduler(field) => field.get(),
            InkField::SavedWorkflow(field) => field.get(),
            InkField::Image(field) => field.get(),
            InkField::Video(field) => field.get(),
            InkField::StylePreset(field) => field.get(),
            InkField::SystemPrompt(field) => field.get(),
            InkField::Board(field) => field.get().map(|board| match board {
                BoardChoice::Auto => "auto",
                BoardChoice::None => "none",
                BoardChoice::Board(id) => id,
            }),
            _ => None,
        };
        text.map(str::to_owned)
    }
}

impl FromField for Vec<i64> {
    fn from_field(field: &InkField) -> Option<Self> {
        match field {
            InkField::IntegerCollection(field) => field.get(),
            InkField::Integer(field) => Many::<Integer>::read(field.value()?),
            _ => None,
        }
    }
}

impl FromField for Vec<f64> {
    fn from_field(field: &InkField) -> Option<Self> {
        match field {
            InkField::FloatCollection(field) => field.get(),
            InkField::Float(field) => Many::<Float>::read(field.value()?),
            _ => None,
        }
    }
}

impl FromField for Vec<bool> {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::BooleanCollection(field) = field { field.get() } else { None }
    }
}

impl FromField for Vec<String> {
    fn from_field(field: &InkField) -> Option<Self> {
        let texts = match field {
            InkField::StringCollection(field) => field.get(),
            InkField::ImageCollection(field) => field.get(),
            InkField::VideoCollection(field) => field.get(),
            InkField::String(field) => field.value().and_then(Many::<Text>::read),
            InkField::Image(field) => field.value().and_then(Many::<Image>::read),
            _ => None,
        };
        texts.map(|texts| texts.into_iter().map(str::to_owned).collect())
    }
}

impl FromField for ModelRecord {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::Model(field) = field { field.get() } else { None }
    }
}

impl FromField for Vec<ModelRecord> {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::ModelCollection(field) = field { field.get() } else { None }
    }
}

impl FromField for Vec<LoraWeight> {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::Loras(field) = field { field.get() } else { None }
    }
}

impl FromField for ColorChannels {
    fn from_field(field: &InkField) -> Option<Self> {
        if let InkField::Color(field) = field { field.get() } else { None }
    }
}

impl FromField for Generator {
    fn from_field(field: &InkField) -> Option<Self> {
        match field {
            InkField::FloatGenerator(field) => field.get(),
            InkField::IntegerGenerator(field) => field.get(),
            InkField::StringGenerator(field) => field.get(),
            InkField::ImageGenerator(field) => field.get(),
            _ => None,
        }
    }
}
