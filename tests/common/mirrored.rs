//! Reads what the macro `mirror!` of `src/blocking` makes: a type, and its methods.

use syn::{
    Attribute, Generics, Ident, Item, Path, Signature, Token, Visibility,
    parse::{Parse, ParseStream},
    parse_quote,
};

struct Mirrored {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    generics: Generics,
    methods: Vec<(Vec<Attribute>, Signature)>,
}

impl Parse for Mirrored {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        input.parse::<Token![struct]>()?;
        let (name, generics) = (input.parse()?, input.parse()?);
        input.parse::<Token![=]>()?;
        input.parse::<Path>()?;
        input.parse::<Token![;]>()?;
        let mut methods = Vec::new();
        while !input.is_empty() {
            let attributes = input.call(Attribute::parse_outer)?;
            let _what_to_do: Ident = input.parse()?;
            methods.push((attributes, input.parse()?));
            input.parse::<Token![;]>()?;
        }
        Ok(Self { attributes, visibility, name, generics, methods })
    }
}

/// A call of `mirror!` as the items that it makes; anything else as it is.
pub(crate) fn expand(item: Item) -> Vec<Item> {
    match item {
        Item::Macro(call) if call.mac.path.is_ident("mirror") => {
            let Mirrored { attributes, visibility, name, generics, methods } =
                call.mac.parse_body().expect("a call of `mirror!` in the form that the macro takes");
            let methods = methods.into_iter().map(|(attributes, signature)| -> syn::ImplItemFn {
                parse_quote! { #(#attributes)* pub #signature {} }
            });
            vec![
                parse_quote! { #(#attributes)* #visibility struct #name #generics {} },
                parse_quote! { impl #name { #(#methods)* } },
            ]
        }
        other => vec![other],
    }
}
