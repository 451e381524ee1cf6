//! A server whose answers may be anything: every wait ends by its deadline, and no item is lost, reported
//! twice or sent twice.

use std::{
    collections::BTreeSet,
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use invokeai_client::{Client, Error, Submission, Sweep, TransportOptions, WhenFull, events::EventsOptions};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::{
    common::{mutation, socket_server::within},
    fake_invokeai::{FakeInvokeAi, OnEnqueue, Tamper, Wire, answer_of},
    workflow,
};

const READ: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(800);
const WAIT: Duration = Duration::from_secs(2);
/// How long the last look for a lost batch may take, and a cancellation when time is up.
const LAST: Duration = Duration::from_secs(5);
/// What a busy machine may add to a limit. Without a limit these servers would hold up a wait forever.
const SLACK: Duration = Duration::from_secs(60);

fn client(server: &FakeInvokeAi) -> Client {
    let mut transport = TransportOptions::default();
    transport.read_timeout = READ;
    transport.answer_timeout = READ;
    transport.retry_pause = Duration::from_millis(5);
    transport.retry_deadline = READ;
    transport.lost_answer_patience = PATIENCE;
    let mut events = EventsOptions::default();
    events.connect_timeout = Duration::from_secs(1);
    events.backoff_min = Duration::from_millis(10);
    events.backoff_max = Duration::from_millis(100);
    Client::builder(&server.url).transport(transport).events(events).build().unwrap()
}

/// Statuses after which a write may have been sent, and others.
const UNCLEAR: [&str; 7] = ["200 OK", "201 Created", "302 Found", "408 Late", "500 Oh", "502 Oh", "599 Oh"];
const REFUSALS: [&str; 6] = ["400 No", "401 No", "404 No", "409 No", "429 No", "503 No"];

/// Values that are not the id of any item.
fn odd_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(0), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(-0.5),
        json!("x".repeat(5000)),
        json!([]),
        json!([[]]),
        json!({}),
        json!(true),
        deep,
    ]
}

fn tampered(rng: &mut StdRng, line: &str, status: &str, answer: &Value) -> Wire {
    let is_enqueue = line.contains("enqueue_batch");
    let body = answer.to_string();
    let unclear = *UNCLEAR.choose(rng).unwrap();
    match rng.random_range(0..11) {
        0 => Wire::Reset,
        1 => Wire::Silence,
        2 => {
            Wire::Drip(format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n"))
        }
        3 => Wire::Drip("HTTP/1.1 200 OK\r\nx-slow: ".into()),
        // Cut in the middle.
        4 => Wire::Bytes(answer_of("200 OK", &body).split_at(body.len() / 2 + 40).0.to_owned()),
        5 => Wire::Bytes(format!("HTTP/1.1 {unclear}\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>")),
        6 => Wire::Bytes(answer_of(unclear, &body)),
        7 if !is_enqueue => Wire::Bytes(answer_of(REFUSALS.choose(rng).unwrap(), r#"{"detail": "Not Found"}"#)),
        7 => Wire::Bytes(format!("{} \r\n\r\n", body)),
        // Everything is said twice.
        8 => {
            let mut twice = answer.clone();
            if let Some(ids) = twice.get_mut("item_ids").and_then(Value::as_array_mut) {
                ids.extend(ids.clone());
            } else if let Some(list) = twice.as_array_mut() {
                list.extend(list.clone());
            }
            Wire::Bytes(answer_of(status, &twice.to_string()))
        }
        9 => {
            let positions = mutation::positions(answer);
            let at = positions.choose(rng).unwrap();
            let changed = mutation::without(answer, at).unwrap_or(Value::Null);
            Wire::Bytes(answer_of(status, &changed.to_string()))
        }
        _ => {
            let positions = mutation::positions(answer);
            let value = odd_values().choose(rng).unwrap().clone();
            let changed = mutation::with(answer, positions.choose(rng).unwrap(), value);
            Wire::Bytes(answer_of(status, &changed.to_string()))
        }
    }
}

/// Works on what waits, and sends events of some of it.
async fn work(server: &FakeInvokeAi, seed: u64) {
    let mut rng = StdRng::seed_from_u64(!seed);
    loop {
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..60))).await;
        let next = server.world().items.iter().find(|(_, item)| item.status == "pending").map(|(id, _)| *id);
        if let Some(id) = next {
            let end = *["completed", "completed", "failed", "canceled"].choose(&mut rng).unwrap();
            if rng.random_bool(0.5) { server.change(id, end) } else { server.set(id, end) }
        }
        if rng.random_bool(0.1) {
            server.cut();
        }
    }
}

/// Ends by the limit, or the test fails.
async fn by<T>(what: String, limit: Duration, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(limit + SLACK, future).await;
    ended.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}

async fn follow(server: &FakeInvokeAi, submission: &Submission, what: &str, cancel: bool) {
    let told = tokio::spawn(submission.ends().collect::<Vec<_>>());
    let all = submission.wait_all().timeout(WAIT).unreachable_limit(WAIT / 2).cancel_on_timeout(cancel);
    let all = by(format!("{what}: all"), WAIT + LAST, all.into_future());
    let jobs = submission.jobs();
    let each = futures::future::join_all(jobs.iter().map(|job| {
        let wait = job.wait().timeout(WAIT).poll_interval(Duration::from_millis(50)).into_future();
        by(format!("{what}: one"), WAIT, wait)
    }));
    let _ = futures::join!(all, each);
    // The server comes to its senses.
    server.world().tamper = None;
    let told = within(&format!("{what}: the ends"), told).await.unwrap();
    let items: Vec<i64> = told.iter().flatten().map(|(job, _)| job.item_id()).collect();
    let once = BTreeSet::from_iter(items.clone());
    assert_eq!(items.len(), once.len(), "{what}: each once: {items:?}");
    assert_eq!(once, BTreeSet::from_iter(submission.item_ids()), "{what}: all of them");
    // What is on the queue is followed, or an error says that something may be on it.
    let followed = |id: &i64| once.contains(id);
    let lost: Vec<i64> = ids_on(server, submission.batch_id()).into_iter().filter(|id| !followed(id)).collect();
    let last = told.last().and_then(|end| end.as_ref().err());
    assert!(lost.is_empty() || last.is_some_and(Error::may_have_been_sent), "{what}: {lost:?} are lost: {last:?}");
}

fn ids_on(server: &FakeInvokeAi, batch_id: &str) -> Vec<i64> {
    server.world().items.iter().filter(|(_, item)| item.batch_id == batch_id).map(|(id, _)| *id).collect()
}

async fn try_with(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let server = FakeInvokeAi::start().await;
    let mode = *[WhenFull::Fail, WhenFull::Keep, WhenFull::Feed, WhenFull::Feed].choose(&mut rng).unwrap();
    let (items, room) = (rng.random_range(1..9), rng.random_range(1..9));
    let share = *[0.1, 0.3, 0.7, 1.0].choose(&mut rng).unwrap();
    let what = format!("seed {seed}: {mode:?}, {items} items, room for {room}, {share} of the answers");
    server.world().room = room;
    for _ in 0..rng.random_range(0..3) {
        let unheard = OnEnqueue::AcceptUnheard(Duration::from_millis(rng.random_range(0..300)));
        let behavior = [OnEnqueue::Answer, OnEnqueue::Lose, unheard].choose(&mut rng).unwrap().clone();
        server.world().on_enqueue.push_back(behavior);
    }
    let client = client(&server);
    let (cancel, batch_id) = (rng.random_bool(0.5), format!("batch {seed}"));
    let rng = Mutex::new(rng);
    server.world().tamper = Some(Tamper(Arc::new(move |line, status, answer| {
        let mut rng = rng.lock().unwrap();
        rng.random_bool(share).then(|| tampered(&mut rng, line, status, answer))
    })));

    let workflow = workflow();
    let sweep = Sweep::new().product(&workflow, "first a", 0..items).unwrap();
    let submit = client.submit(&workflow).sweep(sweep).when_full(mode).batch_id(&batch_id).into_future();
    // The version, the events, the enqueue, the search, and the cancellation.
    let submitting = by(format!("{what}: a submission"), READ * 10 + PATIENCE + LAST, submit);
    let testing = async {
        match submitting.await {
            Ok(submission) => follow(&server, &submission, &what, cancel).await,
            Err(error) => {
                server.world().tamper = None;
                let open = ids_on(&server, &batch_id);
                let told = error.may_have_been_sent() || matches!(error, Error::QueueFull { .. });
                assert!(open.is_empty() || told, "{what}: {open:?} are lost: {error:?}");
            }
        }
    };
    tokio::select! {
        () = testing => {}
        () = work(&server, seed) => unreachable!("it works forever"),
    }
    let values: Vec<Value> = server.world().items.values().map(|item| item.value.clone()).collect();
    let once = BTreeSet::from_iter(values.iter().map(Value::to_string));
    assert_eq!(once.len(), values.len(), "{what}: sent twice: {values:?}");
}

#[tokio::test]
async fn whatever_a_server_answers_every_wait_ends_and_no_item_is_lost_or_doubled() {
    for seeds in (0..60).collect::<Vec<_>>().chunks(15) {
        futures::future::join_all(seeds.iter().map(|seed| try_with(*seed))).await;
    }
}
