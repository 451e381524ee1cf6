//! Items that are run again: once, whatever is lost, and an error never says of a retry that it was not sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use fake_invokeai::{FakeInvokeAi, Tamper, Wire, answer_of};
use invokeai_client::{Error, Job};
use serde_json::json;
use socket_server::within;

use crate::{
    common::{fake_invokeai, socket_server},
    jobs::{submit, wait},
};

const RETRY: &str = "PUT /api/v1/queue/default/retry_items_by_id";

async fn ended(server: &FakeInvokeAi, status: &'static str) -> Job {
    let job = submit(server).await.unwrap().job().unwrap();
    server.change(job.item_id(), status);
    _ = wait(&job).await;
    job
}

fn retries(server: &FakeInvokeAi) -> usize {
    server.world().requests.iter().filter(|line| line.starts_with(RETRY)).count()
}

/// After the retry, this many reads are refused as by a server that is being started.
fn refuse_after(server: &FakeInvokeAi, reads: usize, lose: bool) {
    let left = AtomicUsize::new(0);
    server.world().tamper = Some(Tamper(Arc::new(move |line, _, _| {
        if line.starts_with(RETRY) {
            left.store(reads, Relaxed);
            return lose.then_some(Wire::Reset);
        }
        left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok()?;
        Some(Wire::Bytes(answer_of("500 Internal Server Error", &json!({"detail": "locked"}).to_string())))
    })));
}

#[tokio::test]
async fn the_new_item_is_found_after_reads_that_fail_and_answers_that_are_lost() {
    for (reads, lose) in [(0, false), (2, false), (0, true), (2, true)] {
        let server = FakeInvokeAi::start().await;
        let job = ended(&server, "failed").await;
        refuse_after(&server, reads, lose);
        let fresh = within("a retry", job.retry()).await.unwrap();
        assert_eq!((fresh.item_id(), retries(&server)), (42, 1), "{reads} reads fail, lost: {lose}");
        // Of an item that was run again before, the server names the first of all.
        server.change(42, "failed");
        wait(&fresh).await.unwrap_err();
        let again = within("a retry", fresh.retry()).await.unwrap();
        assert_eq!((again.item_id(), server.world().items[&43].retried), (43, Some(41)));
        let queue = job.submission().queue();
        server.set(43, "canceled");
        let each = within("a retry", queue.retry_each(&[43, 41])).await.unwrap();
        assert_eq!(each.into_iter().collect::<Vec<_>>(), [(44, 41), (45, 41)]);
    }
}

#[tokio::test]
async fn a_retry_whose_new_item_cannot_be_found_may_have_been_sent() {
    for lose in [false, true] {
        let server = FakeInvokeAi::start().await;
        let job = ended(&server, "failed").await;
        let sent = AtomicUsize::new(0);
        server.world().tamper = Some(Tamper(Arc::new(move |line, _, _| {
            if line.starts_with(RETRY) {
                sent.store(1, Relaxed);
                return lose.then_some(Wire::Reset);
            }
            // The server's own 503 is known to do nothing, and is so of a read, too.
            let refusal = answer_of("503 Service Unavailable", &json!({"detail": "starting"}).to_string());
            (sent.load(Relaxed) > 0).then_some(Wire::Bytes(refusal))
        })));
        let error = within("a retry", job.retry()).await.unwrap_err();
        assert!(error.may_have_been_sent() && matches!(error, Error::Interrupted { .. }), "{error:?}");
        assert!(lose || error.to_string().contains("retry_items_by_id was sent, but what came after it"), "{error}");
        assert_eq!((retries(&server), server.world().items.len()), (1, 2));
    }
    // The server says so, but there is no new item.
    let server = FakeInvokeAi::start().await;
    let job = ended(&server, "failed").await;
    server.world().tamper = Some(Tamper(Arc::new(|line, _, _| {
        let said = json!({"queue_id": "default", "retried_item_ids": [41, 41]});
        line.starts_with(RETRY).then(|| Wire::Bytes(answer_of("200 OK", &said.to_string())))
    })));
    let error = within("a retry", job.retry()).await.unwrap_err();
    assert!(error.may_have_been_sent() && matches!(error, Error::Decode { .. }), "{error:?}");
    assert_eq!(retries(&server), 1);
}

#[tokio::test]
async fn a_retry_that_others_do_at_the_same_moment_is_a_retry() {
    let server = FakeInvokeAi::start().await;
    let job = ended(&server, "failed").await;
    server.world().others_retry = 1;
    let fresh = within("a retry", job.retry()).await.unwrap();
    assert_eq!((fresh.item_id(), retries(&server)), (43, 1));
    // One that has not failed stays as it is.
    let job = ended(&server, "completed").await;
    let error = within("a retry", job.retry()).await.unwrap_err();
    assert!(matches!(error, Error::WrongState { .. }) && !error.may_have_been_sent(), "{error:?}");
    assert_eq!(server.world().items.len(), 4);
}

#[tokio::test]
async fn an_item_of_another_batch_is_neither_canceled_nor_run_again() {
    let server = FakeInvokeAi::start().await;
    let job = submit(&server).await.unwrap().job().unwrap();
    for status in ["pending", "failed"] {
        // The server lost its database, and somebody else's item has the number.
        {
            let mut world = server.world();
            let item = world.items.get_mut(&job.item_id()).unwrap();
            (item.batch_id, item.status) = ("somebody else's".into(), status);
        }
        let errors = [job.cancel().await.map(drop), job.retry().await.map(drop)];
        assert!(errors.iter().all(|error| matches!(error, Err(Error::JobGone { item_id: 41, .. }))), "{errors:?}");
        let world = server.world();
        assert_eq!((world.items.len(), world.items[&41].status), (1, status));
        assert!(!world.requests.iter().any(|line| line.starts_with("PUT")), "{:?}", world.requests);
    }
}
