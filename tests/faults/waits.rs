//! Waits: each ends, each item is reported once, and a failure of one does not affect the others.

use std::{
    collections::BTreeSet,
    future::IntoFuture as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _};
use invokeai_client::{
    Client, Error, Job, Submission, Sweep, Ticket, TransportOptions, WhenFull, events::EventsOptions,
    progress::SubmissionProgress, queue::ItemStatus,
};
use serde_json::json;

use crate::{
    common::socket_server::within,
    fake_invokeai::{FakeInvokeAi, OnEnqueue, OnPath, Tamper, Wire, answer_of},
    workflow,
    workflows::additions,
};

const SOON: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(600);

/// Quick to try again; gives up on a silent server after a second.
fn client(server: &FakeInvokeAi) -> Client {
    let mut transport = TransportOptions::default();
    transport.read_timeout = Duration::from_millis(700);
    transport.retry_pause = SOON;
    transport.retry_deadline = Duration::from_millis(300);
    let mut events = EventsOptions::default();
    events.backoff_min = SOON;
    events.backoff_max = Duration::from_millis(100);
    Client::builder(&server.url).transport(transport).events(events).build().unwrap()
}

async fn submit(server: &FakeInvokeAi, items: i64, when_full: WhenFull) -> Submission {
    let (client, workflow) = (client(server), workflow());
    let sweep = Sweep::new().product(&workflow, "first a", 0..items).unwrap();
    within("a submission", async { client.submit(&workflow).sweep(sweep).when_full(when_full).await }).await.unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(SOON).await;
        }
    })
    .await;
}

/// Waits for one item whose end the test does not bring about.
async fn give_up(job: &Job) -> Error {
    let wait = job.wait().poll_interval(Duration::from_millis(100)).unreachable_limit(SHORT);
    within("the end", wait.into_future()).await.unwrap_err()
}

#[tokio::test]
async fn a_later_part_that_is_refused_ends_the_wait_and_the_first_is_followed() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let submission = submit(&server, 5, WhenFull::Feed).await;
    let ids = submission.item_ids();
    assert!(submission.is_feeding() && submission.feed_error().is_none());
    let ends = tokio::spawn(submission.ends().collect::<Vec<_>>());
    server.world().on_enqueue.push_back(OnEnqueue::Refuse("400 Bad Request"));
    server.change(ids[0], "completed");
    until("the refusal", || submission.feed_error().is_some()).await;
    assert!(!submission.is_feeding());
    assert_eq!(submission.feed_error().unwrap().status(), Some(400));
    // The items on the queue go on, and are reported.
    server.change(ids[1], "failed");
    let mut ends = within("the ends", ends).await.unwrap();
    let last = ends.pop().unwrap().unwrap_err();
    assert_eq!(last.status(), Some(400), "{last:?}");
    let told: Vec<_> =
        ends.into_iter().map(|end| end.unwrap()).map(|(job, end)| (job.item_id(), end.is_ok())).collect();
    assert_eq!(told, [(ids[0], true), (ids[1], false)]);
    let error = within("the end", submission.wait_all().into_future()).await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");
    let enqueues = server.world().enqueues;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(server.world().enqueues, enqueues, "it is not sent again");
}

#[tokio::test]
async fn a_later_part_that_is_never_taken_ends_the_wait() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let submission = submit(&server, 5, WhenFull::Feed).await;
    server.world().on_enqueue.extend(vec![OnEnqueue::Refuse("503 Service Unavailable"); 1000]);
    submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    let wait = submission.wait_all().unreachable_limit(SHORT).into_future();
    let error = within("the end", wait).await.unwrap_err();
    assert_eq!(error.status(), Some(503), "{error:?}");
    // It may still succeed: nothing is lost by giving up the wait.
    assert!(submission.is_feeding() && submission.feed_error().is_none());
    server.world().on_enqueue.clear();
    until("the next part", || submission.enqueued() == 4).await;
}

#[tokio::test]
async fn an_item_that_the_server_cannot_read_fails_alone() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 4, WhenFull::Fail).await;
    let [poisoned, pending, failing, good] = &submission.jobs()[..] else { panic!("four items") };
    server.world().items.get_mut(&poisoned.item_id()).unwrap().poisoned = true;
    let error = give_up(poisoned).await;
    assert_eq!(error.status(), Some(500), "{error:?}");
    // Its siblings wait on, however long it has been unreadable.
    let wait = pending.wait().poll_interval(SOON * 5).unreachable_limit(SHORT).timeout(SHORT * 2);
    let error = within("the end", wait.into_future()).await.unwrap_err();
    assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    server.change(good.item_id(), "completed");
    server.change(failing.item_id(), "failed");
    within("the end", good.wait().into_future()).await.unwrap();
    let error = within("the end", failing.wait().into_future()).await.unwrap_err();
    assert!(matches!(error, Error::JobFailed(_)), "{error:?}");
    server.change(pending.item_id(), "canceled");
    let wait = submission.wait_all().unreachable_limit(SHORT).into_future();
    let error = within("the end of all", wait).await.unwrap_err();
    assert_eq!(error.status(), Some(500), "the first by number: {error:?}");
    // It is followed all the while: once the server can read it again, its true end is reported.
    server.world().items.get_mut(&poisoned.item_id()).unwrap().poisoned = false;
    server.set(poisoned.item_id(), "completed");
    within("the end", poisoned.wait().into_future()).await.unwrap();
}

#[tokio::test]
async fn items_that_cannot_be_read_together_are_read_alone() {
    for behavior in [OnPath::Refuse("500 Internal Server Error"), OnPath::Refuse("501 Not Implemented")] {
        let server = FakeInvokeAi::start().await;
        let submission = submit(&server, 30, WhenFull::Fail).await;
        let ids = submission.item_ids();
        server.world().on_path.push(("item_summaries_by_ids", behavior));
        server.world().items.get_mut(&ids[0]).unwrap().poisoned = true;
        ids.iter().skip(1).for_each(|id| server.set(*id, "completed"));
        let client = client(&server);
        let again = within("a submission", Submission::attach(&client, &submission.ticket())).await.unwrap();
        let jobs = again.jobs();
        for job in &jobs[1..] {
            within("the end", job.wait().into_future()).await.unwrap();
        }
        assert_eq!(give_up(&jobs[0]).await.status(), Some(500));
    }
}

#[tokio::test]
async fn an_item_of_another_batch_is_not_ours() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 2, WhenFull::Fail).await;
    let [ours, other] = &submission.jobs()[..] else { panic!("two items") };
    // As after somebody deleted the server's database: ids begin anew.
    server.world().items.get_mut(&other.item_id()).unwrap().batch_id = "another".into();
    server.set(other.item_id(), "completed");
    server.change(ours.item_id(), "completed");
    within("the end", ours.wait().into_future()).await.unwrap();
    let wait = other.wait().poll_interval(Duration::from_millis(100)).into_future();
    let error = within("the end", wait).await.unwrap_err();
    assert!(matches!(error, Error::JobGone { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_has_gone_ends_the_wait_for_all() {
    for events in [true, false] {
        let mut server = FakeInvokeAi::start().await;
        let (client, workflow) = (client(&server), workflow());
        let submitting = async { client.submit(&workflow).runs(3).subscribe_events(events).await };
        let submission = within("a submission", submitting).await.unwrap();
        server.change(submission.item_ids()[1], "completed");
        let second = submission.jobs()[1].clone();
        within("the second", second.wait().into_future()).await.unwrap();
        server.stop().await;
        let began = Instant::now();
        let wait = submission.wait_all().unreachable_limit(SHORT).into_future();
        let error = within("the end", wait).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
        let wait = submission.wait_all().timeout(SOON).into_future();
        let error = within("the end", wait).await.unwrap_err();
        assert!(matches!(&error, Error::WaitTimeout { waiting_for, .. } if waiting_for == "2 of 3 items"), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_server_does_not_delay_a_deadline() {
    let behaviors = [OnPath::Silence, OnPath::Drip, OnPath::Refuse("503 Service Unavailable")];
    futures::future::join_all(behaviors.map(|behavior| async move {
        let server = FakeInvokeAi::start().await;
        let submission = submit(&server, 3, WhenFull::Fail).await;
        let [failed, running, unread] = &submission.jobs()[..] else { panic!("three items") };
        server.world().on_path.push(("", behavior.clone()));
        // That it failed is known, but the reason cannot be read.
        server.change(failed.item_id(), "failed");
        let soon = |began: Instant, most: u64| assert!(began.elapsed() < Duration::from_secs(most), "{behavior:?}");
        let began = Instant::now();
        let error = within("the end", failed.wait().timeout(SHORT).into_future()).await.unwrap_err();
        let Error::JobFailed(failure) = &error else { panic!("{behavior:?}: {error:?}") };
        assert!(
            failure.message.contains("could not be read in time") || failure.message.contains("cannot be read"),
            "{failure}"
        );
        soon(began, 3);
        // A cancellation that gets no answer prolongs the wait by a few seconds at most, and is reported.
        let began = Instant::now();
        let wait = running.wait().timeout(SHORT).cancel_on_timeout(true).into_future();
        let error = within("the end", wait).await.unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
        assert!(error.to_string().contains("cancel"), "{error}");
        soon(began, 8);
        // An answer that comes in drips does not count as one.
        let began = Instant::now();
        let _ = give_up(unread).await;
        soon(began, 8);
        let began = Instant::now();
        let wait = submission.wait_all().timeout(SHORT).cancel_on_timeout(true).into_future();
        let error = within("the end", wait).await.unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
        soon(began, 8);
    }))
    .await;
}

#[tokio::test]
async fn events_are_heard_while_a_read_hangs() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 2, WhenFull::Fail).await;
    let [first, second] = &submission.jobs()[..] else { panic!("two items") };
    server.world().on_path.push(("", OnPath::Drip));
    // A gap in the events: the record is read, and that hangs.
    server.raw("nonsense");
    until("a read", || server.world().requests.iter().any(|line| line.contains("summaries"))).await;
    let began = Instant::now();
    server.change(first.item_id(), "completed");
    within("the end", first.wait().into_future()).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(second.status(), Some(ItemStatus::Pending));
}

#[tokio::test]
async fn an_unreadable_first_item_does_not_keep_others_from_being_taken_up() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 2, WhenFull::Fail).await;
    let ids = submission.item_ids();
    server.world().items.get_mut(&ids[0]).unwrap().poisoned = true;
    let client = client(&server);
    // An item that is named twice is one item.
    let ticket =
        json!({"queue_id": "default", "batch_id": submission.batch_id(), "item_ids": [ids[0], ids[1], ids[1]]});
    let ticket: Ticket = serde_json::from_value(ticket).unwrap();
    let again = within("a submission", Submission::attach(&client, &ticket)).await.unwrap();
    assert_eq!((again.requested(), again.enqueued()), (2, 2));
    server.change(ids[1], "completed");
    within("the end", again.jobs()[1].wait().into_future()).await.unwrap();
}

#[tokio::test]
async fn an_item_of_another_batch_gives_no_names() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 1, WhenFull::Fail).await;
    let ticket = submission.ticket();
    // The server lost its database, and the item of somebody else has the number.
    server.world().items.get_mut(&41).unwrap().batch_id = "others".into();
    server.world().tamper = Some(Tamper(Arc::new(|line, status, answer| {
        let mut answer = answer.clone();
        if line.starts_with("GET") && line.contains("/i/41") {
            answer["workflow"] = additions();
        }
        Some(Wire::Bytes(answer_of(status, &answer.to_string())))
    })));
    let again = within("a submission", Submission::attach(&client(&server), &ticket)).await.unwrap();
    assert_eq!(again.jobs()[0].progress().nodes_total, 0, "the workflow of others is not looked at");
    let gone = within("the end", again.jobs()[0].wait().into_future()).await.unwrap_err();
    assert!(matches!(gone, Error::JobGone { item_id: 41, .. }), "{gone:?}");
}

#[tokio::test]
async fn a_callback_that_panics_does_not_end_a_wait() {
    let server = FakeInvokeAi::start().await;
    let (client, workflow) = (client(&server), workflow());
    let calls = Arc::new(AtomicUsize::new(0));
    let submit = client.submit(&workflow).on_status_changed({
        let calls = Arc::clone(&calls);
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            panic!("as the test wants");
        }
    });
    let job = within("a submission", submit.into_future()).await.unwrap().job().unwrap();
    server.change(job.item_id(), "in_progress");
    server.change(job.item_id(), "completed");
    within("the end", job.wait().into_future()).await.unwrap();
    assert!(calls.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_runtime_that_is_shut_down_does_not_end_a_wait() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(FakeInvokeAi::start());
    server.world().room = 2;
    let first = runtime();
    let submission = first.block_on(submit(&server, 4, WhenFull::Feed));
    let waiting = std::thread::spawn({
        let submission = submission.clone();
        let second = runtime();
        move || second.block_on(within("the ends", submission.ends().collect::<Vec<_>>()))
    });
    std::thread::sleep(Duration::from_millis(300));
    first.shutdown_timeout(Duration::from_secs(5));
    submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    let mut ends = waiting.join().unwrap();
    // Nobody enqueues the rest anymore, though it may have been on its way.
    let error = ends.pop().unwrap().unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
    let told: BTreeSet<_> =
        ends.into_iter().map(|end| end.unwrap()).map(|(job, end)| (job.item_id(), end.is_ok())).collect();
    assert_eq!(told, submission.item_ids().into_iter().map(|id| (id, true)).collect());
}

#[test]
fn nothing_goes_on_when_all_handles_are_dropped() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // All tasks of the second one belong to the client.
    let (serving, clients) = (runtime(), runtime());
    let server = serving.block_on(FakeInvokeAi::start());
    server.world().room = 2;
    let tasks = || clients.metrics().num_alive_tasks();
    clients.block_on(async {
        let submission = submit(&server, 5, WhenFull::Feed).await;
        let job = submission.jobs()[0].clone();
        let ends = submission.ends();
        let updates = job.progress_updates();
        assert!(job.wait().timeout(SHORT).await.is_err());
        assert!(tasks() > 0, "followed in the background");
        drop((submission, ends, updates));
        // One job is enough to keep it up.
        server.change(job.item_id(), "completed");
        let finished = within("the end", job.wait().into_future()).await.unwrap();
        drop((job, finished));
        until("the end of all tasks", || tasks() == 0).await;
    });
    let sent = || {
        let world = server.world();
        (world.requests.len(), world.enqueues)
    };
    let before = sent();
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(sent(), before);
}

#[tokio::test]
async fn each_end_is_reported_once() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 40, WhenFull::Fail).await;
    let ids = submission.item_ids();
    let ends = tokio::spawn(submission.ends().map_ok(|(job, _)| job.item_id()).try_collect::<Vec<_>>());
    for id in ids.iter().rev() {
        server.change(*id, "completed");
        server.tell_status(*id, "failed");
        server.tell_status(*id, "in_progress");
    }
    server.cut();
    let mut told = within("the ends", ends).await.unwrap().unwrap();
    told.sort_unstable();
    assert_eq!(told, ids);
}

#[tokio::test]
async fn a_wait_for_all_reports_all_items_together() {
    let server = FakeInvokeAi::start().await;
    let submission = submit(&server, 4, WhenFull::Fail).await;
    let ids = submission.item_ids();
    assert_eq!((submission.progress().requested, submission.progress().ended()), (4, 0));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let waiting = tokio::spawn({
        let (submission, seen) = (submission.clone(), Arc::clone(&seen));
        async move {
            let report = move |all: &SubmissionProgress| seen.lock().unwrap().push(all.clone());
            submission.wait_all().on_progress(report).await
        }
    });
    server.change(ids[0], "in_progress");
    until("the first item runs", || seen.lock().unwrap().iter().any(|all| all.running.contains_key(&ids[0]))).await;
    server.change(ids[0], "completed");
    server.change(ids[1], "canceled");
    server.change(ids[2], "failed");
    until("three ends", || seen.lock().unwrap().iter().any(|all| all.ended() == 3)).await;
    assert!(!waiting.is_finished());
    server.change(ids[3], "completed");
    within("the end", waiting).await.unwrap().unwrap_err();
    let seen = seen.lock().unwrap().clone();
    let last = seen.last().unwrap();
    assert_eq!((last.completed, last.canceled, last.failed, last.gone), (2, 1, 1, 0));
    assert!(last.is_finished() && last.fraction() == 1.0 && last.running.is_empty());
    // It never goes back, and nothing is reported twice in a row.
    assert!(seen.windows(2).all(|two| two[0] != two[1] && two[0].ended() <= two[1].ended()), "{seen:?}");

    // Also when the time is up, what is known then is reported.
    let submission = self::submit(&server, 2, WhenFull::Fail).await;
    let mut last = None;
    let wait = submission.wait_all().timeout(SHORT).poll_interval(SOON).on_progress(|all| last = Some(all.clone()));
    let error = within("the end", wait.into_future()).await.unwrap_err();
    assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    assert_eq!(last.unwrap(), submission.progress());
}

/// Patient with each answer, for seconds.
fn patient(server: &FakeInvokeAi) -> Client {
    let mut transport = TransportOptions::default();
    transport.read_timeout = Duration::from_secs(20);
    Client::builder(&server.url).transport(transport).build().unwrap()
}

#[tokio::test]
async fn a_read_that_hangs_does_not_prolong_the_limit() {
    for events in [true, false] {
        let server = FakeInvokeAi::start().await;
        let (client, workflow) = (patient(&server), workflow());
        let submitting = async { client.submit(&workflow).runs(2).subscribe_events(events).await };
        let submission = within("a submission", submitting).await.unwrap();
        server.world().on_path.push(("", OnPath::Silence));
        let began = Instant::now();
        let first = submission.jobs()[0].clone();
        let all = submission.wait_all().unreachable_limit(SHORT).into_future();
        let (one, all) = within("the ends", futures::future::join(give_up(&first), all)).await;
        for error in [one, all.unwrap_err()] {
            assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
        }
        assert!((SHORT..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_gives_no_reasons_is_waited_for_once() {
    let server = FakeInvokeAi::start().await;
    let (client, workflow) = (patient(&server), workflow());
    let submission = within("a submission", async { client.submit(&workflow).runs(20).await }).await.unwrap();
    server.world().on_path.push(("GET /api/v1/queue/default/i/", OnPath::Silence));
    submission.item_ids().into_iter().for_each(|id| server.change(id, "failed"));
    let began = Instant::now();
    let wait = submission.wait_all().unreachable_limit(SHORT * 2).into_future();
    let error = within("the end", wait).await.unwrap_err();
    let Error::JobFailed(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.item_id, submission.item_ids()[0]);
    assert!((SHORT..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(!submission.is_silent(), "it has not been asked for a minute");
}

#[test]
fn updates_go_on_when_the_runtime_that_follows_is_shut_down() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (serving, first, second) = (runtime(), runtime(), runtime());
    let server = serving.block_on(FakeInvokeAi::start());
    let submission = first.block_on(submit(&server, 1, WhenFull::Fail));
    let job = submission.job().unwrap();
    let waiting = second.spawn(job.progress_updates().collect::<Vec<_>>());
    std::thread::sleep(SHORT / 2);
    first.shutdown_timeout(Duration::from_secs(5));
    server.change(job.item_id(), "completed");
    let updates = second.block_on(within("the updates", waiting)).unwrap();
    assert_eq!(updates.last().unwrap().status, ItemStatus::Completed);
}
