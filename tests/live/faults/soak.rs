//! Many items, while client and server are killed at random moments: each item ends or is known, none is there twice, and
//! clean-up, killed as well, leaves the rows as they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use invokeai_client::{Client, Error, Result, Submission, Sweep, Ticket, TransportOptions, Upload, WhenFull};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use super::{
    drops::{picture, strangers},
    rows::Rows,
    server::Server,
    setting, turn, workflow,
};

const QUEUE: &str = "soak";

/// Nobody gives up while a server starts again on a machine that is otherwise busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// No child works longer than this for an item, and no wait does.
const LONGEST: Duration = Duration::from_secs(1800);

/// From this number of items on, this is more than a sign of life.
const MANY: u64 = 1000;

/// What a child is to do: `run` or `clean up`.
const TASK: &str = "INVOKEAI_TEST_TASK";
const LEDGER: &str = "INVOKEAI_TEST_LEDGER";

/// What a child's process says with its exit code: the library gave an error, which is on standard error.
const ERROR: i32 = 3;

#[tokio::test]
async fn nothing_is_lost_by_kills_at_random_moments() {
    let Some(_turn) = turn("kills at random moments").await else { return };
    let (rounds, items) = (setting("INVOKEAI_TEST_ROUNDS", 1), setting("INVOKEAI_TEST_ITEMS", 60));
    let Some(server) = Server::start(&["--set", &format!("max_queue_size={}", items / 4)]) else { return };
    strangers(&server).await;
    let first_seed: u64 = setting("INVOKEAI_TEST_SEED", rand::random());
    let mut soak = Soak { server, items, folder: tempfile::tempdir().unwrap(), random: StdRng::seed_from_u64(0) };
    for round in 0..rounds {
        let (seed, began) = (first_seed.wrapping_add(round), Instant::now());
        eprintln!("round {round}: INVOKEAI_TEST_SEED={seed}");
        soak.random = StdRng::seed_from_u64(seed);
        soak.round(&format!("round {round}, seed {seed}")).await;
        eprintln!("round {round}: {:?}", began.elapsed());
    }
}

struct Soak {
    server: Server,
    items: u64,
    folder: tempfile::TempDir,
    random: StdRng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Client,
    Server,
    /// The server, and the client while it is away.
    Both,
}

impl Soak {
    /// Whether this is only a sign of life.
    fn is_short(&self) -> bool {
        self.items < MANY
    }

    async fn round(&mut self, what: &str) {
        let before = self.server.rows();
        let ledger = self.folder.path().join(uuid::Uuid::new_v4().to_string());
        let kills = if self.is_short() { 2 } else { self.random.random_range(2..6) };
        // Some go on to the end, others are cleaned up in the middle.
        let to_the_end = self.is_short() || self.random.random_range(0..4) == 0;
        self.work("run", &ledger, kills, to_the_end).await;

        let rows = self.settled().await;
        let assets = self.server.client(&ledger).assets();
        let known: BTreeSet<&str> = assets.batches.iter().map(|batch| &*batch.batch_id).collect();
        let (mut numbers, mut ends) = (BTreeSet::new(), BTreeMap::<&str, u64>::new());
        for item in rows.items_of(QUEUE) {
            assert!(known.contains(&*item.batch_id), "{what}: the ledger does not lead to {item:?}");
            assert!(numbers.insert(item.number()), "{what}: enqueued twice: {item:?}");
            *ends.entry(&item.status).or_default() += 1;
        }
        if to_the_end {
            assert!(rows.items_of(QUEUE).all(|item| item.has_ended()), "{what}: {ends:?}");
            assert_eq!(numbers.len() as u64, self.items, "{what}: items are missing; {ends:?}");
        }
        eprintln!("  {} batches, {ends:?}, {} images", known.len(), rows.images.len() - before.images.len());

        let kills = self.random.random_range(0..3);
        self.work("clean up", &ledger, kills, true).await;
        let assets = self.server.client(&ledger).assets();
        assert!(assets.is_empty(), "{what}: still in the ledger: {assets:?}");
        self.server.rows().assert_as(&before, what);
    }

    /// Children work on a task, one after the other, until this many kills have been survived and, if `to_the_end`,
    /// the task is done.
    async fn work(&mut self, task: &str, ledger: &Path, kills: u32, to_the_end: bool) {
        let began = Instant::now();
        let mut child = self.child(task, ledger);
        for _ in 0..kills {
            // Short times are more frequent: that is where files are sent and batches enqueued.
            let pause = Duration::from_millis(50).mul_f64(400_f64.powf(self.random.random_range(0.0..1.0)));
            let victim = [Victim::Client, Victim::Client, Victim::Server, Victim::Both][self.random.random_range(0..4)];
            let away = Duration::from_millis(self.random.random_range(0..3000));
            tokio::time::sleep(pause).await;
            let phase = if child.try_wait().unwrap().is_some() { " after its end" } else { "" };
            eprintln!("  {task}: {victim:?} killed after {pause:?}{phase}");
            if victim != Victim::Client {
                self.server.kill();
                tokio::time::sleep(away).await;
            }
            if victim != Victim::Server {
                end(child);
            } else {
                self.server.run_again().await;
                continue;
            }
            if victim == Victim::Both {
                self.server.run_again().await;
            }
            self.arrived().await;
            child = self.child(task, ledger);
        }
        if !to_the_end {
            return end(child);
        }
        loop {
            let code = loop {
                assert!(began.elapsed() < LONGEST, "{task}: not within {LONGEST:?}");
                match child.try_wait().unwrap() {
                    Some(status) => break status.code(),
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            };
            match code {
                Some(0) => return,
                Some(ERROR) => eprintln!("  {task}: goes on after an error"),
                _ => panic!("{task}: the child ended with {code:?}"),
            }
            self.arrived().await;
            child = self.child(task, ledger);
        }
    }

    fn child(&self, task: &str, ledger: &Path) -> Child {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "faults::soak::child_that_works", "--nocapture"])
            .env(TASK, task)
            .env(LEDGER, ledger)
            .env("INVOKEAI_TEST_URL", &self.server.url)
            .env("INVOKEAI_TEST_ITEMS", self.items.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Waits until no enqueue is on its way anymore: one that arrives later is not known to the next child, which asks
    /// what is there.
    async fn arrived(&self) {
        let mut last = None;
        loop {
            let count = self.server.rows().counts["session_queue"];
            if last.replace(count) == Some(count) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What is there when nobody works.
    async fn settled(&self) -> Rows {
        self.arrived().await;
        self.server.rows()
    }
}

/// Kills a child, if it has not ended. Checks how it ended.
fn end(mut child: Child) {
    if let Some(status) = child.try_wait().unwrap() {
        assert!(matches!(status.code(), Some(0 | ERROR)), "the child ended with {status:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Not a test but the process that is killed.
#[tokio::test]
async fn child_that_works() {
    let Ok(task) = env::var(TASK) else { return };
    let ledger = PathBuf::from(env::var_os(LEDGER).unwrap());
    let outcome = match &*task {
        "run" => run(&ledger, setting("INVOKEAI_TEST_ITEMS", 0)).await,
        _ => clean_up(&ledger).await,
    };
    if let Err(error) = outcome {
        eprintln!("    {task}: {error}");
        std::process::exit(ERROR);
    }
}

/// Patient enough for a server that starts again, and no more patient than `lost_answer` with what may be on its way.
fn client(ledger: &Path, lost_answer: Duration) -> Result<Client> {
    let mut options = TransportOptions::default();
    options.lost_answer_patience = lost_answer;
    options.retry_deadline = PATIENCE;
    options.retries = 100;
    Client::builder(env::var("INVOKEAI_TEST_URL").unwrap()).ledger(ledger).transport(options).build()
}

/// Goes on where an earlier process was killed: enqueues the numbers that are not on the queue yet, and waits for all.
async fn run(ledger: &Path, items: u64) -> Result<()> {
    // A server that was killed carries nothing out: a child that stays for all of this time only makes the test longer.
    let lost_answer = if items < MANY { Duration::from_secs(60) } else { PATIENCE };
    let client = client(ledger, lost_answer)?;
    let uploaded = client.uploaded_assets().into_iter().find_map(|asset| match asset {
        invokeai_client::assets::Asset::Image(name) => Some(name),
        _ => None,
    });
    let image = match uploaded {
        Some(name) => name,
        None => client.images().upload(Upload::bytes("source.png", picture(64, 64))).await?.image_name,
    };
    let (mut numbers, mut submissions) = ((0..items as i64).collect::<BTreeSet<_>>(), Vec::new());
    for batch in client.assets().batches {
        let item_ids = client.queue(&batch.queue_id).batch_item_ids(&batch.batch_id).await?;
        for item in client.queue(&batch.queue_id).summaries(&item_ids).await? {
            numbers.remove(&item?.field_values.unwrap_or_default()[0].value.as_i64().unwrap());
        }
        if !item_ids.is_empty() {
            let ticket = json!({"queue_id": batch.queue_id, "batch_id": batch.batch_id, "item_ids": item_ids});
            let ticket: Ticket = serde_json::from_value(ticket).unwrap();
            submissions.push(Submission::attach(&client, &ticket).await?);
        }
    }
    if !numbers.is_empty() {
        let workflow = workflow(&client, crops(&image)).await;
        let sweep = Sweep::new().product(&workflow, "number", numbers)?;
        submissions.push(client.submit(&workflow).queue(QUEUE).sweep(sweep).when_full(WhenFull::Feed).await?);
    }
    let folder = ledger.with_extension("pictures");
    for submission in &submissions {
        let mut ends = std::pin::pin!(submission.ends());
        while let Some(end) = ends.next().await {
            let (job, end) = end?;
            match end {
                Ok(finished) if job.item_id() % 50 == 0 => {
                    let report = finished.outputs().await?.download_to(&folder).await?;
                    assert!(report.failed.is_empty(), "{report:?}");
                }
                Err(error) if !has_ended(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        submission.wait_all().await.map(drop).or_else(|error| if has_ended(&error) { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

/// Whether an item has ended as it may where servers are killed: canceled, or failed by the server alone. In the moment after its
/// start, InvokeAI 6.14.2 now and then does not find the row of a picture that it has just stored.
fn has_ended(error: &Error) -> bool {
    match error {
        Error::JobCanceled { .. } => true,
        Error::JobFailed(failure) => {
            failure.error_type == "TypeError"
                && failure.traceback.as_deref().is_some_and(|trace| trace.contains("image_records_sqlite.py"))
        }
        _ => false,
    }
}

async fn clean_up(ledger: &Path) -> Result<()> {
    let client = client(ledger, Duration::from_secs(20))?;
    let report = client.cleanup().everything().await?;
    assert!(report.kept.is_empty(), "{report}");
    match report.failed.into_iter().next() {
        Some(failure) => Err(failure.error),
        None => Ok(()),
    }
}

/// Adds to a number, and crops an image for good.
fn crops(image: &str) -> Value {
    let input = |name: &str, label: &str, value: Value| json!({"name": name, "label": label, "description": "", "value": value});
    let node = |id: &str, kind: &str, version: &str, inputs: Value| {
        json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
            "id": id, "type": kind, "version": version, "nodePack": "invokeai", "label": "", "notes": "",
            "isOpen": true, "isIntermediate": false, "useCache": false, "inputs": inputs}})
    };
    let sum = json!({"a": input("a", "number", json!(0)), "b": input("b", "", json!(1))});
    let crop = json!({"image": input("image", "", json!({"image_name": image})),
        "width": input("width", "", json!(16)), "height": input("height", "", json!(16))});
    json!({"name": "crops", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"}, "exposedFields": [{"nodeId": "sum", "fieldName": "a"}],
        "nodes": [node("sum", "add", "1.0.1", sum), node("crop", "img_crop", "1.2.2", crop)], "edges": []})
}
