//! Who is let in.

use invokeai_client::{Error, serve::Server, testing::Fault};
use reqwest::{Method, StatusCode};

use crate::stage::{Stage, answer, resize};

const TOKEN: &str = "a-token-of-some-length";

#[tokio::test]
async fn other_machines_need_a_token() {
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let workflow = resize(&stage.client).await;
    let open = |address: &str, token: Option<&str>| {
        let builder = Server::builder(stage.client.clone(), folder.path()).listen(address);
        let builder = builder.workflow("resize", workflow.clone());
        token.into_iter().fold(builder, |builder, token| builder.token(token)).start()
    };
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = open(address, None).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { ref field, .. } if field == "listen"), "{error}");
        assert!(error.to_string().contains("token"), "{error}");
    }
    assert!(open("127.0.0.1:0", Some("short")).unwrap_err().to_string().contains("16 characters"));
    open("0.0.0.0:0", Some(TOKEN)).unwrap().stop();
}

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    let stage = Stage::with(std::time::Duration::ZERO, |service| service.token(TOKEN)).await;
    let paths = ["/", "/openapi.json", "/page.js", "/runs/00000000-0000-4000-8000-000000000000", "/nowhere"];
    for path in paths {
        for header in [None, Some("Bearer wrong-token-of-some"), Some("Basic eDp5"), Some("Bearer")] {
            let mut request = stage.request(Method::GET, path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {header:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert!(!response.text().await.unwrap().contains("resize"), "{path}");
        }
    }
    let (status, document) = answer(stage.request(Method::GET, "/openapi.json").bearer_auth(TOKEN)).await;
    assert_eq!((status, &document["security"][0]["token"]), (StatusCode::OK, &serde_json::json!([])));
    let page = stage.request(Method::GET, "/").header("accept", "text/html").send().await.unwrap();
    assert!(page.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    let page = stage.request(Method::GET, "/").basic_auth("me", Some(TOKEN)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test]
async fn other_names_and_other_pages_are_refused() {
    let stage =
        Stage::with(std::time::Duration::ZERO, |service| service.host("studio.example").origin("https://app.example"))
            .await;
    let host = |name: &'static str| stage.request(Method::GET, "/openapi.json").header("host", name).send();
    assert_eq!(host("evil.example").await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(host("studio.example").await.unwrap().status(), StatusCode::OK);
    assert_eq!(host("localhost:1").await.unwrap().status(), StatusCode::OK);

    // A form on any page can send this without asking first.
    let forged = stage.request(Method::POST, "/workflows/resize/runs").header("origin", "https://evil.example");
    assert_eq!(answer(forged.body("")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(stage.items().await, []);

    let ask = |origin: &'static str| {
        let request = stage.request(Method::OPTIONS, "/workflows/resize/runs").header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    let allowed = ask("https://app.example").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
    let allowed = allowed.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    for name in ["mcp-protocol-version", "mcp-session-id", "last-event-id", "idempotency-key"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let refused = ask("https://evil.example").await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"), "{refused:?}");
}

#[tokio::test]
async fn a_page_that_may_ask_can_read_why_it_is_refused() {
    let stage =
        Stage::with(std::time::Duration::ZERO, |service| service.token(TOKEN).origin("https://app.example")).await;
    let refused = stage.request(Method::GET, "/openapi.json").header("origin", "https://app.example").send();
    let refused = refused.await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn nothing_of_the_server_behind_is_told() {
    let stage = Stage::new().await;
    let invokeai = stage.invokeai.url().trim_start_matches("http://").to_owned();
    let picture = crate::stage::data_url(&crate::stage::png(8, 8));
    let run = stage.run("resize", &serde_json::json!({ "picture": picture })).await;
    let mut told = vec![run.to_string()];
    for path in ["/", "/openapi.json"] {
        told.push(stage.get(path).await.text().await.unwrap());
    }
    stage.invokeai.faults().add("get_image_full", Fault::status(500), 100);
    let output = stage.get(run["outputs"][0]["href"].as_str().unwrap()).await;
    assert_eq!(output.status(), StatusCode::SERVICE_UNAVAILABLE);
    told.push(output.text().await.unwrap());
    let folder = stage.folder.path().display().to_string();
    for text in told {
        for secret in [&*invokeai, &folder, "Traceback", "session_id", "batch_id"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
