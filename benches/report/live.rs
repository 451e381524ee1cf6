//! Jobs on a real server. Uses queues of its own, and leaves nothing on the server.

use std::{
    env, fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use invokeai_client::{
    Client, Sweep, Upload, WhenFull,
    events::{EventFilter, EventItem},
    workflow::{EnqueueOptions, Workflow, WorkflowDefinition},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    Result, http,
    page::Page,
    python::Python,
    statistics::{median, median_with_bounds, quantile, usage},
    workflows,
};

const RUNS: usize = 40;

/// How many items a server takes by default.
const BATCH: u64 = 10_000;

pub(crate) async fn report(page: &mut Page, url: &str, python: Option<&Python>) -> Result {
    let client = Client::new(url)?;
    let workflow = client.workflow(WorkflowDefinition::from_value(workflows::additions())?).await?;
    let queue = format!("bench {}", uuid::Uuid::new_v4());
    page.heading("Jobs on a real server");
    page.line(format!("InvokeAI {}, two additions, {RUNS} runs each.", client.server_version().await?));
    against_the_minimum(page, &client, url, &workflow, &queue).await?;
    latency(page, &client, &workflow, &queue).await?;
    if let Some(python) = python {
        against_python(page, python, &client, url, &workflow, &queue).await?;
        pictures(page, python, &client, url).await?;
    }
    memory(page, url)?;
    client.queue(queue).prune().await?;
    Ok(())
}

async fn our_run(client: &Client, workflow: &Workflow, queue: &str) -> Result<f64> {
    let began = Instant::now();
    client.submit(workflow).queue(queue).await?.job()?.wait().await?;
    Ok(began.elapsed().as_secs_f64())
}

/// Sends a body made before, and asks for the item again and again.
async fn minimal_run(http: &reqwest::Client, base: &str, body: &Value) -> Result<f64> {
    let began = Instant::now();
    let request = http.post(format!("{base}/enqueue_batch")).json(body).send().await?;
    let answer: Value = request.error_for_status()?.json().await?;
    let item = answer.pointer("/item_ids/0").ok_or("no item")?;
    loop {
        let item: Value = http.get(format!("{base}/i/{item}")).send().await?.error_for_status()?.json().await?;
        match item["status"].as_str() {
            Some("completed") => return Ok(began.elapsed().as_secs_f64()),
            Some("failed" | "canceled") | None => return Err(format!("the item ended: {}", item["status"]).into()),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Whole runs in turns: through this crate, and by a minimal program that does the same work.
async fn against_the_minimum(page: &mut Page, client: &Client, url: &str, workflow: &Workflow, queue: &str) -> Result {
    let http = http::client();
    let base = format!("{}/api/v1/queue/{}", url.trim_end_matches('/'), queue.replace(' ', "%20"));
    let body = workflow.enqueue_body(&EnqueueOptions::default())?;
    let (mut ours, mut least, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=RUNS {
        let (mut own, mut other) = (0.0, 0.0);
        for turn in [pair % 2 == 0, pair % 2 != 0] {
            match turn {
                true => own = our_run(client, workflow, queue).await?,
                false => other = minimal_run(&http, &base, &body).await?,
            }
        }
        // The first pair opens connections.
        if pair > 0 {
            ours.push(1e3 * own);
            least.push(1e3 * other);
            ratios.push(own / other);
        }
    }
    let [ratio, from, to] = median_with_bounds(&mut ratios);
    let (ours, least) = (median(&mut ours), median(&mut least));
    page.line(format!(
        "\nSubmit to result: {ours:.1} ms; a program of `reqwest` calls that polls every 5 ms: {least:.1} ms."
    ));
    page.line(format!("Ratio within pairs: {ratio:.3} (95 % confidence: {from:.3} to {to:.3})."));
    page.promise(
        "submit to result",
        "at most 1.02 of a minimal program",
        format!("{ratio:.3} ({from:.3} to {to:.3})"),
        ratio <= 1.02,
    );
    Ok(())
}

/// From the arrival of the server's `completed` event, on another socket, to the return of `wait`.
async fn latency(page: &mut Page, client: &Client, workflow: &Workflow, queue: &str) -> Result {
    let witness = Client::new(client.base_url().as_str())?;
    let mut events = witness.event_hub().subscribe(EventFilter::all().queue(queue));
    events.connected().await?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let watching = tokio::spawn(async move {
        while let Some(Ok(item)) = events.next().await {
            let now = Instant::now();
            if let EventItem::Event(event) = item
                && event.status() == Some("completed")
                && arrived.send((event.item_id(), now)).is_err()
            {
                return;
            }
        }
    });
    let mut taken = Vec::new();
    for _ in 0..RUNS {
        let job = client.submit(workflow).queue(queue).await?.job()?;
        job.wait().await?;
        let returned = Instant::now();
        while let Some((item, arrival)) = arrivals.recv().await {
            if item == Some(job.item_id()) {
                // Either socket may be served first.
                let after = returned.saturating_duration_since(arrival).as_secs_f64();
                taken.push(1e3 * (after - arrival.saturating_duration_since(returned).as_secs_f64()));
                break;
            }
        }
    }
    watching.abort();
    let (middle, high) = (median(&mut taken), quantile(&mut taken, 0.95));
    page.line(format!("\n`wait` returns {middle:.2} ms after the `completed` event comes; 95 % within {high:.2} ms."));
    Ok(())
}

/// The Python client's own way to wait is to poll; it polls every 5 ms here.
async fn against_python(
    page: &mut Page,
    python: &Python,
    client: &Client,
    url: &str,
    workflow: &Workflow,
    queue: &str,
) -> Result {
    let file = tempfile::Builder::new().suffix(".json").tempfile()?;
    // The Python client does not accept workflows of version 4.0.0; 3.0.0 has the same structure.
    let mut definition = workflows::additions();
    definition["meta"]["version"] = "3.0.0".into();
    fs::write(file.path(), definition.to_string())?;
    let path = file.path().to_string_lossy().into_owned();
    let theirs = match tokio::task::block_in_place(|| python.whole_run(&path, url, RUNS / 2)) {
        Ok(seconds) => 1e3 * seconds,
        Err(error) => {
            page.skipped(&format!("whole runs of the Python client: {error}"));
            return Ok(());
        }
    };
    let mut ours = Vec::new();
    for _ in 0..RUNS / 2 {
        ours.push(1e3 * our_run(client, workflow, queue).await?);
    }
    page.line(format!(
        "\nSubmit to result with the Python client: {theirs:.1} ms; here, right after: {:.1} ms.",
        median(&mut ours)
    ));
    Ok(())
}

/// Uploads and downloads of a picture, by both clients in turns. The server's part is the same.
async fn pictures(page: &mut Page, python: &Python, client: &Client, url: &str) -> Result {
    let file = tempfile::Builder::new().suffix(".png").tempfile()?;
    let mut noise = 1_u32;
    let picture = image::RgbImage::from_fn(1536, 1536, |_, _| {
        // Noise cannot be compressed, so it has as many bytes as a large picture.
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = noise.to_be_bytes();
        image::Rgb([a, b, c])
    });
    picture.save(file.path())?;
    let path = file.path().to_string_lossy().into_owned();
    let [mut theirs, mut ours] = [const { [Vec::new(), Vec::new()] }; 2];
    for turn in 0..5 {
        let theirs_now = tokio::task::block_in_place(|| python.transfer(&path, url))?;
        let mut ours_now = [Vec::new(), Vec::new()];
        for _ in 0..5 {
            let began = Instant::now();
            let image = client.images().upload(Upload::path(file.path())).await?;
            ours_now[0].push(1e3 * began.elapsed().as_secs_f64());
            let began = Instant::now();
            let bytes = client.image(&image.image_name).download().bytes().await?;
            ours_now[1].push(1e3 * began.elapsed().as_secs_f64());
            client.image(&image.image_name).delete().await?;
            // The server writes the file again.
            if image::load_from_memory(&bytes)?.to_rgb8() != picture {
                return Err("another picture came back".into());
            }
        }
        // The first turn warms up.
        if turn > 0 {
            for way in 0..2 {
                theirs[way].push(1e3 * theirs_now[way]);
                ours[way].push(median(&mut ours_now[way]));
            }
        }
    }
    let mib = fs::metadata(file.path())?.len() as f64 / 1_048_576.0;
    page.line(format!("\nA picture of {mib:.1} MiB, which the server reads and keeps, and gives back:"));
    page.table(&["", "Python", "this crate", "ratio"]);
    for (way, name) in ["upload", "download"].iter().enumerate() {
        let (theirs, ours) = (median(&mut theirs[way]), median(&mut ours[way]));
        let cells = [format!("{theirs:.1} ms"), format!("{ours:.1} ms"), format!("{:.2}", theirs / ours)];
        page.row(&[vec![(*name).to_owned()], cells.to_vec()].concat());
    }
    Ok(())
}

/// Memory and processor time of batches, while the server takes them, runs a few, and cancels the others. Each batch
/// has a process of its own, so that nothing from before counts.
fn memory(page: &mut Page, url: &str) -> Result {
    page.line(
        "\nBatches: enqueued, followed for 5 s, canceled, every end awaited. Memory is the most that was resident.",
    );
    page.table(&["items", "seconds", "KiB before", "KiB while enqueued", "KiB at most", "us of processor per item"]);
    let mut peaks = Vec::new();
    for items in [BATCH / 10, BATCH] {
        let output = Command::new(env::current_exe()?)
            .args(["batch", url, &items.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("a batch of {items}: {}", output.status).into());
        }
        let said: Batch = serde_json::from_slice(&output.stdout)?;
        let Batch { seconds, before, enqueued, most, processor } = said;
        let per_item = 1e6 * processor / items as f64;
        let kib = [before, enqueued, most].map(|kib| kib.to_string());
        let cells = [vec![items.to_string(), format!("{seconds:.1}")], kib.to_vec(), vec![format!("{per_item:.0}")]];
        page.row(&cells.concat());
        peaks.push(most as f64);
    }
    let per_item = match peaks[..] {
        [small, large] => (large - small) / (BATCH - BATCH / 10) as f64,
        _ => f64::NAN,
    };
    page.promise(
        "memory for 10,000 items",
        "flat (at most 1 KiB for another item)",
        format!("{per_item:.2} KiB for another item"),
        per_item <= 1.0,
    );
    Ok(())
}

/// What a batch took. Memory is in KiB.
#[derive(Serialize, Deserialize)]
struct Batch {
    seconds: f64,
    before: u64,
    enqueued: u64,
    most: u64,
    processor: f64,
}

/// Enqueues, follows and cancels a batch, and prints what it took.
pub(crate) async fn batch(url: &str, items: u64) -> Result {
    let client = Client::new(url)?;
    let workflow = client.workflow(WorkflowDefinition::from_value(workflows::additions())?).await?;
    let queue = format!("bench {}", uuid::Uuid::new_v4());
    // Connections, the reading of answers and the socket are set up before.
    client.submit(&workflow).queue(&queue).await?.job()?.wait().await?;
    let (before, _, processor_before) = usage()?;
    let began = Instant::now();
    let sweep = Sweep::new().product(&workflow, "first a", 0..items as i64)?;
    let batch = client.submit(&workflow).queue(&queue).sweep(sweep).when_full(WhenFull::Feed).await?;
    while batch.is_feeding() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    batch.feed_error().map_or(Ok(()), Err)?;
    let (enqueued, ..) = usage()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    batch.cancel().await?;
    let ended = batch.ends().count().await;
    let (_, most, processor) = usage()?;
    if ended as u64 != items {
        return Err(format!("{ended} of {items} items ended").into());
    }
    let seconds = began.elapsed().as_secs_f64();
    let said = Batch { seconds, before, enqueued, most, processor: processor - processor_before };
    println!("{}", serde_json::to_string(&said)?);
    client.queue(queue).prune().await?;
    Ok(())
}
