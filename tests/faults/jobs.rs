//! Jobs on a server that misbehaves: nothing is lost, nothing is done twice, and nothing hangs.
#![cfg(feature = "events")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fake_invokeai::{FakeInvokeAi, OnSocket};
use futures::{StreamExt as _, TryStreamExt as _};
use invokeai_client::{Client, Error, Job, Submission, TransportOptions, events::EventsOptions, queue::ItemStatus};
use serde_json::json;
use socket_server::within;

use crate::{
    common::{fake_invokeai, socket_server},
    workflow,
};

const SOON: Duration = Duration::from_millis(10);

pub(crate) fn client(server: &FakeInvokeAi) -> Client {
    let mut transport = TransportOptions::default();
    transport.retry_pause = SOON;
    transport.lost_answer_patience = Duration::from_millis(1500);
    let mut events = EventsOptions::default();
    events.backoff_min = SOON;
    events.backoff_max = Duration::from_millis(100);
    Client::builder(&server.url).transport(transport).events(events).build().unwrap()
}

pub(crate) async fn submit(server: &FakeInvokeAi) -> Result<Submission, Error> {
    within("a submission", async { client(server).submit(&workflow()).await }).await
}

/// A job that the server has begun.
async fn running(server: &FakeInvokeAi) -> Job {
    let job = submit(server).await.unwrap().job().unwrap();
    server.change(job.item_id(), "in_progress");
    until("the job runs", || job.status() == Some(ItemStatus::InProgress)).await;
    job
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(SOON).await;
        }
    })
    .await;
}

/// Waits, and fails the test if only the slow safety net sees the end.
pub(crate) async fn wait(job: &Job) -> Result<(), Error> {
    let began = Instant::now();
    let end = within("the end", async { job.wait().await }).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    end.map(|_| ())
}

#[tokio::test]
async fn without_websockets_polling_gives_the_same() {
    for behavior in [
        OnSocket::Welcome,
        OnSocket::Reset,
        OnSocket::Refuse("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
        OnSocket::Refuse("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
        OnSocket::Refuse("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<ui>"),
    ] {
        let server = FakeInvokeAi::start().await;
        server.world().on_socket = behavior.clone();
        let job = running(&server).await;
        assert!(server.world().sockets > 0);
        server.change(job.item_id(), "completed");
        let mut told = Vec::new();
        let end =
            within("the end", job.wait().on_progress(|progress| told.push(progress.status.clone())).into_future());
        assert_eq!(end.await.unwrap().job().item_id(), job.item_id());
        assert_eq!(told.last(), Some(&ItemStatus::Completed), "{behavior:?}");
        let progress = job.progress();
        assert_eq!((progress.nodes_done, progress.nodes_total), (2, 2), "{behavior:?}");

        let failing = running(&server).await;
        server.change(failing.item_id(), "failed");
        assert!(matches!(wait(&failing).await, Err(Error::JobFailed(_))), "{behavior:?}");
    }
}

#[tokio::test]
async fn events_may_come_late_twice_out_of_order_and_spoiled() {
    let server = FakeInvokeAi::start().await;
    let client = client(&server);
    let submission = within("a submission", async { client.submit(&workflow()).runs(3).await }).await.unwrap();
    let ids = submission.item_ids();
    let ends =
        tokio::spawn(submission.ends().map_ok(|(job, end)| (job.item_id(), end.is_ok())).try_collect::<Vec<_>>());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let updates = tokio::spawn({
        let (updates, seen) = (submission.jobs()[1].progress_updates(), Arc::clone(&seen));
        updates.for_each(move |progress| {
            seen.lock().unwrap().push(progress);
            std::future::ready(())
        })
    });

    let [first, second, third] = ids[..] else { panic!("{ids:?}") };
    // Out of order and doubled: the second node before the first, its end before its beginning, all of it twice.
    for _ in 0..2 {
        server.tell_node(second, "invocation_complete", "second");
        server.tell_node(second, "invocation_started", "second");
        server.tell_status(second, "in_progress");
        server.tell_node(second, "invocation_complete", "first");
        server.tell_node(second, "invocation_started", "first");
    }
    for spoiled in [
        "42[\"queue_item_status_changed\",7]",
        "42[\"queue_item_status_changed\",{\"item_id\":\"x\",\"batch_id\":[],\"status\":{}}]",
        "42[\"invocation_progress\"]",
        "42[1,2]",
        "42{",
        "4",
        "nonsense",
    ] {
        server.raw(spoiled);
    }
    server.set(second, "completed");
    for _ in 0..2 {
        server.tell_status(second, "completed");
    }
    // Too late: it has ended.
    server.tell_status(second, "in_progress");
    server.tell_status(second, "failed");
    within("the updates end", updates).await.unwrap();
    // The last one ends first, and no event reports that the first has ended: only one of another batch comes, and the
    // connection breaks.
    server.change(third, "completed");
    server.set(first, "completed");
    server.event("queue_item_status_changed", json!({"item_id": 7, "batch_id": "other", "status": "failed"}));
    server.cut();

    let ends = within("the ends", ends).await.unwrap().unwrap();
    assert_eq!(ends.len(), 3, "{ends:?}");
    assert_eq!(BTreeSet::from_iter(ends), BTreeSet::from_iter(ids.iter().map(|id| (*id, true))));
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by_key(|progress| (progress.nodes_done, progress.is_finished())), "{seen:?}");
    assert_eq!(seen.last().map(|progress| progress.status.clone()), Some(ItemStatus::Completed));
    assert_eq!(submission.jobs()[1].status(), Some(ItemStatus::Completed));
    assert_eq!(server.world().enqueues, 1);
}

#[tokio::test]
async fn what_happened_while_the_socket_was_down_is_read() {
    // It comes back at once.
    let server = FakeInvokeAi::start().await;
    let job = running(&server).await;
    server.set(job.item_id(), "completed");
    server.cut();
    wait(&job).await.unwrap();

    // It never comes back.
    let server = FakeInvokeAi::start().await;
    let job = running(&server).await;
    server.world().on_socket = OnSocket::Reset;
    server.cut();
    let waiting = tokio::spawn(async move { wait(&job).await });
    until("attempts to connect again", || server.world().sockets > 4).await;
    server.set(41, "failed");
    assert!(matches!(within("the end", waiting).await.unwrap(), Err(Error::JobFailed(_))));
}

#[tokio::test]
async fn clocks_do_not_matter() {
    for clock in [
        ["1970-01-01 00:00:00.000", "1970-01-01 00:00:01"],
        ["2999-12-31 23:59:59.999", "2999-12-31 23:59:59.000"],
        ["yesterday", ""],
    ] {
        let server = FakeInvokeAi::start().await;
        server.world().clock = clock;
        let job = running(&server).await;
        for timestamp in [0, -1, i64::MAX] {
            let members = json!({"item_id": job.item_id(), "batch_id": job.submission().batch_id(),
                "queue_id": "default", "timestamp": timestamp, "status": "in_progress", "status_sequence": 1});
            server.event("queue_item_status_changed", members);
        }
        server.change(job.item_id(), "completed");
        wait(&job).await.unwrap();
        let elapsed = job.item().await.unwrap().elapsed();
        assert_eq!(elapsed, (clock[0] < "1971").then_some(Duration::from_secs(1)), "{clock:?}");
    }
}

#[tokio::test]
async fn an_item_that_vanishes_is_gone() {
    let server = FakeInvokeAi::start().await;
    let job = running(&server).await;
    server.world().items.clear();
    server.event("queue_cleared", json!({"queue_id": "default"}));
    assert!(matches!(wait(&job).await, Err(Error::JobGone { item_id: 41, .. })));

    // Pruned or deleted: no event says so.
    let job = running(&server).await;
    server.world().items.clear();
    let end = job.wait().poll_interval(Duration::from_millis(100)).into_future();
    assert!(matches!(within("the end", end).await, Err(Error::JobGone { item_id: 42, .. })));
    assert!(matches!(job.refresh().await, Err(Error::JobGone { item_id: 42, .. })));
    assert_eq!(job.status(), None);
}

#[tokio::test]
async fn an_item_that_the_server_cannot_read_is_an_error() {
    let server = FakeInvokeAi::start().await;
    let client = client(&server);
    let submission = within("a submission", async { client.submit(&workflow()).runs(3).await }).await.unwrap();
    let [poisoned, vanished, good] = &submission.jobs()[..] else { panic!("three items") };
    server.world().items.get_mut(&poisoned.item_id()).unwrap().poisoned = true;
    server.world().items.remove(&vanished.item_id());
    let limits = |job: &Job| {
        let job = job.clone();
        async move {
            let wait = job.wait().poll_interval(Duration::from_millis(100));
            within("the end", wait.unreachable_limit(Duration::from_millis(600)).into_future()).await
        }
    };
    let error = limits(poisoned).await.unwrap_err();
    assert_eq!(error.status(), Some(500), "{error:?}");
    assert!(error.to_string().contains("Unexpected error while fetching item"), "{error}");
    // The others are not affected.
    assert!(matches!(limits(vanished).await, Err(Error::JobGone { .. })));
    server.change(good.item_id(), "completed");
    wait(good).await.unwrap();
}

#[tokio::test]
async fn a_server_that_has_gone_ends_the_wait() {
    for events in [true, false] {
        let mut server = FakeInvokeAi::start().await;
        let client = client(&server);
        let workflow = workflow();
        let submitting = async { client.submit(&workflow).subscribe_events(events).await };
        let job = within("a submission", submitting).await.unwrap().job().unwrap();
        server.stop().await;
        let began = Instant::now();
        let limit = Duration::from_secs(1);
        let error = within("the end", job.wait().unreachable_limit(limit).into_future()).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        assert!((limit..limit * 8).contains(&began.elapsed()), "{:?}", began.elapsed());
        // A time limit holds, too.
        let error = within("the end", job.wait().timeout(limit / 10).into_future()).await.unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_a_server_sends_about_many_items_does_not_pile_up() {
    let server = FakeInvokeAi::start().await;
    let submission =
        within("a submission", async { client(&server).submit(&workflow()).runs(20).await }).await.unwrap();
    let jobs = submission.jobs();
    let long = "x".repeat(1 << 20);
    for job in &jobs {
        let about = |mut members: serde_json::Value| {
            members["item_id"] = job.item_id().into();
            members["batch_id"] = submission.batch_id().into();
            members["queue_id"] = "default".into();
            members
        };
        let image =
            json!({"width": 8, "height": 8, "dataURL": format!("data:image/jpeg;base64,{}", "AAAA".repeat(1 << 18))});
        let node = json!({"id": "prepared", "type": "add"});
        let absurd = json!({"id": long, "type": "add"});
        for name in ["invocation_complete", "invocation_started"] {
            server.event(name, about(json!({"invocation_source_id": "first", "invocation": absurd})));
        }
        let shown = json!({"invocation_source_id": "first", "invocation": node, "percentage": 0.5, "message": long,
            "image": image});
        server.event("invocation_progress", about(shown));
        until("the preview", || job.progress().preview.is_some()).await;
        assert!(job.progress().message.unwrap().len() < 10_000);
        assert_eq!(job.progress().executions_done, 0, "an id that is too long");
        server.set(job.item_id(), "failed");
        let failed = json!({"status": "failed", "status_sequence": 2, "error_type": long, "error_message": long,
            "error_traceback": long});
        server.event("queue_item_status_changed", about(failed));
        until("the failure", || job.progress().failure.is_some()).await;
        let failure = job.progress().failure.unwrap();
        assert!(failure.error_type.len() + failure.message.len() + failure.traceback.unwrap().len() < 30_000);
    }
    let kept = jobs.iter().filter(|job| job.progress().preview.is_some()).count();
    assert_eq!(kept, 8, "the last ones");
}

#[tokio::test]
async fn updates_of_an_item_that_is_deleted_end_and_do_not_go_back() {
    let server = FakeInvokeAi::start().await;
    let job = running(&server).await;
    server.tell_node(job.item_id(), "invocation_complete", "first");
    until("a node", || job.progress().nodes_done == 1).await;
    let updates = tokio::spawn(job.progress_updates().collect::<Vec<_>>());
    server.world().items.clear();
    server.event("queue_cleared", json!({"queue_id": "default"}));
    let seen = within("the end of the updates", updates).await.unwrap();
    assert!(
        seen.iter().all(|progress| progress.nodes_done == 1 && progress.status == ItemStatus::InProgress),
        "{seen:?}"
    );
    assert_eq!(job.status(), None);
    let again: Vec<_> = within("the updates", job.progress_updates().collect()).await;
    assert_eq!(again.len(), 1);
}

#[tokio::test]
async fn the_last_progress_has_all_that_was_counted() {
    let server = FakeInvokeAi::start().await;
    for (end, nodes) in [("completed", 2), ("canceled", 1), ("failed", 1)] {
        let job = running(&server).await;
        server.tell_node(job.item_id(), "invocation_complete", "first");
        until("a node", || job.progress().nodes_done == 1).await;
        server.change(job.item_id(), end);
        let updates: Vec<_> = within("the updates", job.progress_updates().collect()).await;
        let last = updates.last().unwrap();
        assert_eq!((last.status.as_str(), last.nodes_done, last.executions_done), (end, nodes, 1));
        assert!(updates.is_sorted_by_key(|progress| progress.nodes_done), "{updates:?}");
    }
}
