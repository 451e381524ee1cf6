//! Redirects: what a call carries goes to the server that it was meant for and to nobody else.

use std::time::Duration;

use futures::StreamExt as _;
use invokeai_client::{
    Client, ClientBuilder, Error, Upload,
    events::{
        EventError, EventsOptions,
        codec::{Packet, SocketBody, SocketPacket},
    },
};

use crate::{
    builder,
    common::{
        http,
        places::{HERE, Place, THERE, answer, json, redirect},
        socket_server::{Peer, SocketServer, within},
    },
    workflow,
};

const TOKEN: &str = "SECRET-TOKEN";
const PASSWORD: &str = "hunter2";
const PICTURE: &[u8] = b"\x89PNG, secret in every pixel";
const KINDS: [u16; 5] = [301, 302, 303, 307, 308];

const OPERATIONS: [&str; 7] = ["read", "download", "login", "submit", "upload", "delete", "rename"];

async fn carry_out(client: &Client, operation: &str) -> Result<(), Error> {
    let submission = workflow();
    let carried_out = async {
        match operation {
            "read" => client.auth().me().await.map(drop),
            "download" => client.image("a.png").download().bytes().await.map(drop),
            "login" => client.auth().login("a@example.org", PASSWORD, false).await.map(drop),
            "submit" => client.submit(&submission).subscribe_events(false).await.map(drop),
            "upload" => client.images().upload(Upload::bytes("a.png", PICTURE)).await.map(drop),
            "delete" => client.image("a.png").delete().await.map(drop),
            _ => client.board("b").rename("c").await.map(drop),
        }
    };
    within(operation, carried_out).await
}

/// Panics if a place saw what nobody but the server may see.
fn assert_no_secret(what: &str, heard: &str) {
    for secret in [TOKEN, PASSWORD, "secret in every pixel", "\"batch\"", "\"board_name\""] {
        assert!(!heard.contains(secret), "{what}: {secret} in {heard}");
    }
}

fn assert_redirected(what: &str, error: &Error, from: &str, to: &str) {
    let Error::Redirected { from: left, to: led, .. } = error else { panic!("{what}: {error:?}") };
    assert!(left.starts_with(from) && led.starts_with(to), "{what}: {error}");
    assert_no_secret(what, &format!("{error} {error:?}"));
    assert!(!error.is_retryable() && error.may_have_been_sent(), "{what}");
}

/// What a malicious place would like to pass off as an answer, with a new token.
fn bait(_: &str) -> String {
    let headers = "content-type: application/json\r\nx-refreshed-token: EVIL\r\n";
    let body = r#"{"token": "EVIL", "expires_in": 1, "user": {"user_id": "u", "email": "e"}, "user_id": "u", "email": "e",
        "enqueued": 1, "requested": 1, "item_ids": [1]}"#;
    answer("200 OK", headers, body)
}

/// Answers everything with a redirect, except the version, without which nothing is submitted.
fn leads(kind: u16, to: String) -> impl Fn(&str) -> String {
    move |line| match line.contains("/app/version") {
        true => json(r#"{"version": "6.14.2"}"#),
        false => redirect(kind, &format!("{to}{}", line.split(' ').nth(1).unwrap())),
    }
}

/// The default client, and one with an HTTP client of the caller that follows every redirect.
fn builders(url: &str) -> [(&'static str, ClientBuilder); 2] {
    [("own", builder(url)), ("caller's", builder(url).http_client(http::client()))]
}

#[tokio::test]
async fn nothing_that_a_call_carries_goes_to_another_origin() {
    for kind in KINDS {
        let other = Place::start(bait).await;
        let server = Place::start(leads(kind, other.at(THERE))).await;
        for (whose, builder) in builders(&server.at(HERE)) {
            let client = builder.token(TOKEN).build().unwrap();
            for operation in OPERATIONS {
                let what = format!("{operation}, {kind}, {whose} client");
                let error = carry_out(&client, operation).await.unwrap_err();
                assert_redirected(&what, &error, &server.at(HERE), &other.at(THERE));
                assert_no_secret(&what, &other.heard());
                if whose == "own" {
                    assert_eq!(other.heard(), "", "{what}");
                }
            }
            assert!(!server.heard().contains("EVIL"), "{kind}, {whose} client: {}", server.heard());
        }
    }
}

#[tokio::test]
async fn the_same_machine_by_another_name_is_another_origin() {
    let here = Place::start(|_| String::new()).await;
    let to = here.at(THERE);
    drop(here);
    let server = Place::start(leads(307, to.clone())).await;
    let client = builder(&server.at(HERE)).token(TOKEN).build().unwrap();
    let error = carry_out(&client, "read").await.unwrap_err();
    assert_redirected("another name", &error, &server.at(HERE), &to);
}

#[tokio::test]
async fn a_read_follows_a_redirect_within_its_origin() {
    for kind in KINDS {
        let server = Place::start(move |line| match line.split(' ').nth(1).unwrap() {
            "/api/v1/auth/me" => redirect(kind, "/elsewhere/me?x=1"),
            "/elsewhere/me?x=1" => redirect(kind, "me2#part"),
            "/elsewhere/me2" => bait(""),
            other => panic!("{other}"),
        })
        .await;
        for (whose, builder) in builders(&server.at(HERE)) {
            let before = server.requests().len();
            let user = builder.token(TOKEN).build().unwrap().auth().me().await.unwrap();
            assert_eq!(user.user_id, "u", "{kind}, {whose} client");
            assert_eq!(server.requests().len() - before, 3, "{kind}, {whose} client");
        }
        assert_eq!(server.heard().matches(TOKEN).count(), 6, "{kind}: the token goes along");
    }
}

#[tokio::test]
async fn a_write_stays_where_it_was_sent_even_within_its_origin() {
    for kind in KINDS {
        let server = Place::start(move |line| match line.split(' ').nth(1).unwrap() {
            "/api/v1/app/version" => json(r#"{"version": "6.14.2"}"#),
            path if path.starts_with("/moved") => bait(""),
            path => redirect(kind, &format!("/moved{path}")),
        })
        .await;
        for (whose, builder) in builders(&server.at(HERE)) {
            let client = builder.token(TOKEN).build().unwrap();
            for operation in ["login", "upload", "delete", "rename"] {
                let what = format!("{operation}, {kind}, {whose} client");
                let error = carry_out(&client, operation).await.unwrap_err();
                assert_redirected(&what, &error, &server.at(HERE), &format!("{}/moved/api/v1/", server.at(HERE)));
                assert!(error.to_string().ends_with("/moved/ as the server's address"), "{error}");
            }
        }
        // The caller's client looks there, as a browser would after a form, and changes nothing.
        let moved = server.requests().into_iter().filter(|line| line.contains(" /moved/"));
        assert!(moved.clone().all(|line| line.starts_with("GET ")), "{kind}: {:?}", moved.collect::<Vec<_>>());
        assert!(!server.heard().contains("EVIL"), "{kind}");
    }
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let server = Place::start(|_| redirect(302, "/round")).await;
    for (whose, builder) in builders(&server.at(HERE)) {
        let before = server.requests().len();
        let error = builder.build().unwrap().server_version().await.unwrap_err();
        assert_redirected(whose, &error, &server.at(HERE), &server.at(HERE));
        assert!(error.to_string().contains("too many"), "{error}");
        assert_eq!(server.requests().len() - before, 11, "{whose}");
    }
}

#[tokio::test]
async fn a_redirect_to_anything_but_a_web_address_is_an_error() {
    for to in ["file:///etc/passwd", "http://", "javascript:alert(1)", "ws://localhost/"] {
        let server = Place::start(move |_| redirect(302, to)).await;
        let error = builder(&server.at(HERE)).build().unwrap().server_version().await.unwrap_err();
        assert_redirected(to, &error, &server.at(HERE), "an unusable address");
    }
    // An answer that says where to go, but is not a redirect, means what its status says.
    let server = Place::start(|_| redirect(300, "/somewhere")).await;
    let error = builder(&server.at(HERE)).build().unwrap().server_version().await.unwrap_err();
    assert_eq!(error.status(), Some(300), "{error:?}");
}

#[tokio::test]
async fn the_token_of_the_event_connection_stays_within_the_origin() {
    for kind in KINDS {
        // It would accept everybody.
        let other = SocketServer::start(|_, stream| async {
            let mut peer = Peer::accept(stream).await;
            peer.open(25_000, 20_000).await;
            panic!("the client spoke: {:?}", peer.expect_connect().await);
        })
        .await;
        let to = format!("http://{THERE}:{}", other.address.port());
        let server = Place::start(leads(kind, to.clone())).await;
        for (whose, builder) in builders(&server.at(HERE)) {
            let client = builder.token(TOKEN).build().unwrap();
            let error = within("an end", client.events().connected()).await.unwrap_err();
            let EventError::Redirected { from, to: led, .. } = &error else { panic!("{kind}, {whose}: {error:?}") };
            assert!(from.starts_with(&server.at(HERE)) && led.starts_with(&to), "{error}");
            assert!(error.is_permanent() && !format!("{error:?}").contains(TOKEN), "{error:?}");
            // The caller's client went there, and got no further than the websocket.
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(other.connections() == 0, whose == "own", "{kind}, {whose} client");
        }
    }
}

#[tokio::test]
async fn the_event_connection_follows_a_redirect_within_the_origin() {
    let server = SocketServer::start(|_, mut stream| async move {
        let mut beginning = [0; 8];
        while stream.peek(&mut beginning).await.unwrap() < beginning.len() {
            tokio::task::yield_now().await;
        }
        if beginning.starts_with(b"GET /ws/") {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let _ = stream.read(&mut [0; 4096]).await;
            let onward = redirect(307, "/moved/ws/socket.io/?EIO=4&transport=websocket");
            stream.write_all(onward.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
            return;
        }
        let mut peer = Peer::welcome(stream, 0).await;
        assert_eq!(peer.path, "/moved/ws/socket.io/?EIO=4&transport=websocket");
        while let Some(packet) = peer.packet().await {
            if let Packet::Message(SocketPacket { body: SocketBody::Event { ack: Some(id), .. }, .. }) = packet {
                peer.body(SocketBody::Ack { id, args: vec![] }).await;
            }
            peer.event("queue_cleared", serde_json::json!({"queue_id": "default"})).await;
        }
    })
    .await;
    for (whose, builder) in builders(&server.url()) {
        let client = builder.token(TOKEN).events(EventsOptions::default()).build().unwrap();
        let mut events = client.events();
        within(whose, events.connected()).await.unwrap();
        assert!(within(whose, events.next()).await.is_some());
    }
}

#[cfg(feature = "rustls")]
mod tls {
    use super::*;
    use crate::common::places::Identity;

    /// A client that trusts this certificate, and by its own choice follows every redirect.
    fn trusting(identity: &Identity) -> reqwest::Client {
        let certificate = reqwest::Certificate::from_pem(identity.certificate().as_bytes()).unwrap();
        http::builder().tls_certs_only([certificate]).build().unwrap()
    }

    #[tokio::test]
    async fn nothing_that_a_call_carries_goes_out_unencrypted() {
        let identity = Identity::new();
        for kind in KINDS {
            let clear = Place::start(bait).await;
            let server = Place::start_tls(&identity, leads(kind, clear.at(THERE))).await;
            let client = builder(&server.at(THERE)).http_client(trusting(&identity)).token(TOKEN).build().unwrap();
            for operation in OPERATIONS {
                let what = format!("{operation}, {kind}");
                let error = carry_out(&client, operation).await.unwrap_err();
                assert_redirected(&what, &error, &server.at(THERE), &clear.at(THERE));
                assert!(error.to_string().contains("which is not encrypted"), "{error}");
                assert_no_secret(&what, &clear.heard());
            }
            let error = within("an end", client.events().connected()).await.unwrap_err();
            assert!(matches!(error, EventError::Redirected { .. }), "{error:?}");
            assert!(server.heard().contains(TOKEN), "the server itself gets it");
            assert_no_secret("events", &clear.heard());
        }
    }

    /// The command uses the default client, which trusts the certificates that the system trusts.
    #[cfg(all(feature = "cli", target_os = "linux"))]
    #[tokio::test]
    async fn the_command_sends_no_password_from_https_to_http() {
        use std::{io::Write as _, process::Stdio};

        let identity = Identity::new();
        let folder = tempfile::tempdir().unwrap();
        let trusted = folder.path().join("trusted.pem");
        std::fs::write(&trusted, identity.certificate()).unwrap();
        for kind in KINDS {
            let clear = Place::start(bait).await;
            let server = Place::start_tls(&identity, leads(kind, clear.at(THERE))).await;
            for arguments in [&["login", "a@example.org"][..], &["watch"]] {
                let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_invokeai-client"))
                    .args(arguments)
                    .args(["--server", &server.at(THERE)])
                    .env("INVOKEAI_TOKEN", TOKEN)
                    .env("SSL_CERT_FILE", &trusted)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                // A command that does not read its input has closed it.
                let _ = child.stdin.take().unwrap().write_all(PASSWORD.as_bytes());
                let ended = tokio::task::spawn_blocking(|| child.wait_with_output());
                let said = within("the command", ended).await.unwrap().unwrap();
                let text = String::from_utf8_lossy(&said.stderr).into_owned();
                assert!(!said.status.success() && text.contains(&clear.at(THERE)), "{arguments:?}, {kind}: {text}");
                assert_eq!(clear.heard(), "", "{arguments:?}, {kind}");
                assert_no_secret(&format!("{arguments:?}"), &text);
                assert!(!String::from_utf8_lossy(&said.stdout).contains("EVIL"), "{arguments:?}, {kind}");
            }
            assert!(server.heard().contains(PASSWORD), "the server itself gets it: {}", server.heard());
        }
    }
}
