//! How long a job takes beyond what the server takes, and how much memory many jobs take.
//!
//! Needs a real server: `INVOKEAI_TEST_URL=http://127.0.0.1:9090 cargo bench --bench job_latency`. Uses queues of its
//! own, and leaves nothing on the server.

#[path = "../tests/common/workflows.rs"]
mod workflows;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use invokeai_client::{
    Client, Sweep, WhenFull,
    events::{EventFilter, EventItem},
    workflow::{EnqueueOptions, Workflow, WorkflowDefinition},
};
use serde_json::Value;
use tokio::sync::mpsc;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const RUNS: usize = 50;

#[tokio::main]
async fn main() -> Result {
    let Ok(url) = env::var("INVOKEAI_TEST_URL") else {
        println!("SKIPPED: INVOKEAI_TEST_URL is not set");
        return Ok(());
    };
    let client = Client::new(&url)?;
    let workflow = client.workflow(WorkflowDefinition::from_value(workflows::additions())?).await?;
    let queue = format!("bench {}", uuid::Uuid::new_v4());
    println!("InvokeAI {}, two additions, {RUNS} runs each", client.server_version().await?);
    latency(&client, &workflow, &queue).await?;
    against_the_minimum(&client, &url, &workflow, &queue).await?;
    memory(&client, &workflow, &queue).await?;
    client.queue(queue).prune().await?;
    Ok(())
}

/// From the arrival of the server's `completed` event, on another socket, to the return of `wait`.
async fn latency(client: &Client, workflow: &Workflow, queue: &str) -> Result {
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
        let job = workflow.submit(client).queue(queue).await?.job()?;
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
    let [least, median, high] = quantiles(&mut taken);
    println!("wait returns after `completed`: median {median:.3} ms, least {least:.3} ms, 95 % within {high:.3} ms");
    Ok(())
}

/// Whole runs in turn: through this crate, and by a client that sends the body and asks for the item again and again.
async fn against_the_minimum(client: &Client, url: &str, workflow: &Workflow, queue: &str) -> Result {
    let http = reqwest::Client::new();
    let base = format!("{}/api/v1/queue/{}", url.trim_end_matches('/'), queue.replace(' ', "%20"));
    let (mut ours, mut minimum) = (Vec::new(), Vec::new());
    let (mut our_submit, mut minimum_submit) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let job = workflow.submit(client).queue(queue).await?.job()?;
        our_submit.push(1e3 * began.elapsed().as_secs_f64());
        job.wait().await?;
        ours.push(1e3 * began.elapsed().as_secs_f64());

        let began = Instant::now();
        let body = workflow.enqueue_body(&EnqueueOptions::default())?;
        let request = http.post(format!("{base}/enqueue_batch")).json(&body).send().await?;
        let answer: Value = request.error_for_status()?.json().await?;
        let item = answer.pointer("/item_ids/0").ok_or("no item")?.clone();
        minimum_submit.push(1e3 * began.elapsed().as_secs_f64());
        loop {
            let item: Value = http.get(format!("{base}/i/{item}")).send().await?.error_for_status()?.json().await?;
            if item["status"] == "completed" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        minimum.push(1e3 * began.elapsed().as_secs_f64());
    }
    let ([_, ours, _], [_, minimum, _]) = (quantiles(&mut ours), quantiles(&mut minimum));
    println!("whole run: median {ours:.1} ms, bare HTTP {minimum:.1} ms, ratio {:.3}", ours / minimum);
    let ([_, ours, _], [_, minimum, _]) = (quantiles(&mut our_submit), quantiles(&mut minimum_submit));
    println!("of which to submit: median {ours:.1} ms, bare HTTP {minimum:.1} ms");
    Ok(())
}

/// Resident memory before and after many jobs.
async fn memory(client: &Client, workflow: &Workflow, queue: &str) -> Result {
    let before = resident()?;
    let sweep = Sweep::new().product(workflow, "first a", 0..1000)?;
    let batch = workflow.submit(client).queue(queue).sweep(sweep).when_full(WhenFull::Feed).await?;
    while batch.enqueued() < batch.requested() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let enqueued = resident()?;
    // A few run; to run them all takes ten minutes.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ran = resident()?;
    batch.cancel().await?;
    let ends: Vec<bool> = batch.ends().map(|(_, end)| end.is_ok()).collect().await;
    let completed = ends.iter().filter(|completed| **completed).count();
    println!(
        "batch of {}: {completed} completed, the others canceled; KiB resident: {before} before, {enqueued} enqueued, \
         {ran} after 5 s, {} at the end",
        ends.len(),
        resident()?
    );
    drop(batch);

    let before = resident()?;
    let submissions = futures::future::join_all((0..50).map(|_| async { workflow.submit(client).queue(queue).await }));
    let submissions: Vec<_> = submissions.await.into_iter().collect::<invokeai_client::Result<_>>()?;
    let during = resident()?;
    let began = Instant::now();
    for submission in &submissions {
        submission.wait_all().await?;
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!(
        "50 submissions: {elapsed:.1} s; KiB resident: {before} before, {during} submitted, {} ended",
        resident()?
    );
    Ok(())
}

/// Kibibytes, from Linux.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The least, the median, and what 95 % do not exceed.
fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    [0.0, 0.5, 0.95].map(|part| values.get((last * part).round() as usize).copied().unwrap_or(f64::NAN))
}
