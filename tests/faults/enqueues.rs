//! Enqueues: however bad their answers are, none is sent twice and no item is lost.

use std::{future::IntoFuture as _, time::Duration};

use invokeai_client::{Error, Submission, Sweep, WhenFull};
use serde_json::{Value, json};

use crate::{
    common::socket_server::within,
    fake_invokeai::{FakeInvokeAi, OnEnqueue, OnPath},
    jobs::{client, submit, until, wait},
    workflow,
};

#[tokio::test]
async fn an_enqueue_whose_answer_is_lost_is_found_and_not_sent_again() {
    for behavior in [
        OnEnqueue::AcceptUnheard(Duration::ZERO),
        OnEnqueue::AcceptUnheard(Duration::from_millis(700)),
        OnEnqueue::AcceptBehindGateway("502 Bad Gateway"),
        OnEnqueue::AcceptBehindGateway("504 Gateway Timeout"),
        OnEnqueue::AcceptBehindGateway("408 Request Timeout"),
        OnEnqueue::AcceptBehindGateway("500 Internal Server Error"),
        OnEnqueue::AcceptBehindGateway("520 Web Server Returned an Unknown Error"),
        OnEnqueue::AcceptBehindGateway("524 A Timeout Occurred"),
        OnEnqueue::AcceptBehindPage("503 Service Unavailable", "text/html", "<html>"),
        OnEnqueue::AcceptBehindPage("200 OK", "text/html", "<html>"),
        // These statuses would be refusals if they were the server's own.
        OnEnqueue::AcceptBehindPage("400 Bad Request", "text/html", "<html>"),
        OnEnqueue::AcceptBehindPage("401 Unauthorized", "text/plain", "Who are you?"),
        OnEnqueue::AcceptBehindPage("403 Forbidden", "application/json", r#"{"message": "no"}"#),
        OnEnqueue::AcceptBehindPage("404 Not Found", "text/plain", "404 page not found\n"),
        OnEnqueue::AcceptBehindPage("409 Conflict", "application/problem+json", r#"{"title": "no", "detail": "no"}"#),
        OnEnqueue::AcceptBehindPage("413 Content Too Large", "text/html", "<html>"),
        OnEnqueue::AcceptBehindPage("429 Too Many Requests", "text/plain", ""),
    ] {
        let server = FakeInvokeAi::start().await;
        // Another batch, which must not be mistaken for it.
        submit(&server).await.unwrap();
        server.world().on_enqueue.push_back(behavior.clone());
        let submission = submit(&server).await.unwrap();
        assert_eq!((submission.item_ids(), submission.requested()), (vec![42], 1), "{behavior:?}");
        assert_eq!(server.world().enqueues, 2, "{behavior:?}");
        assert_eq!(server.world().items.len(), 2, "{behavior:?}");
        server.change(42, "completed");
        wait(&submission.job().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_enqueue_is_looked_for_by_its_batch_and_not_in_the_whole_queue() {
    for counts in [true, false] {
        let server = FakeInvokeAi::start().await;
        server.world().counts = counts;
        for _ in 0..5_000 {
            server.world().add("others", json!(0));
        }
        server.world().on_enqueue.push_back(OnEnqueue::AcceptUnheard(Duration::from_millis(1000)));
        let (client, workflow) = (client(&server), workflow());
        let submission = within("a submission", async { client.submit(&workflow).runs(3).await }).await.unwrap();
        assert_eq!(submission.item_ids().len(), 3);
        let world = server.world();
        assert_eq!(world.enqueues, 1);
        match counts {
            true => assert!(world.listings == 1 && world.summaries <= 100, "{} {}", world.listings, world.summaries),
            // No item is looked at twice.
            false => assert!(world.summaries < 5_100, "{}", world.summaries),
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_partly_there_is_waited_for_and_not_enqueued_again() {
    for mode in [WhenFull::Fail, WhenFull::Keep, WhenFull::Feed] {
        let server = FakeInvokeAi::start().await;
        submit(&server).await.unwrap();
        server.world().on_enqueue.push_back(OnEnqueue::AcceptPiecemeal(Duration::from_millis(200)));
        let (client, workflow) = (client(&server), workflow());
        let sweep = Sweep::new().product(&workflow, "first a", 0..5).unwrap();
        let submitting = async { client.submit(&workflow).sweep(sweep).when_full(mode).await };
        let submission = within("a submission", submitting).await.unwrap();
        assert_eq!(submission.item_ids(), Vec::from_iter(42..47), "{mode:?}");
        assert_eq!((server.world().enqueues, submission.enqueued()), (2, 5), "{mode:?}");
    }
}

#[tokio::test]
async fn what_others_have_deleted_since_is_not_enqueued_again() {
    let sweep = |workflow: &_| Sweep::new().product(workflow, "first a", 0..5).unwrap();
    for mode in [WhenFull::Fail, WhenFull::Keep, WhenFull::Feed] {
        for swept in [true, false] {
            let server = FakeInvokeAi::start().await;
            server.world().on_enqueue.push_back(OnEnqueue::AcceptAndPrune(2));
            let (client, workflow) = (client(&server), workflow());
            let submit = client.submit(&workflow).when_full(mode);
            let submit = if swept { submit.sweep(sweep(&workflow)) } else { submit.runs(5) };
            let error = within("a submission", submit.into_future()).await.unwrap_err();
            let what = format!("{mode:?}, swept: {swept}: {error}");
            assert!(error.may_have_been_sent() && error.to_string().contains("it is not certain which of 5"), "{what}");
            tokio::time::sleep(Duration::from_millis(700)).await;
            let world = server.world();
            assert_eq!((world.enqueues, world.items.len()), (1, 3), "{what}");
            let canceled = world.items.values().all(|item| item.status == "canceled");
            assert_eq!(canceled, mode == WhenFull::Fail, "{what}");
            assert_eq!(client.assets().batches.len(), 1, "{what}");
        }
    }
    // The queue has room for two, and whether the others were never there or have gone is not known any more.
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    server.world().on_enqueue.push_back(OnEnqueue::AcceptAndBegin(1));
    let (client, workflow) = (client(&server), workflow());
    let submit = client.submit(&workflow).sweep(sweep(&workflow)).when_full(WhenFull::Feed);
    let error = within("a submission", submit.into_future()).await.unwrap_err();
    assert!(error.may_have_been_sent() && error.to_string().contains("it is not certain"), "{error}");

    // The same for a later piece.
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let client = self::client(&server);
    let submit = client.submit(&workflow).sweep(sweep(&workflow)).when_full(WhenFull::Feed);
    let submission = within("a submission", submit.into_future()).await.unwrap();
    {
        let mut world = server.world();
        world.room = 10;
        world.on_enqueue.push_back(OnEnqueue::AcceptAndPrune(1));
    }
    until("the rest is sent", || server.world().on_enqueue.is_empty()).await;
    let enqueues = server.world().enqueues;
    submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    let error = within("all", submission.wait_all().into_future()).await.unwrap_err();
    assert!(error.may_have_been_sent() && error.to_string().contains("it is not certain which of 3"), "{error}");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((submission.item_ids(), server.world().enqueues), (vec![41, 42], enqueues));
}

#[tokio::test]
async fn what_a_full_queue_took_is_followed_although_its_answer_is_lost() {
    let values = |server: &FakeInvokeAi| -> Vec<Value> {
        server.world().items.values().map(|item| item.value.clone()).collect()
    };
    for mode in [WhenFull::Fail, WhenFull::Keep, WhenFull::Feed] {
        let server = FakeInvokeAi::start().await;
        server.world().room = 2;
        server.world().on_enqueue.push_back(OnEnqueue::AcceptAndPrune(0));
        let (client, workflow) = (client(&server), workflow());
        let sweep = Sweep::new().product(&workflow, "first a", 0..5).unwrap();
        let submit = client.submit(&workflow).sweep(sweep).when_full(mode);
        let outcome = within("a submission", submit.into_future()).await;
        if mode == WhenFull::Fail {
            assert!(matches!(outcome, Err(Error::QueueFull { enqueued: 2, requested: 5, .. })), "{outcome:?}");
            continue;
        }
        let submission = outcome.unwrap();
        assert_eq!((submission.item_ids(), submission.requested()), (vec![41, 42], 5), "{mode:?}");
        if mode == WhenFull::Feed {
            server.world().room = 10;
            until("the rest", || submission.enqueued() == 5).await;
            assert_eq!(values(&server), Vec::from_iter((0..5).map(Value::from)), "each once, in order");
        }
    }
}

#[tokio::test]
async fn items_that_an_answer_does_not_name_are_found() {
    for (mode, named) in [(WhenFull::Fail, 0), (WhenFull::Feed, 0), (WhenFull::Feed, 2), (WhenFull::Keep, 1)] {
        let server = FakeInvokeAi::start().await;
        submit(&server).await.unwrap();
        server.world().on_enqueue.push_back(OnEnqueue::AcceptNaming(named));
        let (client, workflow) = (client(&server), workflow());
        let submitting = async { client.submit(&workflow).runs(3).when_full(mode).await };
        let submission = within("a submission", submitting).await.unwrap();
        assert_eq!(submission.item_ids(), [42, 43, 44], "{mode:?}, {named} named");
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(server.world().enqueues, 2, "{mode:?}, {named} named");
        submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
        assert_eq!(within("all", submission.wait_all().into_future()).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn items_that_cannot_be_found_are_not_enqueued_again() {
    // None of them is there.
    for mode in [WhenFull::Fail, WhenFull::Keep, WhenFull::Feed] {
        for enqueued in [1, 3, u64::MAX] {
            let server = FakeInvokeAi::start().await;
            server.world().on_enqueue.extend(vec![OnEnqueue::Pretend(enqueued); 20]);
            let (client, workflow) = (client(&server), workflow());
            let submitting = async { client.submit(&workflow).runs(3).when_full(mode).await };
            let error = within("a submission", submitting).await.unwrap_err();
            assert!(error.may_have_been_sent() && error.to_string().contains("0 of batch"), "{mode:?}: {error}");
            assert_eq!(server.world().enqueues, 1, "{mode:?}, {enqueued} enqueued");
        }
    }
    // Some are, and are followed.
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let (client, workflow) = (client(&server), workflow());
    let submission = client.submit(&workflow).runs(5).when_full(WhenFull::Feed).await.unwrap();
    server.world().on_enqueue.extend(vec![OnEnqueue::Pretend(1); 20]);
    let error = within("all", async {
        until("the remainder is enqueued", || server.world().on_enqueue.len() < 20).await;
        submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
        submission.wait_all().await
    });
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("took 1 items, but 0 of"), "{error}");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(server.world().enqueues, 2);
}

#[tokio::test]
async fn an_enqueue_that_never_turns_up_says_that_it_may_have_been_sent() {
    let server = FakeInvokeAi::start().await;
    server.world().on_enqueue.push_back(OnEnqueue::Lose);
    let error = submit(&server).await.unwrap_err();
    assert!(error.may_have_been_sent() && matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert_eq!(server.world().enqueues, 1);

    // The same if the server cannot even be asked.
    let mut server = FakeInvokeAi::start().await;
    server.world().on_enqueue.push_back(OnEnqueue::AcceptUnheard(Duration::from_secs(60)));
    let client = client(&server);
    let submitting = tokio::spawn(async move { client.submit(&workflow()).await });
    until("the request", || server.world().enqueues == 1).await;
    server.stop().await;
    let error = within("an answer", submitting).await.unwrap().unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_got_nothing() {
    let mut server = FakeInvokeAi::start().await;
    server.stop().await;
    let error = submit(&server).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.may_have_been_sent(), "{error:?}");
    assert_eq!(server.world().enqueues, 0);
}

#[tokio::test]
async fn a_remainder_that_may_have_been_sent_is_not_sent_again() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let (client, workflow) = (client(&server), workflow());
    let sweep = Sweep::new().product(&workflow, "first a", 0..5).unwrap();
    let submission = client.submit(&workflow).sweep(sweep).when_full(WhenFull::Feed).await.unwrap();
    server.world().on_enqueue.push_back(OnEnqueue::Lose);
    submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    let error = within("the end", submission.wait_all().into_future()).await.unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
    let enqueues = server.world().enqueues;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.world().enqueues, enqueues);
}

#[tokio::test]
async fn what_is_on_its_way_while_all_is_canceled_is_canceled_too() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let (client, workflow) = (client(&server), workflow());
    let sweep = Sweep::new().product(&workflow, "first a", 0..5).unwrap();
    let submission = client.submit(&workflow).sweep(sweep).when_full(WhenFull::Feed).await.unwrap();
    server.world().on_enqueue.push_back(OnEnqueue::AcceptUnheard(Duration::from_millis(400)));
    submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    until("a piece is on its way", || server.world().on_enqueue.is_empty()).await;
    within("the cancellation", submission.cancel()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(server.world().items.len(), 4, "the piece arrived");
    let waiting = server.world().items.values().filter(|item| item.status == "pending").count();
    assert_eq!(waiting, 0, "and does not run");
}

#[tokio::test]
async fn a_full_queue_fails_keeps_or_feeds() {
    let workflow = workflow();
    let sweep = || Sweep::new().product(&workflow, "first a", 0..7).unwrap();
    let submit = async |server: &FakeInvokeAi, mode| {
        let client = client(server);
        within("a submission", async { client.submit(&workflow).sweep(sweep()).when_full(mode).await }).await
    };
    let values = |server: &FakeInvokeAi| {
        let world = server.world();
        world.items.values().map(|item| item.value.as_i64().unwrap()).collect::<Vec<_>>()
    };

    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let error = submit(&server, WhenFull::Fail).await.unwrap_err();
    assert!(matches!(error, Error::QueueFull { enqueued: 2, requested: 7, .. }), "{error:?}");
    assert!(server.world().items.values().all(|item| item.status == "canceled"));

    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let kept = submit(&server, WhenFull::Keep).await.unwrap();
    assert_eq!((kept.enqueued(), kept.requested(), values(&server)), (2, 7, vec![0, 1]));
    kept.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    assert_eq!(within("all", kept.wait_all().into_future()).await.unwrap().len(), 2);

    // Fed, with an answer lost on the way and often without room.
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    let fed = submit(&server, WhenFull::Feed).await.unwrap();
    until("an attempt without room", || server.world().enqueues > 1).await;
    fed.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
    server.world().on_enqueue.push_back(OnEnqueue::AcceptUnheard(Duration::ZERO));
    let working = async {
        // The piece whose answer is lost is seen while it waits.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        while server.world().items.len() < 7 || server.world().items.values().any(|item| item.status == "pending") {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let next = server.world().items.iter().find(|(_, item)| item.status == "pending").map(|(id, _)| *id);
            next.into_iter().for_each(|id| server.change(id, "completed"));
        }
    };
    let (finished, ()) = within("all", async { tokio::join!(fed.wait_all().into_future(), working) }).await;
    assert_eq!(finished.unwrap().len(), 7);
    assert_eq!(values(&server), Vec::from_iter(0..7), "each once, in order");
    assert_eq!((fed.enqueued(), fed.requested()), (7, 7));
}

/// Something that a server may say of three items that it took.
type Answer = fn(&[i64]) -> Value;

/// Answers by which each item can be found.
const ODD: [Answer; 13] = [
    |ids| json!({"enqueued": 3, "requested": 3, "item_ids": [ids[2], ids[2], ids[2]]}),
    |ids| json!({"enqueued": 3, "requested": 3, "item_ids": [-1, -2, -3, ids[0]]}),
    |_| json!({"enqueued": 3, "requested": 3, "item_ids": [0, i64::MIN, i64::MAX]}),
    |ids| json!({"enqueued": 3, "requested": 3, "item_ids": [41, ids[0], ids[1], ids[2]]}),
    |ids| json!({"enqueued": 5, "requested": 5, "item_ids": [ids[2], ids[1], ids[0], 999, 998]}),
    |_| json!({"enqueued": u64::MAX, "requested": 0, "item_ids": null}),
    |_| json!({"enqueued": 3}),
    |ids| json!({"enqueued": -3, "requested": 3, "item_ids": ids}),
    |ids| json!({"enqueued": "three", "requested": 3, "item_ids": ids}),
    |ids| json!({"enqueued": 3, "requested": 3, "item_ids": [ids[0].to_string(), {"id": ids[1]}, 1e300]}),
    |ids| json!({"requested": 3, "item_ids": ids}),
    |ids| json!([3, 3, ids]),
    |_| json!(null),
];

/// Answers that count fewer items than they name.
const TOO_LOW: [Answer; 2] = [
    |ids| json!({"enqueued": 0, "requested": 3, "item_ids": ids}),
    |ids| json!({"enqueued": 1, "requested": 3, "item_ids": ids}),
];

async fn three(server: &FakeInvokeAi, mode: WhenFull, answer: Answer) -> Result<Submission, Error> {
    submit(server).await.unwrap();
    // If anything is enqueued again, it is answered the same way.
    server.world().on_enqueue.extend(vec![OnEnqueue::AcceptSaying(answer); 20]);
    let (client, workflow) = (client(server), workflow());
    let sweep = Sweep::new().product(&workflow, "first a", 0..3).unwrap();
    within("a submission", async { client.submit(&workflow).sweep(sweep).when_full(mode).await }).await
}

#[tokio::test]
async fn no_answer_leads_to_a_second_enqueue() {
    let modes = [WhenFull::Fail, WhenFull::Keep, WhenFull::Feed];
    let cases = (0..ODD.len()).flat_map(|case| modes.map(|mode| (case, mode)));
    futures::future::join_all(cases.map(|(case, mode)| async move {
        let server = FakeInvokeAi::start().await;
        let submission = three(&server, mode, ODD[case]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(server.world().enqueues, 2, "{mode:?}, case {case}");
        let ids = submission.item_ids();
        assert!([42, 43, 44].iter().all(|id| ids.contains(id)), "{mode:?}, case {case}: {ids:?}");
        assert!(!ids.contains(&41) && ids.iter().all(|id| *id > 0), "{mode:?}, case {case}: {ids:?}");
        [42, 43, 44].into_iter().for_each(|id| server.change(id, "completed"));
        for job in submission.jobs().iter().filter(|job| (42..=44).contains(&job.item_id())) {
            wait(job).await.unwrap();
        }
    }))
    .await;
}

#[tokio::test]
async fn items_that_an_answer_names_but_does_not_count_are_followed() {
    for answer in TOO_LOW {
        let server = FakeInvokeAi::start().await;
        let error = three(&server, WhenFull::Fail, answer).await.unwrap_err();
        assert!(matches!(error, Error::QueueFull { requested: 3, .. }), "{error:?}");
        let open = server.world().items.iter().filter(|(id, item)| **id > 41 && item.status != "canceled").count();
        assert_eq!((server.world().enqueues, open), (2, 0));

        for mode in [WhenFull::Keep, WhenFull::Feed] {
            let server = FakeInvokeAi::start().await;
            let submission = three(&server, mode, answer).await.unwrap();
            assert_eq!(submission.item_ids(), [42, 43, 44], "{mode:?}");
            tokio::time::sleep(Duration::from_millis(1200)).await;
            assert_eq!(server.world().enqueues, 2, "{mode:?}");
            submission.item_ids().into_iter().for_each(|id| server.change(id, "completed"));
            let error = within("the end", submission.wait_all().into_future()).await.unwrap_err();
            assert!(error.may_have_been_sent() && error.to_string().contains("but 3 of batch"), "{error}");
            for job in submission.jobs() {
                wait(&job).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn children_of_called_workflows_are_not_taken_for_new_items() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 3;
    let (client, workflow) = (client(&server), workflow());
    let sweep = Sweep::new().product(&workflow, "first a", 0..6).unwrap();
    let submission = client.submit(&workflow).sweep(sweep).when_full(WhenFull::Feed).await.unwrap();
    assert_eq!(submission.item_ids(), [41, 42, 43]);
    // The first two call a workflow; its items are of the same batch.
    for parent in [41, 42] {
        server.change(parent, "completed");
        let mut world = server.world();
        let child = world.add(submission.batch_id(), json!(0));
        let item = world.items.get_mut(&child).unwrap();
        (item.parent, item.status) = (Some(parent), "completed");
    }
    server.change(43, "completed");
    until("the rest", || submission.enqueued() == 6 && !submission.is_feeding()).await;
    let children: Vec<i64> =
        server.world().items.iter().filter(|(_, item)| item.parent.is_some()).map(|(id, _)| *id).collect();
    assert!(submission.item_ids().iter().all(|id| !children.contains(id)), "{children:?}");
    let world = server.world();
    let of_ours = world.items.values().filter(|item| item.parent.is_none()).map(|item| item.value.clone());
    assert_eq!(Vec::from_iter(of_ours), Vec::from_iter((0..6).map(Value::from)), "each once, in order");
}

#[tokio::test]
async fn items_that_cannot_be_taken_back_are_reported() {
    let server = FakeInvokeAi::start().await;
    server.world().room = 2;
    server.world().on_path.push(("cancel_by_batch_ids", OnPath::Refuse("503 Service Unavailable")));
    let (client, workflow) = (client(&server), workflow());
    let error = within("a submission", async { client.submit(&workflow).runs(5).await }).await.unwrap_err();
    let Error::NotTakenBack { enqueued: 2, requested: 5, cause, .. } = &error else { panic!("{error:?}") };
    assert!(cause.status() == Some(503) && !cause.may_have_been_sent());
    assert!(error.may_have_been_sent() && !error.is_retryable(), "trying again would enqueue them twice: {error}");
    let batches = client.assets().batches;
    assert_eq!(batches.len(), 1, "it stays recorded: {batches:?}");
}
