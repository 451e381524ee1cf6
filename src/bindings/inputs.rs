//! The Rust type of an input.

use super::choices::Choices;
use super::docs;
use crate::schema::Cardinality;
use crate::workflow::Input;
use crate::workflow::field::InkField;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use serde_json::Value;

/// What an input holds, before lists.
pub(super) enum Holds {
    Integer,
    /// Whole numbers of at least 0.
    Natural,
    Float,
    Text,
    Boolean,
    Choice(Choices),
    /// A type of `typed` that is made from a text.
    Reference(&'static str),
    Board,
    Model(Ident),
    Lora,
    Color,
    /// A generator or metadata, which have no literal.
    Opaque(TokenStream),
}

/// How many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    One,
    OneOrMany,
    List,
}

/// One input of the struct.
pub(super) struct Typed<'a> {
    pub(super) input: &'a Input,
    pub(super) name: String,
    pub(super) holds: Holds,
    pub(super) count: Count,
    /// The stored value as Rust code, once it has been generated.
    pub(super) literal: Option<TokenStream>,
}

impl<'a> Typed<'a> {
    /// `None` if no value can be given.
    pub(super) fn new(input: &'a Input, name: String, choice_name: String) -> Option<Self> {
        let template = input.field.template();
        let reference = Holds::Reference;
        let opaque = |name: &str| {
            let ident = Ident::new(name, Span::call_site());
            Holds::Opaque(quote!(typed::#ident))
        };
        let holds = match &input.field {
            InkField::Integer(_) | InkField::IntegerCollection(_) if is_natural(input) => Holds::Natural,
            InkField::Integer(_) | InkField::IntegerCollection(_) => Holds::Integer,
            InkField::Float(_) | InkField::FloatCollection(_) => Holds::Float,
            InkField::String(_) | InkField::StringCollection(_) => Holds::Text,
            InkField::Boolean(_) | InkField::BooleanCollection(_) => Holds::Boolean,
            InkField::Scheduler(_) if template.options.is_empty() => Holds::Text,
            InkField::Enum(_) | InkField::Scheduler(_) => Holds::Choice(Choices::new(choice_name, template)),
            InkField::SavedWorkflow(_) => reference("WorkflowRef"),
            InkField::Image(_) | InkField::ImageCollection(_) => reference("ImageRef"),
            InkField::Video(_) | InkField::VideoCollection(_) => reference("VideoRef"),
            InkField::StylePreset(_) => reference("StylePresetRef"),
            InkField::SystemPrompt(_) => reference("SystemPromptRef"),
            InkField::Board(_) => Holds::Board,
            InkField::Model(_) | InkField::ModelCollection(_) => {
                let kind = input.field.ink_type().trim_start_matches("Ink").trim_end_matches("Field");
                let single = matches!(input.field, InkField::Model(_)) && kind != "ModelIdentifier";
                Holds::Model(if single { format_ident!("{kind}") } else { format_ident!("AnyModel") })
            }
            InkField::Loras(_) => Holds::Lora,
            InkField::Color(_) | InkField::ColorCollection(_) => Holds::Color,
            InkField::FloatGenerator(_)
            | InkField::IntegerGenerator(_)
            | InkField::StringGenerator(_)
            | InkField::ImageGenerator(_) => opaque("Generator"),
            InkField::Metadata(_) => opaque("Json"),
            InkField::Opaque(_) => return None,
        };
        let is_list = matches!(
            input.field,
            InkField::IntegerCollection(_)
                | InkField::FloatCollection(_)
                | InkField::StringCollection(_)
                | InkField::BooleanCollection(_)
                | InkField::ImageCollection(_)
                | InkField::VideoCollection(_)
                | InkField::ModelCollection(_)
                | InkField::ColorCollection(_)
                | InkField::Loras(_)
        );
        let either = template.field_type.cardinality == Cardinality::SingleOrCollection;
        let count = match (is_list, either, &holds) {
            (true, ..) => Count::List,
            (false, true, Holds::Opaque(_)) | (false, false, _) => Count::One,
            (false, true, _) => Count::OneOrMany,
        };
        Some(Typed { input, name, holds, count, literal: None })
    }

    /// Whether the struct holds an `Option`. What has no literal has no default either.
    pub(super) fn is_optional(&self) -> bool {
        !self.input.required || self.input.connected || matches!(self.holds, Holds::Opaque(_))
    }

    /// Whether whoever creates the struct must give a value.
    pub(super) fn must_be_given(&self) -> bool {
        !self.is_optional() && self.literal.is_none()
    }

    /// The type of one item.
    pub(super) fn item(&self) -> TokenStream {
        match &self.holds {
            Holds::Integer => quote!(i64),
            Holds::Natural => quote!(u64),
            Holds::Float => quote!(f64),
            Holds::Text => quote!(String),
            Holds::Boolean => quote!(bool),
            Holds::Choice(choices) => {
                let name = &choices.name;
                quote!(#name)
            }
            Holds::Reference(name) => {
                let name = format_ident!("{name}");
                quote!(typed::#name)
            }
            Holds::Board => quote!(typed::BoardRef),
            Holds::Model(name) => quote!(typed::#name),
            Holds::Lora => quote!(typed::Lora),
            Holds::Color => quote!(typed::Color),
            Holds::Opaque(path) => path.clone(),
        }
    }

    /// The type of the whole, without `Option`.
    pub(super) fn whole(&self) -> TokenStream {
        let item = self.item();
        match self.count {
            Count::One => item,
            Count::OneOrMany => quote!(typed::OneOrMany<#item>),
            Count::List => quote!(Vec<#item>),
        }
    }

    /// Whether a getter returns the value itself.
    pub(super) fn is_copy(&self) -> bool {
        let plain =
            matches!(self.holds, Holds::Integer | Holds::Natural | Holds::Float | Holds::Boolean | Holds::Color);
        plain && self.count == Count::One
    }

    /// Whether a setter takes anything that converts into the type. Numbers and choices are taken as they are, so that
    /// literals have one type and a text is not a choice.
    pub(super) fn takes_into(&self) -> bool {
        match self.count {
            Count::One => {
                matches!(
                    self.holds,
                    Holds::Text | Holds::Reference(_) | Holds::Board | Holds::Model(_) | Holds::Opaque(_)
                )
            }
            Count::OneOrMany => true,
            Count::List => false,
        }
    }
}

/// Whether no value below 0 is accepted.
fn is_natural(input: &Input) -> bool {
    let schema = input.field.json_schema();
    let is =
        |schema: &Value, key: &str, least: f64| schema.get(key).and_then(Value::as_f64).is_some_and(|end| end >= least);
    let one = schema.get("anyOf").and_then(|any| any.get(0)).unwrap_or(&schema);
    let one = one.get("items").unwrap_or(one);
    is(one, "minimum", 0.0) || is(one, "exclusiveMinimum", -1.0)
}

/// Documentation of one input: its label, the author's description, and what it accepts.
pub(super) fn input_docs(typed: &Typed<'_>) -> Vec<String> {
    let input = typed.input;
    let label = format!("{} of the node {}.", docs::quoted(&input.user_name), docs::quoted(&input.node_title));
    let accepts = match &typed.holds {
        // The enum lists them.
        Holds::Choice(_) => "Accepts one of the choices.".to_owned(),
        _ => format!("Accepts {}.", docs::plain(&input.field.accepts())),
    };
    let default = input.value().map(|value| {
        let text = value.to_string();
        let cut: String = text.chars().take(200).collect();
        let more = if cut.len() < text.len() { "…" } else { "" };
        format!("In the file: {}{more}.", docs::plain(&cut).replace('\n', " "))
    });
    let edge = "An edge brings the value; a value that is set here is ignored.";
    let edge = if input.connected { edge.to_owned() } else { String::new() };
    vec![label, docs::plain(&input.description), accepts, default.unwrap_or_default(), edge]
}
