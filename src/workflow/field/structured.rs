//! Colors, generators, metadata, and fields that take no value.

use super::input_value::{InputValue, Refused};
use super::json_schema;
use super::rules::{FieldKind, sealed::Rules};
use crate::schema::InputTemplate;
use crate::workflow::generator::{Generator, GeneratorKind};
use serde_json::{Value, json};

/// A color: `{r, g, b, a}`, integers from 0 to 255, alpha too. Without alpha it is opaque; `"#rrggbb"` and
/// `"#rrggbbaa"` are converted.
pub struct Color;

/// The four channels of a color, from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColorChannels {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// Opacity; 255 is opaque.
    pub a: u8,
}

impl From<ColorChannels> for InputValue {
    fn from(color: ColorChannels) -> Self {
        InputValue(color.to_json())
    }
}

impl ColorChannels {
    pub(crate) fn to_json(self) -> Value {
        json!({"r": self.r, "g": self.g, "b": self.b, "a": self.a})
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let alpha = match digits.len() {
            6 => "ff",
            8 => "",
            _ => return None,
        };
        let valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(&format!("{digits}{alpha}"), 16).ok().filter(|_| valid)?;
        let [r, g, b, a] = number.to_be_bytes();
        Some(ColorChannels { r, g, b, a })
    }
}

impl FieldKind for Color {
    type Typed<'a> = ColorChannels;

    fn read(value: &Value) -> Option<ColorChannels> {
        let channel = |name: &str| channel(value.get(name)?);
        Some(ColorChannels { r: channel("r")?, g: channel("g")?, b: channel("b")?, a: channel("a")? })
    }
}

/// A whole number from 0 to 255, also if written `255.0`.
fn channel(value: &Value) -> Option<u8> {
    let number = value.as_f64()?;
    ((0.0..=255.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

impl Rules for Color {
    fn accepts(_: &InputTemplate) -> String {
        "a color `{r, g, b, a}` of whole numbers from 0 to 255, or \"#rrggbb\", or \"#rrggbbaa\"".into()
    }

    fn schema(_: &InputTemplate) -> Value {
        let channel = json!({"type": "integer", "minimum": 0, "maximum": 255});
        let channels = json!({"r": channel, "g": channel, "b": channel, "a": channel});
        json!({"format": "invokeai-color", "anyOf": [
            {"type": "object", "required": ["r", "g", "b"], "properties": channels},
            {"type": "string", "pattern": "^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"},
        ]})
    }

    fn convert(mut value: Value, _: &InputTemplate) -> Result<Value, Refused> {
        if let Some(members) = value.as_object_mut().filter(|members| !members.contains_key("a")) {
            members.insert("a".into(), 255.into());
        }
        let color = value.as_str().map_or_else(|| Color::read(&value), ColorChannels::from_hex);
        color.map(ColorChannels::to_json).ok_or(Refused::new(value))
    }
}

/// Declares a kind that holds generators.
macro_rules! generator {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $accepts:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl FieldKind for $name {
            type Typed<'a> = Generator;

            fn read(value: &Value) -> Option<Generator> {
                Generator::from_json($kind, value)
            }
        }

        impl Rules for $name {
            fn accepts(_: &InputTemplate) -> String {
                concat!("an object with `type` ", $accepts, " and parameters of that type").into()
            }

            fn schema(_: &InputTemplate) -> Value {
                generator_schema($kind)
            }

            fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
                complete_generator($kind, &value).ok_or(Refused::new(value))
            }
        }
    };
}

generator!(
    /// A [`Generator`] of floats. Missing parameters get their defaults; unknown ones are refused.
    FloatGenerator, GeneratorKind::Float,
    "`float_generator_arithmetic_sequence`, `float_generator_linear_distribution`, \
     `float_generator_random_distribution_uniform` or `float_generator_parse_string`"
);
generator!(
    /// A [`Generator`] of integers. Missing parameters get their defaults; unknown ones are refused.
    IntegerGenerator, GeneratorKind::Integer,
    "`integer_generator_arithmetic_sequence`, `integer_generator_linear_distribution`, \
     `integer_generator_random_distribution_uniform` or `integer_generator_parse_string`"
);
generator!(
    /// A [`Generator`] of strings. Missing parameters get their defaults; unknown ones are refused.
    StringGenerator, GeneratorKind::String,
    "`string_generator_parse_string`, `string_generator_dynamic_prompts_combinatorial` or \
     `string_generator_dynamic_prompts_random`"
);
generator!(
    /// A [`Generator`] of images. Missing parameters get their defaults; unknown ones are refused.
    ImageGenerator, GeneratorKind::Image, "`image_generator_images_from_board`"
);

/// What [`complete_generator`] takes: one rule of the kind. The parameters are those of
/// [`Generator::from_json`](crate::workflow::generator::Generator::from_json).
fn generator_schema(kind: GeneratorKind) -> Value {
    // Whole numbers that JavaScript holds exactly.
    let whole = json!({"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64});
    let positive = json!({"type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991_i64});
    let number = if kind == GeneratorKind::Integer { whole.clone() } else { json!({"type": "number"}) };
    let text = json!({"type": "string"});
    let seed = json!({"anyOf": [whole, {"type": "null"}]});
    let split = [("input", text.clone()), ("splitOn", text.clone())];
    let numbers = |prefix: &str, also: &[(&str, Value)]| {
        let rule = |name: &str, parameters: &[(&str, Value)]| {
            json_schema::rule(&format!("{prefix}_generator_{name}"), &[parameters, also].concat())
        };
        let count = ("count", whole.clone());
        vec![
            rule("arithmetic_sequence", &[("start", number.clone()), ("step", number.clone()), count.clone()]),
            rule("linear_distribution", &[("start", number.clone()), ("end", number.clone()), count.clone()]),
            rule(
                "random_distribution_uniform",
                &[("min", number.clone()), ("max", number.clone()), count, ("seed", seed.clone())],
            ),
            rule("parse_string", &split),
        ]
    };
    let rules = match kind {
        GeneratorKind::Float => {
            let values = json!({"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]});
            numbers("float", &[("values", values)])
        }
        GeneratorKind::Integer => numbers("integer", &[]),
        GeneratorKind::String => vec![
            json_schema::rule("string_generator_parse_string", &split),
            json_schema::rule(
                "string_generator_dynamic_prompts_combinatorial",
                &[("input", text.clone()), ("maxPrompts", positive.clone())],
            ),
            json_schema::rule(
                "string_generator_dynamic_prompts_random",
                &[("input", text), ("count", positive), ("seed", seed)],
            ),
        ],
        GeneratorKind::Image => vec![json_schema::rule(
            "image_generator_images_from_board",
            &[("board_id", json_schema::not_blank()), ("category", json!({"enum": ["images", "assets"]}))],
        )],
    };
    json!({"anyOf": rules})
}

/// A generator with all parameters, if the value names its type and has no parameter that the type does not have.
fn complete_generator(kind: GeneratorKind, value: &Value) -> Option<Value> {
    let members = value.as_object().filter(|members| members.contains_key("type"))?;
    let complete = Generator::from_json(kind, value)?.to_json();
    let known = |(name, value): (&String, &Value)| value.is_null() || complete.get(name).is_some();
    members.iter().all(known).then_some(complete)
}

/// Metadata lists of `core_metadata` (`LoRAMetadataField` and similar types): lists of objects that are kept as they
/// are. A `MetadataExtraField` holds any JSON except `null`.
pub struct Metadata;

impl FieldKind for Metadata {
    type Typed<'a> = &'a Value;

    fn read(value: &Value) -> Option<&Value> {
        Some(value)
    }
}

impl Rules for Metadata {
    fn accepts(template: &InputTemplate) -> String {
        if is_extra(template) { "any JSON value except null" } else { "a list of objects" }.into()
    }

    fn schema(template: &InputTemplate) -> Value {
        if is_extra(template) {
            json!({"not": {"type": "null"}})
        } else {
            json!({"type": "array", "items": {"type": "object"}})
        }
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let objects = value.as_array().is_some_and(|items| items.iter().all(Value::is_object));
        let accepted = objects || (is_extra(template) && !value.is_null());
        if accepted { Ok(value) } else { Err(Refused::new(value)) }
    }
}

fn is_extra(template: &InputTemplate) -> bool {
    template.field_type.name == "MetadataExtraField"
}

/// A type that takes no direct value, or that InvokeAI's editor does not know.
pub struct Opaque;

impl FieldKind for Opaque {
    type Typed<'a> = &'a Value;

    fn read(_: &Value) -> Option<&Value> {
        None
    }
}

impl Rules for Opaque {
    fn accepts(template: &InputTemplate) -> String {
        format!("no value, only an edge that brings a {}", template.field_type)
    }

    fn schema(_: &InputTemplate) -> Value {
        json!({"not": {}})
    }

    /// Not even an empty one.
    fn takes_list(_: &InputTemplate) -> bool {
        false
    }

    fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
        Err(Refused::new(value))
    }
}
