//! Measures a fleet: how its throughput grows with its servers, and what a job costs over the plain client.
//!
//! The servers are embedded ones whose items take a fixed time, so everything else is the fleet's. `INVOKEAI_FLEET`
//! names a Postgres instead of a SQLite file.
//!
//! `cargo run --release --example fleet_throughput --features fleet,testing -- [JOBS PER SERVER]`

use std::time::{Duration, Instant};

use invokeai_client::{
    Client, Sweep,
    fleet::Fleet,
    testing::TestServer,
    workflow::{Workflow, WorkflowDefinition, field::InkField},
};

const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let per_server: i64 = std::env::args().nth(1).map_or(Ok(5), |jobs| jobs.parse())?;
    let mut one = None;
    for count in [1, 2, 4] {
        let servers = (0..count).map(|_| server(50)).collect::<Result<Vec<_>, _>>()?;
        let folder = tempfile::tempdir()?;
        let fleet = fleet(folder.path()).await?;
        let client = servers[0].client()?;
        let workflow = workflow(&client).await?;
        let jobs = per_server * count;
        let submission = fleet.submit(&workflow).sweep(seeds(&workflow, jobs)?).await?;
        let mut worker = fleet.worker();
        for server in &servers {
            worker = worker.server(server.client()?);
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let began = Instant::now();
        let working = tokio::spawn(worker.run(async { _ = stopped.await }));
        fleet.jobs().submission(&submission.id).wait().await?;
        let took = began.elapsed();
        _ = stop.send(());
        working.await??;
        let rate = jobs as f64 / took.as_secs_f64();
        let linear = rate / (*one.get_or_insert(rate) * count as f64);
        println!("{count} servers: {jobs} jobs in {took:.1?}, {rate:.2} per second, {linear:.3} of linear");
    }
    overhead().await
}

/// From the submission until the server has the item, with a server that has nothing to do.
async fn overhead() -> Outcome {
    let server = server(0)?;
    let folder = tempfile::tempdir()?;
    let fleet = fleet(folder.path()).await?;
    let client = server.client()?;
    let workflow = workflow(&client).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn(fleet.worker().server(server.client()?).run(async { _ = stopped.await }));
    let (mut plain, mut by_fleet) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let mut workflow = workflow.clone();
        workflow.set_named_field(&*seed_of(&workflow)?, seed + 1000)?;
        let sent = server.faults().calls("enqueue_batch");
        let began = Instant::now();
        let submission = client.submit(&workflow).await?;
        plain.push(began.elapsed());
        submission.wait_all().await?;
        submission.cleanup().everything().await?;
        let began = Instant::now();
        fleet.submit(&workflow).await?;
        while server.faults().calls("enqueue_batch") < sent + 2 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        by_fleet.push(began.elapsed());
        fleet.jobs().wait().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The first one also finds out what the server can do.
    let (first, plain, by_fleet) = (by_fleet[0], median(&mut plain[1..]), median(&mut by_fleet[1..]));
    println!("submit to start: {plain:.1?} by the client, {by_fleet:.1?} by the fleet (the first {first:.1?})");
    _ = stop.send(());
    working.await??;
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn server(step: u64) -> std::io::Result<TestServer> {
    TestServer::builder().step_time(Duration::from_millis(step)).start()
}

async fn fleet(folder: &std::path::Path) -> Outcome<Fleet> {
    let files = folder.join("files").display().to_string();
    match std::env::var("INVOKEAI_FLEET") {
        Ok(store) => Ok(Fleet::open(store).await?),
        Err(_) => Ok(Fleet::open(format!("sqlite:{}", folder.join("fleet.sqlite").display())).files(files).await?),
    }
}

async fn workflow(client: &Client) -> Outcome<Workflow> {
    let mut workflow = client.workflow(WorkflowDefinition::from_path(TEXT)?).await?;
    let models = client.models().records().await?;
    let model = models.iter().find(|model| model.name == "tiny-sd1").ok_or("the server has no tiny-sd1")?;
    workflow.set_named_field("Model", model)?;
    workflow.set_named_field("Prompt", "a lighthouse")?;
    Ok(workflow)
}

fn seed_of(workflow: &Workflow) -> Outcome<String> {
    let mut seeds = workflow.fields_called("seed");
    seeds.retain(|field| !field.connected && matches!(field.field, InkField::Integer(_)));
    let field = seeds.first().ok_or("the workflow has no seed")?;
    Ok(format!("{}.{}", field.node_id, field.field_name))
}

fn seeds(workflow: &Workflow, jobs: i64) -> Outcome<Sweep> {
    Ok(Sweep::new().product(workflow, seed_of(workflow)?, 1..=jobs)?)
}
