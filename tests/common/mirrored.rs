//! Reads what the macros of this crate write: `mirror!` of `src/blocking` a type and its methods; `paged!`, `awaits!`
//! and `whole_list!` of `src/client/lists.rs` the methods of lists, and that they can be awaited.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Generics, Ident, Item, ItemMacro, Path, Signature, Token, Type, Visibility,
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

/// A list, or another builder, and what it yields: `List => Item, …`.
struct Given {
    attributes: Vec<Attribute>,
    name: Ident,
    given: Type,
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let name = input.parse()?;
        input.parse::<Token![=>]>()?;
        let given = input.parse()?;
        input.parse::<Token![,]>()?;
        input.parse::<TokenStream>()?;
        Ok(Self { attributes, name, given })
    }
}

fn given(call: &ItemMacro) -> Given {
    call.mac.parse_body().expect("a call in the form that the macro takes")
}

fn awaited(name: &Ident, output: &Type) -> Item {
    parse_quote! { impl IntoFuture for #name { type Output = Result<#output>; } }
}

fn paged(list: &Ident, item: &Type) -> Vec<Item> {
    let methods = parse_quote! {
        impl #list {
            pub fn offset(mut self, offset: u64) -> Self {}
            pub fn limit(mut self, limit: u64) -> Self {}
            pub fn stream(self) -> impl Stream<Item = Result<#item>> + Send + Unpin + use<> {}
        }
    };
    vec![methods, awaited(list, &parse_quote! { Page<#item> })]
}

/// A call of one of these macros as the items that it makes; anything else as it is.
pub(crate) fn expand(item: Item) -> Vec<Item> {
    match item {
        Item::Macro(call) if call.mac.path.is_ident("awaits") => {
            let Given { name, given, .. } = given(&call);
            vec![awaited(&name, &given)]
        }
        Item::Macro(call) if call.mac.path.is_ident("paged") => {
            let Given { name, given, .. } = given(&call);
            paged(&name, &given)
        }
        Item::Macro(call) if call.mac.path.is_ident("whole_list") => {
            let Given { attributes, name, given } = given(&call);
            let mut items = paged(&name, &given);
            items.push(parse_quote! { #(#attributes)* pub struct #name {} });
            items
        }
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
