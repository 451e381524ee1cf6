//! Reading and writing of generated structs, by the macro that has the shared part of it (`src/json/record.rs`).

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{Attribute, Field, Fields, Item, ItemStruct, LitStr, Path, Token, Type, parse_quote, punctuated::Punctuated};

/// Replaces what is derived for structs with named members. Others keep what they derive.
pub(super) fn shorten(items: &mut Vec<Item>) {
    let mut records: Vec<TokenStream> = Vec::new();
    for item in items.iter_mut() {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    shorten(items);
                }
            }
            Item::Struct(structure) => records.extend(record(structure)),
            _ => {}
        }
    }
    if !records.is_empty() {
        items.push(parse_quote! { crate::json::record::record! { #(#records)* } });
    }
}

fn record(structure: &mut ItemStruct) -> Option<TokenStream> {
    let Fields::Named(fields) = &structure.fields else { return None };
    let is_plain = structure.generics.params.is_empty() && !structure.attrs.iter().any(is_serde);
    if !is_plain || !["Deserialize", "Serialize"].iter().all(|name| derives(&structure.attrs, name)) {
        return None;
    }
    let members: Vec<TokenStream> =
        fields.named.iter().enumerate().map(|(place, field)| member(place, field)).collect::<Option<_>>()?;
    let name = &structure.ident;
    let record = quote! { #name { #(#members),* } };
    structure.attrs.iter_mut().for_each(take);
    for field in &mut structure.fields {
        field.attrs.retain(|attribute| !is_serde(attribute));
    }
    Some(record)
}

/// A member as the macro takes it. `None` if it says something that the macro does not know.
fn member(place: usize, field: &Field) -> Option<TokenStream> {
    let ident = field.ident.as_ref()?;
    let mut name = ident.to_string().trim_start_matches("r#").to_owned();
    let (mut may_be_missing, mut is_left_out) = (is_option(&field.ty), false);
    for attribute in field.attrs.iter().filter(|attribute| is_serde(attribute)) {
        let mut is_known = true;
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("default") && !meta.input.peek(Token![=]) {
                may_be_missing = true;
            } else if meta.path.is_ident("skip_serializing_if") {
                let by = meta.value()?.parse::<LitStr>()?.value().replace(' ', "");
                is_known &= ["option::Option::is_none", "vec::Vec::is_empty", "indexmap::IndexMap::is_empty"]
                    .iter()
                    .any(|known| by.ends_with(known));
                is_left_out = true;
            } else {
                is_known = false;
                // What stands after an unknown word is skipped.
                while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                    meta.input.parse::<proc_macro2::TokenTree>()?;
                }
            }
            Ok(())
        });
        if read.is_err() || !is_known {
            return None;
        }
    }
    let kind = match (may_be_missing, is_left_out) {
        (true, true) => quote!(optional),
        (true, false) => quote!(nullable),
        (false, false) => quote!(),
        // Left out when it is written, but asked for when it is read.
        (false, true) => return None,
    };
    let place = Literal::usize_unsuffixed(place);
    // Where it is the same in JSON, once is enough.
    let name = (*ident != name).then_some(name);
    Some(quote! { #place #ident #name #kind })
}

fn is_serde(attribute: &Attribute) -> bool {
    attribute.path().is_ident("serde")
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}

fn derived(attribute: &Attribute) -> Vec<Path> {
    let list = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
    list.into_iter().flatten().filter(|_| attribute.path().is_ident("derive")).collect()
}

fn names(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

fn derives(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().flat_map(derived).any(|path| names(&path, name))
}

/// Takes what the macro does out of what is derived.
fn take(attribute: &mut Attribute) {
    if attribute.path().is_ident("derive") {
        let kept = derived(attribute);
        let kept = kept.iter().filter(|path| !names(path, "Deserialize") && !names(path, "Serialize"));
        *attribute = parse_quote! { #[derive(#(#kept),*)] };
    }
}
