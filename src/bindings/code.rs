//! The code of one workflow.

use super::error::BindingsError;
use super::inputs::Typed;
use super::names::{self, Called, Reason};
use super::{accessors, docs, literals};
use crate::workflow::{Difference, EnqueueOptions, Interface, OutputNode, Workflow};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use std::fmt::Write as _;
use syn::{Expr, ExprLit, Item, Lit};

/// Code that was made, and what there is to tell about it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Code {
    /// Name of the struct.
    pub name: String,
    /// Name for a module, and of the file that a build script makes: the struct's in snake case.
    pub module: String,
    /// The code: items for a module of their own.
    pub text: String,
    /// Accessors that are not simply called like the label of their input.
    pub renamed: Vec<Renamed>,
    /// System names of inputs that have no accessor, because only an edge can give them a value or the node catalogue
    /// does not know them.
    pub left_out: Vec<String>,
}

crate::base::debug::short_debug! { Code { name, module, text, renamed, left_out } }

/// An accessor that is not simply called like the label of its input.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renamed {
    /// Name of the accessor.
    pub name: String,
    /// Label of the input.
    pub label: String,
    /// `{node_id}.{field_name}`.
    pub system_name: String,
    /// Why.
    pub reason: &'static str,
}

crate::base::debug::short_debug! { Renamed { name, label, system_name, reason } }

pub(super) fn generate(workflow: &Workflow, name: &str, with_outputs: bool) -> Result<Code, BindingsError> {
    let module = names::snake(name);
    if module.is_empty() {
        return Err(BindingsError::Name { name: name.to_owned() });
    }
    let struct_name = names::type_name(&module, "Workflow");
    let ident = Ident::new(&struct_name, Span::call_site());
    let (inputs, renamed, left_out) = inputs(workflow, &struct_name);
    let outputs = if with_outputs { outputs(workflow) } else { TokenStream::new() };

    let about = about(workflow, &renamed, &left_out);
    let mut items = accessors::items(&ident, &about, &inputs);
    items.extend(outputs);
    items.extend(carried(workflow, &ident));
    let file = syn::parse2(items).map_err(|error| BindingsError::Syntax { message: error.to_string() })?;
    let version = env!("CARGO_PKG_VERSION");
    let text =
        format!("// Made by invokeai-client {version}. Changes will be lost.\n\n{}", prettyplease::unparse(&file));
    Ok(Code { name: struct_name, module, text, renamed, left_out })
}

type Inputs<'a> = (Vec<Typed<'a>>, Vec<Renamed>, Vec<String>);

fn inputs<'a>(workflow: &'a Workflow, struct_name: &str) -> Inputs<'a> {
    let all: Vec<_> = workflow.inputs_by_system_name().into_values().collect();
    let called: Vec<Called<'_>> = all
        .iter()
        .map(|input| Called { label: &input.user_name, field: &input.field_name, node: &input.node_title })
        .collect();
    let (mut inputs, mut renamed, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (input, (name, reason)) in all.into_iter().zip(names::distinct(&called)) {
        let mut choice = names::type_name(&name, "Choice");
        if choice == struct_name {
            choice.push_str("Choice");
        }
        let Some(mut typed) = Typed::new(input, name, choice) else {
            left_out.push(input.system_name.clone());
            continue;
        };
        typed.literal = input.value().and_then(|value| literals::of(&typed, value));
        let reason = reason.map(Reason::words);
        renamed.extend(reason.map(|reason| Renamed {
            name: typed.name.clone(),
            label: input.user_name.clone(),
            system_name: input.system_name.clone(),
            reason,
        }));
        inputs.push(typed);
    }
    (inputs, renamed, left_out)
}

/// What the documentation of the struct says.
fn about(workflow: &Workflow, renamed: &[Renamed], left_out: &[String]) -> Vec<String> {
    const MOST: usize = 50;
    let definition = workflow.definition();
    let name = if definition.name().is_empty() { "without a name" } else { definition.name() };
    let mut about = vec![format!("The workflow {}.", docs::quoted(name)), docs::plain(definition.description())];
    if !renamed.is_empty() {
        let mut text = "Not called like the labels of their inputs:".to_owned();
        for Renamed { name, label, reason, .. } in renamed.iter().take(MOST) {
            // Writing to a text cannot fail.
            _ = write!(text, "\n`{name}` for {}, because {reason};", docs::quoted(label));
        }
        about.push(text);
    }
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().take(MOST).map(|name| docs::plain(name)).collect();
        about.push(format!("Inputs that only edges can fill have no accessor: {}.", names.join(", ")));
    }
    about
}

/// The struct of the files that a run gives.
fn outputs(workflow: &Workflow) -> TokenStream {
    let nodes = workflow.output_nodes(&EnqueueOptions::default());
    if nodes.is_empty() {
        return TokenStream::new();
    }
    let called: Vec<Called<'_>> =
        nodes.iter().map(|node| Called { label: node.node.name(), field: &node.node.node_type, node: "" }).collect();
    let names = names::distinct(&called).into_iter().map(|(name, _)| format_ident!("{name}"));
    let names: Vec<Ident> = names.collect();
    let fields = names.iter().zip(&nodes).map(|(name, node)| {
        let OutputNode { node, is_video, is_intermediate, .. } = node;
        let what = if *is_video { "Videos" } else { "Images" };
        let passing = if *is_intermediate { " They are passing results." } else { "" };
        let docs = docs::attributes(&[format!("{what} of the node {}.{passing}", docs::quoted(node.name()))]);
        quote!(#docs pub #name: Vec<::invokeai_client::outputs::OutputFile>,)
    });
    let ids = nodes.iter().map(|node| node.node.id.as_str());
    quote! {
        /// The images and videos that a run of the workflow gives, by the node that makes them. In the order of
        /// iterations, where a node runs in several.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Outputs {
            #(#fields)*
        }

        impl<O: AsRef<::invokeai_client::outputs::Outputs>> From<&O> for Outputs {
            fn from(outputs: &O) -> Self {
                let files = outputs.as_ref().files();
                let of_node = |id: &str| files.iter().filter(|file| file.node.id == id).cloned().collect();
                Outputs { #(#names: of_node(#ids)),* }
            }
        }
    }
}

/// The workflow itself, and what its nodes take.
fn carried(workflow: &Workflow, ident: &Ident) -> TokenStream {
    let definition = raw(&ascii(&workflow.definition().as_value().to_string()));
    let interface = workflow.interface();
    let fingerprint = interface.fingerprint();
    let interface = raw(&ascii(&interface.to_json().to_string()));
    let about = format!(" What the nodes of [`{ident}`] took when it was generated.");
    quote! {
        /// A short text that changes when the nodes do.
        #[allow(dead_code)]
        pub const FINGERPRINT: &str = #fingerprint;

        #[doc = #about]
        const NODES: &str = #interface;

        /// The workflow as it was exported.
        const WORKFLOW: &str = #definition;
    }
}

/// JSON in ASCII, so that nothing in it can change how the code around it reads.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a text cannot fail.
                _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

/// A raw string, with as many `#` as it needs.
fn raw(text: &str) -> TokenStream {
    let mut longest = 0;
    let mut run = None;
    for c in text.chars() {
        run = match (c, run) {
            ('"', _) => Some(0),
            ('#', Some(count)) => Some(count + 1),
            _ => None,
        };
        longest = longest.max(run.map_or(0, |count| count + 1));
    }
    let hashes = "#".repeat(longest.max(1));
    format!("r{hashes}\"{text}\"{hashes}").parse().unwrap_or_default()
}

impl Code {
    /// Whether a file holds this code, however it is laid out.
    pub fn is_same(&self, file: &str) -> bool {
        let layout = |text: &str| syn::parse_file(text).ok().map(|file| prettyplease::unparse(&file));
        layout(file).is_some_and(|file| Some(file) == layout(&self.text))
    }

    /// How the nodes that this code is for differ from those that the code in a file is for. Empty also where the file
    /// is no such code.
    pub fn differences(&self, file: &str) -> Vec<Difference> {
        let (before, now) = (interface_in(file), interface_in(&self.text));
        before.zip(now).map(|(before, now)| before.differences(&now)).unwrap_or_default()
    }
}

/// What the nodes took, out of the constant in code.
fn interface_in(code: &str) -> Option<Interface> {
    let file = syn::parse_file(code).ok()?;
    let nodes = file.items.iter().find_map(|item| match item {
        Item::Const(constant) if constant.ident == "NODES" => match &*constant.expr {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    Interface::from_json(&serde_json::from_str(&nodes?).ok()?)
}
