//! Many callers at once: no run is lost, none happens twice, and what the service remembers stays small.
//!
//! `INVOKEAI_TEST_LOAD` says how many runs (default: 400). With a thousand or more, as many are made with the plain client, and
//! what a run costs over that is printed. In a release build, where that can be measured, it is held to its limit.

use std::{
    collections::HashSet,
    env, fs,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use invokeai_client::{Upload, testing::TestServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    command::serve_with,
    http,
    stage::{png, resize, text},
};

/// Callers at the same time.
const CALLERS: usize = 200;

/// Most that the memory of the service may grow by, in KiB, over this many runs or more after the first turn. Over fewer it
/// may grow by a part of that.
const GROWTH: (u64, usize) = (24 << 10, 320);

/// With this many runs, the service is compared with the plain client.
const COMPARED: usize = 1000;

/// Most that a run may cost over the plain client, in milliseconds.
const COST: f64 = 5.0;

/// In how many turns the plain client and the service do their runs, if they are compared.
const TURNS: usize = 5;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Memory of a process in KiB.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_lose_nothing_and_double_nothing() {
    let runs: usize = env::var("INVOKEAI_TEST_LOAD").map_or(400, |runs| runs.parse().unwrap());
    let compared = runs >= COMPARED;
    let parts: Vec<Range<usize>> = match compared {
        // In turns, so that neither has the younger server, or the quieter machine.
        true => (0..TURNS).map(|turn| runs * turn / TURNS..runs * (turn + 1) / TURNS).collect(),
        // All callers at once, twice: what the second turn takes beyond the first one is not what so many callers need.
        false => vec![0..runs / 2, runs / 2..runs],
    };
    let first = parts[0].end;
    let invokeai = TestServer::builder().step_time(Duration::ZERO).start().unwrap();
    let client = invokeai.client().unwrap();
    let picture = client.images().upload(Upload::bytes("p.png", png(16, 16))).await.unwrap().image_name;
    let mut workflow = resize(&client).await;
    workflow.set_input("Picture", json!({ "image_name": picture })).unwrap();
    workflow.set_input("Width", 8).unwrap();
    workflow.set_input("Height", 8).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resize.json");
    fs::write(&file, text("resize-and-blur")).unwrap();
    let serving = serve_with(&invokeai, folder.path(), &format!("resize={}", file.display()), &[]);
    let http = http::builder().timeout(Duration::from_secs(300)).build().unwrap();
    let (done, early) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let address = format!("{}/workflows/resize/runs", serving.url);
    let inputs = json!({ "picture": picture, "width": 8, "height": 8 });
    // The most memory that was seen after the first turn.
    let most = Arc::new(AtomicUsize::new(0));
    let watching = {
        let (id, early, most) = (serving.id(), Arc::clone(&early), Arc::clone(&most));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                if early.load(Ordering::SeqCst) > 0 {
                    most.fetch_max(usize::try_from(memory(id)).unwrap(), Ordering::SeqCst);
                }
            }
        })
    };
    let serve = async |n: usize| {
        let post = http.post(&address).header("prefer", "wait=300").header("idempotency-key", format!("run {n}"));
        let response = post.json(&inputs).send().await.unwrap();
        let (status, run) = (response.status(), response.json::<Value>().await.unwrap());
        assert_eq!((status, &run["state"]), (StatusCode::CREATED, &json!("completed")), "{run:#}");
        assert_eq!(run["outputs"].as_array().unwrap().len(), 1);
        if done.fetch_add(1, Ordering::SeqCst) + 1 == first {
            early.store(usize::try_from(memory(serving.id())).unwrap(), Ordering::SeqCst);
        }
        (run["id"].to_string(), run["outputs"][0]["name"].to_string())
    };
    let plain = async |_: usize| {
        let submission = client.submit(&workflow).await.unwrap();
        let outputs = submission.job().unwrap().wait().await.unwrap().outputs().await.unwrap();
        assert_eq!(outputs.final_images().len(), 1);
    };
    let (mut served, mut plain_in, mut served_in) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for part in parts {
        if compared {
            let began = Instant::now();
            stream::iter(part.clone()).map(&plain).buffer_unordered(CALLERS).collect::<Vec<()>>().await;
            plain_in += began.elapsed();
        }
        let began = Instant::now();
        served.extend(stream::iter(part).map(&serve).buffer_unordered(CALLERS).collect::<Vec<_>>().await);
        served_in += began.elapsed();
    }
    watching.abort();
    let late = memory(serving.id()).max(most.load(Ordering::SeqCst) as u64);
    let early = early.load(Ordering::SeqCst) as u64;

    let (ids, files): (HashSet<String>, HashSet<String>) = served.into_iter().unzip();
    assert_eq!((ids.len(), files.len()), (runs, runs), "each run is its own, and has its own picture");
    let status = client.queue("default").status().await.unwrap();
    let counts = &status.queue.counts;
    let items = if compared { 2 * runs as u64 } else { runs as u64 };
    assert_eq!((counts.completed, counts.total), (items, items), "one item for each run");
    let each = |time: Duration| time.as_secs_f64() * 1000.0 / runs as f64;
    println!(
        "{runs} runs of {CALLERS} callers: {:.2} ms each; memory {early} KiB after the first turn, at most {late} KiB from there on",
        each(served_in)
    );
    let growth = GROWTH.0 * (runs - first).min(GROWTH.1) as u64 / GROWTH.1 as u64;
    assert!(late < early + growth, "memory grows: {early} KiB after the first turn, {late} KiB later");
    if compared {
        let cost = each(served_in) - each(plain_in);
        println!("{cost:.2} ms more than with the plain client");
        assert!(cfg!(debug_assertions) || cost <= COST, "a run costs {cost:.2} ms more than with the plain client");
    }
}
