//! `{:?}` of every public type is short, whatever the type holds: it ends up in logs and messages.
//!
//! No type is forgotten: one that derives `Debug` must have members that cannot be long; any other must go through
//! `src/base/debug.rs`, which cuts. Of the generated types, only enums of plain names may derive it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    path::Path,
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syn::{Attribute, Fields, GenericArgument, ImplItem, Item, PathArguments, Type, Visibility};

use crate::common::workflows;

/// The most characters of any `{:?}`.
const MOST: usize = 1000;

/// What `src/base/debug.rs` lets through, and the ellipsis.
const CUT: usize = 901;

/// Types whose `Debug` is written by hand without `debug::whole`, and why that is short.
const BY_HAND: [(&str, &str); 5] = [
    ("ClientBuilder", "of `blocking`: shows what it is made of"),
    ("EventHub", "shows its state, which is cut"),
    ("Iter", "shows only whether it has ended"),
    ("Runtime", "shows its name"),
    ("TypedInput", "shows its `InputInfo`, which is cut"),
];

/// How `Debug` of a type comes about.
enum Shown {
    /// Cut by `src/base/debug.rs`, or by hand.
    Cut,
    /// By hand, without being cut.
    ByHand,
    /// Derived, from members of these types by name, for each variant.
    Derived(Vec<Vec<(String, Type)>>),
}

#[derive(Default)]
struct Source {
    /// By name, with whether it is public.
    types: BTreeMap<String, Vec<(bool, Shown)>>,
    /// Types that a macro generates with a derived `Debug`.
    by_macros: Vec<String>,
}

fn derives_debug(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive") && attribute.to_token_stream().to_string().contains("Debug")
    })
}

fn members(fields: &Fields) -> Vec<(String, Type)> {
    let name = |field: &syn::Field| field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    fields.iter().map(|field| (name(field), field.ty.clone())).collect()
}

impl Source {
    fn read(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The command is not a library, and the client of all endpoints is generated.
            if path.is_dir() && !path.ends_with("src/bin") && !path.ends_with("src/api") {
                self.read(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("src/base/debug.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                self.add(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).items);
            }
        }
    }

    fn add(&mut self, items: &[Item]) {
        let mut by_hand = BTreeMap::new();
        for item in items {
            match item {
                Item::Impl(block) if block.trait_.as_ref().is_some_and(|(name, _)| is(name, "Debug")) => {
                    let Type::Path(of) = &*block.self_ty else { continue };
                    let is_cut = block.items.iter().any(|item| {
                        matches!(item, ImplItem::Fn(method) if method.block.to_token_stream().to_string().contains("debug :: whole"))
                    });
                    by_hand.insert(last(&of.path), if is_cut { Shown::Cut } else { Shown::ByHand });
                }
                Item::Macro(call) if is(&call.mac.path, "short_debug") => {
                    by_hand.extend(cut_types(call.mac.tokens.clone()).into_iter().map(|name| (name, Shown::Cut)));
                }
                Item::Macro(made) if is(&made.mac.path, "macro_rules") => {
                    self.by_macros.extend(derived_in(made.mac.tokens.clone()));
                }
                _ => {}
            }
        }
        for item in items {
            let (visibility, name, attributes, variants) = match item {
                Item::Struct(item) => (&item.vis, &item.ident, &item.attrs, vec![members(&item.fields)]),
                Item::Enum(item) => {
                    (&item.vis, &item.ident, &item.attrs, item.variants.iter().map(|of| members(&of.fields)).collect())
                }
                _ => continue,
            };
            let name = name.to_string();
            let shown = match by_hand.remove(&name) {
                Some(shown) => shown,
                None if derives_debug(attributes) => Shown::Derived(variants),
                None => continue,
            };
            let is_public = matches!(visibility, Visibility::Public(_));
            let all = self.types.entry(name).or_default();
            all.push((is_public, shown));
        }
    }

    /// The most characters that a type can show; the reason if there is no limit.
    fn most_of(&self, name: &str) -> Result<usize, String> {
        let all = self.types.get(name).ok_or_else(|| format!("`{name}` may be long"))?;
        let mut most = 0;
        // A private type of the same name says nothing about a public one.
        let any_public = all.iter().any(|(is_public, _)| *is_public);
        for (_, shown) in all.iter().filter(|(is_public, _)| *is_public || !any_public) {
            most = most.max(match shown {
                Shown::Cut => CUT,
                Shown::ByHand if BY_HAND.iter().any(|(known, _)| *known == name) => CUT,
                Shown::ByHand => return Err(format!("`Debug` of {name} is written by hand, and does not cut")),
                Shown::Derived(variants) => {
                    let mut longest = 0;
                    for members in variants {
                        // The name of the variant is not longer than this.
                        let mut length = name.len() + 40;
                        for (member, ty) in members {
                            let of_type = self.most(ty).map_err(|why| format!("{name}.{member}: {why}"))?;
                            length += member.len() + 4 + of_type;
                        }
                        longest = longest.max(length);
                    }
                    longest
                }
            });
        }
        Ok(most)
    }

    fn most(&self, ty: &Type) -> Result<usize, String> {
        let long = || Err(format!("`{}` may be long", ty.to_token_stream()));
        match ty {
            Type::Tuple(tuple) => tuple.elems.iter().map(|ty| Ok(self.most(ty)? + 2)).sum(),
            Type::Reference(reference) if reference.lifetime.as_ref().is_some_and(|name| name.ident == "static") => {
                // What the crate itself shows.
                Ok(60)
            }
            Type::Path(path) => match &*last(&path.path) {
                "bool" => Ok(5),
                "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" | "f32" | "f64" | "NonZeroU64" => Ok(25),
                "Duration" => Ok(30),
                "StatusCode" => Ok(3),
                "Option" | "Box" | "Arc" => match &path.path.segments.last().unwrap().arguments {
                    PathArguments::AngleBracketed(of) => match of.args.first() {
                        Some(GenericArgument::Type(ty)) => Ok(self.most(ty)? + 6),
                        _ => long(),
                    },
                    _ => long(),
                },
                name => self.most_of(name),
            },
            _ => long(),
        }
    }
}

fn last(path: &syn::Path) -> String {
    path.segments.last().unwrap().ident.to_string()
}

fn is(path: &syn::Path, name: &str) -> bool {
    last(path) == name
}

/// The types in a call of `short_debug!`: what stands before a group, or after `enum`.
fn cut_types(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let names = tokens.iter().enumerate().filter_map(|(place, token)| match token {
        TokenTree::Ident(name) if *name != "enum" && !matches!(tokens.get(place.wrapping_sub(1)), Some(TokenTree::Punct(mark)) if mark.as_char() == '\'') => {
            Some(name.to_string())
        }
        _ => None,
    });
    names.collect()
}

/// Public types with members that a macro generates with a derived `Debug`.
fn derived_in(tokens: TokenStream) -> Vec<String> {
    let text = tokens.to_string().replace('\n', " ");
    let mut found = Vec::new();
    for part in text.split("derive").skip(1) {
        let Some((derived, rest)) = part.split_once(')') else { continue };
        let before = rest.split('{').next().unwrap_or_default();
        let after = rest.get(before.len()..).unwrap_or_default();
        let is_empty = after.replace(' ', "").starts_with("{}");
        // What is `Copy` holds no text of its own.
        let may_be_long = derived.contains("Debug") && !derived.contains("Copy");
        if may_be_long && (before.contains("pub struct") || before.contains("pub enum")) && !is_empty {
            found.push(before.to_owned());
        }
    }
    found
}

fn source() -> Source {
    let mut source = Source::default();
    source.read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    source
}

/// Public structs and enums by name, those under `api` aside.
fn public() -> BTreeSet<String> {
    let listing = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/public-api.txt");
    let listing = fs::read_to_string(listing).unwrap();
    let types = listing.lines().filter_map(|line| line.split_once(": ")).filter(|(place, what)| {
        !place.starts_with("api::") && ["struct", "enum"].iter().any(|kind| what.starts_with(kind))
    });
    types.map(|(place, _)| place.rsplit("::").next().unwrap_or(place).to_owned()).collect()
}

#[test]
fn no_public_type_can_show_more_than_one_can_read() {
    let source = source();
    let mut complaints = Vec::new();
    let (mut cut, mut small) = (0, 0);
    for name in public().iter().filter(|name| source.types.contains_key(*name)) {
        match source.most_of(name) {
            Ok(CUT) => cut += 1,
            Ok(most) if most <= MOST => small += 1,
            Ok(most) => complaints.push(format!("{name} may show {most} characters")),
            Err(why) => complaints.push(format!("{name}: {why}")),
        }
    }
    complaints.extend(source.by_macros.iter().map(|made| format!("a macro derives `Debug` of {made}")));
    let advice = "`short_debug!` or `debug::whole` of src/base/debug.rs cuts";
    assert!(complaints.is_empty(), "{} types; {advice}:\n{}", complaints.len(), complaints.join("\n"));
    assert!(cut > 150 && small > 15, "{cut} types are cut, {small} small: has anything been looked at?");
    for (name, why) in BY_HAND {
        let shown = source.types.get(name).map(Vec::as_slice).unwrap_or_default();
        assert!(shown.iter().any(|shown| matches!(shown, (_, Shown::ByHand))), "{name} is listed for nothing: {why}");
    }
}

#[test]
fn a_type_with_a_long_member_is_found() {
    let mut source = source();
    let added = syn::parse_file(
        "#[derive(Debug)] pub struct Long { text: Vec<String> }
         #[derive(Debug)] pub struct Two { first: crate::auth::User, second: Option<User> }
         #[derive(Debug)] pub enum Sum { None, All { of: Box<Long> } }
         pub struct Hand; impl fmt::Debug for Hand { fn fmt(&self) { self.0.fmt(f) } }
         macro_rules! made { ($name:ident) => { #[derive(Debug, Clone)] pub struct $name(String); } }",
    );
    source.add(&added.unwrap().items);
    for (name, expected) in [
        ("Long", "Long.text: `Vec` may be long"),
        ("Sum", "Sum.of: Long.text: "),
        ("Hand", "is written by hand, and does not cut"),
    ] {
        let found = source.most_of(name).unwrap_err();
        assert!(found.contains(expected), "{found}");
    }
    assert!(source.most_of("Two").unwrap() > MOST);
    assert!(source.by_macros.iter().any(|made| made.contains("struct $ name") || made.contains("struct $name")));
}

/// Types of generated code that derive `Debug` though they have members, and how many show themselves by `base::debug`.
fn generated(items: &[Item], derive: &mut Vec<String>) -> usize {
    let count = |item: &Item| match item {
        Item::Mod(module) => module.content.as_ref().map_or(0, |(_, items)| generated(items, derive)),
        Item::Struct(item) if derives_debug(&item.attrs) => {
            derive.push(item.ident.to_string());
            0
        }
        Item::Enum(item) if derives_debug(&item.attrs) => {
            if item.variants.iter().any(|variant| !variant.fields.is_empty()) {
                derive.push(item.ident.to_string());
            }
            0
        }
        Item::Macro(call) => usize::from(is(&call.mac.path, "short_debug")),
        _ => 0,
    };
    items.iter().map(count).sum()
}

#[test]
fn nothing_that_is_generated_shows_itself_in_full() {
    let mut derive = Vec::new();
    let mut cut = 0;
    for text in
        [include_str!(concat!(env!("OUT_DIR"), "/client.rs")), include_str!(concat!(env!("OUT_DIR"), "/events.rs"))]
    {
        cut += generated(&syn::parse_file(text).unwrap().items, &mut derive);
    }
    assert!(derive.is_empty(), "these derive `Debug`, which `build/rewrite/debug.rs` should have replaced: {derive:?}");
    assert!(cut > 300, "only {cut} types are cut: has anything been looked at?");
}

#[test]
fn requests_and_answers_of_single_operations_are_shown_briefly() {
    use invokeai_client::{
        Client,
        api::{events, types},
    };

    let long = || "ä\"\n".repeat(100_000);
    let client = Client::new("http://127.0.0.1:9").unwrap();
    let board = types::BoardChanges::builder().board_name(long());
    short(&board, "changes of a board under construction");
    short(&client.api().update_board().board_id(long()).body(board), "an operation");
    long_answer::<types::BoardDto>(json!({
        "board_id": "", "board_name": "", "user_id": "", "created_at": "", "updated_at": "", "cover_image_name": "",
        "archived": false, "image_count": 1, "asset_count": 0, "video_count": 0, "board_visibility": "private",
    }));
    long_answer::<events::ModelInstallErrorEvent>(json!({
        "timestamp": 1, "id": 1, "error_type": "", "error": "", "source": { "type": "url", "url": "" },
    }));
    let secret = types::LoginRequest::builder().email("me@example.org").password("hidden-word");
    assert!(!format!("{:?}", client.api().login().body(secret)).contains("hidden-word"));
}

fn short(value: &(impl Debug + ?Sized), what: &str) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        let length = shown.chars().count();
        assert!(length <= MOST, "{what} shows {length} characters: {}…", shown.chars().take(300).collect::<String>());
        assert!(length >= 10, "{what} shows nothing: {shown}");
    }
}

/// A type of answer, read from one in which every text is long.
fn long_answer<T: DeserializeOwned + Debug>(mut answer: Value) {
    // So long that one text that is not cut is too much.
    fn lengthen(value: &mut Value) {
        match value {
            Value::String(text) if text.is_empty() => *text = "ä\"\n".repeat(2 * MOST),
            Value::Array(all) => all.iter_mut().for_each(lengthen),
            Value::Object(all) => all.values_mut().for_each(lengthen),
            _ => {}
        }
    }
    lengthen(&mut answer);
    let what = std::any::type_name::<T>();
    let read: T = serde_json::from_str(&answer.to_string()).unwrap_or_else(|error| panic!("{what}: {error}"));
    short(&read, what);
    short(&vec![read].into_iter().next(), what);
}

#[test]
fn answers_with_long_texts_are_shown_briefly() {
    use invokeai_client::{auth::User, boards::Board, images::Image, models, queue, style_presets::StylePreset};

    let values = json!({ "node_path": "", "field_name": "", "value": vec!["x"; MOST] });
    let values = vec![values; 3];
    long_answer::<queue::QueueItem>(json!({
        "item_id": 1, "status": "", "batch_id": "", "queue_id": "", "session_id": "", "origin": "", "destination": "",
        "error_type": "", "error_message": "", "error_traceback": "", "created_at": "", "updated_at": "",
        "started_at": "", "completed_at": "", "field_values": values, "session": vec![""; 3], "workflow": "",
    }));
    long_answer::<queue::ItemSummary>(json!({
        "item_id": 1, "status": "", "batch_id": "", "origin": "", "destination": "", "created_at": "",
        "started_at": "", "completed_at": "", "field_values": values,
    }));
    long_answer::<queue::ItemStatus>(json!(""));
    long_answer::<User>(json!({
        "user_id": "", "email": "", "display_name": "", "created_at": "", "updated_at": "", "last_login_at": "",
    }));
    long_answer::<StylePreset>(json!({
        "id": "", "name": "", "type": "", "image": "", "user_id": "",
        "preset_data": { "positive_prompt": "", "negative_prompt": "" },
    }));
    let model = json!({ "name": "", "description": "", "source": "", "base": "", "type": "", "format": "" });
    let mut with_more = model.clone();
    with_more["dependencies"] = json!(vec![model; 3]);
    long_answer::<models::StarterModel>(with_more.clone());
    long_answer::<models::StarterModels>(json!({
        "starter_models": [with_more],
        "starter_bundles": { "sdxl": { "name": "", "models": [with_more] } },
    }));
    long_answer::<models::FoundModel>(json!({ "path": "" }));
    long_answer::<Image>(json!({
        "image_name": "", "image_url": "", "thumbnail_url": "", "image_origin": "", "image_category": "", "width": 1,
        "height": 1, "created_at": "", "updated_at": "", "session_id": "", "node_id": "", "board_id": "",
    }));
    long_answer::<Board>(json!({
        "board_id": "", "board_name": "", "user_id": "", "created_at": "", "updated_at": "", "cover_image_name": "",
    }));
}

#[test]
fn what_is_given_to_the_crate_is_shown_briefly() {
    use invokeai_client::{
        Client, Error, RawRequest, Sweep, Upload,
        models::ModelSource,
        workflow::{Workflow, WorkflowDefinition},
    };

    let long = || "ä\"\n".repeat(100_000);
    let catalog = invokeai_client::schema::NodeCatalog::embedded();
    short(catalog, "the catalog of all nodes");
    for node in catalog.iter().take(50) {
        short(node, "a node");
        short(&node.inputs, "inputs of a node");
        short(&node.inputs.iter(), "inputs of a node, one by one");
    }
    let mut large = workflows::additions();
    (large["name"], large["notes"]) = (long().into(), long().into());
    for place in 2..2000 {
        let mut node = large["nodes"][1].clone();
        (node["id"], node["data"]["id"]) = (place.to_string().into(), place.to_string().into());
        large["nodes"].as_array_mut().unwrap().push(node);
    }
    let definition = WorkflowDefinition::from_value(large).unwrap();
    short(&definition, "a large workflow");
    let workflow = Workflow::new(definition, catalog);
    short(&workflow, "a large workflow to fill in");
    short(&workflow.to_definition(), "a large workflow as it is saved");
    let sweep = Sweep::new().product(&workflow, "first.a", 0..10_000).unwrap();
    short(&sweep, "a large sweep");
    short(&RawRequest::new("GET", long()), "a request");
    short(&Upload::bytes(long(), vec![0; 1_000_000]), "an upload");
    short(&ModelSource::local_in_place(long()), "where a model is from");
    let builder = Client::builder(format!("http://127.0.0.1:9/{}", "x".repeat(100_000))).token("secret".repeat(1000));
    short(&builder, "a client under construction");
    let client = builder.build().unwrap();
    short(&client, "a client");
    short(&client.images().list().search(long()), "a list");
    short(&client.board(long()).images(), "images of a board");
    short(&client.models().install(ModelSource::hugging_face(long())).description(long()), "an installation");
    short(&client.submit(&workflow), "a batch");
    let error = workflow.clone().set_input(format!("first.{}", long()), 1).unwrap_err();
    short(&error, "an unknown input");
    short(&Error::from(error), "the same as an error of the crate");
}
