//! What is sent: paths, queries, bodies, files and tokens, as the server wants them.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use invokeai_client::{
    Client, Error, Upload,
    api::{enums, types},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

struct Server {
    server: MockServer,
    client: Client,
}

/// A server that gives this answer to everything.
async fn answering(answer: ResponseTemplate) -> Server {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = Client::builder(server.uri()).token("first-secret").build().unwrap();
    Server { server, client }
}

async fn json_answer(answer: Value) -> Server {
    answering(ResponseTemplate::new(200).set_body_json(answer)).await
}

impl Server {
    async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    async fn last(&self) -> Request {
        self.requests().await.pop().expect("a request")
    }

    async fn last_line(&self) -> String {
        let last = self.last().await;
        let query = last.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{} {}{query}", last.method, last.url.path())
    }
}

// Tokens

#[tokio::test]
async fn a_refreshed_token_is_used_from_then_on() {
    let fresh = ResponseTemplate::new(200).set_body_json(json!({"deleted": 0}));
    let server = answering(fresh.insert_header("X-Refreshed-Token", "second-secret")).await;
    let clone = server.client.clone();
    server.client.api().clear().queue_id("q").send().await.unwrap();
    clone.api().clear().queue_id("q").send().await.unwrap();
    clone.set_token(None);
    server.client.api().clear().queue_id("q").send().await.unwrap();
    server.client.api().clear().queue_id("q").send().await.unwrap();
    let tokens: Vec<_> = server.requests().await.iter().map(|r| r.headers.get("authorization").cloned()).collect();
    assert_eq!(tokens[0].as_ref().unwrap(), "Bearer first-secret");
    assert_eq!(tokens[1].as_ref().unwrap(), "Bearer second-secret");
    assert_eq!(tokens[2..], [None, None], "without a token there is none to refresh");
}

#[tokio::test]
async fn an_empty_token_is_not_taken() {
    let blank = ResponseTemplate::new(200).set_body_json(json!({"deleted": 0})).insert_header("X-Refreshed-Token", "");
    let server = answering(blank).await;
    for _ in 0..2 {
        server.client.api().clear().queue_id("q").send().await.unwrap();
        assert_eq!(server.last().await.headers["authorization"], "Bearer first-secret");
    }
}

#[tokio::test]
async fn a_token_from_a_refusal_is_not_taken() {
    let refused = ResponseTemplate::new(401).insert_header("X-Refreshed-Token", "second-secret");
    let server = answering(refused).await;
    for _ in 0..2 {
        assert!(matches!(server.client.api().app_version().send().await, Err(Error::Unauthorized(_))));
        assert_eq!(server.last().await.headers["authorization"], "Bearer first-secret");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_the_call_and_no_secret() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    // One thread runs the whole test, so its default subscriber sees everything.
    // While there is only one dispatcher, a thread that has none of its own turns what it calls first off for all.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let answer = json!({"token": "third-secret", "expires_in": 1, "user": {
        "user_id": "u", "email": "e", "created_at": "", "updated_at": ""}});
    let fresh = ResponseTemplate::new(200).set_body_json(answer);
    let server = answering(fresh.insert_header("X-Refreshed-Token", "second-secret")).await;
    let api = server.client.api();
    let body = types::LoginRequest::builder().email("e").password("password-secret");
    assert_eq!(api.login().body(body).send().await.unwrap().token, "third-secret");
    api.install_model()
        .source("s")
        .access_token("query-secret")
        .body(types::ModelRecordChanges::builder())
        .send()
        .await
        .ok();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in ["operation=\"login\"", "method=\"POST\"", "path=\"/api/v1/auth/login\"", "status=200", "elapsed_ms="] {
        assert!(log.contains(told), "{told} is not in the log:\n{log}");
    }
    assert!(!log.contains("-secret"), "{log}");
}

#[tokio::test]
async fn no_compression_is_asked_for() {
    let server = json_answer(json!({"version": "1"})).await;
    server.client.server_version().await.unwrap();
    assert!(!server.last().await.headers.contains_key("accept-encoding"));
}

// Paths and queries

#[tokio::test]
async fn a_path_prefix_stays_in_front() {
    let server = json_answer(json!({"version": "1"})).await;
    for base in ["/a/b%20c", "/a/b%20c/"] {
        let client = Client::new(format!("{}{base}", server.server.uri())).unwrap();
        client.api().app_version().send().await.unwrap();
        assert_eq!(server.last_line().await, "GET /a/b%20c/api/v1/app/version");
    }
}

#[tokio::test]
async fn path_parameters_that_would_change_the_path_are_refused() {
    let server = json_answer(json!(null)).await;
    let api = server.client.api();
    for (bad, problem) in
        [("", "is empty"), (".", "is `.`, which is not a name"), ("..", "is `..`, which is not a name")]
    {
        let error = api.delete_image().image_name(bad).send().await.unwrap_err();
        assert_eq!(error.to_string(), format!("`image_name` {problem}"));
        let error = api.cancel_queue_item().queue_id(bad).item_id(1).send().await.unwrap_err();
        assert_eq!(error.to_string(), format!("`queue_id` {problem}"));
        api.update_workflow().workflow_id(bad).body(workflow()).send().await.unwrap_err();
        let form = api.set_workflow_thumbnail().workflow_id(bad).image(Upload::bytes("a", "b"));
        assert!(matches!(form.send().await, Err(Error::InvalidInput { .. })));
        api.get_image_dto().image_name(bad).send_as::<Value>().await.unwrap_err();
    }
    assert!(server.requests().await.is_empty(), "nothing was sent");
}

fn workflow() -> types::builder::BodyUpdateWorkflow {
    types::BodyUpdateWorkflow::builder().workflow(json!({"id": "w"}))
}

#[tokio::test]
async fn path_parameters_are_encoded() {
    let server = json_answer(json!({})).await;
    for (given, sent) in [
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("äß🎨", "%C3%A4%C3%9F%F0%9F%8E%A8"),
        ("50%?#", "50%25%3F%23"),
        ("...", "..."),
        ("%2e%2e", "%252e%252e"),
    ] {
        let sent = format!("GET /api/v1/recall/{sent}");
        server.client.api().get_recall_parameters().queue_id(given).send().await.unwrap();
        assert_eq!(server.last_line().await, sent);
    }
}

#[tokio::test]
async fn required_parameters_and_members_are_missed_by_name() {
    let server = json_answer(json!(null)).await;
    let api = server.client.api();
    let error = api.create_board().send().await.unwrap_err();
    assert_eq!(error.to_string(), "`board_name` is required and was not set");
    let error = api.get_image_dto().send().await.unwrap_err();
    assert_eq!(error.to_string(), "`image_name` is required and was not set");
    let error = api.upload_image().image_category("user").is_intermediate(true).send().await.unwrap_err();
    assert_eq!(error.to_string(), "`file` is required and was not set");
    let error = api.list_image_dtos().limit(u64::MAX).send().await.unwrap_err();
    assert_eq!(error.to_string(), "`limit` cannot be converted to `i64`");
    let body = types::BodyAddImageToBoard::builder().board_id("b");
    let error = api.add_image_to_board().body(body).send().await.unwrap_err();
    let said = "`body` cannot be converted to `BodyAddImageToBoard`: no value supplied for image_name";
    assert_eq!(error.to_string(), said);
    assert!(server.requests().await.is_empty(), "nothing was sent");
}

#[tokio::test]
async fn lists_in_queries_repeat_the_key() {
    let server = json_answer(json!({"limit": 1, "offset": 0, "total": 0, "items": []})).await;
    let categories = vec![enums::ImageCategory::User, "my own".into()];
    server.client.api().list_image_dtos().categories(categories).is_intermediate(false).send().await.unwrap();
    let line = server.last_line().await;
    assert_eq!(line, "GET /api/v1/images/?categories=user&categories=my+own&is_intermediate=false");
    server.client.api().list_image_dtos().send().await.unwrap();
    assert_eq!(server.last_line().await, "GET /api/v1/images/", "what is not set is not sent");
}

#[tokio::test]
async fn a_page_of_boards_and_all_boards() {
    let server = json_answer(json!({"limit": 3, "offset": 0, "total": 0, "items": []})).await;
    server.client.api().list_boards().offset(0).limit(3).send().await.unwrap();
    assert_eq!(server.last_line().await, "GET /api/v1/boards/?limit=3&offset=0");
    let server = json_answer(json!([])).await;
    server.client.api().list_all_boards().include_archived(true).order_by("board_name").send().await.unwrap();
    assert_eq!(server.last_line().await, "GET /api/v1/boards/?all=true&include_archived=true&order_by=board_name");
}

// Bodies and answers

#[tokio::test]
async fn bodies_of_every_shape() {
    let server = json_answer(json!(null)).await;
    let api = server.client.api();
    api.remove_image_from_board().body(types::BodyRemoveImageFromBoard::builder().image_name("a")).send().await.ok();
    assert_eq!(server.last_line().await, "DELETE /api/v1/board_images/");
    assert_eq!(server.last().await.body_json::<Value>().unwrap(), json!({"image_name": "a"}));
    api.set_client_state().queue_id("q").key("k").body("ü\"").send().await.ok();
    assert_eq!(server.last_line().await, "POST /api/v1/client_state/q/set_by_key?key=k");
    assert_eq!(server.last().await.body_json::<Value>().unwrap(), json!("ü\""));
    api.retry_items_by_id().queue_id("q").body(vec![1, 2]).send().await.ok();
    assert_eq!(server.last_line().await, "PUT /api/v1/queue/q/retry_items_by_id");
    let last = server.last().await;
    assert_eq!(
        (last.body_json::<Value>().unwrap(), &last.headers["content-type"]),
        (json!([1, 2]), &"application/json".parse().unwrap())
    );
    api.update_workflow().workflow_id("w 1").body(workflow()).send().await.ok();
    assert_eq!(server.last_line().await, "PATCH /api/v1/workflows/i/w%201");
    assert_eq!(server.last().await.body_json::<Value>().unwrap(), json!({"workflow": {"id": "w"}}));
    api.update_board().board_id("b").body(types::BoardChanges::builder().archived(true)).send().await.ok();
    assert_eq!(server.last().await.body_json::<Value>().unwrap(), json!({"archived": true}), "only what was set");
}

#[tokio::test]
async fn lists_can_be_sent_empty() {
    let server = json_answer(json!({})).await;
    let cleared = types::ModelRecordChanges::builder().trigger_phrases(Vec::new());
    server.client.api().update_model_record().key("k").body(cleared).send().await.unwrap();
    assert_eq!(server.last().await.body_json::<Value>().unwrap(), json!({"trigger_phrases": []}));
}

#[tokio::test]
async fn answers_of_nothing() {
    let server = json_answer(json!(null)).await;
    let api = server.client.api();
    assert!(api.get_current_queue_item().queue_id("q").send().await.unwrap().is_none());
    assert!(api.get_stats().send().await.unwrap().is_none());
    assert!(api.get_image_metadata().image_name("a").send().await.unwrap().is_none());
    assert_eq!(api.get_client_state_by_key().queue_id("q").key("k").send().await.unwrap().into_inner(), None);
    api.delete_queue_item().queue_id("q").item_id(1).send().await.unwrap();
    // Declared as a record, but null in fact.
    api.delete_workflow_thumbnail().workflow_id("w").send().await.unwrap();
    let server = answering(ResponseTemplate::new(204)).await;
    server.client.api().delete_model().key("k").send().await.unwrap();
    server.client.api().prune_model_install_jobs().send().await.unwrap();
}

#[tokio::test]
async fn unknown_values_and_members_survive() {
    let job = json!({"id": 1, "status": "dreaming", "source": {"type": "moon"}, "config_in": {}, "news": 1, "local_path": "p"});
    let server = json_answer(job).await;
    let api = server.client.api();
    let job = api.get_model_install_job().id(1).send().await.unwrap().into_inner();
    assert_eq!(job.status, Some(enums::InstallStatus::Unknown("dreaming".into())));
    assert_eq!(serde_json::to_value(&job).unwrap()["status"], "dreaming");
    let whole = api.get_model_install_job().id(1).send_as::<Value>().await.unwrap();
    assert_eq!(whole["news"], 1);
}

// Files

/// One part of a multipart body: its headers in lower case, and its content.
type Part = (String, Vec<u8>);

fn parts(request: &Request) -> Vec<Part> {
    let content_type = request.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect(content_type);
    let text: String = request.body.iter().map(|byte| char::from(*byte)).collect();
    text.split(&format!("--{boundary}"))
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .map(|(head, body)| {
            let body = body.strip_suffix("\r\n").expect("a line end before the boundary");
            (head.to_lowercase(), body.chars().map(|c| c as u8).collect())
        })
        .collect()
}

#[tokio::test]
async fn files_from_path_bytes_and_reader() {
    let server = json_answer(json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = b"\x89PNG".iter().copied().chain((0..700_000u32).map(|i| (i % 251) as u8)).collect();
    let path = folder.path().join("from disk.png");
    std::fs::write(&path, &content).unwrap();
    let reader = || std::io::Cursor::new(content.clone());
    let length = Some(content.len() as u64);
    for (upload, name, known_length) in [
        (Upload::path(&path), "from disk.png", true),
        (Upload::bytes("a.bin", content.clone()), "a.bin", true),
        (Upload::reader("b.png", reader(), length), "b.png", true),
        (Upload::reader("c.png", reader(), None), "c.png", false),
        (Upload::from(path.clone()), "from disk.png", true),
    ] {
        let call = server.client.api().upload_image().image_category("user").is_intermediate(true).board_id("b");
        call.metadata("{}").file(upload).metadata(r#"{"a": 1}"#).send_as::<Value>().await.unwrap();
        let query = "board_id=b&image_category=user&is_intermediate=true";
        assert_eq!(server.last_line().await, format!("POST /api/v1/images/upload?{query}"));
        let request = server.last().await;
        assert_eq!(request.headers.contains_key("content-length"), known_length, "{name}");
        let parts = parts(&request);
        assert_eq!(parts.len(), 2, "a field that is set twice goes out once");
        assert!(parts[0].0.contains(&format!("name=\"file\"; filename=\"{name}\"")), "{}", parts[0].0);
        assert!(parts[0].0.contains("content-type: image/png"), "the bytes say so: {}", parts[0].0);
        assert!(parts[0].1 == content, "{name}: other bytes arrived");
        assert_eq!(parts[1].1, br#"{"a": 1}"#);
    }
}

#[tokio::test]
async fn content_types_of_files() {
    let server = json_answer(json!(null)).await;
    for (upload, kind) in [
        (Upload::bytes("a.csv", "name,prompt"), "text/csv"),
        (Upload::bytes("a.JSON", "[]"), "application/json"),
        (Upload::bytes("a", b"\xff\xd8\xff\xe0".as_slice()), "image/jpeg"),
        (Upload::bytes("a.png", "?").content_type("text/x-own"), "text/x-own"),
        (Upload::reader("", tokio::io::empty(), None), "application/octet-stream"),
    ] {
        server.client.api().import_style_presets().file(upload).send().await.unwrap();
        let part = parts(&server.last().await).remove(0).0;
        assert!(part.contains(&format!("content-type: {kind}")), "{part}");
        assert!(part.contains("filename="), "a part without a file name is not a file: {part}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_sent() {
    let server = json_answer(json!(null)).await;
    let call = || server.client.api().import_style_presets();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.csv");
    let error = call().file(Upload::path(&missing)).send().await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot read `{}`: ", missing.display())), "{error}");
    assert!(matches!(&error, Error::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound));
    let error = call().file(Upload::path(folder.path())).send().await.unwrap_err();
    assert_eq!(error.to_string(), format!("`file` `{}` is not a file but a directory", folder.path().display()));
    let error = call().file(Upload::bytes("a", "b").content_type("no type\n")).send().await.unwrap_err();
    assert_eq!(error.to_string(), "`file` has no valid content type: \"no type\\n\"");
    assert!(server.requests().await.is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_file_with_its_content_type_is_a_stream() {
    use futures::TryStreamExt as _;
    let file = ResponseTemplate::new(200).set_body_raw(vec![7; 300_000], "image/webp");
    let server = answering(file).await;
    let answer = server.client.api().get_image_thumbnail().image_name("a").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/webp");
    let chunks = answer.into_inner().into_inner().try_collect::<Vec<_>>().await.unwrap();
    assert!(chunks.concat() == vec![7; 300_000]);
}

#[test]
fn no_debug_output_shows_a_secret() {
    let body = types::LoginRequest::builder().email("a@example.org").password("hush-hush");
    let request: types::LoginRequest = body.clone().try_into().unwrap();
    let client = Client::new("http://127.0.0.1:9").unwrap();
    let login = client.api().login().body(request.clone());
    let install = client.api().install_model().source("x").access_token("hush-hush");
    for shown in [format!("{body:?}"), format!("{request:?}"), format!("{login:?}"), format!("{install:?}")] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}
