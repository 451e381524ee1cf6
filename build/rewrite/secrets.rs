//! `Debug` of what holds a secret says only its name.

use quote::quote;
use syn::{Item, ItemStruct, parse_quote};

/// Members whose values no log may show.
const SECRETS: &[&str] = &["access_token", "api_key", "current_password", "new_password", "password", "token"];

/// Replaces the derived `Debug` of structures with a secret by one that says only their name.
pub(super) fn hide(items: &mut Vec<Item>) {
    let mut debugs = Vec::new();
    for item in items.iter_mut() {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    hide(items);
                }
            }
            Item::Struct(structure) if has_secret(structure) => {
                for attribute in &mut structure.attrs {
                    let text = quote!(#attribute).to_string();
                    if attribute.path().is_ident("derive") && text.contains("Debug") {
                        let kept = if text.contains("Clone") { quote!(Clone) } else { quote!() };
                        let serde = text.contains("Serialize");
                        let serde = if serde { quote!(::serde::Deserialize, ::serde::Serialize,) } else { quote!() };
                        *attribute = parse_quote! { #[derive(#serde #kept)] };
                    }
                }
                let (name, generics) = (&structure.ident, &structure.generics);
                let title = name.to_string();
                let (own, types, bounds) = generics.split_for_impl();
                debugs.push(parse_quote! {
                    impl #own ::std::fmt::Debug for #name #types #bounds {
                        fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                            f.debug_struct(#title).finish_non_exhaustive()
                        }
                    }
                });
            }
            _ => {}
        }
    }
    items.extend(debugs);
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
