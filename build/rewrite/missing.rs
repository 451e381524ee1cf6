//! What only the package's own document has: only this crate can reach it, and it is refused before anything is sent.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, ImplItem, ItemImpl, Stmt, Visibility, parse_quote};

use super::Result;
use crate::generate::Operation;

/// Hides an item from callers of the crate, and allows the crate not to use it.
pub(super) fn hide(visibility: &mut Visibility, attributes: &mut Vec<Attribute>) {
    *visibility = parse_quote!(pub(crate));
    attributes.push(parse_quote!(#[allow(dead_code)]));
}

/// Hides the methods of the client that begin calls of missing operations.
pub(super) fn operations(client: &mut ItemImpl, operations: &[Operation]) {
    for item in &mut client.items {
        if let ImplItem::Fn(method) = item
            && operations.iter().any(|operation| operation.missing && method.sig.ident == operation.id)
        {
            hide(&mut method.vis, &mut method.attrs);
        }
    }
}

/// Allows unused members: the builder of a missing operation has setters and sending methods, and the crate need not
/// use all of them.
pub(super) fn hide_members(builder: &mut ItemImpl) {
    builder.attrs.push(parse_quote!(#[allow(dead_code, unused_variables)]));
}

/// Replaces the building of a request of a missing operation.
pub(super) fn request(operation: &str) -> TokenStream {
    quote!(Err(Error::unsupported(#operation, None)))
}

/// Replaces the sending of a value of a missing parameter.
pub(super) fn parameter(operation: &str, parameter: &str) -> TokenStream {
    let name = format!("{operation}?{parameter}");
    quote!(return Err(Error::unsupported(#name, None));)
}

/// Hides the setters of missing query parameters, and refuses values that were set.
pub(super) fn parameters(builder: &mut ItemImpl, build: &mut Vec<Stmt>, operation: &Operation) -> Result<()> {
    for parameter in &operation.missing_parameters {
        let unexpected = || format!("the missing parameter {parameter} of {} is not where it should be", operation.id);
        let position = build.iter().position(|stmt| text(stmt).starts_with("let request =")).ok_or_else(unexpected)?;
        let variable = variable(&text(&build[position]), parameter).ok_or_else(unexpected)?;
        for item in &mut builder.items {
            if let ImplItem::Fn(setter) = item
                && (setter.sig.ident == variable || setter.sig.ident == format_ident!("maybe_{variable}"))
            {
                hide(&mut setter.vis, &mut setter.attrs);
            }
        }
        let refusal = self::parameter(&operation.id, parameter);
        build.insert(position, parse_quote! { if #variable.is_some() { #refusal } });
    }
    Ok(())
}

fn text(stmt: &Stmt) -> String {
    quote!(#stmt).to_string()
}

/// `type_` of `QueryParam :: new ("type" , & type_)`.
fn variable(request: &str, parameter: &str) -> Option<Ident> {
    let (_, rest) = request.split_once(&format!("QueryParam :: new ({parameter:?} , & "))?;
    syn::parse_str(rest.split(')').next()?.trim()).ok()
}
