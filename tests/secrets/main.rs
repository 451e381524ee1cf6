//! No token, password or key in anything that a program may print: every public type that holds a client, errors with
//! their causes, traces at the finest level, files that are kept, and the command line.

#[path = "../common/http.rs"]
#[expect(dead_code, reason = "here it goes by a proxy")]
mod http;
#[cfg(feature = "events")]
mod logs;
#[path = "../common/raw_server.rs"]
#[allow(dead_code)]
mod raw_server;

use std::{
    any::type_name,
    collections::{BTreeMap, BTreeSet},
    error::Error as StdError,
    fmt::Debug,
    io::Write,
    sync::{Arc, Mutex},
};

use futures::StreamExt as _;
use invokeai_client::{
    Client, Error, Submission, Ticket, TransportOptions, Upload,
    events::EventFilter,
    models::{InstallJob, ModelSource},
    style_presets::StylePresetData,
    workflow::{Workflow, WorkflowDefinition},
};
use raw_server::{Act, RawServer, whole};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// Part of every secret in here.
const HUSH: &str = "hush-5ecret";

fn secret(what: &str) -> String {
    format!("{what}-{HUSH}")
}

fn assert_no_secret(what: &str, text: &str) {
    assert!(!text.contains(HUSH), "{what} shows a secret: {text}");
}

/// Prints a value in all ways. Returns the name of its type.
fn show<T: Debug>(shown: &mut BTreeSet<String>, value: &T) {
    let name = type_name::<T>().split('<').next().unwrap().rsplit("::").next().unwrap().to_owned();
    assert_no_secret(&name, &format!("{value:?} {value:#?}"));
    shown.insert(name);
}

fn show_error(what: &str, error: &Error) {
    assert_no_secret(what, &format!("{error} {error:?} {error:#?}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        assert_no_secret(what, &format!("{error} {error:?}"));
        cause = error.source();
    }
}

/// An address with a user, a password and a query.
fn with_user(url: &str) -> String {
    format!("{}/?key={}", url.replace("http://", &format!("http://user:{}@", secret("password"))), secret("query"))
}

fn client(url: &str) -> Client {
    let mut options = TransportOptions::default();
    options.retries = 0;
    options.read_timeout = std::time::Duration::from_millis(500);
    options.lost_answer_patience = std::time::Duration::from_millis(10);
    // An address with a password is refused: see below.
    Client::builder(url).token(secret("token")).transport(options).build().unwrap()
}

fn definition() -> WorkflowDefinition {
    WorkflowDefinition::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json"))
        .unwrap()
}

fn workflow() -> Workflow {
    Workflow::new(definition(), invokeai_client::schema::NodeCatalog::embedded())
}

/// One of everything that a client returns without asking the server.
async fn show_everything(client: &Client) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let shown_now = &mut shown;
    macro_rules! show_all {
        ($($value:expr),* $(,)?) => { $(show(shown_now, &$value);)* };
    }
    #[cfg(feature = "serve")]
    show(shown_now, &invokeai_client::serve::Server::builder(client.clone(), "runs"));
    show_all!(
        Client::builder(with_user("http://127.0.0.1:1")).token(secret("token")).ledger("/ledger"),
        client,
        client.api(),
        client.server(),
        client.auth(),
        client.user("u"),
        client.assets(),
        client.cleanup(),
        client.cleanup().everything(),
        client.boards(),
        client.boards().list(),
        client.boards().uncategorized(),
        client.board("b"),
        client.board("b").images(),
        client.board("b").upload("x.png"),
        client.board("b").download_all("/d"),
        client.board("b").zip(),
        client.images(),
        client.images().list(),
        client.images().upload(Upload::bytes("x.png", &b"x"[..])),
        client.images().zip(["x.png"]),
        client.image("x.png"),
        client.image("x.png").download(),
        client.videos(),
        client.videos().list(),
        client.videos().upload("x.mp4"),
        client.video("x.mp4"),
        client.library(),
        client.library().list(),
        client.saved_workflow("w"),
        client.models(),
        client.models().list(),
        client.models().install(ModelSource::url(with_user("https://example.org"))).access_token(secret("access")),
        client.model("k"),
        client.models().install_job(1),
        client.queue("q"),
        client.style_presets(),
        client.style_presets().list(),
        client.style_preset("p"),
        client.system_prompts(),
        client.system_prompts().list(),
        client.auth().users(),
        client.models().installs(),
        client.queue("q").list(),
        client.system_prompt("p"),
        client.events(),
        client.event_hub(),
        client.event_hub().state(),
        client.event_hub().subscribe(EventFilter::all()),
        client.submit(&workflow()),
        ModelSource::url(with_user("https://example.org")),
        StylePresetData::new("n", "p", ""),
    );
    shown
}

/// Types that a client returns without asking the server: by the listing of the public API, the results of methods that
/// are not async and return a structure of this crate, and of methods of those.
fn reachable() -> BTreeSet<String> {
    // The blocking types print what they are made of, and the embedded server holds no secrets of others.
    let listing: String = include_str!("../fixtures/public-api.txt")
        .lines()
        .filter(|line| !line.starts_with("blocking::") && !line.starts_with("testing::"))
        .map(|line| format!("{line}\n"))
        .collect();
    let structures: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.split_once(": struct").map(|(path, _)| path.rsplit("::").next().unwrap()))
        .collect();
    let mut gives: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in listing.lines() {
        let Some((path, signature)) = line.split_once(": fn ") else { continue };
        let Some((_, answer)) = signature.rsplit_once(" -> ") else { continue };
        let owner = path.rsplit("::").nth(1).unwrap_or_default();
        let answer = answer.trim_start_matches('&').split('<').next().unwrap().rsplit("::").next().unwrap();
        if structures.contains(answer) {
            gives.entry(owner).or_default().insert(answer);
        }
    }
    let mut found = BTreeSet::new();
    let mut waiting = vec!["Client", "ClientBuilder"];
    while let Some(one) = waiting.pop() {
        if found.insert(one.to_owned()) {
            waiting.extend(gives.get(one).into_iter().flatten());
        }
    }
    found
}

/// Types that hold nothing of a client: records of the server, and plain values.
const DATA: &[&str] = &["Assets", "BulkOutcome", "Ticket", "Progress", "QueueItem"];

#[tokio::test]
async fn nothing_that_holds_a_client_shows_a_secret() {
    let shown = show_everything(&client("http://127.0.0.1:1")).await;
    let missing: Vec<_> =
        reachable().into_iter().filter(|name| !shown.contains(name) && !DATA.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "not shown in this test: {missing:?}");
    assert!(shown.len() > 35, "{shown:?}");
}

#[tokio::test]
async fn what_follows_a_job_shows_no_secret() {
    let item = json!({ "item_id": 1, "status": "failed", "batch_id": "b", "queue_id": "q", "session_id": "s",
        "session": { "results": {}, "graph": { "nodes": {} } }, "error_type": "E", "error_message": "m" });
    let server = MockServer::start().await;
    let all = json!([item]);
    Mock::given(wiremock::matchers::path_regex("item_summaries_by_ids$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&all))
        .mount(&server)
        .await;
    Mock::given(wiremock::matchers::path_regex("item_ids$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "item_ids": [1] })))
        .mount(&server)
        .await;
    Mock::given(wiremock::matchers::path_regex("/i/1$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&item))
        .mount(&server)
        .await;
    let client = client(&server.uri());
    let ticket: Ticket = serde_json::from_value(json!({ "queue_id": "q", "batch_id": "b", "item_ids": [1] })).unwrap();
    let submission = Submission::attach(&client, &ticket).await.unwrap();
    let job = submission.jobs().pop().unwrap();
    let mut shown = BTreeSet::new();
    show(&mut shown, &submission);
    show(&mut shown, &submission.ticket());
    assert_no_secret("a ticket", &serde_json::to_string(&submission.ticket()).unwrap());
    show(&mut shown, &job);
    show(&mut shown, &job.wait());
    show(&mut shown, &job.outputs());
    show(&mut shown, &job.events());
    show(&mut shown, &job.progress());
    let error = job.wait().timeout(std::time::Duration::from_secs(20)).await.unwrap_err();
    assert!(matches!(error, Error::JobFailed(_)), "{error:?}");
    show_error("a failed job", &error);
}

#[test]
fn builders_of_calls_show_no_secret() {
    let client = client("http://127.0.0.1:1");
    let api = client.api();
    let mut shown = BTreeSet::new();
    let word = || secret("word");
    show(&mut shown, &api.login().body_map(|body| body.email("a@example.org").password(word())));
    show(&mut shown, &api.setup_admin().body_map(|body| body.email("a@example.org").password(word())));
    show(&mut shown, &api.create_user().body_map(|body| body.email("a@example.org").password(word())));
    show(&mut shown, &api.update_user().user_id("u").body_map(|body| body.password(word())));
    show(&mut shown, &api.update_current_user().body_map(|body| body.current_password(word()).new_password(word())));
    show(&mut shown, &api.install_model().source("x").access_token(word()));
    show(&mut shown, &api.do_hf_login().body_map(|body| body.token(word())));
    show(&mut shown, &api.set_external_provider_config().provider_id("p").body_map(|body| body.api_key(word())));
    assert_eq!(shown.len(), 8);
}

#[test]
fn the_source_of_an_installation_shows_no_secret() {
    // The server repeats the access token that it was given.
    let source = json!({ "type": "url", "url": "https://example.org/x", "access_token": secret("access") });
    let job: InstallJob = serde_json::from_value(json!({ "id": 1, "status": "waiting", "source": source })).unwrap();
    show(&mut BTreeSet::new(), &job);
    let data = json!({ "timestamp": 1, "id": 1, "source": source, "bytes": 0, "total_bytes": 0, "local_path": "/x", "parts": [] });
    for name in [
        "model_install_started",
        "model_install_download_started",
        "model_install_download_progress",
        "model_install_downloads_complete",
        "model_install_cancelled",
    ] {
        let event = invokeai_client::events::Event::new(name, data.clone());
        let text = format!("{event:?} {:?}", event.payload());
        assert!(!text.contains("Undecodable"), "{text}");
        assert_no_secret(name, &text);
    }
    for odd in [with_user("ftp://example.org"), format!("x@{HUSH}?{HUSH}").replace(&format!("@{HUSH}"), "@host")] {
        assert_no_secret("a source", &format!("{:?}", ModelSource::url(odd)));
    }
}

/// What a log would get.
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

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Calls that carry a secret, each with what came of it.
async fn calls(client: &Client) -> Vec<(&'static str, Result<String, Error>)> {
    let auth = client.auth();
    let word = secret("word");
    let url = with_user("https://example.org");
    fn text<T>(_: T) -> String {
        "done".into()
    }
    vec![
        ("version", client.server_version().await.map(text)),
        ("catalog", client.catalog().await.map(text)),
        ("login", auth.login("a@example.org", &word, false).await.map(text)),
        ("set_up", auth.set_up("a@example.org", &word, None).await.map(text)),
        ("me", auth.me().await.map(text)),
        ("change_password", auth.change_password(&word, &word).await.map(text)),
        ("create_user", auth.create_user("a@example.org", &word, None, false).await.map(text)),
        ("set_password", client.user("u").set_password(&word).await.map(text)),
        ("generate_password", auth.generate_password().await.map(text)),
        ("hugging face", client.models().set_hugging_face_token(Some(&word)).await.map(text)),
        ("install", client.models().install(ModelSource::url(url.clone())).access_token(word.clone()).await.map(text)),
        ("odd source", client.models().install(ModelSource::url(url.replace("https", "ftp"))).await.map(text)),
        ("install jobs", client.models().installs().await.and_then(|jobs| jobs.into_items()).map(text)),
        ("upload", client.images().upload(Upload::bytes("x.png", &b"x"[..])).await.map(text)),
        ("download", client.image("x.png").download().bytes().await.map(text)),
        ("enqueue", client.submit(&workflow()).validate(false).subscribe_events(false).await.map(text)),
        ("boards", client.boards().find("b").await.map(text)),
    ]
}

#[tokio::test]
async fn errors_and_traces_show_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // While there is only one dispatcher, a thread that has none of its own turns what it calls first off for all.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _guard = tracing::subscriber::set_default(subscriber);
    let echo = json!({ "id": 1, "source": { "access_token": secret("echo") }, "token": secret("echo"), "password": secret("echo"),
        "api_key": secret("echo"), "status": 7 });
    let json_answer = |status: &str, body: &Value| whole(status, "application/json", &body.to_string());
    let wrong = json!({ "detail": [{ "loc": ["body", "password"], "msg": "too short", "type": "t", "input": secret("echo"), "ctx": { "token": secret("echo") } }] });
    let mut seen = 0;
    for (what, act) in [
        ("reset", Act::Reset),
        ("silence", Act::Stall(String::new())),
        (
            "cut",
            Act::AnswerAndClose(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{".into(),
            ),
        ),
        ("no JSON", Act::Answer(whole("200 OK", "application/json", &format!("{{\"token\": \"{}", secret("echo"))))),
        ("HTML", Act::Answer(whole("200 OK", "text/html", "<html>"))),
        ("an echo", Act::Answer(json_answer("200 OK", &echo))),
        ("a list of echoes", Act::Answer(json_answer("200 OK", &json!([echo])))),
        ("401", Act::Answer(json_answer("401 Unauthorized", &json!({ "detail": "no" })))),
        ("422", Act::Answer(json_answer("422 Unprocessable Entity", &wrong))),
        ("500", Act::Answer(whole("500 Internal Server Error", "text/plain", "Internal Server Error"))),
    ] {
        let server = RawServer::start(vec![act]).await;
        for (call, outcome) in calls(&client(&server.url)).await {
            if let Err(error) = outcome {
                show_error(&format!("{call}, {what}"), &error);
                seen += 1;
            }
        }
    }
    for (call, outcome) in calls(&client("http://127.0.0.1:1")).await {
        show_error(&format!("{call}, nobody there"), &outcome.expect_err("nobody is there"));
    }
    assert!(seen > 120, "{seen}");

    // The event connection: refused, no websocket, nobody there.
    for url in [
        RawServer::start(vec![Act::json("{}")]).await.url,
        RawServer::start(vec![Act::Reset]).await.url,
        "http://127.0.0.1:1".into(),
    ] {
        let client = client(&url);
        let mut events = client.events();
        let error = events.connected().await.unwrap_err();
        assert_no_secret("an event error", &format!("{error} {error:?} {:?} {:?}", client.event_hub(), events.state()));
        assert_no_secret("an event cause", &format!("{:?}", StdError::source(&error)));
        if let Some(item) = events.next().await {
            assert_no_secret("an event", &format!("{item:?}"));
        }
    }
    // A proxy that does not exist, with a password.
    let proxy = reqwest::Proxy::all(with_user("http://127.0.0.1:1")).unwrap();
    let http = http::builder().proxy(proxy).build().unwrap();
    let proxied = Client::builder("http://example.invalid").http_client(http).token(secret("token")).build().unwrap();
    show_error("a proxy", &proxied.auth().me().await.unwrap_err());
    show(&mut BTreeSet::new(), &proxied);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.lines().count() > 100, "the trace is not empty: {log}");
    let ours: Vec<_> = log.lines().filter(|line| line.contains(HUSH)).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn unusable_addresses_show_no_secret() {
    for url in [
        with_user("ftp://example.org"),
        with_user("http://").replace("http://", "http:/"),
        format!("user:{HUSH}@host:99999"),
        format!("http://user:{HUSH}@ho st/"),
        format!("http://host:port?{HUSH}"),
    ] {
        show_error(&url.replace(HUSH, "…"), &Client::new(url.clone()).unwrap_err());
    }
    let error = Client::builder("http://127.0.0.1:1").token(format!("{HUSH}\n")).build().unwrap_err();
    show_error("a token that no header can carry", &error);
}

#[tokio::test]
async fn the_ledger_holds_no_secret() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let client = Client::builder(server.uri()).token(secret("token")).ledger(&path).build().unwrap();
    let _ = client.boards().create("b").await;
    let _ = client.images().upload(Upload::bytes("x.png", &b"x"[..])).await;
    let _ = client.submit(&workflow()).validate(false).subscribe_events(false).await;
    drop(client);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.lines().count() > 1, "{text}");
        assert_no_secret("the ledger", &text);
    }
}

/// The command, with a token and a password in the address.
#[cfg(feature = "cli")]
#[test]
fn the_command_shows_no_secret() {
    let url = with_user("http://127.0.0.1:1");
    for arguments in [
        &["queue"][..],
        &["boards", "list"],
        &["login", "a@example.org"],
        &["watch"],
        &["images", "list"],
        &["--help"],
        &["queue", "--help"],
    ] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_invokeai-client"))
            .args(arguments)
            .env("INVOKEAI_URL", &url)
            .env("INVOKEAI_TOKEN", secret("token"))
            .env("RUST_LOG", "trace")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input has closed it.
        let _ = child.stdin.take().unwrap().write_all(secret("password").as_bytes());
        let said = child.wait_with_output().unwrap();
        let text = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(!text.is_empty(), "{arguments:?}");
        assert_no_secret(&format!("{arguments:?}"), &text);
    }
}
