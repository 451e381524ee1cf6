//! Answers of the store that get lost after it did what it was asked to do, and networks that are cut without a word.

use std::{
    future::IntoFuture as _,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use invokeai_client::{
    Client, Error,
    fleet::{Fleet, JobState, WorkerReport},
    testing::{Fault, TestServer},
};
use tokio::sync::oneshot;

use crate::{
    postgres::Postgres,
    proxy::{Lost, Proxy},
    stage::{LEASE, Process, Stage, batches, servers},
};

/// Jobs by the straight way, and a worker that has the other one.
async fn stage(postgres: &Postgres, proxy: &Proxy, servers: &[TestServer]) -> Stage {
    let urls = servers.iter().map(|server| server.url().to_owned()).collect();
    let mut stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    stage.store = proxy.url();
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_done_whose_taking_the_worker_did_not_hear_of() {
    let Some(postgres) = Postgres::start("a_job_is_done_whose_taking_the_worker_did_not_hear_of") else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let stage = stage(&postgres, &proxy, &servers).await;
    // If what was not heard of were an attempt, there would be none left.
    let submission = stage.submit(3, 1).await;
    proxy.lose([Lost::Commit("apalis.get_jobs")]);
    let worker = stage.worker();
    let jobs = stage.ended(60).await;
    assert_eq!(proxy.still_to_lose(), 0);
    assert!(jobs.iter().all(|job| job.attempts == 1), "{jobs:?}");
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 3, "each job was sent once");
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_gives_back_what_it_did_not_hear_of() {
    let Some(postgres) = Postgres::start("a_worker_that_ends_gives_back_what_it_did_not_hear_of") else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let stage = stage(&postgres, &proxy, &servers).await;
    stage.submit(1, 1).await;
    proxy.lose([Lost::Commit("apalis.get_jobs")]);
    // A lease of an hour: nothing else could give it back.
    let mut arguments = stage.arguments_of_a_worker(&stage.urls);
    let lease = arguments.iter().position(|argument| *argument == LEASE).unwrap();
    arguments[lease] = "3600";
    let worker = Process::start(&arguments);
    let end = Instant::now() + Duration::from_secs(60);
    while proxy.still_to_lose() > 0 {
        assert!(Instant::now() < end, "no job is taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(worker.stop(), Some(0));
    let jobs = stage.fleet.jobs().await.unwrap();
    assert_ne!(jobs[0].state, JobState::Running, "it is given back, or done: {jobs:?}");
    let second = stage.worker();
    let jobs = stage.ended(60).await;
    assert_eq!((jobs[0].state, jobs[0].attempts), (JobState::Done, 1), "{jobs:?}");
    assert_eq!(second.stop(), Some(0));
}

/// Runs a worker in this process while these answers are lost, until all jobs have ended, and gives what it counted.
async fn counted(stage: &Stage, proxy: &Proxy, lost: &[Lost]) -> WorkerReport {
    let fleet = Fleet::open(proxy.url()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = fleet.worker().lease(Duration::from_secs(3)).server(Client::new(&stage.urls[0]).unwrap());
    proxy.lose(lost.iter().copied());
    let working = tokio::spawn(worker.run(async move {
        stopped.await.unwrap();
    }));
    stage.ended(60).await;
    assert_eq!(proxy.still_to_lose(), 0, "all was lost that was to be lost");
    stop.send(()).unwrap();
    working.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_did_and_nobody_heard_is_neither_done_twice_nor_counted_twice() {
    let name = "what_the_store_did_and_nobody_heard_is_neither_done_twice_nor_counted_twice";
    let Some(postgres) = Postgres::start(name) else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let stage = stage(&postgres, &proxy, &servers).await;
    let submission = stage.submit(4, 1).await;
    let report = counted(
        &stage,
        &proxy,
        &[
            Lost::Statement("INSERT INTO invokeai_fleet_attempts"),
            // The end of a job, and its result.
            Lost::Commit("INSERT INTO invokeai_fleet_results"),
            Lost::Statement("UPDATE invokeai_fleet_attempts SET is_open = 0"),
        ],
    )
    .await;
    assert_eq!((report.done, report.failed, report.late), (4, 0, 0), "{report:?}");
    assert!(stage.fleet.jobs().await.unwrap().iter().all(|job| job.attempts == 1));
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 4, "each job was sent once");
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_recorded_and_nobody_heard_is_one_attempt() {
    let Some(postgres) = Postgres::start("a_failure_that_was_recorded_and_nobody_heard_is_one_attempt") else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let stage = stage(&postgres, &proxy, &servers).await;
    servers[0].faults().add("enqueue_batch", Fault::status(422), 2);
    let submission = stage.submit(1, 5).await;
    let lost = [
        Lost::Statement("UPDATE invokeai_fleet_attempts SET error"),
        // Giving a job back.
        Lost::Statement("attempts = attempts + $4"),
    ];
    let report = counted(&stage, &proxy, &lost).await;
    assert_eq!((report.done, report.failed), (1, 2), "{report:?}");
    let jobs = stage.fleet.jobs().await.unwrap();
    assert_eq!((jobs[0].state, jobs[0].attempts), (JobState::Done, 3), "{jobs:?}");
    stage.is_complete(&submission).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_were_put_in_and_nobody_heard_are_there_once() {
    let Some(postgres) = Postgres::start("jobs_that_were_put_in_and_nobody_heard_are_there_once") else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let urls = vec![servers[0].url().to_owned()];
    let stage = Stage::with(tempfile::tempdir().unwrap(), proxy.url(), urls).await;
    proxy.lose([Lost::Commit("INSERT INTO apalis.jobs")]);
    let submission = stage.submit(5, 1).await;
    assert_eq!(proxy.still_to_lose(), 0);
    let jobs = stage.fleet.jobs().await.unwrap();
    let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
    assert_eq!(ids, submission.jobs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connections_are_cut_without_a_word_makes_new_ones() {
    let name = "a_worker_whose_connections_are_cut_without_a_word_makes_new_ones";
    let Some(postgres) = Postgres::start(name) else { return };
    let proxy = Proxy::to(&postgres.url()).await;
    let servers = servers(1, 1);
    let stage = stage(&postgres, &proxy, &servers).await;
    let worker = stage.worker();
    stage.submit(2, 3).await;
    stage.ended(60).await;
    assert_eq!(proxy.listens(), 1);
    proxy.cut_silently();
    let end = Instant::now() + Duration::from_secs(60);
    while proxy.listens() < 2 {
        assert!(Instant::now() < end, "the worker does not notice that it hears nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let submission = stage.submit(4, 3).await;
    // A statement that was under way is waited for for a minute.
    stage.ended(150).await;
    stage.is_complete(&submission).await;
    assert_eq!(worker.stop(), Some(0));
}

/// A process, once it has shown something on standard output if it is to, and the lines that it writes to standard error.
fn said_by(arguments: &[&str], shows: bool) -> (Child, mpsc::Receiver<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
    command.args(arguments).env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    if shows {
        shown.next().unwrap().unwrap();
    }
    std::thread::spawn(move || shown.for_each(drop));
    let (said, hear) = mpsc::channel();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).all(|line| said.send(line).is_ok()));
    (child, hear)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_jobs_outlasts_a_database_that_is_away() {
    let Some(mut postgres) = Postgres::start("who_waits_for_jobs_outlasts_a_database_that_is_away") else { return };
    let servers = servers(1, 1);
    let urls = servers.iter().map(|server| server.url().to_owned()).collect();
    let stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    stage.submit(2, 2).await;
    // All that goes on looking; each says so once it has seen that the database is away.
    let looking = [
        said_by(&["fleet", "wait", "--store", &stage.store], false),
        said_by(&["fleet", "status", "--watch", "--store", &stage.store], true),
    ];
    let waiting = tokio::spawn(stage.fleet.jobs().wait().timeout(Duration::from_secs(120)).into_future());
    postgres.kill();
    for (_, said) in &looking {
        let line = said.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(line.contains("waiting for the store"), "{line}");
    }
    postgres.start_again();
    let worker = stage.worker();
    let jobs = waiting.await.unwrap().unwrap();
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:?}");
    for (mut child, _) in looking {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_in_time_although_the_database_does_not_answer() {
    let Some(postgres) = Postgres::start("a_wait_ends_in_time_although_the_database_does_not_answer") else { return };
    let servers = servers(1, 1);
    let urls = servers.iter().map(|server| server.url().to_owned()).collect();
    let stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    let submission = stage.submit(2, 1).await;
    // Whoever looks for jobs waits until this has ended.
    let other = sqlx::PgPool::connect(&postgres.url()).await.unwrap();
    let mut change = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE apalis.jobs").execute(&mut *change).await.unwrap();
    let began = Instant::now();
    let error = stage.fleet.jobs().wait().timeout(Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    // A statement is waited for for a minute.
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(30), "{took:?}");
    change.rollback().await.unwrap();
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(worker.stop(), Some(0));
}
