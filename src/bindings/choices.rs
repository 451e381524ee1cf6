//! Enums for inputs with choices.

use super::{docs, names};
use crate::schema::InputTemplate;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use serde_json::Value;
use std::collections::HashSet;

/// The enum of one input.
pub(super) struct Choices {
    pub(super) name: Ident,
    variants: Vec<Variant>,
}

struct Variant {
    ident: Ident,
    value: Value,
    label: Option<String>,
}

impl Choices {
    pub(super) fn new(name: String, template: &InputTemplate) -> Self {
        // The variant for unknown values gets its name first.
        let mut taken = HashSet::from(["Unknown".to_owned(), "Self".to_owned()]);
        let variants = template.options.iter().map(|option| {
            let base = variant_name(&text(&option.value));
            let mut ident = base.clone();
            let mut number = 1;
            while !taken.insert(ident.clone()) {
                number += 1;
                ident = format!("{base}{number}");
            }
            let (value, label) = (option.value.clone(), option.label.clone());
            Variant { ident: Ident::new(&ident, Span::call_site()), value, label }
        });
        Choices { variants: variants.collect(), name: Ident::new(&name, Span::call_site()) }
    }

    /// The variant for a value.
    pub(super) fn literal(&self, value: &Value) -> TokenStream {
        let (name, text) = (&self.name, text(value));
        match self.variants.iter().find(|variant| self::text(&variant.value) == text) {
            Some(Variant { ident, .. }) => quote!(#name::#ident),
            None => quote!(#name::Unknown(String::from(#text))),
        }
    }

    /// The definition of the enum.
    pub(super) fn definition(&self, input: &str) -> TokenStream {
        let name = &self.name;
        let idents: Vec<&Ident> = self.variants.iter().map(|variant| &variant.ident).collect();
        let texts: Vec<String> = self.variants.iter().map(|variant| text(&variant.value)).collect();
        let variants = self.variants.iter().map(|Variant { ident, value, label }| {
            let value = docs::plain(&text(value)).replace('\n', " ");
            let label = label.as_ref().map(|label| format!(": {}", docs::quoted(label))).unwrap_or_default();
            let docs = docs::attributes(&[format!("{value}{label}.")]);
            quote!(#docs #ident,)
        });
        let known = format!("The choices of the input {}.", docs::quoted(input));
        let docs = docs::attributes(&[known]);
        let is_number = |value: &Value| value.is_number();
        let to_json = if self.variants.iter().any(|variant| is_number(&variant.value)) {
            quote!(typed::choice_to_json(self.as_str()))
        } else {
            quote!(typed::Value::from(self.as_str()))
        };
        quote! {
            #docs
            #[derive(Debug, Clone, PartialEq, Eq, Hash)]
            pub enum #name {
                #(#variants)*
                /// A choice that was not known when this was generated. Only the server knows whether it exists.
                Unknown(String),
            }

            impl #name {
                /// The choice as the server writes it.
                pub fn as_str(&self) -> &str {
                    match self {
                        #(Self::#idents => #texts,)*
                        Self::Unknown(choice) => choice,
                    }
                }

                /// The choice with this name.
                pub fn named(choice: &str) -> Self {
                    match choice {
                        #(#texts => Self::#idents,)*
                        other => Self::Unknown(String::from(other)),
                    }
                }
            }

            impl typed::InputType for #name {
                fn from_json(value: &typed::Value) -> Option<Self> {
                    typed::choice_from_json(value).map(|choice| Self::named(&choice))
                }

                fn to_json(&self) -> typed::Value {
                    #to_json
                }

                fn is_complete(&self) -> bool {
                    !matches!(self, Self::Unknown(_))
                }
            }
        }
    }
}

/// The text of a choice, as generated code reads it.
fn text(value: &Value) -> String {
    crate::typed::choice_from_json(value).unwrap_or_default()
}

fn variant_name(choice: &str) -> String {
    let words = names::pascal(&names::snake(choice));
    match words.chars().next() {
        None => "Choice".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("N{words}"),
        Some(_) => words,
    }
}
