//! Jobs on a server that is killed, that has a small queue, or that is left by its client.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use invokeai_client::{Client, Error, Job, Submission, Sweep, Ticket, WhenFull, queue::ItemStatus, workflow::Workflow};
use serde_json::{Value, json};

use super::{server::Server, turn, workflow};
use crate::common::workflows;

/// No step takes longer, even on a machine that is otherwise busy.
const DEADLINE: Duration = Duration::from_secs(300);

/// Items that may wait on the server.
const ROOM: u64 = 5;

/// Names the file to which the child process of a test writes its ticket.
const TICKET: &str = "INVOKEAI_TEST_TICKET";

#[tokio::test]
async fn nothing_is_lost() {
    let Some(_turn) = turn("a server that is killed").await else { return };
    let Some(mut server) = Server::start(&["--set", &format!("max_queue_size={ROOM}")]) else { return };
    let client = Client::new(&server.url).unwrap();
    step("a batch through a small queue", feed(&client)).await;
    step("cancel in each state", cancel(&client)).await;
    step("the client is killed", resume(&client, &server)).await;
    step("the server is killed", restart(&client, &mut server)).await;
}

/// Not a test but the process that `resume` kills.
#[tokio::test]
async fn child_that_submits() {
    let Some(path) = env::var_os(TICKET).map(PathBuf::from) else { return };
    let client = Client::new(env::var("INVOKEAI_TEST_URL").unwrap()).unwrap();
    let submission = client.submit(&slow(&client).await).runs(3).await.unwrap();
    let ticket = serde_json::to_string(&submission.ticket()).unwrap();
    fs::write(path.with_extension("part"), ticket).unwrap();
    fs::rename(path.with_extension("part"), path).unwrap();
    let _ = submission.wait_all().await;
    std::future::pending::<()>().await;
}

async fn step(what: &str, body: impl Future<Output = ()>) {
    let began = Instant::now();
    tokio::time::timeout(DEADLINE, body).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"));
    eprintln!("{what}: {:?}", began.elapsed());
}

/// Far more items than may wait.
async fn feed(client: &Client) {
    const ITEMS: i64 = 40;
    let workflow = workflow(client, workflows::additions()).await;
    let sweep = || Sweep::new().product(&workflow, "first a", 0..ITEMS).unwrap();
    let error = client.submit(&workflow).queue("full").sweep(sweep()).await.unwrap_err();
    assert!(matches!(error, Error::QueueFull { enqueued: ROOM, requested: 40, .. }), "{error:?}");
    let counts = client.queue("full").status().await.unwrap().queue.counts;
    assert_eq!((counts.pending, counts.in_progress, counts.waiting), (0, 0, 0), "{counts:?}");

    let submission = client.submit(&workflow).sweep(sweep()).when_full(WhenFull::Feed).await.unwrap();
    assert_eq!((submission.enqueued(), submission.requested()), (ROOM, ITEMS as u64));
    assert_eq!(submission.wait_all().await.unwrap().len(), ITEMS as usize);
    let items = submission.queue().summaries(&submission.item_ids()).await.unwrap();
    let items: Vec<_> = items.into_iter().collect::<Result<_, _>>().unwrap();
    let values = items.iter().flat_map(|item| item.field_values.iter().flatten()).map(|value| value.value.as_i64());
    assert_eq!(values.collect::<Vec<_>>(), (0..ITEMS).map(Some).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(submission.status().await.unwrap().counts.completed, ITEMS as u64);
}

async fn cancel(client: &Client) {
    let canceled = |end: Result<_, Error>| assert!(matches!(end, Err(Error::JobCanceled { .. })), "{end:?}");
    let slow = slow(client).await;
    let [running, waiting] = &client.submit(&slow).runs(2).await.unwrap().jobs()[..] else { panic!("two jobs") };
    assert_eq!(waiting.cancel().await.unwrap(), ItemStatus::Canceled);
    canceled(waiting.wait().await);
    until_it_runs(running).await;
    running.cancel().await.unwrap();
    canceled(running.wait().await);
    assert!(running.item().await.unwrap().started_at.is_some());
    // Again, and after other ends.
    assert_eq!(running.cancel().await.unwrap(), ItemStatus::Canceled);

    let completed = client.submit(&workflow(client, workflows::additions()).await).await.unwrap().job().unwrap();
    completed.wait().await.unwrap();
    assert_eq!(completed.cancel().await.unwrap(), ItemStatus::Completed);
    completed.wait().await.unwrap();

    let failed =
        client.submit(&workflow(client, blurs(1, Some("no-such-image.png"))).await).await.unwrap().job().unwrap();
    assert!(matches!(failed.wait().await, Err(Error::JobFailed(_))));
    assert_eq!(failed.cancel().await.unwrap(), ItemStatus::Failed);

    // All items of a submission: one runs, the others wait.
    let submission = client.submit(&slow).runs(3).await.unwrap();
    until_it_runs(&submission.jobs()[0]).await;
    assert_eq!(submission.cancel().await.unwrap(), 3);
    for job in submission.jobs() {
        canceled(job.wait().await);
    }
}

/// A child process submits, and is killed while its first item runs.
async fn resume(client: &Client, server: &Server) {
    let path = server.root.path().join("ticket.json");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "faults::restarts::child_that_submits", "--nocapture"])
        .env(TICKET, &path)
        .env("INVOKEAI_TEST_URL", &server.url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended without a ticket");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ticket: Ticket = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let first = ticket.item_ids[0];
    while client.queue("default").item(first).await.unwrap().status == ItemStatus::Pending {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let submission = Submission::attach(client, &ticket).await.unwrap();
    assert_eq!(submission.jobs().len(), 3);
    assert_eq!(submission.wait_all().await.unwrap().len(), 3);
    let counts = submission.status().await.unwrap().counts;
    assert_eq!((counts.total, counts.completed), (3, 3));
    // And once more, when all is over.
    let again = Submission::attach(client, &ticket).await.unwrap();
    assert_eq!(again.wait_all().await.unwrap().len(), 3);
}

async fn restart(client: &Client, server: &mut Server) {
    let submission = client.submit(&slow(client).await).runs(3).await.unwrap();
    let jobs = submission.jobs();
    until_it_runs(&jobs[0]).await;
    server.kill();
    let ends = jobs.iter().map(|job| async move { job.wait().unreachable_limit(DEADLINE).await });
    let restarting = async {
        // Long enough to be noticed.
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.run_again().await;
    };
    let (ends, ()) = tokio::join!(futures::future::join_all(ends), restarting);
    assert!(matches!(ends[0], Err(Error::JobCanceled { .. })), "{:?}", ends[0]);
    assert!(ends[1..].iter().all(Result::is_ok), "{ends:?}");
    let counts = submission.status().await.unwrap().counts;
    assert_eq!((counts.total, counts.canceled, counts.completed), (3, 1, 2), "nothing is done twice");
}

async fn until_it_runs(job: &Job) {
    while job.status() != Some(ItemStatus::InProgress) {
        assert!(!job.progress().is_finished(), "it ended before it could be disturbed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Takes some seconds.
async fn slow(client: &Client) -> Workflow {
    workflow(client, blurs(24, None)).await
}

/// A large picture, or the given one, blurred this many times.
fn blurs(times: usize, image: Option<&str>) -> Value {
    let node = |id: &str, kind: &str, inputs: Value| {
        json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
            "id": id, "type": kind, "version": "1.2.2", "nodePack": "invokeai", "label": "", "notes": "",
            "isOpen": true, "isIntermediate": true, "useCache": false, "inputs": inputs}})
    };
    let number = |name: &str, value: u32| json!({"name": name, "label": "", "description": "", "value": value});
    let blank = json!({"width": number("width", 1536), "height": number("height", 1536)});
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    if image.is_none() {
        nodes.push(node("0", "blank_image", blank));
    }
    for i in 1..=times {
        let given = json!({"name": "image", "label": "", "description": "", "value": image.map(|name| json!({"image_name": name}))});
        nodes.push(node(&i.to_string(), "img_blur", json!({"image": given, "radius": number("radius", 40)})));
        if image.is_none() {
            edges.push(json!({"id": format!("e{i}"), "type": "default", "source": (i - 1).to_string(),
                "sourceHandle": "image", "target": i.to_string(), "targetHandle": "image"}));
        }
    }
    json!({"name": "blurs", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"}, "exposedFields": [], "nodes": nodes, "edges": edges})
}
