//! What fleets do when nothing goes wrong.

use std::time::Duration;

use invokeai_client::{Client, Error, fleet::JobState};

use crate::stage::{Stage, batches, seeds, servers, workflow};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_on_all_servers_and_leave_nothing_there() {
    let servers = servers(2, 5);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(12, 3).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 12);
    for server in &servers {
        assert!(server.faults().calls("enqueue_batch") > 1, "each server has its share");
    }
    assert_eq!(worker.stop(), Some(0));
    stage.is_clean().await;
    assert!(stage.fleet.status().await.unwrap().servers.is_empty(), "a worker that has ended is not listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities_come_first_and_labels_find_jobs() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let workflow = workflow(&client).await;
    let low = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).label("kind", "low").await.unwrap();
    let high = stage.fleet.submit(&workflow).priority(5).label("kind", "high").await.unwrap();
    let found = stage.fleet.jobs().label("kind", "high").await.unwrap();
    assert_eq!(found.iter().map(|job| &job.id).collect::<Vec<_>>(), high.jobs.iter().collect::<Vec<_>>());
    let worker = stage.fleet.worker().server(client).at_once(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn(worker.run(async { _ = stopped.await }));
    stage.until(JobState::Done, 1).await;
    let first = stage.fleet.jobs().await.unwrap().into_iter().find(|job| job.state == JobState::Done).unwrap();
    assert_eq!(first.id, high.jobs[0], "the others wait: {low:?}");
    stop.send(()).unwrap();
    assert!(working.await.unwrap().unwrap().done >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_can_do_waits_and_says_why() {
    let able = servers(1, 1);
    let unable = invokeai_client::testing::TestServer::builder().seed_models(false).start().unwrap();
    let stage = Stage::new(&able).await;
    stage.submit(2, 3).await;
    assert_eq!(stage.fleet.status().await.unwrap().waiting[0].reasons, ["no worker runs"]);
    let worker = stage.worker_of(&[unable.url().to_owned()]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let status = stage.fleet.status().await.unwrap();
    assert_eq!((status.jobs.waiting, status.waiting.len()), (2, 1), "{status:?}");
    assert!(status.waiting[0].reasons[0].contains("tiny-sd1"), "{status:?}");
    assert_eq!(unable.faults().calls("enqueue_batch"), 0);
    worker.kill();
    let worker = stage.worker();
    stage.ended(60).await;
    assert!(stage.fleet.jobs().await.unwrap().iter().all(|job| job.state == JobState::Done && job.attempts == 1));
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn canceled_jobs_end_on_their_servers_and_can_be_tried_again() {
    let servers = servers(1, 100);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(4, 3).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 2).await;
    assert_eq!(stage.fleet.jobs().submission(&submission.id).cancel().await.unwrap(), 4);
    assert_eq!(stage.state_of(JobState::Canceled).await, 4);
    stage.is_clean().await;
    assert_eq!(stage.fleet.jobs().ids([&submission.jobs[0]]).retry().await.unwrap(), 1);
    stage.until(JobState::Done, 1).await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_end_jobs_that_were_not_begun() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let workflow = workflow(&client).await;
    stage.fleet.submit(&workflow).deadline(Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let worker = stage.worker();
    let jobs = stage.ended(30).await;
    assert_eq!(jobs[0].state, JobState::Failed);
    assert!(jobs[0].problem.as_deref().unwrap().contains("deadline"), "{jobs:?}");
    assert_eq!(batches(&servers), 0);
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_along_and_images_of_one_server_are_refused() {
    let servers = servers(2, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let resize = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
    let definition = invokeai_client::workflow::WorkflowDefinition::from_path(resize).unwrap();
    let mut workflow = client.workflow(definition).await.unwrap();
    let picture = stage.folder.path().join("picture.png");
    image::RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3])).save(&picture).unwrap();
    workflow.set_named_field("image", serde_json::json!({"image_name": "of-one-server.png"})).unwrap();
    let refused = stage.fleet.submit(&workflow).await.unwrap_err();
    assert!(matches!(refused, Error::NotReady(_)), "{refused}");
    workflow.set_named_field("image", stage.fleet.image(&picture).await.unwrap()).unwrap();
    let submission = stage.fleet.submit(&workflow).runs(6).await.unwrap();
    let worker = stage.worker();
    stage.ended(60).await;
    for job in &submission.jobs {
        assert_eq!(stage.fleet.result(job).await.unwrap().expect("a result").files.len(), 1);
    }
    stage.is_clean().await;
    assert_eq!(worker.stop(), Some(0));
}
