//! The embedded server against the real one: both are asked the same, and must answer and announce the same.
//!
//! The cases are the lines of `cases/*.txt`; see `script.rs` for their language. Of each answer the shape is recorded:
//! status, kind of content, members and their types, and the words of errors; of events their order and members, too.
//! What a real InvokeAI 6.14.2 did is kept in `tests/fixtures/contract/`, so the comparison also works without one.
//!
//! With `INVOKEAI_TEST_URL` (and `INVOKEAI_TEST_MULTIUSER_URL`, for a server with users, and an administrator's
//! `INVOKEAI_TEST_TOKEN`) the real server is asked again. With `INVOKEAI_CONTRACT_RECORD=1`, too, what it does is kept.

#[path = "../common/http.rs"]
mod http;
mod script;
mod shape;
#[allow(dead_code)]
#[path = "../common/skip.rs"]
mod skip;
mod socket;

use invokeai_client::testing::TestServer;
use std::{env, fs, path::Path};
use tokio::sync::Mutex;

/// The real server that these cases are for.
fn real_server(users: bool) -> Option<String> {
    let name = if users { "INVOKEAI_TEST_MULTIUSER_URL" } else { "INVOKEAI_TEST_URL" };
    if !users && env::var("INVOKEAI_TEST_MULTIUSER_URL").is_ok() {
        return None;
    }
    env::var(name).ok()
}

async fn same(cases: &str, users: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let script = fs::read_to_string(root.join(format!("contract/cases/{cases}.txt"))).expect("the cases");
    let kept = root.join(format!("fixtures/contract/{cases}-6.14.2.txt"));
    match real_server(users) {
        Some(url) => {
            // What one script makes would be the newest in the lists of another.
            static TURN: Mutex<()> = Mutex::const_new(());
            let _turn = TURN.lock().await;
            let token = env::var("INVOKEAI_TEST_TOKEN").ok().filter(|_| users);
            let real = script::play(&script, &url, token).await;
            if env::var("INVOKEAI_CONTRACT_RECORD").is_ok() {
                fs::create_dir_all(kept.parent().expect("a folder")).expect("the folder for recordings");
                fs::write(&kept, real).expect("a recording");
            } else {
                compare(cases, "the real server, now", &real, &fs::read_to_string(&kept).expect("a recording"));
            }
        }
        None => skip::skipped(format_args!("contract with a real server ({cases}): no address of one")),
    }
    let server = TestServer::builder().multiuser(users).start().expect("an embedded server");
    let token = if users { Some(script::administrator(server.url()).await) } else { None };
    let embedded = script::play(&script, server.url(), token).await;
    compare(cases, "the embedded server", &embedded, &fs::read_to_string(&kept).expect("a recording"));
}

/// All differences at once.
fn compare(cases: &str, who: &str, got: &str, wanted: &str) {
    let (got, wanted): (Vec<&str>, Vec<&str>) = (got.split("\n\n").collect(), wanted.split("\n\n").collect());
    let mut different = String::new();
    for (got, wanted) in got.iter().zip(&wanted).filter(|(got, wanted)| got != wanted) {
        different += &format!("--- recorded\n{wanted}\n+++ {who}\n{got}\n\n");
    }
    let count = wanted.len();
    assert!(different.is_empty(), "{cases}: {who} differs from InvokeAI 6.14.2\n{different}");
    assert_eq!(got.len(), count, "{cases}: {who} gave another number of answers; the recording is old");
}

#[tokio::test(flavor = "multi_thread")]
async fn app_and_unknown_paths() {
    same("app", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images() {
    same("images", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boards() {
    same("boards", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queue() {
    same("queue", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn library() {
    same("library", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models() {
    same("models", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users() {
    same("users", true).await;
}
