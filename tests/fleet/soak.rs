//! Everything at once: workers, servers and the database are killed at random while jobs run, workers are stopped past their
//! lease and woken, and clocks are an hour apart.
//!
//! `INVOKEAI_FLEET_ROUNDS` and `INVOKEAI_FLEET_JOBS` (in each round) make it longer.

use std::{
    collections::HashSet,
    net::TcpListener,
    time::{Duration, Instant},
};

use invokeai_client::{Client, fleet::JobState};
use rand::RngExt as _;

use crate::{
    postgres::Postgres,
    skip::skipped,
    stage::{Process, Stage, faketime, number, seeds, workflow},
};

const SERVERS: usize = 3;
const WORKERS: usize = 3;

/// Pictures that a server of `demo` has of its own.
const OWN: usize = 1;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_each_job_has_its_result_once_and_nothing_is_left() {
    let name = "whatever_is_killed_each_job_has_its_result_once_and_nothing_is_left";
    let (rounds, jobs) = (number("INVOKEAI_FLEET_ROUNDS", 1), number("INVOKEAI_FLEET_JOBS", 40));
    if faketime().is_none() {
        skipped(format_args!("{name}: clocks are the same: there is no libfaketime"));
    }
    for round in 1..=rounds {
        let Some(postgres) = Postgres::start(name) else { return };
        let began = Instant::now();
        let kills = one_round(postgres, jobs).await;
        eprintln!("round {round}: {jobs} jobs, killed {kills:?}, {:.0?}", began.elapsed());
    }
}

#[derive(Debug, Default)]
struct Kills {
    workers: usize,
    /// Past their lease, and woken.
    stopped: usize,
    servers: usize,
    databases: usize,
}

async fn one_round(mut postgres: Postgres, jobs: i64) -> Kills {
    let port = |_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports: Vec<u16> = (0..SERVERS).map(port).collect();
    let server = |port: u16| Process::start(&["demo", "--quiet", "--port", &port.to_string()]);
    let mut servers: Vec<Process> = ports.iter().map(|port| server(*port)).collect();
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}/")).collect();
    for url in &urls {
        is_up(url).await;
    }
    let stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    // Short items: many of them, and kills at every moment of one.
    let mut short = workflow(&Client::new(&stage.urls[0]).unwrap()).await;
    for (name, value) in [("Steps", 3), ("Width", 64), ("Height", 64)] {
        short.set_named_field(name, value).unwrap();
    }
    let submission = stage.fleet.submit(&short).sweep(seeds(&short, jobs)).attempts(100_000).await.unwrap();
    // An hour back, right, and an hour ahead.
    let worker = |at: usize| {
        let hours = i32::try_from(at % 3).unwrap() - 1;
        Process::start_ahead(&stage.arguments_of_a_worker(&stage.urls), hours)
    };
    let mut workers: Vec<Process> = (0..WORKERS).map(worker).collect();
    let mut kills = Kills::default();
    let end = Instant::now() + Duration::from_secs(120 + 3 * u64::try_from(jobs).unwrap());
    loop {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(500..4000))).await;
        match stage.fleet.jobs().await {
            Ok(found) if found.iter().all(|job| job.state.is_final()) => break,
            Ok(found) => assert!(Instant::now() < end, "it does not come to an end: {:?}", open(&found)),
            Err(error) => panic!("the database runs: {error}"),
        }
        match rand::rng().random_range(0..10) {
            0 => {
                let at = rand::rng().random_range(0..WORKERS);
                workers[at].signal("STOP");
                // Past the lease.
                tokio::time::sleep(Duration::from_millis(rand::rng().random_range(3500..5000))).await;
                workers[at].signal("CONT");
                kills.stopped += 1;
            }
            1..6 => {
                let at = rand::rng().random_range(0..WORKERS);
                std::mem::replace(&mut workers[at], worker(at)).kill();
                kills.workers += 1;
            }
            6..9 => {
                let at = rand::rng().random_range(0..SERVERS);
                // The port is free only when it is gone.
                let dead = servers.remove(at);
                dead.kill();
                servers.insert(at, server(ports[at]));
                is_up(&stage.urls[at]).await;
                kills.servers += 1;
            }
            _ => {
                postgres.kill();
                tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..3000))).await;
                postgres.start_again();
                // Connections of this process were cut.
                while stage.fleet.status().await.is_err() {
                    assert!(Instant::now() < end, "the database does not come back");
                }
                kills.databases += 1;
            }
        }
    }
    // Every job has one result, and no result is of two jobs.
    let done = stage.fleet.jobs().await.unwrap();
    assert_eq!(done.len(), submission.jobs.len());
    assert!(done.iter().all(|job| job.state == JobState::Done), "{:?}", open(&done));
    let (mut batches, mut pictures) = (HashSet::new(), HashSet::new());
    for job in &submission.jobs {
        let result = stage.fleet.result(job).await.unwrap().expect("a result");
        assert_eq!(result.job, *job);
        assert_eq!(result.files.len(), 1, "{result:?}");
        assert!(stage.fleet.file(&result.files[0]).await.unwrap().starts_with(b"\x89PNG"));
        assert!(batches.insert(result.batch_id.clone()), "two jobs have one batch: {result:?}");
        assert!(pictures.insert(result.files[0].sha256.clone()), "two jobs have one picture: {result:?}");
    }
    // All servers live; what they have is what they had.
    stage.is_clean_but_for(OWN).await;
    for (at, worker) in workers.into_iter().enumerate() {
        assert_eq!(worker.stop(), Some(0), "worker {at} ends as asked");
    }
    kills
}

fn open(jobs: &[invokeai_client::fleet::FleetJob]) -> Vec<&invokeai_client::fleet::FleetJob> {
    jobs.iter().filter(|job| job.state != JobState::Done).take(5).collect()
}

async fn is_up(url: &str) {
    let client = Client::new(url).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while client.server_version().await.is_err() {
        assert!(Instant::now() < end, "{url} does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
