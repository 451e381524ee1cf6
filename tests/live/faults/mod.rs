//! A real server of these tests' own, from `tests/server/run`: killed, with a small queue, or left by its client at any
//! moment. Only if `INVOKEAI_TEST_FAULTS` is `1`, because that takes minutes.
//!
//! | variable | default | a full proof |
//! | --- | --- | --- |
//! | `INVOKEAI_TEST_POINTS`: points at which each future is dropped | 8 | 200 |
//! | `INVOKEAI_TEST_ROUNDS`: rounds of kills | 1 | 20 |
//! | `INVOKEAI_TEST_ITEMS`: items of a round | 60 | 3000 |
//! | `INVOKEAI_TEST_SEED`: what the rounds of kills do, and when | random, printed | |

mod drops;
mod restarts;
mod rows;
mod server;
mod soak;

use std::{env, str::FromStr};

use invokeai_client::{
    Client,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::common::skip;

/// The right to start a server, one test at a time. `None` if these tests are not wanted, which is reported.
async fn turn(what: &str) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::const_new(());
    if env::var("INVOKEAI_TEST_FAULTS").as_deref() != Ok("1") {
        skip::skipped(format_args!("{what}: INVOKEAI_TEST_FAULTS is not 1"));
        return None;
    }
    Some(TURN.lock().await)
}

/// A number from the environment.
fn setting<T: FromStr>(name: &str, without: T) -> T {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")),
        Err(_) => without,
    }
}

async fn workflow(client: &Client, document: Value) -> Workflow {
    client.workflow(WorkflowDefinition::from_value(document).unwrap()).await.unwrap()
}
