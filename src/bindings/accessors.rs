//! The struct, its accessors, and its traits.

use super::docs;
use super::inputs::{Count, Holds, Typed, input_docs};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// Everything that is generated from the inputs.
pub(super) fn items(ident: &Ident, about: &[String], inputs: &[Typed<'_>]) -> TokenStream {
    let choices = inputs.iter().filter_map(|typed| match &typed.holds {
        Holds::Choice(choices) => Some(choices.definition(&typed.input.user_name)),
        _ => None,
    });
    let about = docs::attributes(about);
    let fields = inputs.iter().map(|typed| {
        let (name, ty) = (name(typed), field_type(typed));
        quote!(#name: #ty,)
    });
    let consts = inputs.iter().map(|typed| constant(ident, typed));
    let methods = inputs.iter().map(methods);
    let (required, new) = required(ident, inputs);
    let default = default(ident, inputs);
    let traits = traits(ident, inputs);
    quote! {
        use ::invokeai_client::{typed, workflow};

        #about
        #[derive(Clone)]
        pub struct #ident {
            #(#fields)*
        }

        #required

        impl #ident {
            #(#consts)*

            #new

            #(#methods)*
        }

        #default
        #(#choices)*
        #traits
    }
}

fn name(typed: &Typed<'_>) -> Ident {
    format_ident!("{}", typed.name)
}

fn constant_name(typed: &Typed<'_>) -> Ident {
    format_ident!("{}", typed.name.to_ascii_uppercase())
}

fn field_type(typed: &Typed<'_>) -> TokenStream {
    let whole = typed.whole();
    if typed.is_optional() { quote!(Option<#whole>) } else { whole }
}

fn constant(ident: &Ident, typed: &Typed<'_>) -> TokenStream {
    let (constant, whole, name) = (constant_name(typed), typed.whole(), &typed.name);
    let (system_name, label) = (&typed.input.system_name, &typed.input.user_name);
    let docs = docs::attributes(&[format!("The input {}, for sweeps and as a key.", docs::quoted(label))]);
    quote! {
        #docs
        pub const #constant: typed::TypedInput<#ident, #whole> = typed::TypedInput::new(#name, #system_name, #label);
    }
}

/// The getter, the setter and, where the input may be unset, the method that unsets it.
fn methods(typed: &Typed<'_>) -> TokenStream {
    let (name, constant, whole, item) = (name(typed), constant_name(typed), typed.whole(), typed.item());
    let (set, clear) = (format_ident!("set_{}", typed.name), format_ident!("clear_{}", typed.name));
    let about = docs::attributes(&input_docs(typed));
    let is_text = matches!(typed.holds, Holds::Text) && typed.count == Count::One;
    let is_list = typed.count == Count::List;
    let (shown, borrow, lend) = match () {
        () if typed.is_copy() => (whole.clone(), quote!(), quote!()),
        () if is_text => (quote!(&str), quote!(&), quote!(.as_deref())),
        () if is_list => (quote!(&[#item]), quote!(&), quote!(.as_deref())),
        () => (quote!(&#whole), quote!(&), quote!(.as_ref())),
    };
    let get = if typed.is_optional() {
        quote!(pub fn #name(&self) -> Option<#shown> { self.#name #lend })
    } else {
        quote!(pub fn #name(&self) -> #shown { #borrow self.#name })
    };
    let (taken, value) = match typed.takes_into() {
        true => (quote!(impl Into<#whole>), quote!(value.into())),
        false => (whole, quote!(value)),
    };
    let checked = quote!(Self::#constant.check(#value)?);
    let checked = if typed.is_optional() { quote!(Some(#checked)) } else { checked };
    let sets = format!(" Sets [`{}`](Self::{}).", typed.name, typed.name);
    let clears = format!(" Unsets [`{}`](Self::{}).", typed.name, typed.name);
    let clear = typed.is_optional().then(|| {
        quote! {
            #[doc = #clears]
            pub fn #clear(&mut self) -> &mut Self {
                self.#name = None;
                self
            }
        }
    });
    quote! {
        #about
        #get

        #[doc = #sets]
        ///
        /// # Errors
        /// If the input does not accept the value.
        pub fn #set(&mut self, value: #taken) -> Result<&mut Self, workflow::field::ValueError> {
            self.#name = #checked;
            Ok(self)
        }

        #clear
    }
}

/// The struct of required inputs, and the constructor that takes it.
fn required(ident: &Ident, inputs: &[Typed<'_>]) -> (TokenStream, TokenStream) {
    let given: Vec<&Typed<'_>> = inputs.iter().filter(|typed| typed.must_be_given()).collect();
    if given.is_empty() {
        return Default::default();
    }
    let fields = given.iter().map(|typed| {
        let (name, whole, docs) = (name(typed), typed.whole(), docs::attributes(&input_docs(typed)));
        quote!(#docs pub #name: #whole,)
    });
    let about = format!(" What [`{ident}::new`] needs: the inputs that must have a value and have none in the file.");
    let names: Vec<Ident> = given.iter().map(|typed| name(typed)).collect();
    let values = inputs.iter().map(|typed| {
        let (name, constant) = (name(typed), constant_name(typed));
        match typed.must_be_given() {
            true => quote!(#name: Self::#constant.check(#name)?,),
            false => stored(typed),
        }
    });
    let allow = allows(inputs);
    let new = quote! {
        /// Creates the workflow with the values of the file, and these.
        ///
        /// # Errors
        /// If an input does not accept its value.
        #allow
        pub fn new(required: Required) -> Result<Self, workflow::field::ValueError> {
            let Required { #(#names),* } = required;
            Ok(Self { #(#values)* })
        }
    };
    let required = quote! {
        #[doc = #about]
        #[derive(Debug, Clone, PartialEq)]
        pub struct Required {
            #(#fields)*
        }
    };
    (required, new)
}

/// A member with the value of the file.
fn stored(typed: &Typed<'_>) -> TokenStream {
    let name = name(typed);
    let json = typed.input.value().map(ToString::to_string);
    match (&typed.literal, json, typed.is_optional()) {
        (Some(literal), _, false) => quote!(#name: #literal,),
        (Some(literal), _, true) => quote!(#name: Some(#literal),),
        (None, Some(json), _) => quote!(#name: typed::stored(#json),),
        (None, None, _) => quote!(#name: None,),
    }
}

/// A number in the file may look like a mathematical constant to clippy.
fn allows(inputs: &[Typed<'_>]) -> TokenStream {
    let has_floats =
        inputs.iter().any(|typed| matches!(typed.holds, Holds::Float | Holds::Lora) && typed.literal.is_some());
    if has_floats { quote!(#[allow(clippy::approx_constant)]) } else { TokenStream::new() }
}

fn default(ident: &Ident, inputs: &[Typed<'_>]) -> TokenStream {
    if inputs.iter().any(Typed::must_be_given) {
        return TokenStream::new();
    }
    let values = inputs.iter().map(stored);
    let allow = allows(inputs);
    quote! {
        /// The values of the file.
        #[allow(clippy::derivable_impls)]
        impl Default for #ident {
            #allow
            fn default() -> Self {
                Self { #(#values)* }
            }
        }
    }
}

fn traits(ident: &Ident, inputs: &[Typed<'_>]) -> TokenStream {
    let text = ident.to_string();
    let constants: Vec<Ident> = inputs.iter().map(constant_name).collect();
    let values = inputs.iter().map(|typed| {
        let name = name(typed);
        match typed.is_optional() {
            true => quote!(self.#name.as_ref().map(typed::InputType::to_json)),
            false => quote!(Some(typed::InputType::to_json(&self.#name))),
        }
    });
    let members = inputs.iter().zip(&constants).map(|(typed, constant)| {
        let name = name(typed);
        match typed.is_optional() {
            true => quote!(#name: inputs.optional(Self::#constant)?,),
            false => quote!(#name: inputs.required(Self::#constant)?,),
        }
    });
    let inputs_name = if inputs.is_empty() { quote!(_) } else { quote!(inputs) };
    quote! {
        impl typed::TypedWorkflow for #ident {
            const INPUTS: &'static [typed::InputInfo] = &[#(Self::#constants.info()),*];

            fn embedded() -> &'static typed::Embedded {
                static EMBEDDED: ::std::sync::LazyLock<typed::Embedded> =
                    ::std::sync::LazyLock::new(|| typed::Embedded::read(WORKFLOW, NODES));
                &EMBEDDED
            }

            fn input_values(&self) -> Vec<Option<typed::Value>> {
                vec![#(#values),*]
            }

            fn from_inputs(#inputs_name: &typed::InputSource<'_, Self>) -> Result<Self, typed::TypedError> {
                Ok(Self { #(#members)* })
            }
        }

        impl PartialEq for #ident {
            fn eq(&self, other: &Self) -> bool {
                typed::equal(self, other)
            }
        }

        impl ::std::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                typed::debug(self, #text, f)
            }
        }

        impl From<&#ident> for workflow::Workflow {
            fn from(typed: &#ident) -> Self {
                typed::to_workflow(typed)
            }
        }

        impl From<#ident> for workflow::Workflow {
            fn from(typed: #ident) -> Self {
                typed::to_workflow(&typed)
            }
        }

        impl TryFrom<&workflow::Workflow> for #ident {
            type Error = typed::TypedError;

            fn try_from(workflow: &workflow::Workflow) -> Result<Self, typed::TypedError> {
                typed::try_from_workflow(workflow)
            }
        }

        impl typed::Serialize for #ident {
            fn serialize<S: typed::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                typed::serialize(self, serializer)
            }
        }

        impl<'de> typed::Deserialize<'de> for #ident {
            fn deserialize<D: typed::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                typed::deserialize(deserializer)
            }
        }
    }
}
