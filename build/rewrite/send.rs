//! Takes apart the code that progenitor generates for sending.

use quote::{format_ident, quote};
use syn::{Expr, FnArg, ImplItemFn, Stmt, Type, parse_quote};

use super::Result;

/// The pieces of a generated `send`.
pub(super) struct Parts {
    pub(super) operation: String,
    /// Statements that end in the built request.
    pub(super) build: Vec<Stmt>,
    /// Which function of the runtime reads the answer.
    pub(super) receiver: &'static str,
    pub(super) answer: Type,
}

impl Parts {
    pub(super) fn of(name: &str, send: ImplItemFn) -> Result<Self> {
        let unexpected = |what: &str| format!("`send` of {name}: {what} is not where it was in the pinned generator");
        let answer = answer_type(&send).ok_or_else(|| unexpected("the answer's type"))?;
        if send.sig.inputs.iter().any(|input| matches!(input, FnArg::Typed(_))) {
            return Err(unexpected("an argument"));
        }
        let mut build = Vec::new();
        let mut operation = None;
        let mut receiver = None;
        for stmt in send.block.stmts {
            let text = quote!(#stmt).to_string();
            if text.contains("header_map") && text.contains("with_capacity") {
                if !text.contains("with_capacity (1usize)") {
                    return Err(unexpected("a header parameter"));
                }
            } else if text.starts_with("header_map") {
                // The `api-version` header means nothing to InvokeAI.
            } else if let Some(request) = built_request(&stmt) {
                let request: Expr = begin(request);
                build.push(parse_quote! { let request = #request; });
            } else if text.starts_with("let info") {
                operation = text.split('"').nth(1).map(str::to_owned);
            } else if text.starts_with("match response") {
                receiver = Some(reader(&text).ok_or_else(|| unexpected("the reading of the answer"))?);
            } else if ["client . pre", "let result", "client . post", "let response"]
                .iter()
                .any(|start| text.starts_with(start))
            {
                // The transport does all this.
            } else {
                for parameter in path_parameters(&text) {
                    let ident = format_ident!("{parameter}");
                    build.push(parse_quote! { runtime::path_parameter(#parameter, &#ident)?; });
                }
                build.push(invalid_request(stmt)?);
            }
        }
        Ok(Self {
            operation: operation.ok_or_else(|| unexpected("the operation id"))?,
            build,
            receiver: receiver.ok_or_else(|| unexpected("the match on the status"))?,
            answer,
        })
    }
}

impl Parts {
    /// Makes `let Self { client, .. } = self;` take the form too.
    pub(super) fn take_form(&mut self) -> Result<()> {
        match self.build.first_mut() {
            Some(Stmt::Local(syn::Local { pat: syn::Pat::Struct(taken), .. })) => {
                let whole: Stmt = parse_quote! { let Self { form } = self; };
                if let Stmt::Local(syn::Local { pat: syn::Pat::Struct(form), .. }) = whole {
                    taken.fields.extend(form.fields);
                }
                Ok(())
            }
            _ => Err(format!("{} does not begin by taking its builder apart", self.operation)),
        }
    }
}

/// `X` of `Result<ResponseValue<X>, Error<()>>`.
fn answer_type(send: &ImplItemFn) -> Option<Type> {
    fn first_argument(ty: &Type) -> Option<&Type> {
        let Type::Path(path) = ty else { return None };
        let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
    }
    let syn::ReturnType::Type(_, ty) = &send.sig.output else {
        return None;
    };
    first_argument(first_argument(ty)?).cloned()
}

/// The request builder of `let mut request = <builder>.headers(header_map).build()?;`.
fn built_request(stmt: &Stmt) -> Option<Expr> {
    let Stmt::Local(local) = stmt else { return None };
    if !quote!(#local).to_string().contains("let mut request") {
        return None;
    }
    let Expr::Try(attempt) = &*local.init.as_ref()?.expr else {
        return None;
    };
    let Expr::MethodCall(build) = &*attempt.expr else {
        return None;
    };
    let Expr::MethodCall(headers) = &*build.receiver else {
        return None;
    };
    (build.method == "build" && headers.method == "headers").then(|| (*headers.receiver).clone())
}

/// Lets the runtime begin a request that is to be answered with JSON: `client.client.get(url).header(..)`.
fn begin(request: Expr) -> Expr {
    let Expr::MethodCall(mut call) = request else { return request };
    let before = &call.receiver;
    let before = quote!(#before).to_string();
    if before.starts_with("client . client . ") && before.ends_with(" (url)") && call.method == "header" {
        let arguments = &call.args;
        if quote!(#arguments).to_string().contains("from_static (\"application/json\"") {
            return parse_quote! { runtime::begin(client, &Self::OPERATION, url)? };
        }
    }
    call.receiver = Box::new(begin(*call.receiver));
    Expr::MethodCall(call)
}

/// Which function of the runtime stands for the generated reading of the answer.
fn reader(text: &str) -> Option<&'static str> {
    ["from_response", "empty", "stream"].iter().find_map(|kind| {
        text.contains(&format!("ResponseValue :: {kind}")).then_some(match *kind {
            "from_response" => "json",
            other => other,
        })
    })
}

/// Names of the parameters that a `format!` puts into the path.
fn path_parameters(text: &str) -> Vec<String> {
    text.split("encode_path (&")
        .skip(1)
        .filter_map(|rest| rest.split('.').next())
        .map(|p| p.trim().to_owned())
        .collect()
}

/// A setter's complaint becomes this crate's error.
fn invalid_request(stmt: Stmt) -> Result<Stmt> {
    let text = quote!(#stmt).to_string().replace("Error :: InvalidRequest", "runtime::invalid_parameter");
    let block: syn::Block = syn::parse_str(&format!("{{ {text} }}")).map_err(|error| error.to_string())?;
    block.stmts.into_iter().next().ok_or_else(|| "an empty statement".to_owned())
}
