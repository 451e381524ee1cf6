//! Setters that take an `Option`, for every parameter that may be left out: `maybe_limit(None)` leaves the limit out.

use proc_macro2::Ident;
use quote::{ToTokens as _, format_ident, quote};
use syn::{Expr, ImplItem, ImplItemFn, ItemImpl, Stmt, Type, WherePredicate, parse_quote};

use super::Result;

/// Adds one beside each setter of a query parameter that may be left out.
pub(super) fn setters(block: &mut ItemImpl) -> Result<()> {
    let optional = left_out_at_first(block)?;
    for item in std::mem::take(&mut block.items) {
        let maybe = match &item {
            ImplItem::Fn(given) if optional.contains(&given.sig.ident) => {
                Some(setter(&given.sig.ident, &accepted(given)?))
            }
            _ => None,
        };
        block.items.push(item);
        block.items.extend(maybe.map(ImplItem::Fn));
    }
    Ok(())
}

/// `name` is the setter that takes a value, `accepted` the type of its argument.
pub(super) fn setter(name: &Ident, accepted: &Type) -> ImplItemFn {
    let maybe = format_ident!("maybe_{name}");
    let docs = format!("Sets `{name}` if there is a value.");
    parse_quote! {
        #[doc = #docs]
        pub fn #maybe(self, value: Option<#accepted>) -> Self {
            runtime::maybe(self, value, Self::#name)
        }
    }
}

/// Members that `new` sets to `Ok(None)`.
fn left_out_at_first(block: &ItemImpl) -> Result<Vec<Ident>> {
    let new = block.items.iter().find_map(|item| match item {
        ImplItem::Fn(method) if method.sig.ident == "new" => method.block.stmts.last(),
        _ => None,
    });
    let Some(Stmt::Expr(Expr::Struct(made), None)) = new else {
        return Err("`new` of a builder does not end in the builder".into());
    };
    let optional = made.fields.iter().filter(|field| field.expr.to_token_stream().to_string() == "Ok (None)");
    Ok(optional
        .filter_map(|field| match &field.member {
            syn::Member::Named(name) => Some(name.clone()),
            syn::Member::Unnamed(_) => None,
        })
        .collect())
}

/// `impl TryInto<i64>` of `fn limit<V>(mut self, value: V) -> Self where V: TryInto<i64>`.
fn accepted(setter: &ImplItemFn) -> Result<Type> {
    let mut bounds = setter.sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    match (bounds.next(), bounds.next()) {
        (Some(WherePredicate::Type(only)), None) => {
            let bounds = &only.bounds;
            Ok(parse_quote!(impl #bounds))
        }
        _ => Err(format!("the setter {} has other bounds than in the pinned generator", quote!(#setter))),
    }
}
