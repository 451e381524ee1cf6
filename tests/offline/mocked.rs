//! A server that answers a call as a test says, and a client of it that loses no time.

use std::{sync::Mutex, time::Duration};

use invokeai_client::{Client, TransportOptions};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, method, path},
};

pub(crate) fn quick(url: &str) -> Client {
    let mut options = TransportOptions::default();
    options.retries = 0;
    options.read_timeout = Duration::from_millis(500);
    Client::builder(url).transport(options).build().unwrap()
}

pub(crate) async fn mock() -> (MockServer, Client) {
    let server = MockServer::start().await;
    nothing_else(&server).await;
    let client = quick(&server.uri());
    (server, client)
}

/// All that is not mocked is refused as InvokeAI does it.
pub(crate) async fn nothing_else(server: &MockServer) {
    let missing = ResponseTemplate::new(404).set_body_json(json!({"detail": "Not Found"}));
    Mock::given(any()).respond_with(missing).with_priority(u8::MAX).mount(server).await;
}

pub(crate) async fn on(server: &MockServer, verb: &str, place: &str, answer: ResponseTemplate) {
    Mock::given(method(verb)).and(path(place)).respond_with(answer).mount(server).await;
}

pub(crate) fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(crate) fn file(bytes: Vec<u8>, content_type: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(bytes, content_type)
}

pub(crate) fn image(name: &str) -> Value {
    json!({ "image_name": name, "image_origin": "internal", "image_category": "general", "width": 8, "height": 8,
        "created_at": "2026-11-22 17:04:40.063", "is_intermediate": false, "starred": false, "has_workflow": false })
}

/// Answers one after the other; the last is repeated.
pub(crate) struct InTurn(Mutex<Vec<ResponseTemplate>>);

impl InTurn {
    pub(crate) fn new(mut answers: Vec<ResponseTemplate>) -> Self {
        answers.reverse();
        Self(Mutex::new(answers))
    }
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    }
}
