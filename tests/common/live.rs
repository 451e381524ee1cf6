//! The real server that live tests talk to, and whose turn it is.

use std::{env, sync::Once};

use invokeai_client::Client;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::skip;

/// A test that compares all rows of the server, before and after, must be the only one that changes them.
static TURN: RwLock<()> = RwLock::const_new(());

/// Permission to use the server, for as long as it lives.
#[must_use]
pub(crate) enum Turn {
    Shared(#[allow(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>),
}

/// A client of the server of `INVOKEAI_TEST_URL` (with `INVOKEAI_TEST_TOKEN`, where it has users), beside other tests.
/// `None` means: skip. Where `CI` is `true` there is no skipping, unless `INVOKEAI_TEST_LIVE` is `apart`: then the live tests
/// have a run of their own.
pub(crate) async fn client() -> Option<(Client, Turn)> {
    let client = server()?;
    Some((client, Turn::Shared(TURN.read().await)))
}

/// Like [`client`], while no other test uses the server.
pub(crate) async fn alone() -> Option<(Client, Turn)> {
    let client = server()?;
    Some((client, Turn::Alone(TURN.write().await)))
}

/// A turn beside other tests, for a test that makes clients of its own.
pub(crate) async fn turn() -> Turn {
    Turn::Shared(TURN.read().await)
}

/// Like [`client`], without a turn: for a process that is started by a test that has its turn.
pub(crate) fn server() -> Option<Client> {
    let Ok(url) = env::var("INVOKEAI_TEST_URL") else {
        let apart = env::var("INVOKEAI_TEST_LIVE").as_deref() == Ok("apart");
        assert!(
            apart || env::var("CI").as_deref() != Ok("true"),
            "INVOKEAI_TEST_URL is not set, and CI must not skip live tests"
        );
        static ONCE: Once = Once::new();
        let why = if apart { "they have a run of their own" } else { "INVOKEAI_TEST_URL is not set" };
        ONCE.call_once(|| skip::skipped(format_args!("live tests: {why}")));
        return None;
    };
    let mut builder = Client::builder(url);
    if let Ok(token) = env::var("INVOKEAI_TEST_TOKEN") {
        builder = builder.token(token);
    }
    Some(builder.build().expect("INVOKEAI_TEST_URL is a usable address"))
}

/// A name that nobody else uses, for things that a test creates.
pub(crate) fn unique(what: &str) -> String {
    format!("rest-test {what} {}", uuid::Uuid::new_v4())
}

/// A small PNG image of one shade.
pub(crate) fn png(shade: u8) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let pixels = image::RgbImage::from_pixel(32, 32, image::Rgb([shade, 90, 20]));
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}
