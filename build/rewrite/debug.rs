//! `Debug` of generated types: short, as everywhere in this crate, and only the name of what holds a secret.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Fields, Item, ItemEnum, ItemStruct, Path, Token, parse_quote, punctuated::Punctuated};

/// Members whose values no log may show.
const SECRETS: &[&str] = &["access_token", "api_key", "current_password", "new_password", "password", "token"];

/// Replaces every derived `Debug` by one that cuts what is long.
pub(super) fn shorten(items: &mut Vec<Item>) {
    let mut debugs = Vec::new();
    for item in items.iter_mut() {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    shorten(items);
                }
            }
            Item::Struct(structure) => debugs.extend(take_debug(&mut structure.attrs).then(|| of_struct(structure))),
            Item::Enum(of) if has_data(of) => debugs.extend(take_debug(&mut of.attrs).then(|| of_enum(of))),
            _ => {}
        }
    }
    items.extend(debugs);
}

/// Takes `Debug` out of what is derived, and returns whether it was there.
fn take_debug(attributes: &mut [Attribute]) -> bool {
    let mut was_there = false;
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let derived = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let Ok(derived) = derived else { continue };
        let is_debug = |path: &&Path| path.segments.last().is_some_and(|segment| segment.ident == "Debug");
        was_there |= derived.iter().any(|path| is_debug(&path));
        let kept = derived.iter().filter(|path| !is_debug(path));
        *attribute = parse_quote! { #[derive(#(#kept),*)] };
    }
    was_there
}

/// Whether an enum has data: names alone are short.
fn has_data(of: &ItemEnum) -> bool {
    of.variants.iter().any(|variant| !variant.fields.is_empty())
}

fn of_struct(structure: &ItemStruct) -> Item {
    let (name, generics) = (&structure.ident, &structure.generics);
    if has_secret(structure) {
        let title = name.to_string();
        let (own, types, bounds) = generics.split_for_impl();
        return parse_quote! {
            impl #own ::std::fmt::Debug for #name #types #bounds {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.debug_struct(#title).finish_non_exhaustive()
                }
            }
        };
    }
    let members = members(&structure.fields);
    parse_quote! { crate::base::debug::short_debug! { #name #generics #members } }
}

fn of_enum(of: &ItemEnum) -> Item {
    let (name, generics) = (&of.ident, &of.generics);
    let variants = of.variants.iter().map(|variant| {
        let (name, members) = (&variant.ident, members(&variant.fields));
        quote! { #name #members }
    });
    parse_quote! { crate::base::debug::short_debug! { enum #name #generics { #(#variants),* } } }
}

/// Names of members, as the macro takes them.
fn members(fields: &Fields) -> TokenStream {
    match fields {
        Fields::Named(fields) => {
            let names = fields.named.iter().filter_map(|field| field.ident.as_ref());
            quote! { { #(#names),* } }
        }
        Fields::Unnamed(fields) => {
            let names = (0..fields.unnamed.len()).map(|place| format_ident!("member_{place}"));
            quote! { ( #(#names),* ) }
        }
        Fields::Unit => TokenStream::new(),
    }
}

fn has_secret(structure: &ItemStruct) -> bool {
    structure.fields.iter().any(|field| {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let ty = &field.ty;
        // The source of an installation, as JSON, repeats the access token.
        let source = name == "source" && quote!(#ty).to_string().contains("Value");
        source || SECRETS.contains(&name.as_str())
    })
}
