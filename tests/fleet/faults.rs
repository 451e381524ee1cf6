//! What is promised when things go wrong: every job has its result once, and nothing is left on a server that lives.

use std::time::{Duration, Instant};

use invokeai_client::{
    Client,
    fleet::{Fleet, JobState, ServerState},
    testing::Fault,
    workflow::{Workflow, WorkflowDefinition},
};
use rand::RngExt as _;

use crate::{
    mounted::Mounted,
    postgres::Postgres,
    skip::skipped,
    stage::{Process, RESIZE, Stage, batches, number, servers},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_sent_is_found_and_not_sent_again() {
    let servers = servers(2, 60);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(6, 5).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 4).await;
    // Before the first item ends.
    while batches(&servers) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.kill();
    let second = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 6, "each job was sent once");
    stage.is_clean().await;
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_not_say_it_has_is_not_sent_again() {
    let servers = servers(1, 60);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(1, 5).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 1).await;
    while batches(&servers) < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.kill();
    // An answer that says nothing of the batch, and that no other attempt would change.
    servers[0].faults().add("get_queue_item_ids", Fault::status(500), 1);
    let second = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!((batches(&servers), servers[0].faults().outstanding()), (1, 0), "it was looked for until it was found");
    stage.is_clean().await;
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_past_its_lease_changes_nothing() {
    let servers = servers(1, 60);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(3, 5).await;
    let sleeper = stage.worker();
    stage.until(JobState::Running, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    sleeper.signal("STOP");
    let second = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    let results: Vec<_> = futures_of(&stage, &submission.jobs).await;
    sleeper.signal("CONT");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(futures_of(&stage, &submission.jobs).await, results, "results stay as they were");
    assert_eq!(batches(&servers), 3, "each job was sent once");
    stage.is_clean().await;
    assert_eq!(sleeper.stop(), Some(0));
    second.kill();
}

async fn futures_of(stage: &Stage, jobs: &[String]) -> Vec<invokeai_client::fleet::JobResult> {
    let mut results = Vec::new();
    for job in jobs {
        results.push(stage.fleet.result(job).await.unwrap().expect("a result"));
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_at_random_lose_and_double_nothing() {
    let (rounds, jobs) = (number("INVOKEAI_FLEET_ROUNDS", 1), number("INVOKEAI_FLEET_JOBS", 24));
    for _ in 0..rounds {
        let servers = servers(2, 20);
        let stage = Stage::new(&servers).await;
        let submission = stage.submit(jobs, 1000).await;
        let mut workers: Vec<Process> = (0..3).map(|_| stage.worker()).collect();
        let mut kills = 0;
        while stage.state_of(JobState::Done).await < submission.jobs.len() {
            let pause = rand::rng().random_range(300..2500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let at = rand::rng().random_range(0..workers.len());
            std::mem::replace(&mut workers[at], stage.worker()).kill();
            kills += 1;
            assert!(kills < 200 * jobs, "it does not come to an end");
        }
        stage.is_complete(&submission).await;
        assert_eq!(batches(&servers), submission.jobs.len(), "each job was sent once, after {kills} kills");
        stage.is_clean().await;
        eprintln!("{jobs} jobs, {kills} kills");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_server_that_is_killed_run_elsewhere() {
    let port = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports: Vec<u16> = (0..2).map(port).collect();
    let start = |port: u16| Process::start(&["demo", "--quiet", "--port", &port.to_string()]);
    let mut servers: Vec<Process> = ports.iter().map(|port| start(*port)).collect();
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}/")).collect();
    for url in &urls {
        let client = Client::new(url).unwrap();
        while client.server_version().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
    let stage = Stage::with(folder, store, urls).await;
    let submission = stage.submit(6, 20).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let survivor = servers.remove(0);
    let dead = servers.remove(0);
    dead.kill();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = start(ports[1]);
    stage.ended(100).await;
    stage.is_complete(&submission).await;
    stage.is_clean_but_for(1).await;
    drop((survivor, again, worker));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_everywhere_keeps_its_error_and_a_bad_server_is_benched() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    servers[0].faults().add("enqueue_batch", Fault::status(422), 1000);
    stage.submit(3, 1).await;
    let worker = stage.worker();
    let jobs = stage.ended(60).await;
    for job in &jobs {
        assert_eq!((job.state, job.attempts), (JobState::Failed, 1), "{job:?}");
        assert!(job.problem.as_deref().unwrap().contains("422"), "{job:?}");
    }
    let is_benched = |server: &ServerState| server.problem.as_deref().is_some_and(|why| why.contains("benched"));
    stage.until_status(|status| status.servers.iter().any(is_benched)).await;
    servers[0].faults().clear();
    assert_eq!(stage.fleet.jobs().retry().await.unwrap(), 3);
    let jobs = stage.ended(60).await;
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:?}");
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_server_does_not_spoil_jobs_that_another_can_do() {
    let servers = servers(2, 1);
    let stage = Stage::new(&servers).await;
    servers[0].faults().add("enqueue_batch", Fault::status(422), 1000);
    let submission = stage.submit(10, 3).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_its_workers_is_given_up() {
    let servers = servers(1, 2000);
    let stage = Stage::new(&servers).await;
    stage.submit(1, 2).await;
    for round in 1..=2 {
        let worker = stage.worker();
        stage.until(JobState::Running, 1).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        worker.kill();
        // Until the next one has given it back.
        let second = stage.worker();
        let end = Instant::now() + Duration::from_secs(60);
        while stage.fleet.jobs().await.unwrap()[0].attempts < round {
            assert!(Instant::now() < end, "it is not given back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        second.kill();
    }
    let worker = stage.worker();
    let jobs = stage.ended(60).await;
    assert_eq!(jobs[0].state, JobState::Failed);
    assert!(jobs[0].problem.as_deref().unwrap().contains("given up after"), "{jobs:?}");
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_answer_nobody_recorded_is_found_and_deleted() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let workflow = picture_workflow(&stage).await;
    servers[0].faults().add("upload_image", Fault::LostAnswer, 1);
    stage.fleet.submit(&workflow).attempts(5).await.unwrap();
    let worker = stage.worker();
    let end = Instant::now() + Duration::from_secs(30);
    while servers[0].faults().outstanding() > 0 {
        assert!(Instant::now() < end, "nothing is uploaded");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    worker.kill();
    let second = stage.worker();
    let jobs = stage.ended(60).await;
    assert_eq!(jobs[0].state, JobState::Done, "{jobs:?}");
    assert!(servers[0].faults().calls("upload_image") >= 2, "the first upload is of no use to anybody");
    stage.is_clean().await;
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_a_job_that_went_to_another_server_are_deleted() {
    let servers = servers(2, 1);
    let stage = Stage::new(&servers).await;
    let workflow = picture_workflow(&stage).await;
    // Nothing was sent, so it does not count as an attempt.
    servers[0].faults().add("enqueue_batch", Fault::status(503), 1000);
    let first = stage.worker_of(&stage.urls[..1]);
    stage.fleet.submit(&workflow).attempts(2).await.unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while servers[0].faults().calls("enqueue_batch") == 0 {
        assert!(Instant::now() < end, "nothing is sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = stage.worker_of(&stage.urls[1..]);
    let jobs = stage.ended(60).await;
    assert_eq!((jobs[0].state, jobs[0].attempts), (JobState::Done, 1), "{jobs:?}");
    assert!(servers[0].faults().calls("upload_image") > 0);
    stage.is_clean().await;
    drop((first, second));
}

pub(crate) async fn picture_workflow(stage: &Stage) -> Workflow {
    let client = Client::new(&stage.urls[0]).unwrap();
    let mut workflow = client.workflow(WorkflowDefinition::from_path(RESIZE).unwrap()).await.unwrap();
    let picture = stage.folder.path().join("picture.png");
    image::RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3])).save(&picture).unwrap();
    workflow.set_named_field("image", stage.fleet.image(&picture).await.unwrap()).unwrap();
    workflow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_named_with_the_reason() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let opened = Fleet::open(format!("postgres://me:hush@{nobody}/fleet")).files(folder.path().display().to_string());
    let error = opened.await.unwrap_err().to_string();
    assert!(error.contains(&nobody.to_string()) && error.contains("refused"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    let Some(mut postgres) = Postgres::start("a_store_that_is_away_is_named_with_the_reason") else { return };
    let files = folder.path().display().to_string();
    let fleet = Fleet::open(postgres.url()).files(files).await.unwrap();
    postgres.kill();
    // The first calls meet connections that are cut.
    let mut said = String::new();
    for _ in 0..10 {
        said = fleet.status().await.unwrap_err().to_string();
        if said.contains("Postgres at 127.0.0.1:") {
            break;
        }
    }
    assert!(said.contains("refused"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_wait_on_their_servers_while_the_store_of_files_is_full() {
    let Some(disk) = Mounted::new("size=1m") else {
        return skipped(format_args!("a full store of files: nothing can be mounted here"));
    };
    let servers = servers(1, 1);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
    let fleet = invokeai_client::fleet::Fleet::open(&store).files(disk.path().display().to_string()).await.unwrap();
    let stage = Stage { fleet, store, urls: vec![servers[0].url().to_owned()], folder };
    let submission = stage.submit(2, 2).await;
    let ballast = disk.path().join("ballast");
    // What is left is less than a picture takes.
    let filled = std::fs::write(&ballast, vec![7; 2 << 20]);
    assert!(filled.is_err());
    let worker = stage.worker();
    stage.until(JobState::Running, 2).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.state_of(JobState::Running).await, 2, "they are neither lost nor failed");
    std::fs::remove_file(&ballast).unwrap();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 2);
    stage.is_clean().await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_comes_back() {
    let Some(mut postgres) = Postgres::start("postgres_is_killed_and_comes_back") else { return };
    let servers = servers(2, 30);
    let folder = tempfile::tempdir().unwrap();
    let urls = servers.iter().map(|server| server.url().to_owned()).collect();
    let stage = Stage::with(folder, postgres.url(), urls).await;
    let submission = stage.submit(16, 20).await;
    let mut workers = vec![stage.worker(), stage.worker()];
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        postgres.kill();
        tokio::time::sleep(Duration::from_secs(4)).await;
        postgres.start_again();
        tokio::time::sleep(Duration::from_secs(2)).await;
        workers.remove(0).kill();
        workers.push(stage.worker());
    }
    let end = std::time::Instant::now() + Duration::from_secs(120);
    while stage.fleet.jobs().await.unwrap().iter().any(|job| !job.state.is_final()) {
        assert!(std::time::Instant::now() < end, "{:?}", stage.fleet.jobs().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 16, "each job was sent once");
    stage.is_clean().await;
    drop(workers);
}
