//! One builder per operation: its setters, its request, its `send`.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Expr, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, ItemStruct, Stmt, Type, parse_quote};

use super::{Result, contents, missing, optional, self_name, send::Parts};
use crate::generate::{FormField, Operation};

pub(super) fn builders(module: &mut ItemMod, operations: &[Operation]) -> Result<()> {
    let items = contents(module)?;
    items.retain(|item| !matches!(item, Item::Use(_)));
    let uses: Item = parse_quote! { use super::*; };
    let mut sent = BTreeMap::new();
    for item in items.iter_mut() {
        if let Item::Impl(block) = item {
            let operation = builder(block, operations)?;
            sent.extend(self_name(block).map(|name| (name, operation)));
        }
    }
    for item in items.iter_mut() {
        if let Item::Struct(structure) = item
            && let Some(operation) = sent.get(&structure.ident.to_string())
        {
            if !operation.form.is_empty() {
                form_member(structure)?;
            }
            if operation.missing {
                missing::hide(&mut structure.vis, &mut structure.attrs);
            }
        }
    }
    items.insert(0, uses);
    Ok(())
}

/// Splits `send` into building the request and handing it to the transport.
fn builder<'a>(block: &mut ItemImpl, operations: &'a [Operation]) -> Result<&'a Operation> {
    let name = self_name(block).ok_or("a builder without a name")?;
    let position = block
        .items
        .iter()
        .position(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "send"))
        .ok_or_else(|| format!("builder {name} has no `send`"))?;
    let ImplItem::Fn(send) = block.items.remove(position) else {
        return Err(format!("`send` of {name} is not a function"));
    };
    let mut parts = Parts::of(&name, send)?;
    let operation = operations
        .iter()
        .find(|operation| operation.id == parts.operation)
        .ok_or_else(|| format!("{name} sends the unknown operation {}", parts.operation))?;
    optional::setters(block)?;
    if !operation.form.is_empty() {
        parts.take_form()?;
    }
    missing::parameters(block, &mut parts.build, operation)?;
    let Operation { id, method, path, form, .. } = operation;
    let docs = format!("The operation that this builder sends: `{method} {path}`.");
    let send_docs = format!("Sends a `{method}` request to `{path}`.");
    let Parts { build, receiver, answer, .. } = &parts;
    let body = split_body(build)?;
    let build = if operation.missing {
        missing::hide_members(block);
        missing::request(id)
    } else {
        let build = body.as_ref().map_or(build, |(_, build)| build);
        let finish = match form.is_empty() {
            true => quote!(request.build().map_err(runtime::not_a_request)),
            false => form_request(form, id),
        };
        quote!(#(#build)* #finish)
    };
    block.items.push(parse_quote! {
        #[doc = #docs]
        pub const OPERATION: Operation = Operation { id: #id, method: #method, path: #path };
    });
    let request: Expr = if let Some((take_body, _)) = body {
        block.items.push(parse_quote! {
            fn request(mut self) -> Result<::reqwest::Request, Error> {
                let body = ::std::mem::replace(&mut self.body, Err(String::new()));
                #take_body
                self.request_with(&body)
            }
        });
        block.items.push(parse_quote! {
            fn request_with(self, body: &(impl ::serde::Serialize + ?Sized)) -> Result<::reqwest::Request, Error> {
                #build
            }
        });
        block.items.push(parse_quote! {
            /// Sends this JSON in place of the typed body, and reads the answer as a type of the caller's choice.
            ///
            /// For members that the document lacks or describes too narrowly.
            pub fn send_json_as<T: ::serde::de::DeserializeOwned + 'a>(
                self,
                body: &(impl ::serde::Serialize + ?Sized),
            ) -> BoxFuture<'a, Result<T, Error>> {
                let client = self.client;
                runtime::json_as(client, &Self::OPERATION, self.request_with(body))
            }
        });
        parse_quote! { self.request() }
    } else if form.is_empty() {
        block.items.push(parse_quote! {
            fn request(self) -> Result<::reqwest::Request, Error> {
                #build
            }
        });
        parse_quote! { self.request() }
    } else {
        form_setters(block, form)?;
        block.items.push(parse_quote! {
            fn request(self) -> Result<(::reqwest::RequestBuilder, crate::transport::upload::Form), Error> {
                #build
            }
        });
        parse_quote! { crate::transport::upload::attach(self.request()).await }
    };
    let receive = format_ident!("{receiver}");
    // A function that returns the runtime's future compiles in a fraction of the time of an `async fn`, and one whose
    // future has a name in half of the time of `impl Future`. There is something to wait for only where files must be
    // opened first.
    let of_own = !form.is_empty();
    let asyncness = of_own.then(|| quote!(async));
    let wait = of_own.then(|| quote!(.await));
    let future = |output: TokenStream| if of_own { output } else { quote!(BoxFuture<'a, #output>) };
    let output = future(quote!(Result<ResponseValue<#answer>, Error>));
    block.items.push(parse_quote! {
        #[doc = #send_docs]
        pub #asyncness fn send(self) -> #output {
            let client = self.client;
            runtime::#receive(client, &Self::OPERATION, #request) #wait
        }
    });
    if *receiver == "json" {
        let output = future(quote!(Result<T, Error>));
        block.items.push(parse_quote! {
            /// Sends the request and reads the answer as a type of the caller's choice.
            ///
            /// For answers whose declared type says too much or too little, and for other versions of the document.
            pub #asyncness fn send_as<T: ::serde::de::DeserializeOwned + 'a>(self) -> #output {
                let client = self.client;
                runtime::json_as(client, &Self::OPERATION, #request) #wait
            }
        });
    }
    Ok(operation)
}

/// Takes the check of a typed JSON body out of the statements that build a request. `None` without such a body.
fn split_body(build: &[Stmt]) -> Result<Option<(Stmt, Vec<Stmt>)>> {
    let mut build = build.to_vec();
    let is_body = |stmt: &Stmt| quote!(#stmt).to_string().starts_with("let body =");
    let Some(position) = build.iter().position(is_body) else { return Ok(None) };
    let take_body = build.remove(position);
    let Some(Stmt::Local(syn::Local { pat: syn::Pat::Struct(taken), .. })) = build.first_mut() else {
        return Err("an operation with a body does not begin by taking its builder apart".into());
    };
    for field in &mut taken.fields {
        if quote!(#field).to_string() == "body" {
            *field = syn::FieldPat {
                attrs: Vec::new(),
                member: parse_quote!(body),
                colon_token: Some(Default::default()),
                pat: parse_quote!(_),
            };
        }
    }
    Ok(Some((take_body, build)))
}

/// Gives a builder a field for its form.
fn form_member(structure: &mut ItemStruct) -> Result<()> {
    let syn::Fields::Named(fields) = &mut structure.fields else {
        return Err(format!("builder {} has no named fields", structure.ident));
    };
    fields.named.push(parse_quote! { form: crate::transport::upload::Form });
    // An upload can be a reader, which cannot be cloned.
    structure.attrs.retain(|attribute| !attribute.path().is_ident("derive"));
    structure.attrs.push(parse_quote! { #[derive(Debug)] });
    Ok(())
}

/// One setter for each field of a multipart body, and the field's place in `new` and `request`.
fn form_setters(block: &mut ItemImpl, form: &[FormField]) -> Result<()> {
    for item in &mut block.items {
        if let ImplItem::Fn(new) = item
            && new.sig.ident == "new"
        {
            let Some(Stmt::Expr(Expr::Struct(made), None)) = new.block.stmts.last_mut() else {
                return Err("`new` of a builder does not end in the builder".into());
            };
            made.fields.push(parse_quote! { form: crate::transport::upload::Form::default() });
        }
    }
    for FormField { name, file, description, required, missing, .. } in form {
        let ident = format_ident!("{name}");
        let (accepted, set): (Type, _) = match file {
            true => (parse_quote!(impl Into<crate::transport::upload::Upload>), quote!(file)),
            false => (parse_quote!(impl Into<::std::string::String>), quote!(text)),
        };
        let mut setters: Vec<ImplItemFn> = vec![parse_quote! {
            #[doc = #description]
            pub fn #ident(mut self, value: #accepted) -> Self {
                self.form.#set(#name, value.into());
                self
            }
        }];
        if !required {
            setters.push(optional::setter(&ident, &accepted));
        }
        for mut setter in setters {
            if *missing {
                missing::hide(&mut setter.vis, &mut setter.attrs);
            }
            block.items.push(ImplItem::Fn(setter));
        }
    }
    Ok(())
}

/// Ends the building of a request that has a form.
fn form_request(form: &[FormField], operation: &str) -> TokenStream {
    let required = form.iter().filter(|field| field.required).map(|field| &field.name);
    let missing = form.iter().filter(|field| field.missing).map(|FormField { name, .. }| {
        let refusal = missing::parameter(operation, name);
        quote! { if form.has(#name) { #refusal } }
    });
    quote! {
        #(#missing)*
        form.require(&[#(#required),*])?;
        Ok((request, form))
    }
}
