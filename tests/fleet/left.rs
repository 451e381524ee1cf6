//! What is left on servers by workers that died, by failures, and by jobs that were canceled.

use std::time::Duration;

use invokeai_client::{Client, fleet::JobState, testing::Fault};

use crate::stage::{Stage, batches, servers, workflow};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_clean_up_outlasts_failures_that_pass() {
    let servers = servers(1, 0);
    let stage = Stage::new(&servers).await;
    for operation in ["delete_image", "delete_images_from_list"] {
        servers[0].faults().add(operation, Fault::status(503), usize::MAX);
    }
    let submission = stage.submit(1, 1).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    worker.signal("TERM");
    // Longer than one clean-up takes that fails.
    tokio::time::sleep(Duration::from_secs(8)).await;
    servers[0].faults().clear();
    assert_eq!(worker.ended(), Some(0));
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_arrives_after_its_job_has_ended_is_cleaned_up() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    stage.submit(1, 2).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_clean().await;
    // As a worker leaves it who dies when the batch is on its way.
    let batch = "00000000-0000-4000-8000-000000000001";
    let store = sqlx::SqlitePool::connect(&stage.store).await.unwrap();
    let left = "INSERT INTO invokeai_fleet_attempts SELECT job, 7, server, queue, $1, worker, 1, '[]', 0, NULL, \
                CAST(strftime('%s', 'now') AS BIGINT) FROM invokeai_fleet_attempts";
    assert_eq!(sqlx::query(left).bind(batch).execute(&store).await.unwrap().rows_affected(), 1);
    // Workers look every five seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    client.submit(&workflow(&client).await).batch_id(batch).await.unwrap();
    stage.is_clean().await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_canceled_is_no_failure_of_its_server() {
    let servers = servers(1, 100);
    let stage = Stage::new(&servers).await;
    stage.submit(4, 1).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = stage.fleet.worker().server(client.clone()).at_once(1);
    let working = tokio::spawn(worker.run(async { _ = stopped.await }));
    for sent in 1..=4 {
        while batches(&servers) < sent {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let jobs = stage.fleet.jobs().await.unwrap();
        let running = jobs.iter().filter(|job| job.state == JobState::Running).map(|job| &job.id);
        assert_eq!(stage.fleet.jobs().ids(running).cancel().await.unwrap(), 1);
        // As another worker does that cleans up: this one hears of it from the server first.
        client.queue("default").clear().await.unwrap();
    }
    stop.send(()).unwrap();
    let report = working.await.unwrap().unwrap();
    assert_eq!((report.done, report.failed), (0, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_begun_in_time_is_finished_after_its_deadline() {
    let servers = servers(1, 60);
    let stage = Stage::new(&servers).await;
    let workflow = workflow(&Client::new(&stage.urls[0]).unwrap()).await;
    stage.fleet.submit(&workflow).deadline(Duration::from_secs(3)).await.unwrap();
    let worker = stage.worker();
    while batches(&servers) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.kill();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = stage.worker();
    let jobs = stage.ended(60).await;
    assert_eq!(jobs[0].state, JobState::Done, "{jobs:?}");
    assert_eq!(batches(&servers), 1, "it was sent once");
    second.kill();
}
