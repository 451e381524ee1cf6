//! A workflow that was opened with one server's nodes and is submitted to another.

use invokeai_client::{
    Client, Error,
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::common::{document::Document, workflows::additions};

/// The part of InvokeAI's document that describes the node `add`.
fn document() -> Value {
    let all = Document::load();
    let schemas = ["AddInvocation", "IntegerOutput"].map(|name| (name.to_owned(), all.schema(name).clone()));
    json!({ "openapi": "3.1.0", "paths": {}, "components": { "schemas": serde_json::Map::from_iter(schemas) } })
}

/// A server with these nodes that takes no batch.
async fn server(document: &Value) -> (MockServer, Client) {
    let server = MockServer::start().await;
    for (place, answer) in [("/api/v1/app/version", &json!({"version": "6.14.2"})), ("/openapi.json", document)] {
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        Mock::given(method("GET")).and(path(place)).respond_with(answer).mount(&server).await;
    }
    let refusal = ResponseTemplate::new(403).set_body_json(json!({"detail": "no"}));
    Mock::given(method("POST")).respond_with(refusal).mount(&server).await;
    let client = Client::new(server.uri()).unwrap();
    (server, client)
}

fn definition() -> WorkflowDefinition {
    WorkflowDefinition::from_value(additions()).unwrap()
}

async fn batches(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.method.as_str() == "POST").count()
}

/// What a submission of a workflow of the first server to the second says; nothing if it was sent.
async fn refusal(of: &Value, to: &Value) -> Option<String> {
    let ((_one, from), (other, client)) = (server(of).await, server(to).await);
    let workflow = from.workflow(definition()).await.unwrap();
    let error = client.submit(&workflow).subscribe_events(false).await.unwrap_err();
    match error {
        Error::NodesDiffer(differences) => {
            assert_eq!(batches(&other).await, 0, "something was sent");
            Some(differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        Error::Forbidden(_) => {
            assert_eq!(batches(&other).await, 1);
            None
        }
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_server_with_the_same_nodes_takes_a_workflow_of_another() {
    assert_eq!(refusal(&document(), &document()).await, None);
}

#[tokio::test]
async fn another_version_other_fields_or_no_such_node_are_named_and_nothing_is_sent() {
    let (mut newer, mut other, mut without) = (document(), document(), document());
    newer["components"]["schemas"]["AddInvocation"]["version"] = json!("2.0.0");
    let properties = &mut other["components"]["schemas"]["AddInvocation"]["properties"];
    let b = properties.as_object_mut().unwrap().remove("b").unwrap();
    properties["c"] = b;
    let mut multiply = without["components"]["schemas"]["AddInvocation"].take();
    multiply["properties"]["type"] = json!({"const": "mul", "default": "mul", "type": "string"});
    without["components"]["schemas"]["AddInvocation"] = multiply;

    let said = refusal(&document(), &newer).await.unwrap();
    assert!(said.starts_with("add was of version 1.") && said.ends_with(", is now of version 2.0.0"), "{said}");
    assert_eq!(refusal(&document(), &other).await.unwrap(), "add.b is gone");
    assert_eq!(refusal(&document(), &without).await.unwrap(), "add is gone");
}

/// Once for both nodes of the type. A difference that would do no harm by itself is reported, and does not block the
/// workflow.
#[tokio::test]
async fn other_ranges_and_more_inputs_refuse_nothing() {
    let mut other = document();
    let properties = &mut other["components"]["schemas"]["AddInvocation"]["properties"];
    properties["b"]["minimum"] = json!(-5);
    assert_eq!(refusal(&document(), &other).await, None);
    let properties = &mut other["components"]["schemas"]["AddInvocation"]["properties"];
    properties["c"] = properties["b"].clone();
    assert_eq!(refusal(&document(), &other).await, None);
}

#[tokio::test]
async fn without_validation_it_is_sent_all_the_same() {
    let mut newer = document();
    newer["components"]["schemas"]["AddInvocation"]["version"] = json!("2.0.0");
    let ((_one, from), (other, client)) = (server(&document()).await, server(&newer).await);
    let workflow = from.workflow(definition()).await.unwrap();
    let error = client.submit(&workflow).validate(false).subscribe_events(false).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden(_)), "{error}");
    assert_eq!(batches(&other).await, 1);
}

/// They are nobody's: that costs no call, and refuses nothing.
#[tokio::test]
async fn the_nodes_of_the_crate_belong_to_no_server() {
    let mut newer = document();
    newer["components"]["schemas"]["AddInvocation"]["version"] = json!("2.0.0");
    let (server, client) = server(&newer).await;
    let workflow = Workflow::new(definition(), NodeCatalog::embedded());
    for asked in [0, 1] {
        let error = client.submit(&workflow).subscribe_events(false).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{error}");
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.iter().filter(|request| request.url.path() == "/openapi.json").count(), asked);
        client.catalog().await.unwrap();
    }
    assert_eq!(workflow.differences(&client.catalog().await.unwrap()).len(), 1);
}

/// As in the editor, the call has then the inputs of its last save.
#[tokio::test]
async fn a_called_workflow_that_cannot_be_read_does_not_stop_its_caller() {
    let mut calls = additions();
    calls["nodes"][0]["data"]["type"] = json!("call_saved_workflow");
    calls["nodes"][0]["data"]["inputs"] = json!({"workflow_id": {"name": "workflow_id", "label": "", "value": "w"}});
    calls["edges"] = json!([]);
    let damaged = ResponseTemplate::new(200).set_body_json(json!({"workflow": {"name": 7}}));
    let refusal = |status| ResponseTemplate::new(status).set_body_json(json!({"detail": "no"}));
    for (answer, goes_on) in
        [(refusal(403), true), (refusal(404), true), (refusal(500), true), (damaged, true), (refusal(401), false)]
    {
        let (server, client) = server(&document()).await;
        let of_callee = Mock::given(method("GET")).and(path("/api/v1/workflows/i/w"));
        of_callee.respond_with(answer.clone()).mount(&server).await;
        let opened = client.workflow(WorkflowDefinition::from_value(calls.clone()).unwrap()).await;
        match opened {
            Ok(_) => assert!(goes_on, "{answer:?}"),
            Err(error) => assert!(!goes_on && matches!(error, Error::Unauthorized(_)), "{answer:?}: {error}"),
        }
    }
}
