//! What is fuzzed: each function takes any bytes, and panics if a promise of the crate is broken.
//!
//! `cargo fuzz` runs them with bytes that it generates; `tests/offline/fuzz_corpus.rs` runs them with the files of
//! `corpus/`.

mod changes;

use std::{
    path::{Component, Path},
    sync::LazyLock,
};

use invokeai_client::{
    Client, Detail, Sweep, Ticket, Timestamp,
    auth::Login,
    events::{
        Event, EventPayload,
        codec::{Packet, SocketBody},
    },
    fuzzing,
    progress::ProgressTracker,
    schema::{ModelRecord, NodeCatalog},
    workflow::{EnqueueOptions, Workflow, WorkflowDefinition, field::InkField},
};
use reqwest::{Method, Url, header::HeaderValue};
use serde_json::{Value, json};

use changes::{Bytes, change};

/// A target: its name, which is also that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const TARGETS: [Target; 13] = [
    ("catalog", catalog),
    ("definition", definition),
    ("error_body", error_body),
    ("event", event),
    ("file_name", file_name),
    ("ledger", ledger),
    ("login", login),
    ("png", png),
    ("png_text", png_text),
    ("redirect", redirect),
    ("set_input", set_input),
    ("socket_codec", socket_codec),
    ("sweep", sweep),
];

const FLUX: &str = include_str!("../../examples/workflows/flux-image-to-image.json");
const RESIZE: &str = include_str!("../../examples/workflows/resize-and-blur.json");
const VARIETY: &str = include_str!("../corpus/definition/variety.json");
const CATALOG: &str = include_str!("../corpus/catalog/document.json");

/// JSON from this package, which is well formed.
fn base(text: &str) -> Value {
    serde_json::from_str(text).expect("a file of the package is JSON")
}

/// A workflow file, or changes to one. A workflow that loads is used in every way, and the form of it that images embed
/// loads again and settles.
pub fn definition(data: &[u8]) {
    static BASES: LazyLock<[Value; 3]> = LazyLock::new(|| [base(FLUX), base(RESIZE), base(VARIETY)]);
    let read = match data.split_first() {
        Some((choice @ 0..=11, changes)) => {
            let mut value = BASES[usize::from(choice % 3)].clone();
            value["meta"]["version"] = ["4.0.0", "3.0.0", "2.0.0", "1.0.0"][usize::from(choice / 3)].into();
            change(&mut value, &mut Bytes::new(changes));
            let read = WorkflowDefinition::from_value(value.clone());
            if let Ok(read) = &read {
                assert_eq!(serde_json::to_value(read).ok(), Some(value), "reading keeps everything");
            }
            _ = WorkflowDefinition::from_graph(&value_of(&read), NodeCatalog::embedded());
            read
        }
        _ => WorkflowDefinition::from_reader(data),
    };
    match read {
        Ok(read) => use_all(read),
        Err(error) => assert!(error.to_string().len() < 4096, "a short message: {error}"),
    }
}

fn value_of(read: &Result<WorkflowDefinition, impl std::error::Error>) -> Value {
    match read {
        // A graph made from a workflow can be made into a workflow again.
        Ok(read) => Workflow::new(read.clone(), NodeCatalog::embedded()).graph(&EnqueueOptions::default()),
        Err(_) => Value::Null,
    }
}

/// Everything that can be asked of a workflow.
fn use_all(definition: WorkflowDefinition) {
    let mut workflow = Workflow::new(definition, NodeCatalog::embedded());
    let options = EnqueueOptions::default().auto_add_board("board");
    _ = (workflow.enqueue_body(&options), workflow.problems(), workflow.output_nodes(&options));
    _ = (workflow.server_requests(), workflow.references(), workflow.model_uses(), workflow.validate_inputs());
    _ = (workflow.inputs_by_user_name().map(drop), workflow.missing_required_inputs().len());
    // A node that is brought to another version has its values filled with defaults, as in the editor; the next load
    // removes what its kind of value does not have. From then on nothing changes any more.
    let load = |embedded: Value| {
        let again = WorkflowDefinition::from_value(embedded).expect("what is embedded loads");
        Workflow::new(again, NodeCatalog::embedded()).to_embedded()
    };
    let again = load(workflow.to_embedded());
    assert_eq!(load(again.clone()), again, "what is embedded stays as it is");
    let values = Value::Object(workflow.values());
    if workflow.set_inputs_json(&values).is_ok() {
        assert_eq!(Value::Object(workflow.values()), values, "values that are set again stay as they are");
    }
    workflow.use_models(&[ModelRecord::new("key", "name", "flux", "main")]);
    workflow.drop_inaccessible(|_| false);
    _ = workflow.enqueue_body(&options);
}

/// A field of any node type of the catalog, and a value for it: it is refused, or the field holds what was set, and
/// it is sent.
pub fn set_input(data: &[u8]) {
    static NODES: LazyLock<Vec<(Workflow, Vec<String>)>> =
        LazyLock::new(|| NodeCatalog::embedded().iter().map(|node| alone(&node.node_type, &node.version)).collect());
    let mut bytes = Bytes::new(data);
    let (node, field) = (bytes.next() << 8 | bytes.next(), bytes.next());
    let (workflow, fields) = &NODES[node % NODES.len()];
    if fields.is_empty() {
        return;
    }
    let field = &fields[field % fields.len()];
    let text = data.get(3..).unwrap_or_default();
    let value = serde_json::from_slice(text).unwrap_or_else(|_| bytes.value(4));
    let before = workflow.to_embedded();
    let mut workflow = workflow.clone();
    match workflow.set_node_field("node", field, value) {
        Err(_) => assert_eq!(workflow.to_embedded(), before, "a refused value changes nothing"),
        Ok(()) => {
            let set = workflow.node_field("node", field).expect("the field is there").value().cloned();
            if let Some(set) = &set {
                let mut again = workflow.clone();
                again.set_node_field("node", field, set.clone()).expect("what was accepted is accepted again");
                assert_eq!(again.to_embedded(), workflow.to_embedded(), "and means the same");
            }
            _ = (workflow.problems(), workflow.enqueue_body(&EnqueueOptions::default()));
            let saved = workflow.to_definition();
            let reopened = Workflow::new(saved, NodeCatalog::embedded());
            let mut kept = reopened.node_field("node", field).expect("the field is there").value().cloned();
            let mut expected = set;
            // Metadata may be any objects. The editor opens them by their shape, and an object with the member of an
            // image, say, keeps that member alone; what it once kept stays.
            if workflow.node_field("node", field).is_ok_and(|field| matches!(field, InkField::Metadata(_))) {
                let reopened = Workflow::new(reopened.to_definition(), NodeCatalog::embedded());
                expected = kept;
                kept = reopened.node_field("node", field).expect("the field is there").value().cloned();
            }
            assert_eq!(kept, expected, "a saved value is the value");
        }
    }
}

/// A workflow with one node, and the names of its fields.
fn alone(node_type: &str, version: &str) -> (Workflow, Vec<String>) {
    let node = json!({"id": "node", "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
        "id": "node", "type": node_type, "version": version, "label": "", "notes": "", "isOpen": true,
        "isIntermediate": true, "useCache": true, "inputs": {}}});
    let value = json!({"name": "", "author": "", "description": "", "version": "", "contact": "", "tags": "",
        "notes": "", "nodes": [node], "edges": [], "exposedFields": [], "meta": {"version": "4.0.0"}});
    let definition = WorkflowDefinition::from_value(value).expect("a workflow of one node loads");
    let workflow = Workflow::new(definition, NodeCatalog::embedded());
    let template = NodeCatalog::embedded().get(node_type).expect("it comes from the catalog");
    let fields = template.inputs.keys().filter(|name| workflow.node_field("node", name).is_ok());
    (workflow.clone(), fields.map(str::to_owned).collect())
}

/// An OpenAPI document, or changes to one. Every node that is read can be put into a workflow.
pub fn catalog(data: &[u8]) {
    static BASE: LazyLock<Value> = LazyLock::new(|| base(CATALOG));
    let document = match serde_json::from_slice(data) {
        Ok(document) => document,
        Err(_) => {
            let mut document = BASE.clone();
            change(&mut document, &mut Bytes::new(data));
            document
        }
    };
    let Ok(catalog) = NodeCatalog::from_openapi(&document) else { return };
    assert_eq!(catalog.iter().len(), catalog.len());
    let nodes: Vec<Value> = catalog
        .iter()
        .enumerate()
        .map(|(i, node)| {
            json!({"id": i.to_string(), "type": "invocation", "data": {
                "id": i.to_string(), "type": node.node_type, "version": "1.0.0", "label": "", "notes": "",
                "isOpen": true, "isIntermediate": true, "useCache": true, "inputs": {}}})
        })
        .collect();
    let value = json!({"name": "", "author": "", "description": "", "version": "", "contact": "", "tags": "",
        "notes": "", "nodes": nodes, "edges": [], "exposedFields": [], "meta": {"version": "4.0.0"}});
    // A node type may be the empty text, which no workflow may name.
    let Ok(definition) = WorkflowDefinition::from_value(value) else { return };
    let workflow = Workflow::new(definition, catalog);
    _ = (workflow.problems(), workflow.enqueue_body(&EnqueueOptions::default()), workflow.to_embedded());
}

/// The text of one websocket frame: a frame that can be read is printed so that it reads back the same.
pub fn socket_codec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(packet) = Packet::parse(text) {
        let printed = packet.to_string();
        assert_eq!(Packet::parse(&printed).as_ref(), Ok(&packet), "{printed}");
    }
}

/// Frames of a socket, one a line, as a job sees them: progress never goes back.
pub fn event(data: &[u8]) {
    let mut tracker = ProgressTracker::new(7, [("node", Some("title")), ("other", None::<&str>)]);
    for line in String::from_utf8_lossy(data).lines() {
        let Ok(Packet::Message(packet)) = Packet::parse(line) else { continue };
        let SocketBody::Event { name, args, .. } = packet.body else { continue };
        let data = args.into_iter().next().unwrap_or_default();
        let event = Event::new(name.clone(), data.clone());
        assert_eq!(event.data(), &data, "nothing is lost");
        let known = EventPayload::NAMES.contains(&name.as_str());
        assert_eq!(matches!(event.payload(), EventPayload::Unknown), !known);
        _ = (event.preview(), event.item_ids().count(), event.is_progress(), format!("{event:?}"));
        _ = (event.queue_id(), event.batch_id(), event.session_id(), event.origin(), event.destination());
        // Every item of a recording is looked at in turn.
        let mut other = event.item_id().map(|id| ProgressTracker::new(id, [("node", None::<&str>)]));
        for tracker in other.as_mut().into_iter().chain([&mut tracker]) {
            let before = tracker.progress().clone();
            let changed = tracker.apply(&event);
            let after = tracker.progress();
            assert!(changed || *after == before, "a change is reported");
            assert!((0.0..=1.0).contains(&after.fraction()) && after.nodes_done <= after.nodes_total);
            assert!(!before.is_finished() || after.status == before.status, "the end is the end");
        }
        if let Some(stamp) = data.get("created_at").and_then(Value::as_str) {
            let stamp = Timestamp::from(stamp);
            _ = (stamp.to_system_time(), stamp.since(&Timestamp::from("2026-01-02 03:04:05.678")));
            assert_eq!(Some(stamp.to_string().as_str()), data["created_at"].as_str());
        }
    }
}

/// A PNG image, with or without its signature.
pub fn png(data: &[u8]) {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    _ = WorkflowDefinition::from_png(data);
    let signed = [SIGNATURE, data].concat();
    if let Ok(definition) = WorkflowDefinition::from_png(&signed) {
        assert_eq!(WorkflowDefinition::from_reader(signed.as_slice()).ok().as_ref(), Some(&definition));
    }
}

/// The body of an answer with an error status: its message is short, whatever the server sent.
pub fn error_body(data: &[u8]) {
    let detail = Detail::parse(data);
    let shown = detail.to_string();
    assert!(!shown.is_empty() && shown.chars().count() < 4096, "{} characters", shown.chars().count());
}

/// A table of values for an input of integers, as CSV and as JSON Lines.
pub fn sweep(data: &[u8]) {
    static WORKFLOW: LazyLock<Workflow> = LazyLock::new(|| {
        let definition = RESIZE.parse::<WorkflowDefinition>().expect("an example loads");
        Workflow::new(definition, NodeCatalog::embedded())
    });
    for sweep in [Sweep::new().csv(&WORKFLOW, data), Sweep::new().json_lines(&WORKFLOW, data)] {
        match sweep {
            Ok(sweep) => {
                let rows = sweep.len();
                assert_eq!(sweep.is_empty(), rows == 0);
            }
            Err(error) => assert!(error.to_string().len() < 8192, "a short message: {error}"),
        }
    }
    if let Ok(ticket) = serde_json::from_slice::<Ticket>(data) {
        let text = serde_json::to_string(&ticket).expect("a ticket is JSON");
        assert_eq!(serde_json::from_str::<Ticket>(&text).ok().as_ref(), Some(&ticket));
    }
}

/// A ledger: a torn last line does not affect the lines before it, except whether the one that was the last before counts
/// as damaged.
pub fn ledger(data: &[u8]) {
    let (assets, server) = fuzzing::ledger(data);
    let torn = [data, b"\n{\"record\":\"uploaded\",\"id\":\"tor"].concat();
    let (mut after, its_server) = fuzzing::ledger(&torn);
    assert!(after.unreadable.abs_diff(assets.unreadable) <= 1);
    after.unreadable = assets.unreadable;
    assert_eq!((after, its_server), (assets, server));
}

/// A name from a server: a name that is accepted stays in its directory.
pub fn file_name(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    if fuzzing::is_file_name(name) {
        let parts: Vec<_> = Path::new(name).components().collect();
        assert!(matches!(parts[..], [Component::Normal(part)] if part == name), "{name:?}");
        assert_eq!(Path::new("pictures").join(name).parent(), Some(Path::new("pictures")));
    }
}

/// The answer to a login: its token, and a client that sends it, can be printed without showing it.
pub fn login(data: &[u8]) {
    let Ok(login) = serde_json::from_slice::<Login>(data) else { return };
    let client = Client::builder("http://127.0.0.1").token(&login.token).build();
    let shown = format!("{client:?} {login:?}");
    // A token that is part of a name or a number may be printed with it.
    let user = format!("{:?} {}", login.user, login.expires_in);
    let is_secret = login.token.len() > 8 && !user.contains(&login.token);
    assert!(!is_secret || !shown.contains(&login.token), "{shown}");
}

/// A PNG image with one text chunk, compressed as well as possible. The first three bytes say its kind and how often
/// the rest is repeated, to at most 512 KiB.
pub fn png_text(data: &[u8]) {
    const LONGEST: usize = 512 * 1024;
    let Some(([kind, times, more], piece)) = data.split_first_chunk::<3>() else { return };
    let times = usize::from(u16::from_be_bytes([*times, *more])).min(LONGEST / piece.len().max(1)).max(1);
    let text = piece.repeat(times);
    let keyword: &[u8] = if kind & 4 == 0 { b"invokeai_workflow" } else { b"invokeai_graph" };
    let packed = || miniz_oxide::deflate::compress_to_vec_zlib(&text, 9);
    let (name, body): (&[u8; 4], Vec<u8>) = match kind % 4 {
        0 => (b"tEXt", text),
        1 => (b"zTXt", [&[0], &*packed()].concat()),
        2 => (b"iTXt", [&[0; 4], &*text].concat()),
        _ => (b"iTXt", [&[1, 0, 0, 0], &*packed()].concat()),
    };
    let body = [keyword, &[0], &body].concat();
    let length = u32::try_from(body.len()).expect("it is short");
    let image = [b"\x89PNG\r\n\x1a\n", &length.to_be_bytes()[..], name, &body, &[0; 4]].concat();
    match WorkflowDefinition::from_png(&image) {
        Ok(read) => use_all(read),
        Err(error) => assert!(error.to_string().len() < 4096, "a short message: {error}"),
    }
}

/// A `Location` of a server: only reads are redirected, only within the same server, and without a user name or
/// password.
pub fn redirect(data: &[u8]) {
    let Some((choice, location)) = data.split_first() else { return };
    let Ok(location) = HeaderValue::from_bytes(location) else { return };
    let asked = ["http://127.0.0.1:9090/", "https://example.org/prefix/"][usize::from(choice % 2)];
    let path = ["api/v1/boards/?board_name=secret", "openapi.json", "ws/socket.io/?EIO=4"];
    let asked = Url::parse(asked).and_then(|base| base.join(path[usize::from(choice / 2 % 3)]));
    let asked = asked.expect("it is an address");
    let method = if choice & 0x80 == 0 { Method::GET } else { Method::POST };
    match fuzzing::redirect(method.clone(), asked.clone(), &location) {
        Ok(target) => {
            assert_eq!((method, target.origin()), (Method::GET, asked.origin()), "{target}");
            assert!(target.username().is_empty() && target.password().is_none(), "{target}");
        }
        Err(said) => assert!(said.len() < 2048 && !said.contains(char::is_control), "{said:?}"),
    }
}
