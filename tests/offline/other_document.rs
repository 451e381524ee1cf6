//! Calls that need something that is missing from the document of the build are refused before anything is sent; all
//! others are sent. `.ci/run` builds the crate from the document that is written here.

use std::{fs, io::Write as _, path::Path};

use futures::future::{BoxFuture, FutureExt as _};
use invokeai_client::{Client, Direction, Error, Result, Upload, api::OPERATIONS, models::ModelOrder};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

fn document(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether a document has an operation, or `operation?parameter`: a parameter or form field of it.
fn has(document: &Value, needed: &str) -> bool {
    let (function, parameter) = needed.split_once('?').map_or((needed, None), |(one, other)| (one, Some(other)));
    let items = document["paths"].as_object().unwrap().values();
    let mut operations = items.flat_map(|item| item.as_object().unwrap().values());
    let is_it = |operation: &&Value| {
        let id = operation["operationId"].as_str().unwrap();
        id == function || id.starts_with(&format!("{function}_api_v"))
    };
    let Some(operation) = operations.find(is_it) else { return false };
    let declared = operation["parameters"].as_array().into_iter().flatten();
    let mut names = declared.filter_map(|one| one["name"].as_str());
    let form = &operation["requestBody"]["content"]["multipart/form-data"]["schema"];
    let form = form["$ref"].as_str().and_then(|name| document.pointer(&name[1..])).unwrap_or(form);
    parameter.is_none_or(|wanted| names.any(|name| name == wanted) || form["properties"].get(wanted).is_some())
}

/// What a call needs, as `Error::Unsupported` names it, and the call.
type Case = (&'static str, fn(Client) -> BoxFuture<'static, Result<()>>);

const VIDEO: &str = "get_video_dto?video_name";

const CASES: &[Case] = &[
    ("get_board", |client| async move { client.board("a").get().await.map(drop) }.boxed()),
    ("get_image_workflow", |client| async move { client.image("a").embedded().await.map(drop) }.boxed()),
    ("update_opened_at", |client| async move { client.saved_workflow("a").mark_opened().await.map(drop) }.boxed()),
    ("list_model_records", |client| async move { client.models().list().await.map(drop) }.boxed()),
    ("list_model_records?order_by", |client| {
        let list = client.models().list().order_by(ModelOrder::Name).direction(Direction::Ascending);
        async move { list.await.map(drop) }.boxed()
    }),
    ("upload_image", |client| async move { client.images().upload(image()).await.map(drop) }.boxed()),
    ("upload_image?resize_to", |client| {
        async move { client.images().upload(image()).resize_to(8, 8).await.map(drop) }.boxed()
    }),
    // By its `video_name`: another operation of this name, by `video_id`, does not help.
    (VIDEO, |client| async move { client.video("a").get().await.map(drop) }.boxed()),
];

fn image() -> Upload {
    Upload::bytes("a.png", b"\x89PNG\r\n\x1a\n".to_vec())
}

#[tokio::test]
async fn what_the_document_lacks_is_refused_before_anything_is_sent() {
    let document = document(env!("INVOKEAI_DOCUMENT"));
    for (needed, call) in CASES {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!({}))).mount(&server).await;
        let client = Client::new(server.uri()).unwrap();
        let outcome = call(client).await;
        let sent = server.received_requests().await.unwrap();

        if has(&document, needed) {
            assert!(!sent.is_empty(), "{needed}: nothing was sent: {outcome:?}");
            assert!(!matches!(outcome, Err(Error::Unsupported { .. })), "{needed}: {outcome:?}");
        } else {
            let name = if *needed == VIDEO { "get_video_dto" } else { needed };
            match outcome {
                Err(Error::Unsupported { operation, .. }) => assert_eq!(operation, name),
                outcome => panic!("{needed}: {outcome:?}"),
            }
            assert!(sent.is_empty(), "{needed}: {sent:?}");
            assert!(OPERATIONS.iter().all(|operation| operation.id != name), "{name} is listed");
        }
    }
}

/// Also written to a file, to build the whole crate against it:
/// `INVOKEAI_OPENAPI=target/tmp/older-openapi.json cargo test --all-features --test offline other_document`.
#[test]
fn the_older_document_lacks_one_of_each_kind() {
    let package = env!("CARGO_MANIFEST_DIR");
    let version = include_str!("../../openapi/VERSION").trim();
    let mut older = document(&format!("{package}/openapi/invokeai-{version}.json"));
    let paths = older["paths"].as_object_mut().unwrap();
    // An operation, one whose path has others, and one that another has replaced.
    paths["/api/v1/boards/{board_id}"].as_object_mut().unwrap().remove("get").unwrap();
    paths.remove("/api/v1/images/i/{image_name}/workflow").unwrap();
    paths["/api/v1/workflows/i/{workflow_id}/opened_at"]["put"]["operationId"] = json!("something_else");
    // A query parameter.
    let list = paths["/api/v2/models/"]["get"]["parameters"].as_array_mut().unwrap();
    list.retain(|parameter| parameter["name"] != "order_by");
    // A different operation of the same name.
    let mut video = paths.remove("/api/v1/videos/i/{video_name}").unwrap();
    for operation in video.as_object_mut().unwrap().values_mut() {
        operation["parameters"][0]["name"] = json!("video_id");
    }
    paths.insert("/api/v1/videos/i/{video_id}".into(), video);
    // A field of a form.
    let form = &mut older["components"]["schemas"]["Body_upload_image"]["properties"];
    form.as_object_mut().unwrap().remove("resize_to").unwrap();

    for (needed, _) in CASES {
        let is_left = ["list_model_records", "upload_image"].contains(needed);
        assert_eq!(has(&older, needed), is_left, "{needed}");
    }
    keep("older-openapi.json", &older);
}

/// Writes a document to `target/tmp`, in one step and only if it is another than there: somebody may be building from it.
pub(crate) fn keep(name: &str, document: &Value) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (path, text) = (folder.join(name), document.to_string());
    if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.persist(path).unwrap();
}
