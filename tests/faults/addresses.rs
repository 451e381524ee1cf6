//! Addresses that lead nowhere, and what stands before a server: each fault is reported in one line with what to do.

use invokeai_client::{Client, Error};

use crate::{
    builder,
    common::{
        alone::is_alone_with,
        http,
        places::{HERE, Place, THERE, answer, json, redirect},
        socket_server::{SocketServer, within},
    },
};

const KEY: &str = "SECRET-KEY";

fn version() -> String {
    json(r#"{"version": "6.14.2"}"#)
}

/// One line.
fn said(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[cfg(feature = "rustls")]
#[tokio::test]
async fn https_where_nothing_is_encrypted_is_said() {
    // What uvicorn answers to anything but HTTP.
    let server = SocketServer::start(|_, mut stream| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer("400 Bad Request", "", "Invalid HTTP request received.").as_bytes()).await;
    })
    .await;
    let url = server.url().replace("http:", "https:");
    let error = within("an end", Client::new(url).unwrap().server_version()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(said(&error).contains(&format!("its address is {}", server.url())), "{error}");
}

#[tokio::test]
async fn http_where_everything_is_encrypted_is_said() {
    // What nginx answers; and a TLS alert, as sent by servers that only speak TLS.
    for bytes in [
        answer(
            "400 Bad Request",
            "content-type: text/html\r\n",
            "<p>The plain HTTP request was sent to HTTPS port</p>",
        ),
        answer("400 Bad Request", "", "Client sent an HTTP request to an HTTPS server.\n"),
        "\u{15}\u{3}\u{1}\0\u{2}\u{2}F".to_owned(),
    ] {
        let server = Place::start(move |_| bytes.clone()).await;
        let error = within("an end", builder(&server.at(HERE)).build().unwrap().server_version()).await.unwrap_err();
        let address = server.at(HERE).replace("http:", "https:");
        assert!(said(&error).contains(&format!("its address is {address}")), "{error}");
    }
}

#[cfg(feature = "rustls")]
#[tokio::test]
async fn an_unknown_certificate_is_said() {
    let identity = crate::common::places::Identity::new();
    let server = Place::start_tls(&identity, |_| version()).await;
    let error = within("an end", Client::new(server.at(HERE)).unwrap().server_version()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(said(&error).contains("authority that this system trusts"), "{error}");
}

/// A container often has no certificates, and its server no encryption.
#[cfg(all(feature = "rustls", target_os = "linux"))]
#[tokio::test]
async fn without_certificates_only_encryption_is_missing() {
    let nowhere = [("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("SSL_CERT_DIR", "/nowhere")];
    if !is_alone_with("addresses::without_certificates_only_encryption_is_missing", &nowhere) {
        return;
    }
    let server = Place::start(|_| version()).await;
    let client = Client::new(server.at(HERE)).unwrap();
    assert_eq!(within("a version", client.server_version()).await.unwrap(), "6.14.2");
    let identity = crate::common::places::Identity::new();
    let server = Place::start_tls(&identity, |_| version()).await;
    let error = within("an end", Client::new(server.at(HERE)).unwrap().server_version()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(said(&error).contains("install them (on most systems the package ca-certificates)"), "{error}");
}

#[tokio::test]
async fn another_program_at_the_address_is_not_the_api() {
    let server =
        Place::start(|_| answer("404 Not Found", "content-type: application/json\r\n", r#"{"detail": "Not Found"}"#))
            .await;
    let client = builder(&server.at(HERE)).build().unwrap();
    let error = within("an end", async { client.queue("default").status().await }).await.unwrap_err();
    assert!(matches!(error, Error::NotTheApi { .. }), "{error:?}");
    assert!(said(&error).contains("is the address that of InvokeAI"), "{error}");
}

#[tokio::test]
async fn headers_go_to_the_server_and_nowhere_else() {
    let other = Place::start(|_| version()).await;
    let to = format!("{}/api/v1/app/version", other.at(THERE));
    let server = Place::start(move |line| match line.contains("/version") {
        true => redirect(307, &to),
        false => redirect(307, "/elsewhere"),
    })
    .await;
    let client = builder(&server.at(HERE)).header("X-Proxy-Key", KEY).basic_auth("anna", KEY).build().unwrap();
    assert!(!format!("{client:?}").contains(KEY), "{client:?}");
    let error = within("an end", client.server_version()).await.unwrap_err();
    assert!(matches!(error, Error::Redirected { .. }) && !said(&error).contains(KEY), "{error:?}");
    let heard = server.heard();
    assert!(heard.contains(&format!("x-proxy-key: {KEY}\r\n")), "{heard}");
    assert!(heard.contains("authorization: Basic YW5uYTpTRUNSRVQtS0VZ\r\n"), "{heard}");
    assert_eq!(other.heard(), "");
    // A client of the caller may follow redirects by itself.
    let error = builder(&server.at(HERE)).http_client(http::client()).header("X-Proxy-Key", KEY).build();
    let error = error.unwrap_err();
    assert!(said(&error).contains("http_client") && !format!("{error:?}").contains(KEY), "{error}");
}

#[tokio::test]
async fn headers_open_the_event_connection_too() {
    let (heard, hears) = std::sync::mpsc::channel();
    let server = SocketServer::start(move |_, mut stream| {
        let heard = heard.clone();
        async move {
            use tokio::io::AsyncReadExt as _;
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            heard.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
        }
    })
    .await;
    let client = builder(&server.url()).header("X-Proxy-Key", KEY).build().unwrap();
    let events = client.events();
    let heard = tokio::task::spawn_blocking(move || hears.recv_timeout(std::time::Duration::from_secs(20)));
    let heard = heard.await.unwrap().unwrap();
    drop(events);
    assert!(heard.starts_with("GET /ws/socket.io/") && heard.contains(&format!("x-proxy-key: {KEY}\r\n")), "{heard}");
}

#[tokio::test]
async fn a_token_and_basic_auth_are_not_sent_together() {
    let server = Place::start(|_| version()).await;
    let client = builder(&server.at(HERE)).basic_auth("anna", KEY).token("t").build().unwrap();
    let error = within("an end", client.server_version()).await.unwrap_err();
    assert!(matches!(&error, Error::InvalidInput { field, .. } if field == "token"), "{error:?}");
    assert_eq!(server.heard(), "");
    client.set_token(None);
    within("an answer", client.server_version()).await.unwrap();
}
