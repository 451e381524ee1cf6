//! The public API as a committed listing, so that review sees every change to it.
//!
//! Hand-written code is listed with its signatures, generated code by name. Types that a macro makes are listed by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use quote::{ToTokens, quote};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree, Visibility};

use crate::common::{listing, mirrored, skip};

/// Every module of the crate, by its path; public or not.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Vec<String>, Vec<Item>>,
    /// Inherent implementations, by the module that they stand in and the name of their type.
    methods: Vec<(Vec<String>, String, ItemImpl)>,
    /// What can be awaited, and streams: the module, the name of the type, the trait and what it yields.
    waits: Vec<(Vec<String>, String, String)>,
    lines: BTreeSet<String>,
}

#[test]
fn the_listing_of_the_public_api_is_up_to_date() {
    if skip::other_document("comparing the public API") {
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Crate::default();
    all.read(&[], &source, items(&source.join("lib.rs")));
    all.list(&[], "");
    all.generated();
    let listing: String = all.lines.iter().map(|line| format!("{line}\n")).collect();
    listing::check("tests/fixtures/public-api.txt", &listing);
}

/// What waits for the next entry with `next()` needs no pinning, so that a program needs no macro for it.
#[test]
fn every_stream_is_read_without_being_pinned() {
    const fn unpin<S: Unpin>() {}

    // A stream that has a name of its own is asked here, all others by what their methods promise.
    unpin::<invokeai_client::events::EventStream>();
    let listing = include_str!("../fixtures/public-api.txt");
    let (named, by_method): (Vec<&str>, Vec<&str>) = listing
        .lines()
        .filter(|line| line.contains("Stream<Item = "))
        .partition(|line| line.split(": ").nth(1).is_some_and(|rest| rest.starts_with("Stream<Item")));
    assert_eq!(named, ["events::EventStream: Stream<Item = Result<EventItem, EventError>>"]);
    let pinned: Vec<_> = by_method.iter().filter(|line| !line.contains("+ Unpin")).collect();
    assert!(pinned.is_empty() && by_method.len() > 10, "{pinned:#?} of {}", by_method.len());
}

fn items(file: &Path) -> Vec<Item> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().contains("cfg (test)"))
}

impl Crate {
    /// Reads a module's items and its submodules, which are files in `folder`.
    fn read(&mut self, path: &[String], folder: &Path, mut items: Vec<Item>) {
        items = items.into_iter().flat_map(mirrored::expand).collect();
        for item in &items {
            match item {
                Item::Mod(module) if !is_test(&module.attrs) => {
                    let name = module.ident.to_string();
                    let deeper: Vec<_> = path.iter().cloned().chain([name.clone()]).collect();
                    let inline = module.content.as_ref().map(|(_, items)| items.clone());
                    let flat: PathBuf = folder.join(format!("{name}.rs"));
                    let file = if flat.exists() { flat } else { folder.join(&name).join("mod.rs") };
                    self.read(&deeper, &folder.join(&name), inline.unwrap_or_else(|| self::items(&file)));
                }
                Item::Impl(block) if block.trait_.is_none() && !is_test(&block.attrs) => {
                    self.methods.push((path.to_vec(), self_name(&block.self_ty), block.clone()));
                }
                Item::Impl(block) => {
                    if let Some(wait) = wait(block) {
                        self.waits.push((path.to_vec(), self_name(&block.self_ty), wait));
                    }
                }
                _ => {}
            }
        }
        self.modules.insert(path.to_vec(), items);
    }

    /// Lists what a public module offers under its public path.
    fn list(&mut self, path: &[String], shown: &str) {
        for item in self.modules[path].clone() {
            match &item {
                Item::Mod(module) if is_public(&module.vis) && !is_test(&module.attrs) => {
                    let name = module.ident.to_string();
                    let deeper: Vec<_> = path.iter().cloned().chain([name.clone()]).collect();
                    self.lines.insert(format!("{shown}{name}: mod"));
                    self.list(&deeper, &format!("{shown}{name}::"));
                }
                Item::Use(reexport) if is_public(&reexport.vis) => {
                    for (target, name) in leaves(&reexport.tree) {
                        self.reexport(path, shown, &target, &name);
                    }
                }
                item => self.item(path, shown, item, false),
            }
        }
    }

    /// `target` is the path in `pub use`, without the last name.
    fn reexport(&mut self, path: &[String], shown: &str, target: &[String], name: &str) {
        let bases: [&[String]; 2] = [path, &[]];
        let found = bases.into_iter().find_map(|base| {
            let from: Vec<_> = base.iter().chain(target.iter().filter(|part| *part != "crate")).cloned().collect();
            self.modules.contains_key(&from).then_some(from)
        });
        let Some(from) = found else {
            self.lines.insert(format!("{shown}{name}: use {}", target.join("::")));
            return;
        };
        // A module from deeper in the tree, which is public under this path.
        let module: Vec<_> = from.iter().cloned().chain([name.to_owned()]).collect();
        if self.modules.contains_key(&module) {
            self.lines.insert(format!("{shown}{name}: mod"));
            return self.list(&module, &format!("{shown}{name}::"));
        }
        let items = self.modules[&from].clone();
        match items.iter().find(|item| item_name(item).as_deref() == Some(name)) {
            Some(item) => self.item(&from, shown, item, true),
            // A re-export of a re-export, or made by a macro.
            None => match items.iter().find_map(|item| match item {
                Item::Use(inner) => leaves(&inner.tree).into_iter().find(|(_, leaf)| leaf == name),
                _ => None,
            }) {
                // A crate that is re-exported as it is.
                Some((deeper, _)) if (&*from, &*deeper) == (path, target) => {
                    self.lines.insert(format!("{shown}{name}: use {name}"));
                }
                Some((deeper, _)) => self.reexport(&from, shown, &deeper, name),
                None => drop(self.lines.insert(format!("{shown}{name}: by a macro"))),
            },
        }
    }

    /// Lists an item of the module `home`.
    fn item(&mut self, home: &[String], shown: &str, item: &Item, reexported: bool) {
        let (visibility, attributes) = match item {
            Item::Struct(item) => (&item.vis, &item.attrs),
            Item::Enum(item) => (&item.vis, &item.attrs),
            Item::Trait(item) => (&item.vis, &item.attrs),
            Item::Fn(item) => (&item.vis, &item.attrs),
            Item::Const(item) => (&item.vis, &item.attrs),
            Item::Type(item) => (&item.vis, &item.attrs),
            _ => return,
        };
        if !is_public(visibility) && !reexported {
            return;
        }
        let name = item_name(item).unwrap();
        let open = attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
        let open = if open { " (non_exhaustive)" } else { "" };
        let place = format!("{shown}{name}");
        match item {
            Item::Struct(item) => {
                self.lines.insert(format!("{place}: struct{open}{}", text(&item.generics)));
                self.fields(&place, &item.fields, true);
            }
            Item::Enum(item) => {
                self.lines.insert(format!("{place}: enum{open}{}", text(&item.generics)));
                for variant in &item.variants {
                    let variant_place = format!("{place}::{}", variant.ident);
                    self.lines.insert(format!("{variant_place}: variant"));
                    self.fields(&variant_place, &variant.fields, false);
                }
            }
            Item::Trait(item) => {
                self.lines.insert(format!("{place}: trait {}", text(&item.supertraits)));
                for member in &item.items {
                    if let TraitItem::Fn(method) = member {
                        self.lines.insert(format!("{place}::{}: {}", method.sig.ident, text(&method.sig)));
                    }
                }
            }
            Item::Fn(item) => drop(self.lines.insert(format!("{place}: {}", text(&item.sig)))),
            Item::Const(item) => drop(self.lines.insert(format!("{place}: const {}", text(&item.ty)))),
            Item::Type(item) => drop(self.lines.insert(format!("{place}: type {}", text(&item.ty)))),
            _ => {}
        }
        for (_, _, wait) in self.waits.iter().filter(|(module, of, _)| *of == name && module == home) {
            self.lines.insert(format!("{place}: {wait}"));
        }
        // Elsewhere, too, but not where another type has the name.
        let defines = |module: &[String]| self.modules[module].iter().any(|i| item_name(i).as_deref() == Some(&name));
        let blocks: Vec<_> = self
            .methods
            .iter()
            .filter(|(module, of, _)| *of == name && (module == home || (!defines(module) && home != ["api"])))
            .map(|(_, _, block)| block.clone())
            .collect();
        for block in blocks {
            for member in &block.items {
                match member {
                    ImplItem::Fn(method) if is_public(&method.vis) => {
                        self.lines.insert(format!("{place}::{}: {}", method.sig.ident, text(&method.sig)));
                    }
                    ImplItem::Const(constant) if is_public(&constant.vis) => {
                        self.lines.insert(format!("{place}::{}: const {}", constant.ident, text(&constant.ty)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn fields(&mut self, place: &str, fields: &Fields, declared: bool) {
        for (i, field) in fields.iter().enumerate().filter(|(_, field)| !declared || is_public(&field.vis)) {
            let name = field.ident.as_ref().map_or_else(|| i.to_string(), ToString::to_string);
            self.lines.insert(format!("{place}.{name}: {}", text(&field.ty)));
        }
    }

    /// Operations and types by name.
    fn generated(&mut self) {
        let client = syn::parse_file(include_str!(concat!(env!("OUT_DIR"), "/client.rs"))).unwrap();
        for item in &client.items {
            if let Item::Mod(module) = item {
                self.names(&format!("api::{}::", module.ident), &module.content.as_ref().unwrap().1);
            }
        }
        for operation in invokeai_client::api::OPERATIONS {
            self.lines.insert(format!("api::Client::{}: operation", operation.id));
        }
        let events = syn::parse_file(include_str!(concat!(env!("OUT_DIR"), "/events.rs"))).unwrap();
        self.names("api::events::", &events.items);
        for line in include_str!(concat!(env!("OUT_DIR"), "/enums.rs")).lines() {
            if let Some(rest) = line.strip_prefix("crate::base::open_enum::open_enum! { ") {
                self.lines.insert(format!("api::enums::{}: open enum", rest.trim_end_matches(" {")));
            }
        }
    }

    fn names(&mut self, place: &str, items: &[Item]) {
        for item in items.iter().filter(|item| matches!(item, Item::Struct(_) | Item::Enum(_) | Item::Type(_))) {
            self.lines.insert(format!("{place}{}: generated", item_name(item).unwrap()));
        }
    }
}

/// The trait by which a type is awaited or read, with what it yields.
fn wait(block: &ItemImpl) -> Option<String> {
    let name = block.trait_.as_ref()?.0.segments.last()?.ident.to_string();
    let given = match name.as_str() {
        "IntoFuture" | "Future" => "Output",
        "Stream" | "Iterator" => "Item",
        _ => return None,
    };
    let ty = block.items.iter().find_map(|item| match item {
        ImplItem::Type(member) if member.ident == given => Some(text(&member.ty)),
        _ => None,
    })?;
    Some(format!("{name}<{given} = {ty}>"))
}

fn item_name(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn self_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Every name that a `use` brings, with the path before it.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let before = leaves(&path.tree).into_iter();
            before.map(|(rest, name)| ([vec![path.ident.to_string()], rest].concat(), name)).collect()
        }
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
        UseTree::Name(name) => vec![(Vec::new(), name.ident.to_string())],
        UseTree::Rename(rename) => vec![(Vec::new(), rename.rename.to_string())],
        UseTree::Glob(_) => vec![(Vec::new(), "*".to_owned())],
    }
}

/// Source text without the spaces that the token printer puts everywhere.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = quote!(#tokens).to_string();
    for (long, short) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" , ", ", "),
        (" : ", ": "),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (",)", ")"),
        ("' ", "'"),
    ] {
        text = text.replace(long, short);
    }
    text
}
