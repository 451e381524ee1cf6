//! The service killed without a word, at any moment: each request has one run, and each run one item.
//!
//! `INVOKEAI_TEST_KILLS` says how often it is killed (default: 12).

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    command::{Serving, serve_with},
    stage::{Stage, answer, data_url, png, text},
};

/// The latest moment, in milliseconds: long after all requests are taken on.
const LATEST: u64 = 480;

/// Requests between two kills.
const REQUESTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_at_random_moments_lose_no_run_and_double_none() {
    let stage = Stage::with(Duration::from_millis(5), |service| service).await;
    let file = stage.folder.path().join("resize.json");
    fs::write(&file, text("resize-and-blur")).unwrap();
    let workflow = format!("resize={}", file.display());
    let serve = || serve_with(&stage.invokeai, stage.folder.path(), &workflow, &[]);
    let picture = data_url(&png(16, 16));
    // The runs that callers were promised, by their keys.
    let told: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let post = async |serving: &Serving, n: usize, key: &str| {
        let http = stage.http.post(format!("{}/workflows/resize/runs", serving.url));
        http.header("idempotency-key", key).json(&json!({ "picture": picture, "width": 8 * (1 + n % 8) })).send().await
    };
    let note = |key: &str, run: &Value| {
        let id = run["id"].as_str().unwrap().to_owned();
        let before = told.lock().unwrap().insert(key.to_owned(), id.clone());
        assert!(before.is_none_or(|before| before == id), "{key} has two runs");
    };
    let kills: usize = env::var("INVOKEAI_TEST_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let mut random = 0x2545_f491_u32;
    for kill in 0..kills {
        let serving = serve();
        // One in each part of the time, so that none is missed by chance.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let part = kill as f64 + f64::from(random) / f64::from(u32::MAX);
        let moment = Duration::from_millis(LATEST).mul_f64(part / kills as f64);
        let posts = (0..REQUESTS).map(|n| {
            let key = format!("{kill} {n}");
            let (post, serving) = (&post, &serving);
            async move { (key.clone(), post(serving, n, &key).await) }
        });
        let posts = futures::future::join_all(posts);
        tokio::pin!(posts);
        let answers = tokio::select! {
            answers = &mut posts => Some(answers),
            () = tokio::time::sleep(moment) => None,
        };
        serving.kill();
        for (key, answer) in match answers {
            Some(answers) => answers,
            None => posts.await,
        } {
            // Of most an answer was lost.
            let Ok(answer) = answer else { continue };
            if answer.status().is_success()
                && let Ok(run) = answer.json::<Value>().await
            {
                note(&key, &run);
            }
        }
    }
    let serving = serve();
    let keys: Vec<(String, usize)> =
        (0..kills).flat_map(|kill| (0..REQUESTS).map(move |n| (format!("{kill} {n}"), n))).collect();
    for (key, n) in &keys {
        let response = post(&serving, *n, key).await.unwrap();
        let (status, run) = (response.status(), response.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{status} {run:#}");
        note(key, &run);
    }
    let ids: BTreeSet<String> = told.lock().unwrap().values().cloned().collect();
    assert_eq!(ids.len(), keys.len());
    let end = Instant::now() + Duration::from_secs(120);
    for id in &ids {
        loop {
            let (status, run) = answer(stage.http.get(format!("{}/runs/{id}", serving.url))).await;
            assert_eq!(status, StatusCode::OK, "{run:#}");
            if run["state"] == "completed" {
                assert_eq!(run["outputs"].as_array().unwrap().len(), 1, "{run:#}");
                break;
            }
            assert!(["pending", "running"].contains(&run["state"].as_str().unwrap()), "{run:#}");
            assert!(Instant::now() < end, "no end: {run:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let items = stage.items().await;
    let batches: BTreeSet<&String> = items.iter().map(|(batch, _)| batch).collect();
    assert_eq!((items.len(), batches.len()), (keys.len(), keys.len()), "one item for each request");
}
