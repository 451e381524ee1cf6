//! Setters, of which the generators write each conversion and each complaint out.

use quote::quote;
use syn::{Expr, ImplItem, ImplItemFn, Item, ItemMod, Lit, Stmt, parse_quote};

/// Lets the setters of all builders in a module call the runtime.
pub(super) fn shorten(module: &mut ItemMod) {
    let Some((_, items)) = &mut module.content else { return };
    for item in items {
        if let Item::Impl(block) = item
            && block.trait_.is_none()
        {
            block.items.iter_mut().for_each(setter);
        }
    }
}

/// Leaves alone what is not a setter.
fn setter(item: &mut ImplItem) {
    if let ImplItem::Fn(ImplItemFn { block, .. }) = item
        && let [Stmt::Expr(Expr::Assign(assign), Some(_)), Stmt::Expr(..)] = &mut *block.stmts
        && let Some(call) = call(&assign.right)
    {
        *assign.right = call;
    }
}

/// What stands for `value.try_into().map_err(..)`.
fn call(conversion: &Expr) -> Option<Expr> {
    let Expr::MethodCall(outer) = conversion else { return None };
    let Expr::Closure(complain) = outer.args.first().filter(|_| outer.method == "map_err")? else { return None };
    let complaint = text(&complain.body)?;
    let (given, reason) = (&outer.receiver, complain.inputs.first()?);
    match (&*quote!(#given).to_string(), &*quote!(#reason).to_string()) {
        ("value . try_into ()", "_") => Some(parse_quote! { runtime::required(value, #complaint) }),
        ("value . try_into () . map (Some)", "_") => Some(parse_quote! { runtime::optional(value, #complaint) }),
        ("value . try_into ()", "e") => {
            let complaint = complaint.strip_suffix("{e}")?;
            Some(parse_quote! { runtime::member(value, #complaint) })
        }
        ("value . try_into () . map (From :: from)", "s") => {
            let complaint = complaint.strip_suffix("{}")?;
            Some(parse_quote! { runtime::whole(value, #complaint) })
        }
        _ => None,
    }
}

/// The text of `"..".to_string()` or `format!("..")`, perhaps in braces.
fn text(complaint: &Expr) -> Option<String> {
    let literal = match complaint {
        Expr::Block(block) => match &*block.block.stmts {
            [Stmt::Expr(inner, None)] => return text(inner),
            [Stmt::Macro(only)] => only.mac.tokens.clone().into_iter().next()?.into(),
            _ => return None,
        },
        Expr::MethodCall(call) if call.method == "to_string" => {
            let receiver = &call.receiver;
            quote!(#receiver)
        }
        Expr::Macro(only) => only.mac.tokens.clone().into_iter().next()?.into(),
        _ => return None,
    };
    match syn::parse2(literal).ok()? {
        Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}
