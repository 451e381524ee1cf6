//! The real server that live tests talk to.

use std::{env, sync::Once};

use invokeai_client::Client;

use crate::skip;

/// The server of `INVOKEAI_TEST_URL` (with `INVOKEAI_TEST_TOKEN`, where it has users). `None` means: skip.
///
/// Where `CI` is `true` there is no skipping.
pub(crate) fn client() -> Option<Client> {
    let Ok(url) = env::var("INVOKEAI_TEST_URL") else {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "INVOKEAI_TEST_URL is not set, and CI must not skip live tests"
        );
        static ONCE: Once = Once::new();
        ONCE.call_once(|| skip::skipped(format_args!("live tests: INVOKEAI_TEST_URL is not set")));
        return None;
    };
    let mut builder = Client::builder(url);
    if let Ok(token) = env::var("INVOKEAI_TEST_TOKEN") {
        builder = builder.token(token);
    }
    Some(builder.build().expect("INVOKEAI_TEST_URL is a usable address"))
}

/// A name that nobody else uses, for things that a test makes.
pub(crate) fn unique(what: &str) -> String {
    format!("rest-test {what} {}", uuid::Uuid::new_v4())
}
