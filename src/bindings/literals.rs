//! Stored values as Rust code.

use super::inputs::{Count, Holds, Typed};
use crate::workflow::field::{
    FieldKind,
    kind::{Color, Integer},
};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use serde_json::Value;

/// The value in the type of the input, without `Some`; `None` if it has another shape.
pub(super) fn of(typed: &Typed<'_>, value: &Value) -> Option<TokenStream> {
    if let Holds::Opaque(_) = typed.holds {
        return None;
    }
    let list = |items: &[Value]| {
        let items: Vec<TokenStream> = items.iter().map(|value| one(&typed.holds, value)).collect::<Option<_>>()?;
        Some(if items.is_empty() { quote!(Vec::new()) } else { quote!(vec![#(#items),*]) })
    };
    match (typed.count, value) {
        (Count::One, value) => one(&typed.holds, value),
        (Count::OneOrMany, Value::Array(items)) => list(items).map(|items| quote!(typed::OneOrMany::Many(#items))),
        (Count::OneOrMany, value) => one(&typed.holds, value).map(|value| quote!(typed::OneOrMany::One(#value))),
        (Count::List, value) => list(value.as_array()?),
    }
}

fn one(holds: &Holds, value: &Value) -> Option<TokenStream> {
    Some(match holds {
        Holds::Integer => {
            let number = Literal::i64_unsuffixed(Integer::read(value)?);
            quote!(#number)
        }
        Holds::Natural => {
            let number = Literal::u64_unsuffixed(u64::try_from(Integer::read(value)?).ok()?);
            quote!(#number)
        }
        Holds::Float => float(value.as_f64()?),
        Holds::Text => {
            let text = value.as_str()?;
            quote!(String::from(#text))
        }
        Holds::Boolean => {
            let flag = value.as_bool()?;
            quote!(#flag)
        }
        Holds::Choice(choices) => {
            crate::typed::choice_from_json(value)?;
            choices.literal(value)
        }
        Holds::Reference(name) => {
            let members = ["image_name", "video_name", "style_preset_id", "system_prompt_id"];
            let id = value.as_str().or_else(|| members.iter().find_map(|member| value.get(member)?.as_str()))?;
            let name = format_ident!("{name}");
            quote!(typed::#name::from(#id))
        }
        Holds::Board => match (value.as_str(), value.get("board_id").and_then(Value::as_str)) {
            (Some("auto"), _) => quote!(typed::BoardRef::Auto),
            (Some("none"), _) => quote!(typed::BoardRef::None),
            (_, Some(id)) => quote!(typed::BoardRef::Id(String::from(#id))),
            _ => return None,
        },
        Holds::Model(name) => {
            let model = model(value)?;
            quote!(typed::#name::#model)
        }
        Holds::Lora => {
            let (model, weight) = (model(value.get("lora")?)?, float(value.get("weight")?.as_f64()?));
            quote!(typed::Lora::new(typed::LoraModel::#model, #weight))
        }
        Holds::Color => {
            let color = Color::read(value)?;
            let [r, g, b, a] = [color.r, color.g, color.b, color.a].map(Literal::u8_unsuffixed);
            quote!(typed::Color { r: #r, g: #g, b: #b, a: #a })
        }
        Holds::Opaque(_) => return None,
    })
}

/// The call that makes a model from an identifier. The struct never changes what is left out here: a value that did not
/// change stays as it is in the file.
fn model(value: &Value) -> Option<TokenStream> {
    let text = |member: &str| value.get(member).and_then(Value::as_str);
    let members = ["key", "hash", "name", "base", "type"];
    let [key, hash, name, base, kind] = members.map(text);
    let (key, hash, name, base, kind) = (key?, hash?, name?, base?, kind?);
    let submodel = text("submodel_type").map(|submodel| quote!(.with_submodel(#submodel)));
    Some(quote!(identifier(#key, #hash, #name, #base, #kind)#submodel))
}

/// The shortest form that is read as the same number.
fn float(number: f64) -> TokenStream {
    // `{:?}` of a finite float is a literal of Rust.
    format!("{number:?}").parse().unwrap_or_default()
}
