//! `Debug` of generated types: short, as everywhere in this crate, and only the name of what holds a secret.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::{
    Attribute, Fields, Generics, Ident, Item, ItemEnum, ItemStruct, Path, Token, parse_quote, punctuated::Punctuated,
};

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
            Item::Struct(structure) => {
                let had_one = take_debug(&mut structure.attrs);
                let own = || implementation(&structure.ident, &structure.generics, of_struct(structure));
                debugs.extend(had_one.then(own));
            }
            Item::Enum(of) if has_data(of) => {
                let had_one = take_debug(&mut of.attrs);
                debugs.extend(had_one.then(|| implementation(&of.ident, &of.generics, of_enum(of))));
            }
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

fn implementation(name: &Ident, generics: &Generics, body: TokenStream) -> Item {
    let (own, types, bounds) = generics.split_for_impl();
    parse_quote! {
        impl #own ::std::fmt::Debug for #name #types #bounds {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                #body
            }
        }
    }
}

fn of_struct(structure: &ItemStruct) -> TokenStream {
    let title = structure.ident.to_string();
    if has_secret(structure) {
        return quote! { f.debug_struct(#title).finish_non_exhaustive() };
    }
    let values = structure.fields.members().map(|member| quote! { &self.#member });
    shown(&title, &structure.fields, values)
}

fn of_enum(of: &ItemEnum) -> TokenStream {
    let arms = of.variants.iter().map(|variant| {
        let (name, title) = (&variant.ident, variant.ident.to_string());
        let bound: Vec<Ident> = (0..variant.fields.len()).map(|place| format_ident!("member_{place}")).collect();
        let members = variant.fields.members();
        let shown = shown(&title, &variant.fields, bound.iter().map(|bound| bound.to_token_stream()));
        quote! { Self::#name { #(#members: #bound),* } => #shown }
    });
    quote! { match self { #(#arms),* } }
}

fn shown(title: &str, fields: &Fields, values: impl Iterator<Item = TokenStream>) -> TokenStream {
    match fields {
        Fields::Named(fields) => {
            let names = fields.named.iter().filter_map(|field| field.ident.as_ref()).map(|name| name.to_string());
            quote! { crate::base::debug::members(f, #title, &[#((#names, #values)),*]) }
        }
        Fields::Unnamed(_) | Fields::Unit => quote! { crate::base::debug::tuple(f, #title, &[#(#values),*]) },
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
