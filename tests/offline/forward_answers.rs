//! Answers of a newer (or older) server: every recorded answer, changed at every position, through the handles.
//!
//! `tests/server/record.py` records them.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs,
    sync::{Arc, Mutex},
};

use document::{Document, Latitude};
use futures::future::BoxFuture;
use invokeai_client::{
    BulkOutcome, Client, Error, Page, Upload,
    boards::BoardVisibility,
    images::ImageCategory,
    models::{InstallJob, ModelRecord, ModelSource, StarterModels},
    server::RuntimeConfig,
    style_presets::StylePresetData,
    workflow::WorkflowDefinition,
};
use mutation::*;
use serde_json::{Map, Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::common::{document, http, mutation};

/// What a handle made of an answer: its text, and the errors that stand in for parts of it.
type Read = Result<(String, Vec<Error>), Error>;
type Reader = fn(Client) -> BoxFuture<'static, Read>;

trait Gathered {
    fn gather(self) -> (String, Vec<Error>);
}

fn whole(value: impl Debug) -> (String, Vec<Error>) {
    (format!("{value:?}"), Vec::new())
}

// `Debug` of values that keep JSON is cut, and at another place if the order differs: these are compared in full.

fn settings(settings: RuntimeConfig) -> (String, Vec<Error>) {
    (format!("{:?} {:?}", settings.config, settings.set_fields), Vec::new())
}

fn record(record: &ModelRecord) -> String {
    format!("{:?}", record.to_json())
}

fn model(model: ModelRecord) -> (String, Vec<Error>) {
    (record(&model), Vec::new())
}

fn maybe_model(model: Option<ModelRecord>) -> (String, Vec<Error>) {
    (model.as_ref().map_or_else(|| "None".into(), record), Vec::new())
}

fn models(page: Page<ModelRecord>) -> (String, Vec<Error>) {
    each(page, record)
}

fn installs(page: Page<InstallJob>) -> (String, Vec<Error>) {
    each(page, |job| {
        let InstallJob { id, status, error_reason, error, source, inplace, bytes, total_bytes, .. } = job;
        let model = job.model().as_ref().map_or_else(|| "None".into(), record);
        let kind = source.get("type");
        format!("{id} {status} {error_reason:?} {error:?} {kind:?} {inplace:?} {bytes} {total_bytes} {model}")
    })
}

fn starters(all: StarterModels) -> (String, Vec<Error>) {
    let mut texts: Vec<_> = all.starter_models.iter().map(|model| format!("{model:?}")).collect();
    for (base, bundle) in &all.starter_bundles {
        texts.push(format!("{base} {}", bundle.name));
        texts.extend(bundle.models.iter().map(|model| format!("{model:?}")));
    }
    (texts.join(" "), Vec::new())
}

fn each<T>(page: Page<T>, show: impl Fn(&T) -> String) -> (String, Vec<Error>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for part in page.items {
        match part {
            Ok(part) => good.push(show(&part)),
            Err(error) => bad.push(error),
        }
    }
    (format!("{} of {}", good.join(" "), page.total), bad)
}

/// Lists, in which a part may be an error.
fn parts<T: Debug>(list: Vec<Result<T, Error>>) -> (String, Vec<Error>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for part in list {
        match part {
            Ok(part) => good.push(part),
            Err(error) => bad.push(error),
        }
    }
    (format!("{good:?}"), bad)
}

impl<T: Debug> Gathered for Page<T> {
    fn gather(self) -> (String, Vec<Error>) {
        let (items, bad) = parts(self.items);
        (format!("{items} of {}", self.total), bad)
    }
}

impl Gathered for BulkOutcome {
    fn gather(self) -> (String, Vec<Error>) {
        let text = format!("{:?} {:?} {:?}", self.done, self.skipped, self.affected_boards);
        (
            text,
            self.failed
                .into_iter()
                .filter_map(|one| one.error)
                .filter(|error| matches!(error, Error::Decode { .. }))
                .collect(),
        )
    }
}

macro_rules! readers {
    ($($operation:ident => $gather:path, |$client:ident| $call:expr;)*) => {
        const READERS: &[(&str, Reader)] = &[$((stringify!($operation), |$client| {
            Box::pin(async move { $call.await.map($gather) })
        })),*];
    };
}

async fn sure<T>(value: impl Future<Output = T>) -> Result<T, Error> {
    Ok(value.await)
}

fn definition() -> WorkflowDefinition {
    WorkflowDefinition::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json"))
        .unwrap()
}

fn upload(name: &str) -> Upload {
    Upload::bytes(name, &b"bytes"[..])
}

readers! {
    app_version => whole, |c| c.server_version();
    get_app_deps => whole, |c| c.server().dependencies();
    get_runtime_config => settings, |c| c.server().config();
    get_log_level => whole, |c| c.server().log_level();
    get_invocation_cache_status => whole, |c| c.server().invocation_cache();
    upload_image => whole, |c| c.images().upload(upload("a.png"));
    get_image_dto => whole, |c| c.image("a.png").get();
    get_image_metadata => whole, |c| c.image("a.png").metadata();
    get_image_workflow => whole, |c| c.image("a.png").embedded();
    update_image => whole, |c| c.image("a.png").set_category(ImageCategory::User);
    list_image_dtos => Page::gather, |c| c.images().list();
    get_image_names => whole, |c| c.images().list().names();
    get_images_by_names => parts, |c| c.images().get_many(["a.png", "b.png"]);
    get_intermediates_count => whole, |c| c.images().count_intermediates();
    clear_intermediates => whole, |c| c.images().clear_intermediates();
    star_images_in_list => BulkOutcome::gather, |c| sure(c.images().star(["a.png"]));
    unstar_images_in_list => BulkOutcome::gather, |c| sure(c.images().unstar(["a.png"]));
    remove_images_from_board => BulkOutcome::gather, |c| sure(c.images().remove_from_boards(["a.png"]));
    delete_images_from_list => BulkOutcome::gather, |c| sure(c.images().delete(["a.png"]));
    delete_image => whole, |c| c.image("a.png").delete();
    delete_uncategorized_images => BulkOutcome::gather, |c| c.images().delete_uncategorized();
    upload_video => whole, |c| c.videos().upload(upload("a.mp4"));
    get_video_dto => whole, |c| c.video("a.mp4").get();
    get_video_metadata => whole, |c| c.video("a.mp4").metadata();
    get_video_workflow => whole, |c| c.video("a.mp4").embedded();
    update_video => whole, |c| c.video("a.mp4").set_starred(true);
    list_video_dtos => Page::gather, |c| c.videos().list();
    get_video_names => whole, |c| c.videos().list().names();
    add_video_to_board => BulkOutcome::gather, |c| sure(c.board("b").add_videos(["a.mp4"]));
    remove_video_from_board => BulkOutcome::gather, |c| sure(c.videos().remove_from_boards(["a.mp4"]));
    star_videos_in_list => BulkOutcome::gather, |c| sure(c.videos().star(["a.mp4"]));
    unstar_videos_in_list => BulkOutcome::gather, |c| sure(c.videos().unstar(["a.mp4"]));
    delete_videos_from_list => BulkOutcome::gather, |c| sure(c.videos().delete(["a.mp4"]));
    create_board => whole, |c| c.boards().create("b");
    get_board => whole, |c| c.board("b").get();
    update_board => whole, |c| c.board("b").set_visibility(BoardVisibility::Shared);
    list_boards => Page::gather, |c| c.boards().list();
    list_all_board_image_names => whole, |c| c.board("b").image_names();
    add_images_to_board => BulkOutcome::gather, |c| sure(c.board("b").add(["a.png"]));
    delete_board => whole, |c| c.board("b").delete();
    create_workflow => whole, |c| c.library().create(&definition());
    get_workflow => whole, |c| c.saved_workflow("w").get();
    update_workflow => whole, |c| c.saved_workflow("w").update(&definition());
    update_workflow_is_public => whole, |c| c.saved_workflow("w").set_public(true);
    list_workflows => Page::gather, |c| c.library().list();
    get_all_tags => whole, |c| c.library().tags(&[]);
    get_counts_by_tag => whole, |c| c.library().count_by_tag(["forward"], &[]);
    counts_by_category => whole, |c| c.library().count_by_category(&[]);
    create_style_preset => whole, |c| c.style_presets().create(&StylePresetData::new("n", "p", ""), None);
    get_style_preset => whole, |c| c.style_preset("p").get();
    update_style_preset => whole, |c| c.style_preset("p").replace(&StylePresetData::new("n", "p", ""), None);
    list_style_presets => Page::gather, |c| c.style_presets().list();
    create_system_prompt => whole, |c| c.system_prompts().create("n", "c");
    get_system_prompt => whole, |c| c.system_prompt("p").get();
    update_system_prompt => whole, |c| c.system_prompt("p").rename("n");
    list_system_prompts => Page::gather, |c| c.system_prompts().list();
    list_model_records => models, |c| c.models().list();
    list_missing_models => models, |c| c.models().missing();
    get_model_record => model, |c| c.model("k").get();
    update_model_record => model, |c| c.model("k").rename("n");
    get_model_records_by_attrs => maybe_model, |c| c.models().find_by_attrs("n", "b", "t");
    get_model_records_by_hash => maybe_model, |c| c.models().find_by_hash("h");
    get_related_models => whole, |c| c.model("k").related();
    get_related_models_batch => whole, |c| c.models().related(["k"]);
    get_starter_models => starters, |c| c.models().starter_models();
    get_orphaned_models => parts, |c| c.models().orphaned();
    scan_for_models => parts, |c| c.models().scan_folder("/srv");
    get_hf_login_status => whole, |c| c.models().hugging_face_token();
    get_stats => whole, |c| c.models().cache_stats();
    install_model => whole, |c| c.models().install(ModelSource::local_in_place("/srv/x"));
    list_model_installs => installs, |c| c.models().installs();
    bulk_delete_models => BulkOutcome::gather, |c| sure(c.models().delete(["k"]));
    bulk_reidentify_models => BulkOutcome::gather, |c| sure(c.models().reidentify(["k"]));
    get_queue_item => whole, |c| c.queue("default").item(1);
    get_queue_item_summaries_by_ids => parts, |c| c.queue("default").summaries(&[1, 2, 3]);
    get_queue_item_ids => whole, |c| c.queue("default").item_ids();
    get_batch_status => whole, |c| c.queue("default").batch_status("b");
    get_queue_status => whole, |c| c.queue("default").status();
    get_next_queue_item => whole, |c| c.queue("default").next();
    get_current_queue_item => whole, |c| c.queue("default").current();
    cancel_queue_item => whole, |c| c.queue("default").cancel_item(1);
    cancel_by_batch_ids => whole, |c| c.queue("default").cancel_batches(["b"]);
    cancel_by_destination => whole, |c| c.queue("default").cancel_destination("d");
    cancel_all_except_current => whole, |c| c.queue("default").cancel_all_except_current();
    delete_all_except_current => whole, |c| c.queue("default").delete_all_except_current();
    pause => whole, |c| c.queue("default").pause();
    resume => whole, |c| c.queue("default").resume();
    prune => whole, |c| c.queue("default").prune();
    clear => whole, |c| c.queue("default").clear();
    get_setup_status => whole, |c| c.auth().status();
    get_current_user_info => whole, |c| c.auth().me();
    login => whole, |c| c.auth().login("a@example.org", "p", false);
    create_user => whole, |c| c.auth().create_user("a@example.org", "p", None, false);
    get_user => whole, |c| c.user("u").get();
    update_user => whole, |c| c.user("u").set_admin(false);
    list_users => Page::gather, |c| c.auth().users();
    generate_password => whole, |c| c.auth().generate_password();
}

/// Answers that no handle reads by itself, and where they are read.
const ELSEWHERE: &[(&str, &str)] = &[
    ("retry_items_by_id", "tests/faults/retries.rs, not mutated"),
    ("update_recall_parameters", "no handle"),
    ("get_recall_parameters", "no handle"),
    ("enqueue_batch", "tests/faults/jobs.rs, not mutated"),
    ("download_images_from_list", "tests/handles.rs"),
    ("get_model_install_job", "read like install_model"),
    ("get_queue_items_by_item_ids", "read like summaries, on older servers"),
    ("list_all_queue_items", "read like summaries, on older servers"),
];

/// Objects whose members are all data of one kind: nothing unknown can be in them.
fn is_map(operation: &str, document: &Document, at: &str) -> bool {
    let opaque =
        ["/session", "/workflow", "/config", "/meta", "/default_settings"].iter().any(|part| at.contains(part));
    !opaque && document.latitude(&document.answer(operation), at).map && !at.is_empty()
        || matches!((operation, at), ("counts_by_category" | "get_counts_by_tag" | "get_app_deps", ""))
}

fn recorded() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/answers");
    let read = |path: std::path::PathBuf| {
        let record: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), record["answer"].clone())
    };
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

/// A server that answers everything the same way.
#[derive(Clone, Default)]
struct Parrot(Arc<Mutex<String>>);

impl Respond for Parrot {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_raw(self.0.lock().unwrap().clone(), "application/json")
    }
}

struct Stage {
    server: MockServer,
    parrot: Parrot,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Self {
        // A mock server that records requests grows with them.
        let server = MockServer::builder().disable_request_recording().start().await;
        let parrot = Parrot::default();
        Mock::given(any()).respond_with(parrot.clone()).mount(&server).await;
        Self { server, parrot, http: http::client() }
    }

    async fn read(&self, reader: Reader, answer: &Value) -> Read {
        *self.parrot.0.lock().unwrap() = answer.to_string();
        let client = Client::builder(self.server.uri()).http_client(self.http.clone()).build().unwrap();
        reader(client).await
    }
}

fn answers() -> Vec<(&'static str, Reader, Value)> {
    let recorded = recorded();
    let answer = |name: &str| recorded.get(name).unwrap_or_else(|| panic!("{name} is not recorded")).clone();
    READERS.iter().map(|&(name, reader)| (name, reader, answer(name))).collect()
}

#[test]
fn every_recorded_answer_is_read() {
    for name in recorded().keys() {
        let read = READERS.iter().any(|(operation, _)| operation == name);
        let reason = ELSEWHERE.iter().any(|(operation, _)| operation == name);
        assert!(read ^ reason, "{name}: read {read}, excused {reason}");
    }
}

#[tokio::test]
async fn what_means_nothing_changes_nothing() {
    let (stage, document) = (Stage::new().await, Document::load());
    let mut changes = Vec::new();
    for (name, reader, answer) in answers() {
        let (before, bad) = stage.read(reader, &answer).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(bad.is_empty(), "{name}: {bad:?}");
        for (what, changed) in [
            ("unknown members", with_new_members(&answer, &|at| is_map(name, &document, at))),
            ("another order", reordered(&answer)),
            ("floats", floats(&answer)),
        ] {
            let (after, bad) =
                stage.read(reader, &changed).await.unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
            assert!(bad.is_empty(), "{name}, {what}: {bad:?}");
            if words(&before) != words(&after) {
                changes.push(format!("{name}, {what}\n{before}\n{after}"));
            }
        }
    }
    assert!(changes.is_empty(), "{} answers are read as something else:\n{}", changes.len(), changes.join("\n\n"));
}

/// Positions that are looked at. Long answers repeat themselves: of those, some, spread evenly.
fn looked_at(answer: &Value) -> Vec<Pointer> {
    const MOST: usize = 120;
    let all = positions(answer);
    let step = all.len().div_ceil(MOST).max(1);
    // A prime stride meets every kind of member of a list of equal records.
    let step = [1, 2, 3, 5, 7, 11, 13, 17, 19].into_iter().find(|prime| *prime >= step).unwrap_or(19);
    all.into_iter().skip(1).step_by(step).collect()
}

#[tokio::test]
async fn what_may_be_missing_null_or_new_is_read() {
    let (stage, document) = (Stage::new().await, Document::load());
    let (mut nulls, mut removed, mut choices) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (name, reader, answer) in answers() {
        let roots = document.answer(name);
        for at in looked_at(&answer) {
            let Latitude { nullable, optional, choice, .. } = document.latitude(&roots, &at);
            let mut changes = Vec::new();
            if nullable {
                nulls += 1;
                changes.push(("null", with(&answer, &at, Value::Null)));
            }
            if let (true, Some(changed)) = (optional, without(&answer, &at)) {
                removed += 1;
                changes.push(("missing", changed));
            }
            if choice && answer.pointer(&at).is_some_and(Value::is_string) {
                choices += 1;
                changes.push(("a new value", with(&answer, &at, json!(NEWS))));
            }
            for (what, changed) in changes {
                match stage.read(reader, &changed).await {
                    Ok((_, bad)) => wrong.extend(bad.iter().map(|error| format!("{name}{at}, {what}: {error}"))),
                    Err(error) => wrong.push(format!("{name}{at}, {what}: {error}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(nulls > 200 && removed > 100 && choices > 50, "{nulls} nulls, {removed} removed, {choices} new values");
}

/// Whether an error is about JSON that does not fit, and names what.
fn names_it(error: &Error, member: &str) -> bool {
    let Error::Decode { at, problem, .. } = error else { return false };
    at.contains(member) || problem.contains(member) || member.parse::<usize>().is_ok()
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_names_its_place() {
    let stage = Stage::new().await;
    let (mut refused, mut read, mut wrong) = (0, 0, Vec::new());
    for (name, reader, answer) in answers() {
        for at in looked_at(&answer) {
            let (_, member) = split(&at);
            let other = with(&answer, &at, of_another_kind(answer.pointer(&at).unwrap()));
            let huge = answer.pointer(&at).is_some_and(Value::is_number).then(|| with(&answer, &at, json!(1e300)));
            let missing = without(&answer, &at);
            for (what, changed) in [("missing", missing), ("of another kind", Some(other)), ("huge", huge)] {
                let Some(changed) = changed else { continue };
                let errors = match stage.read(reader, &changed).await {
                    Ok((_, bad)) => bad,
                    Err(error) => vec![error],
                };
                refused += errors.len();
                read += usize::from(errors.is_empty());
                for error in errors {
                    // What is wrong deep inside an element may be reported by the element.
                    let parents: Vec<&str> = at.split('/').filter(|part| !part.is_empty()).collect();
                    let named = names_it(&error, &member) || parents.iter().any(|part| names_it(&error, part));
                    if !named {
                        wrong.push(format!("{name}{at}, {what}: {error:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused > 300 && read > 300, "{refused} refused, {read} read all the same");
}

#[tokio::test]
async fn one_broken_element_does_not_spoil_a_list() {
    let stage = Stage::new().await;
    for (name, list) in [
        ("list_image_dtos", "/items"),
        ("get_images_by_names", ""),
        ("list_video_dtos", "/items"),
        ("list_boards", "/items"),
        ("list_workflows", "/items"),
        ("list_style_presets", ""),
        ("list_system_prompts", ""),
        ("list_model_records", "/models"),
        ("list_model_installs", ""),
        ("scan_for_models", ""),
        ("get_queue_item_summaries_by_ids", ""),
        ("list_users", ""),
    ] {
        let (_, reader, answer) = answers().into_iter().find(|(known, ..)| *known == name).unwrap();
        let (before, _) = stage.read(reader, &answer).await.unwrap();
        for broken in [json!(7), json!(null), json!({ NEW: NEWS }), json!([])] {
            let mut changed = answer.clone();
            changed.pointer_mut(list).unwrap().as_array_mut().unwrap().insert(0, broken.clone());
            let (after, bad) = stage.read(reader, &changed).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(bad.len(), 1, "{name}: {broken}");
            assert!(bad[0].to_string().contains("[0]"), "{name}: {}", bad[0]);
            let (before, after) = (before.split(" of ").next().unwrap(), after.split(" of ").next().unwrap());
            if name != "get_queue_item_summaries_by_ids" && name != "list_model_records" {
                assert_eq!(words(before), words(after), "{name}: {broken}");
            }
        }
    }
    // Where there is no room for errors, whatever can be read is there.
    let (_, reader, mut answer) = answers().into_iter().find(|(name, ..)| *name == "get_starter_models").unwrap();
    let (before, _) = stage.read(reader, &answer).await.unwrap();
    answer["starter_models"].as_array_mut().unwrap().insert(0, json!({ "name": 7 }));
    assert_eq!(stage.read(reader, &answer).await.unwrap().0, before);
}

#[tokio::test]
async fn a_name_is_found_among_records_that_cannot_be_read() {
    let recorded = recorded();
    let stage = Stage::new().await;
    let read = |kind: &'static str, name: String, answer: Value| {
        *stage.parrot.0.lock().unwrap() = answer.to_string();
        let client = Client::new(stage.server.uri()).unwrap();
        async move {
            match kind {
                "boards" => client.boards().find(&name).await.map(|found| found.map(|board| board.board_name)),
                _ => client.library().find(&name).await.map(|found| found.map(|workflow| workflow.name)),
            }
        }
    };
    for (kind, operation, member) in [("boards", "list_boards", "board_name"), ("library", "list_workflows", "name")] {
        let mut answer = recorded[operation].clone();
        let name = answer["items"][0][member].as_str().unwrap().to_owned();
        answer["items"].as_array_mut().unwrap().insert(0, json!({ member: 7 }));
        answer["total"] = json!(answer["items"].as_array().unwrap().len());
        assert_eq!(read(kind, name.clone(), answer.clone()).await.unwrap(), Some(name), "{kind}");
        // It might be the one that was asked for: this is not the same as `None`.
        let error = read(kind, "another".into(), answer).await.unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{kind}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_written_back_keeps_what_is_unknown() {
    let server = MockServer::start().await;
    let parrot = Parrot::default();
    Mock::given(any()).respond_with(parrot.clone()).mount(&server).await;
    let client = Client::new(server.uri()).unwrap();
    let recorded = recorded();
    let sent = async || -> Value {
        let requests = server.received_requests().await.unwrap();
        requests.last().unwrap().body_json().unwrap()
    };

    // A workflow, read, and saved again.
    // The inputs of a node go by the names of its fields.
    let saved = with_new_members(&recorded["get_workflow"], &|at| at.ends_with("/inputs"));
    *parrot.0.lock().unwrap() = saved.to_string();
    let definition = client.saved_workflow("w").definition().await.unwrap();
    client.saved_workflow("w").update(&definition).await.unwrap();
    let mut body = sent().await;
    // The id, and whose it is, are the library's.
    body["workflow"]["id"] = saved["workflow"]["id"].clone();
    body["workflow"]["meta"]["category"] = saved["workflow"]["meta"]["category"].clone();
    assert_eq!(body["workflow"].to_string(), saved["workflow"].to_string());

    // A model's record, read, and sent back.
    let record = with_new_members(&recorded["get_model_record"], &|_| false);
    *parrot.0.lock().unwrap() = record.to_string();
    let model = client.model("k").get().await.unwrap();
    let Value::Object(changes) = model.to_json() else { panic!("a record is an object") };
    client.model("k").update(changes).await.unwrap();
    let (sent_words, record_words) = (words(&sent().await.to_string()), words(&record.to_string()));
    let lost: Vec<_> = record_words.iter().filter(|word| !sent_words.contains(word) && *word != "null").collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(sent().await[NEW], NEWS);

    // Settings of the server.
    let config = with_new_members(&recorded["get_runtime_config"], &|_| false);
    *parrot.0.lock().unwrap() = config.to_string();
    let known = client.server().config().await.unwrap();
    client.server().update_config(known.config.clone()).await.unwrap();
    assert_eq!(sent().await.to_string(), config["config"].to_string());

    // Metadata of an image, kept and uploaded with another.
    let metadata = with_new_members(&recorded["get_image_metadata"], &|_| false);
    *parrot.0.lock().unwrap() = metadata.to_string();
    let kept: Map<String, Value> = client.image("a.png").metadata().await.unwrap().unwrap();
    assert_eq!(Value::Object(kept).to_string(), metadata.to_string());
}
