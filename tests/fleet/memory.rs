//! Memory over many jobs: `INVOKEAI_FLEET_MEMORY_JOBS` says how many.

use std::time::{Duration, Instant};

use invokeai_client::fleet::FleetSubmission;

use crate::{
    postgres::Postgres,
    skip::skipped,
    stage::{Process, Stage, number, seeds, servers, workflow},
};

/// How much more the last nine tenths of the jobs may take than the first one. An allocator keeps some of what it had; half
/// of the pictures take 5 MB.
const ALLOWED: u64 = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_jobs_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
    measured("memory_does_not_grow_with_the_number_of_jobs_in_sqlite", folder, store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_jobs_in_postgres() {
    let name = "memory_does_not_grow_with_the_number_of_jobs_in_postgres";
    let Some(postgres) = Postgres::start(name) else { return };
    measured(name, tempfile::tempdir().unwrap(), postgres.url()).await;
}

async fn measured(what: &str, folder: tempfile::TempDir, store: String) {
    if !std::path::Path::new("/proc/self/statm").exists() {
        return skipped(format_args!("{what}: this system does not say how much memory a process has"));
    }
    let jobs = number("INVOKEAI_FLEET_MEMORY_JOBS", 60);
    let servers = servers(1, 0);
    let stage = Stage::with(folder, store, vec![servers[0].url().to_owned()]).await;
    let mut workflow = workflow(&servers[0].client().unwrap()).await;
    // Pictures of full size, and no previews that the server would have to paint.
    workflow.set_named_field("Steps", 1).unwrap();
    let FleetSubmission { id, .. } = stage.fleet.submit(&workflow).sweep(seeds(&workflow, jobs)).await.unwrap();
    let began = Instant::now();
    let worker = stage.worker();
    let client = Process::start(&["fleet", "wait", "--quiet", "--store", &stage.store, "--submission", &id]);
    let mut taken = Vec::new();
    for tenths in [1, 5, 10] {
        // The client ends with the last job.
        let wanted = (jobs * tenths / 10).min(jobs - 1);
        loop {
            let done = i64::try_from(stage.fleet.status().await.unwrap().jobs.done).unwrap();
            if done >= wanted {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60 + jobs.unsigned_abs()), "{done} of {jobs} are done");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        taken.push((wanted, worker.memory(), client.memory()));
    }
    let rate = jobs as f64 / began.elapsed().as_secs_f64();
    for (done, worker, client) in &taken {
        eprintln!("{what}: {done} jobs done, worker {} KiB, client {} KiB", worker >> 10, client >> 10);
    }
    eprintln!("{what}: {rate:.1} jobs per second");
    let (first, last) = (taken[0], taken[2]);
    assert!(last.1 < first.1 + ALLOWED, "the worker grows with its jobs: {taken:?}");
    assert!(last.2 < first.2 + ALLOWED, "the client grows with the jobs: {taken:?}");
    assert_eq!(client.ended(), Some(0));
    stage.is_clean().await;
    assert_eq!(worker.stop(), Some(0));
}
