//! Every operation of the document is a method of the client.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use invokeai_client::api::{OPERATIONS, Operation};
use serde_json::Value;
use syn::{Expr, ExprLit, ImplItem, ImplItemFn, Item, ItemImpl, Lit, ReturnType, Type, Visibility};

use crate::common::{listing, skip};

/// The document that the crate was built from.
fn document() -> Value {
    serde_json::from_str(&std::fs::read_to_string(env!("INVOKEAI_DOCUMENT")).unwrap()).unwrap()
}

/// Method and `operationId` of every operation of the document, by method and path.
fn declared(document: &Value) -> BTreeMap<(String, String), String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, o)| (method, path, o)))
        .map(|(method, path, operation)| {
            let id = operation["operationId"].as_str().unwrap();
            // FastAPI's automatic ids end in path and method; the function's name stands before.
            let function = id.split_once("_api_v").map_or(id, |(function, _)| function);
            ((method.to_uppercase(), path.clone()), function.to_owned())
        })
        .collect()
}

#[test]
fn every_operation_has_a_method() {
    let mut declared = declared(&document());
    for Operation { id, method, path, .. } in OPERATIONS {
        if *id == "list_all_boards" {
            assert_eq!((*method, *path), ("GET", "/api/v1/boards/?all=true"), "the second shape of list_boards");
            continue; // Not declared.
        }
        let function = declared.remove(&((*method).to_owned(), (*path).to_owned()));
        let function = function.unwrap_or_else(|| panic!("{method} {path} is not declared"));
        // An operation that differs from the one in the package's own document leaves the name to that one.
        let whole_name = format!("{function}_{path}_{method}").to_snake_case();
        assert!([function, whole_name].contains(&(*id).to_owned()), "{id}: {method} {path}");
    }
    assert!(declared.is_empty(), "without a method: {declared:?}");
}

#[test]
fn the_listing_of_operations_is_up_to_date() {
    if skip::other_document("the listing of operations") {
        return;
    }
    let line = |o: &Operation| format!("{:<40} {:<6} {}\n", o.id, o.method, o.path);
    let listing: String = OPERATIONS.iter().map(line).collect();
    listing::check("openapi/operations.txt", &listing);
}

/// What the generated source says: every method of the client, and the operation that its builder sends.
#[test]
fn every_method_sends_its_operation() {
    let file = syn::parse_file(include_str!(concat!(env!("OUT_DIR"), "/client.rs"))).unwrap();
    let mut builders = BTreeMap::new();
    let mut methods = BTreeMap::new();
    let mut hidden = BTreeSet::new();
    for item in &file.items {
        match item {
            Item::Mod(module) if module.ident == "builder" => {
                for item in &module.content.as_ref().unwrap().1 {
                    let Item::Impl(block) = item else { continue };
                    // `Debug` of a builder that holds a secret is written out.
                    if block.trait_.is_none() {
                        builders.insert(name(&block.self_ty), sent(block));
                    }
                }
            }
            Item::Impl(block) if name(&block.self_ty) == "Client" => {
                for item in &block.items {
                    let ImplItem::Fn(method) = item else { continue };
                    // Others are for this crate alone: the document lacks the operation.
                    if !matches!(method.vis, Visibility::Public(_)) {
                        hidden.insert(method.sig.ident.to_string());
                        continue;
                    }
                    let ReturnType::Type(_, builder) = &method.sig.output else { panic!("{}", method.sig.ident) };
                    methods.insert(method.sig.ident.to_string(), name(builder));
                }
            }
            _ => {}
        }
    }
    assert_eq!((methods.len(), builders.len()), (OPERATIONS.len(), OPERATIONS.len() + hidden.len()));
    assert!(OPERATIONS.iter().all(|operation| !hidden.contains(operation.id)));
    for Operation { id, method, path, .. } in OPERATIONS {
        let builder = methods.get(*id).unwrap_or_else(|| panic!("no method for {id}"));
        assert_eq!(builders[builder], [*id, *method, *path]);
    }
}

/// Last segment of a type's name.
fn name(ty: &Type) -> String {
    let Type::Path(path) = ty else { panic!("a type without a name") };
    path.path.segments.last().unwrap().ident.to_string()
}

/// An `async fn`, or a function that returns a future.
fn is_awaited(method: &ImplItemFn) -> bool {
    method.sig.asyncness.is_some() || matches!(&method.sig.output, ReturnType::Type(_, ty) if name(ty) == "BoxFuture")
}

/// Id, method and path in `OPERATION` of a builder that can be sent.
fn sent(block: &ItemImpl) -> Vec<String> {
    let mut operation = Vec::new();
    let mut send = false;
    for item in &block.items {
        match item {
            ImplItem::Fn(method) => send |= method.sig.ident == "send" && is_awaited(method),
            ImplItem::Const(constant) if constant.ident == "OPERATION" => {
                let Expr::Struct(value) = &constant.expr else { panic!("OPERATION is not a struct") };
                for field in &value.fields {
                    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &field.expr else { panic!("no text") };
                    operation.push(text.value());
                }
            }
            _ => {}
        }
    }
    assert!(send, "a builder without `send`: {operation:?}");
    operation
}
