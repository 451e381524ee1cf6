//! The layers of the crate: `src/lib.rs` lists its modules from the lowest layer to the highest, and each may use only
//! what is in a layer below its own. No folder has a circle of files.
//!
//! A use is a path that begins with `crate`, `super` or `self`, wherever it stands, or a call of one of the methods that
//! a module adds to `Client`. What comes by way of a re-export is a use of the module that has it. A module and those
//! inside it are one: a file may use its folder's `mod.rs` and the other way round.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree};

/// A module by its path from the root, which is empty.
type Name = Vec<String>;

/// A table in several files: its types name each other, as those that they mirror do.
const MIRROR: &str = "blocking";

#[derive(Debug, Default)]
struct Module {
    /// What its text names: paths as they are written.
    paths: Vec<Name>,
    /// Names that it imports, for itself or for others, and the paths they stand for.
    imports: BTreeMap<String, Name>,
    /// Modules of which it imports everything.
    globs: Vec<Name>,
    /// Methods that it calls on a client.
    calls: BTreeSet<String>,
}

/// A use of one module by another, with the path that says so.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Arrow {
    from: Name,
    to: Name,
    by: String,
}

#[derive(Debug, Default)]
struct Tree {
    modules: BTreeMap<Name, Module>,
    /// Where the methods of `Client` are.
    methods: BTreeMap<String, Name>,
    /// The layers of the root, from the lowest to the highest.
    layers: Vec<Vec<String>>,
}

/// The text of a file: its path below the root of the source, or nothing if there is no such file.
type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Tree {
    fn read(root: &str, files: Files<'_>) -> Self {
        let mut tree = Self::default();
        let text = files(root).unwrap_or_else(|| panic!("{root} cannot be read"));
        tree.layers = layers(&text);
        tree.module(&[], "", items(root, &text), files);
        tree
    }

    /// Takes up a module, and those inside it, whose files are in `folder`.
    fn module(&mut self, name: &[String], folder: &str, items: Vec<Item>, files: Files<'_>) {
        let mut module = Module::default();
        for item in items.into_iter().filter(|item| !is_for_tests(item)) {
            match item {
                Item::Mod(inner) => {
                    let ident = inner.ident.to_string();
                    let deeper: Name = name.iter().cloned().chain([ident.clone()]).collect();
                    let items = match inner.content {
                        Some((_, items)) => items,
                        None => {
                            let mut places = vec![format!("{ident}.rs"), format!("{ident}/mod.rs")];
                            places.splice(0..0, elsewhere(&inner.attrs));
                            let mut read = places.iter().map(|place| format!("{folder}{place}"));
                            let found = read.find_map(|file| Some((files(&file)?, file)));
                            let (text, file) = found.unwrap_or_else(|| panic!("none of {places:?} in `{folder}`"));
                            self::items(&file, &text)
                        }
                    };
                    self.module(&deeper, &format!("{folder}{ident}/"), items, files);
                }
                Item::Use(import) => module.import(&mut Vec::new(), &import.tree),
                item => {
                    if let Item::Impl(block) = &item
                        && block.trait_.is_none()
                        && block.self_ty.to_token_stream().to_string() == "Client"
                    {
                        for method in &block.items {
                            if let syn::ImplItem::Fn(method) = method {
                                self.methods.insert(method.sig.ident.to_string(), name.to_vec());
                            }
                        }
                    }
                    module.scan(item.to_token_stream());
                }
            }
        }
        self.modules.insert(name.to_vec(), module);
    }

    /// The module that a path of `from` leads to; nothing for what is not part of this crate.
    fn owner(&self, from: &[String], path: &[String], hops: usize) -> Option<Name> {
        let mut at: Name = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            first => {
                // A module inside, or a name that was imported.
                let inner: Name = from.iter().cloned().chain([first.to_owned()]).collect();
                if self.modules.contains_key(&inner) {
                    inner
                } else {
                    let import = self.modules.get(from)?.imports.get(first)?;
                    let longer: Name = import.iter().chain(&path[1..]).cloned().collect();
                    return if hops > 0 { self.owner(from, &longer, hops - 1) } else { None };
                }
            }
        };
        let mut rest = &path[1..];
        while let Some((segment, after)) = rest.split_first() {
            if segment == "super" {
                at.pop()?;
                rest = after;
                continue;
            }
            let inner: Name = at.iter().cloned().chain([segment.clone()]).collect();
            if self.modules.contains_key(&inner) {
                (at, rest) = (inner, after);
                continue;
            }
            let here = self.modules.get(&at)?;
            if let Some(import) = here.imports.get(segment).filter(|_| hops > 0) {
                let longer: Name = import.iter().chain(after).cloned().collect();
                return self.owner(&at, &longer, hops - 1);
            }
            break;
        }
        Some(at)
    }

    fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (from, module) in &self.modules {
            let mut add = |to: Name, by: String| {
                if to != *from {
                    arrows.insert(Arrow { from: from.clone(), to, by });
                }
            };
            for path in module.paths.iter().chain(module.imports.values()).chain(&module.globs) {
                if let Some(to) = self.owner(from, path, 8) {
                    add(to, path.join("::"));
                }
            }
            for call in &module.calls {
                if let Some(to) = self.methods.get(call) {
                    add(to.clone(), format!("client.{call}()"));
                }
            }
        }
        arrows
    }

    /// All arrows between the modules of one folder, each module standing for what is in it.
    fn of_folder<'a>(arrows: &'a BTreeSet<Arrow>, folder: &[String]) -> Vec<(&'a str, &'a str, &'a Arrow)> {
        let inside = |name: &'a Name| name.strip_prefix(folder)?.first().map(String::as_str);
        let between = |arrow: &'a Arrow| Some((inside(&arrow.from)?, inside(&arrow.to)?, arrow));
        arrows.iter().filter_map(between).filter(|(from, to, _)| from != to).collect()
    }

    /// Every arrow that does not point to a lower layer, and every circle in a folder.
    fn faults(&self) -> Vec<String> {
        let arrows = self.arrows();
        let mut faults = Vec::new();
        let level = |name: &str| self.layers.iter().position(|layer| layer.iter().any(|listed| listed == name));
        if !self.layers.is_empty() {
            for (from, to, arrow) in Self::of_folder(&arrows, &[]) {
                if level(from) <= level(to) {
                    faults.push(format!("{} uses {}, which is not below it ({})", shown(arrow), to, arrow.by));
                }
            }
        }
        for folder in self.modules.keys().filter(|folder| folder[..] != [MIRROR]) {
            let between = Self::of_folder(&arrows, folder);
            for circle in circles(&between) {
                faults.push(format!("a circle in `{}`: {circle}", folder.join("::")));
            }
        }
        faults
    }
}

fn shown(arrow: &Arrow) -> String {
    arrow.from.join("::")
}

/// Modules of a folder that use each other, as the arrows that close a circle.
fn circles(arrows: &[(&str, &str, &Arrow)]) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to, _) in arrows {
        next.entry(from).or_default().insert(to);
    }
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(at) = left.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                left.extend(next.get(at).into_iter().flatten());
            }
        }
        false
    };
    let closing = arrows.iter().filter(|(from, to, _)| reaches(to, from));
    closing.map(|(from, to, arrow)| format!("{from} -> {to} ({} says {})", shown(arrow), arrow.by)).collect()
}

impl Module {
    fn import(&mut self, prefix: &mut Name, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(prefix, &path.tree);
                prefix.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(prefix, tree)),
            UseTree::Glob(_) => self.globs.push(prefix.clone()),
            UseTree::Name(name) => self.named(prefix, name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => self.named(prefix, name.ident.to_string(), name.rename.to_string()),
        }
    }

    fn named(&mut self, prefix: &[String], name: String, known_as: String) {
        let (path, known_as) = match (&*name, prefix.last()) {
            // `use a::b::{self}`
            ("self", Some(last)) if known_as == "self" => (prefix.to_vec(), last.clone()),
            ("self", Some(_)) => (prefix.to_vec(), known_as),
            _ => (prefix.iter().cloned().chain([name]).collect(), known_as),
        };
        // `use thing;` and the like say nothing about this crate.
        if path.len() > 1 {
            self.imports.insert(known_as, path);
        }
    }

    /// Looks for paths and for calls on a client. Works on tokens, so that macros are looked into as well.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let word = |at: usize| match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        };
        let sign = |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(first) if ["crate", "super", "self"].iter().any(|start| first == start) => {
                    let mut path = vec![first.to_string()];
                    let mut end = at + 1;
                    while sign(end, ':') && sign(end + 1, ':') {
                        let Some(segment) = word(end + 2) else { break };
                        path.push(segment);
                        end += 3;
                    }
                    if path.len() > 1 {
                        self.paths.push(path);
                    }
                }
                TokenTree::Punct(dot) if dot.as_char() == '.' => {
                    let called = matches!(tokens.get(at + 2), Some(TokenTree::Group(_)));
                    // `client.images()`, or `job.client().images()`.
                    let on = at.checked_sub(1).and_then(|before| match &tokens[before] {
                        TokenTree::Group(arguments) if arguments.stream().is_empty() => word(before.checked_sub(1)?),
                        _ => word(before),
                    });
                    if let Some(method) = word(at + 1).filter(|_| called && on.is_some_and(|on| on == "client")) {
                        self.calls.insert(method);
                    }
                }
                _ => {}
            }
        }
    }
}

fn items(file: &str, text: &str) -> Vec<Item> {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")).items
}

/// The file that `#[path = "…"]` names.
fn elsewhere(attributes: &[Attribute]) -> Option<String> {
    let path = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(value) = &path.meta else { return None };
    Some(value.value.to_token_stream().to_string().trim_matches('"').to_owned())
}

fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().contains("cfg (test)"))
}

/// The layers of a root file: each begins with a comment `// Layer: …`. None where there is no such comment.
fn layers(text: &str) -> Vec<Vec<String>> {
    let mut layers: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("// Layer: ") {
            layers.push(Vec::new());
        }
        let module = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        if let (Some(name), Some(layer)) = (module.and_then(|rest| rest.strip_suffix(';')), layers.last_mut()) {
            layer.push(name.to_owned());
        }
    }
    layers
}

/// The files of a folder of this package.
fn folder(folder: &str) -> impl Fn(&str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    move |file| fs::read_to_string(folder.join(file)).ok()
}

fn library() -> Tree {
    Tree::read("lib.rs", &folder("src"))
}

#[test]
fn every_arrow_of_the_library_points_to_a_lower_layer() {
    let tree = library();
    let listed: BTreeSet<&String> = tree.layers.iter().flatten().collect();
    let roots: BTreeSet<&String> = tree.modules.keys().filter(|name| name.len() == 1).map(|name| &name[0]).collect();
    assert_eq!(listed, roots, "modules that lib.rs has in no layer");
    // It really looked: a use of each kind.
    let arrows = tree.arrows();
    let known = |from: &str, to: &str| {
        arrows.iter().any(|one| one.from[..] == [from] && one.to.first().is_some_and(|own| own == to))
    };
    assert!(known("client", "transport") && known("cleanup", "queue"), "{arrows:?}");
    let faults = tree.faults();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_command_has_no_circle_of_files() {
    let tree = Tree::read("main.rs", &folder("src/bin/invokeai-client"));
    let faults = tree.faults();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_testing_server_uses_three_things_of_the_crate() {
    let uses: BTreeSet<String> = library()
        .arrows()
        .into_iter()
        .filter(|arrow| arrow.from.first().is_some_and(|own| own == "testing"))
        .filter(|arrow| arrow.to.first().is_none_or(|own| own != "testing"))
        // How values are shown says nothing about the crate.
        .filter(|arrow| arrow.to.first().is_none_or(|other| other != "base"))
        .map(|arrow| arrow.by)
        .collect();
    let allowed = ["crate::Client", "crate::Result", "crate::workflow::png_text"];
    assert_eq!(
        uses.iter().map(String::as_str).collect::<Vec<_>>(),
        allowed,
        "see ARCHITECTURE.md, \"The testing server\""
    );
}

/// What is wrong with a crate of these files.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    Tree::read("lib.rs", &|file| files.get(file).map(|text| (*text).to_owned())).faults()
}

const THREE: &str = "// Layer: low\nmod low;\n\n// Layer: middle\nmod middle;\n\n// Layer: high\npub mod high;\n";

#[test]
fn arrows_that_point_down_are_accepted() {
    let faults = faults_of(&[
        ("lib.rs", &format!("{THREE}pub use high::Client;")),
        ("low.rs", "pub struct Low;"),
        ("middle/mod.rs", "mod part; use crate::low::Low; pub use part::Part;"),
        ("middle/part.rs", "use super::super::low; pub struct Part;"),
        ("high.rs", "use crate::{low, middle::Part}; pub struct Client; #[cfg(test)] mod tests { use super::*; }"),
    ]);
    assert_eq!(faults, [""; 0]);
}

#[test]
fn an_arrow_that_points_up_is_found_however_it_is_written() {
    for bad in [
        "use crate::high::Client;",
        "use crate::{middle, high::{self}};",
        "use crate::high::*;",
        "use crate::Client as Other;",
        "fn f() -> super::high::Client { todo() }",
        "fn f() { made!(x, [crate::high::new()]); }",
        "macro_rules! m { () => { $crate::high::Client } }",
        "fn f(client: &C) { client.things(1); }",
        "fn f(job: &J) { job.client().things(1); }",
        "mod inner { pub use crate::high; }",
    ] {
        let faults = faults_of(&[
            ("lib.rs", &format!("{THREE}pub use high::Client;")),
            ("low.rs", bad),
            ("middle.rs", ""),
            ("high.rs", "pub struct Client; impl Client { pub fn things(&self, n: u8) {} }"),
        ]);
        assert!(faults.iter().any(|fault| fault.contains("uses high, which is not below it")), "{bad}: {faults:?}");
    }
}

#[test]
fn modules_of_one_layer_do_not_know_one_another() {
    let faults = faults_of(&[
        ("lib.rs", "// Layer: only\nmod a;\nmod b;\n"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "pub struct B;"),
    ]);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn a_circle_of_files_is_found_at_any_depth_and_through_a_re_export() {
    let faults = faults_of(&[
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod a; mod b; mod c; pub use b::B;"),
        ("room/a.rs", "use super::B;"),
        ("room/b/mod.rs", "mod deep; pub struct B;"),
        ("room/b/deep.rs", "use crate::room::c::C;"),
        ("room/c.rs", "use super::a; pub struct C;"),
    ]);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("a circle in `room`: a -> b (room::a says super::B)"), "{faults:?}");
}
