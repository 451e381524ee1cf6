//! Handles and lists on servers that misbehave.

use futures::{StreamExt as _, TryStreamExt as _};
use invokeai_client::{
    Error,
    models::{InstallOutcome, InstallStatus, ModelSource},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, Request, Respond, ResponseTemplate,
    matchers::{method, path, query_param},
};

use super::mocked::{InTurn, file, image, mock, ok, on};

#[tokio::test]
async fn deleting_goes_on_after_a_failure_and_reports_everything() {
    let (server, client) = mock().await;
    on(&server, "POST", "/api/v1/images/delete", ResponseTemplate::new(500).set_body_string("Internal Server Error"))
        .await;
    for name in ["1", "2", "5"] {
        let answer = json!({ "deleted_images": [name], "failed_images": [], "affected_boards": ["none"] });
        on(&server, "DELETE", &format!("/api/v1/images/i/{name}"), ok(answer)).await;
    }
    on(&server, "DELETE", "/api/v1/images/i/3", ResponseTemplate::new(500)).await;
    // 4 does not exist: the catch-all of the mock is 404.
    let outcome = client.images().delete(["1", "2", "3", "4", "5"]).await;
    assert_eq!(outcome.done, ["1", "2", "5"]);
    assert_eq!(outcome.skipped, ["4"]);
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!((&*outcome.failed[0].name, outcome.failed[0].error.as_ref().unwrap().status()), ("3", Some(500)));
    assert_eq!(outcome.into_result().unwrap_err().status(), Some(500));
}

#[tokio::test]
async fn many_names_go_in_parts_of_a_thousand() {
    let (server, client) = mock().await;
    let echo = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        ok(json!({ "starred_images": body["image_names"], "affected_boards": [] }))
    };
    Mock::given(path("/api/v1/images/star")).respond_with(echo).expect(3).mount(&server).await;
    let names: Vec<String> = (0..2001).map(|number| number.to_string()).collect();
    let outcome = client.images().star(&names).await;
    assert_eq!((outcome.done.len(), outcome.is_success()), (2001, true));
}

#[tokio::test]
async fn one_odd_entry_does_not_spoil_a_list() {
    let (server, client) = mock().await;
    let pages = |request: &Request| {
        let offset: usize = request.url.query_pairs().find(|(key, _)| key == "offset").unwrap().1.parse().unwrap();
        let all = [image("a"), json!({ "image_name": 7 }), image("c"), image("d"), image("e")];
        let items: Vec<_> = all.iter().skip(offset).take(2).collect();
        ok(json!({ "items": items, "total": 5, "offset": offset, "limit": 2 }))
    };
    Mock::given(path("/api/v1/images/")).respond_with(pages).expect(3).mount(&server).await;
    let images: Vec<_> = client.images().list().limit(2).stream().collect().await;
    let names: Vec<_> = images.iter().map(|image| image.as_ref().ok().map(|image| &*image.image_name)).collect();
    assert_eq!(names, [Some("a"), None, Some("c"), Some("d"), Some("e")]);
    let odd = images[1].as_ref().unwrap_err().to_string();
    assert!(odd.contains("items[1].image_name"), "{odd}");

    let records = json!({ "models": [
        { "key": "k1", "name": "n", "base": "flux", "type": "main", "description": null, "new_thing": [1] },
        { "key": "k2", "name": null, "base": "from-the-future", "type": "main" },
    ] });
    on(&server, "GET", "/api/v2/models/", ok(records)).await;
    let models = client.models().list().await.unwrap();
    assert_eq!((models.items.len(), models.items[0].is_ok(), models.items[1].is_err()), (2, true, true));
    assert_eq!(client.models().records().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_board_gives_up_only_its_own_images() {
    let (server, client) = mock().await;
    on(&server, "GET", "/api/v1/boards/b1/image_names", ok(json!(["mine"]))).await;
    let echo = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        assert_eq!(body, json!({ "image_names": ["mine"] }));
        ResponseTemplate::new(201).set_body_json(json!({ "removed_images": ["mine"], "affected_boards": ["b1"] }))
    };
    Mock::given(path("/api/v1/board_images/batch/delete")).respond_with(echo).expect(1).mount(&server).await;
    let outcome = client.board("b1").remove(["mine", "of another board"]).await.unwrap();
    assert_eq!((outcome.done, outcome.skipped), (vec!["mine".into()], vec!["of another board".into()]));

    let boards = json!({ "total": 2, "items": [
        { "board_id": "x", "board_name": "Twin" }, { "board_id": "y", "board_name": "Twin" } ] });
    on(&server, "GET", "/api/v1/boards/", ok(boards)).await;
    let twins = client.boards().find("Twin").await.unwrap_err().to_string();
    assert!(twins.contains("the name of 2 boards") && twins.contains("x, y"), "{twins}");
    assert_eq!(client.boards().find("Nobody").await.unwrap(), None);
    for error in [
        client.boards().uncategorized().get().await.err(),
        client.boards().uncategorized().delete_with_contents().await.err(),
        client.boards().uncategorized().rename("x").await.err(),
    ] {
        assert!(matches!(error, Some(Error::InvalidInput { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn shipped_workflows_are_not_touched() {
    let (server, client) = mock().await;
    let workflow = client.saved_workflow("default_1b57b5a8");
    let definition = json!({ "name": "x", "author": "", "description": "", "version": "", "contact": "", "tags": "",
        "notes": "", "nodes": [], "edges": [], "exposedFields": [], "meta": { "version": "3.0.0" } });
    let definition = definition.try_into().unwrap();
    for error in [
        workflow.delete().await.unwrap_err(),
        workflow.update(&definition).await.unwrap_err(),
        workflow.set_public(true).await.unwrap_err(),
        workflow.set_thumbnail("x.png").await.unwrap_err(),
        workflow.delete_thumbnail().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("InvokeAI ships; these can only be read"), "{error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

fn job(status: &str, more: Value) -> Value {
    let mut job = json!({ "id": 4, "status": status, "source": { "type": "local", "path": "/x" }, "local_path": "/x" });
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

#[tokio::test]
async fn an_installation_ends_with_what_really_happened() {
    let model = |kind: &str| json!({ "config_out": { "key": "k", "name": "n", "base": kind, "type": kind } });
    let record = |kind| invokeai_client::schema::ModelRecord::new("k", "n", kind, kind);
    let nothing = json!({});
    for (end, outcome) in [
        (job("completed", model("main")), InstallOutcome::Installed(record("main"))),
        (job("completed", model("unknown")), InstallOutcome::UnknownType(record("unknown"))),
        // Somebody canceled it after it was done: the model stays.
        (job("cancelled", model("main")), InstallOutcome::Installed(record("main"))),
        (job("cancelled", nothing.clone()), InstallOutcome::Canceled),
        (
            job("error", json!({ "error_reason": "DuplicateModelException", "error": "have it" })),
            InstallOutcome::Duplicate { message: "have it".into() },
        ),
        (
            job("error", json!({ "error_reason": "UnsafeDownloadURLException", "error": "no" })),
            InstallOutcome::Failed { reason: "UnsafeDownloadURLException".into(), message: "no".into() },
        ),
    ] {
        let (server, client) = mock().await;
        let started = ResponseTemplate::new(201).set_body_json(job("waiting", nothing.clone()));
        Mock::given(method("POST"))
            .and(path("/api/v2/models/install"))
            .and(query_param("source", "/x"))
            .and(query_param("inplace", "true"))
            .respond_with(started)
            .expect(1)
            .mount(&server)
            .await;
        let states = vec![ok(job("downloading", json!({ "bytes": 1, "total_bytes": 2 }))), ok(end)];
        Mock::given(method("GET"))
            .and(path("/api/v2/models/install/4"))
            .respond_with(InTurn::new(states))
            .mount(&server)
            .await;
        let install = client.models().install(ModelSource::local_in_place("/x")).name("n").await.unwrap();
        let seen: Vec<_> = install.progress().collect().await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].as_ref().unwrap().status, InstallStatus::Downloading);
        assert_eq!(install.wait().await.unwrap(), outcome);
        install.cancel().await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert!(requests.iter().all(|request| request.method != "DELETE"), "an ended one is not canceled");
    }
}

#[tokio::test]
async fn sources_that_do_not_look_like_their_kind_are_refused() {
    let (server, client) = mock().await;
    for source in [
        ModelSource::url("ftp://x/y"),
        ModelSource::url("/etc/passwd"),
        ModelSource::hugging_face("/etc/passwd"),
        ModelSource::hugging_face("./x/y"),
        ModelSource::hugging_face("noslash"),
        ModelSource::hugging_face("https://x/y"),
        ModelSource::local_move(""),
    ] {
        let error = client.models().install(source.clone()).await.unwrap_err();
        assert!(error.to_string().contains("expected"), "{source:?}: {error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
    let secret = client.models().install(ModelSource::url("https://x/y")).access_token("hush");
    assert!(!format!("{secret:?}").contains("hush"));
}

#[tokio::test]
async fn a_login_is_sent_from_then_on() {
    let (server, client) = mock().await;
    let login = json!({ "token": "t-1", "expires_in": 86400, "user": { "user_id": "u", "email": "a@example.org",
        "created_at": "2026-11-22T17:23:01.154000", "last_login_at": "2026-11-22T17:23:01.360093Z" } });
    on(&server, "POST", "/api/v1/auth/login", ok(login)).await;
    let me = json!({ "user_id": "u", "email": "a@example.org" });
    Mock::given(path("/api/v1/auth/me"))
        .and(wiremock::matchers::header("authorization", "Bearer t-1"))
        .respond_with(ok(me))
        .expect(1)
        .mount(&server)
        .await;
    let clone = client.clone();
    let login = client.auth().login("a@example.org", "pw", false).await.unwrap();
    assert!(!format!("{login:?}").contains("t-1"));
    assert_eq!(login.user.created_at.unwrap().unix_millis(), Some(1795368181154));
    assert_eq!(clone.auth().me().await.unwrap().email, "a@example.org");
    // Logging out forgets the token even where the server fails.
    client.auth().logout().await.unwrap_err();
    assert!(client.auth().me().await.is_err());
}

#[tokio::test]
async fn an_old_server_has_no_users_and_a_wrong_address_is_not_a_server() {
    let (server, client) = mock().await;
    on(&server, "GET", "/api/v1/auth/status", file(b"<html>".to_vec(), "text/html")).await;
    assert!(client.auth().status().await.is_err());
    on(&server, "GET", "/api/v1/app/version", ok(json!({ "version": "6.3.0" }))).await;
    assert!(!client.auth().status().await.unwrap().multiuser_enabled);
}

#[tokio::test]
async fn lists_begin_and_end_where_they_are_told_to() {
    let (server, client) = mock().await;
    let preset = |id: usize| {
        json!({"id": format!("p{id}"), "name": "n", "preset_data": {"positive_prompt": "", "negative_prompt": ""},
            "type": "user"})
    };
    let all: Vec<_> = (0..5).map(preset).collect();
    on(&server, "GET", "/api/v1/style_presets/", ok(json!(all))).await;
    let list = client.style_presets().list();
    let page = list.clone().await.unwrap();
    assert_eq!((page.items.len(), page.total, page.has_next()), (5, 5, false));
    let page = list.clone().offset(3).limit(1).await.unwrap();
    assert_eq!((page.offset, page.total, page.has_next()), (3, 5, true));
    assert_eq!(page.into_items().unwrap()[0].id, "p3");
    assert!(list.clone().offset(9).await.unwrap().items.is_empty());
    let rest: Vec<_> = list.offset(2).limit(1).stream().try_collect().await.unwrap();
    assert_eq!(rest.iter().map(|preset| &*preset.id).collect::<Vec<_>>(), ["p2", "p3", "p4"]);
    // A stream of what the server returns as a whole asks once.
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

/// A library of this many workflows, in pages like the server's.
struct Library(u64);

impl Respond for Library {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query: std::collections::HashMap<_, _> = request.url.query_pairs().into_owned().collect();
        let [page, size]: [u64; 2] = ["page", "per_page"].map(|name| query[name].parse().unwrap());
        let (from, to) = if size == 0 { (0, self.0) } else { (page * size, ((page + 1) * size).min(self.0)) };
        let workflow = |id: u64| {
            json!({"workflow_id": format!("w{id}"), "name": format!("w{id}"), "description": "", "category": "user",
                "created_at": "2026-11-22 17:04:40.063", "updated_at": "2026-11-22 17:04:40.063"})
        };
        let items: Vec<_> = (from.min(to)..to).map(workflow).collect();
        ok(json!({"items": items, "page": page, "pages": 1, "per_page": size, "total": self.0}))
    }
}

#[tokio::test]
async fn the_library_is_listed_from_any_offset() {
    let (server, client) = mock().await;
    Mock::given(method("GET")).and(path("/api/v1/workflows/")).respond_with(Library(7)).mount(&server).await;
    for (offset, limit) in [(0, 3), (3, 3), (1, 3), (5, 3), (6, 3), (9, 3), (2, 0), (0, 100), (4, 100)] {
        let page = client.library().list().offset(offset).limit(limit).await.unwrap();
        assert_eq!((page.offset, page.total), (offset, 7));
        let names: Vec<_> = page.into_items().unwrap().into_iter().map(|workflow| workflow.name).collect();
        let end = if limit == 0 { 7 } else { (offset + limit).min(7) };
        let wanted: Vec<_> = (offset..end).map(|id| format!("w{id}")).collect();
        assert_eq!(names, wanted, "{limit} from {offset}");
        let rest: Vec<_> = client.library().list().offset(offset).limit(limit).stream().try_collect().await.unwrap();
        assert_eq!(rest.len() as u64, 7_u64.saturating_sub(offset), "from {offset} by {limit}");
    }
}
