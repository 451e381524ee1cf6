//! The embedded server as users of this crate use it: whole runs through the client, and scripted faults.

use std::time::Duration;

use invokeai_client::{
    Client, Error, Upload,
    testing::{Fault, TestServer},
    workflow::{Workflow, WorkflowDefinition, field::InkField},
};

use crate::common::http;

const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");

const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

fn picture() -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8 * 4, y as u8 * 6, 90]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    png.into_inner()
}

/// A workflow that is ready to run.
async fn ready(client: &Client) -> Workflow {
    let mut workflow = client.workflow(WorkflowDefinition::from_path(RESIZE).unwrap()).await.unwrap();
    let uploaded = client.images().upload(Upload::bytes("picture.png", picture())).await.unwrap();
    workflow.set_input("Picture", uploaded.image_name.as_str()).unwrap();
    workflow.set_input("Width", 32).unwrap();
    workflow.set_input("Height", 24).unwrap();
    workflow
}

#[tokio::test]
async fn a_whole_run_leaves_a_picture_here_and_nothing_on_the_server() {
    let server = TestServer::start().unwrap();
    let client = server.client().unwrap();
    let workflow = ready(&client).await;
    let job = client.submit(&workflow).await.unwrap().job().unwrap();
    let finished = job.wait().timeout(Duration::from_secs(60)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = finished.outputs().await.unwrap().download_to(folder.path()).await.unwrap().saved;
    let pictures: Vec<_> = saved.iter().map(|file| image::open(&file.path).unwrap()).collect();
    assert!(pictures.iter().any(|picture| (picture.width(), picture.height()) == (32, 24)));
    client.cleanup().everything().await.unwrap();
    assert_eq!(client.api().list_image_dtos().send().await.unwrap().total, 0);
}

#[tokio::test]
async fn a_lost_answer_is_not_sent_twice_and_the_job_is_found() {
    let server = TestServer::start().unwrap();
    let client = server.client().unwrap();
    let workflow = ready(&client).await;
    server.faults().add("enqueue_batch", Fault::LostAnswer, 1);
    let job = client.submit(&workflow).await.unwrap().job().unwrap();
    job.wait().timeout(Duration::from_secs(60)).await.unwrap();
    assert_eq!((server.faults().outstanding(), server.faults().calls("enqueue_batch")), (0, 1));
    assert_eq!(client.api().get_queue_item_ids().queue_id("default").send().await.unwrap().total_count, 1);
}

#[tokio::test]
async fn scripted_statuses_come_as_often_as_they_were_scripted() {
    let server = TestServer::start().unwrap();
    let http = http::client();
    let version = format!("{}/api/v1/app/version", server.url());
    let fault = Fault::Status { status: 503, retry_after: Some(Duration::from_secs(2)) };
    server.faults().add("app_version", fault, 1);
    server.faults().add("/api/v1/app/version", Fault::Reset, 1);
    server.faults().add("app_version", Fault::CutAnswer, 1);
    server.faults().add("app_version", Fault::Delay(Duration::from_millis(50)), 1);
    let refused = http.get(&version).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(http.get(&version).send().await.is_err(), "it was reset");
    let cut = async { http.get(&version).send().await?.bytes().await };
    assert!(cut.await.is_err(), "it was cut");
    let began = std::time::Instant::now();
    assert_eq!(http.get(&version).send().await.unwrap().status(), 200);
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!((server.faults().outstanding(), server.faults().calls("app_version")), (0, 4));
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_its_port_is_free() {
    let server = TestServer::start().unwrap();
    let url = server.url().to_owned();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    server.stop();
    assert!(http::client().get(format!("{url}/api/v1/app/version")).send().await.is_err());
    assert_eq!(TestServer::builder().port(port).start().unwrap().url(), url);
}

#[tokio::test]
async fn what_it_does_not_do_is_said() {
    let server = TestServer::start().unwrap();
    let answer = http::client().get(format!("{}/api/v2/custom_nodes/", server.url())).send().await.unwrap();
    assert_eq!(answer.status(), 501);
    assert!(answer.text().await.unwrap().contains("list_custom_node_packs"));
}

/// Runs a job of this seed, and gives its picture.
async fn picture_of(client: &Client, workflow: &Workflow, seed: i64) -> Vec<u8> {
    let mut seeds = workflow.fields_called("seed");
    seeds.retain(|field| !field.connected && matches!(field.field, InkField::Integer(_)));
    let mut workflow = workflow.clone();
    let (node, field) = (seeds[0].node_id.clone(), seeds[0].field_name.clone());
    workflow.set_node_field(&node, &field, seed).unwrap();
    let job = client.submit(&workflow).await.unwrap().job().unwrap();
    let finished = job.wait().timeout(Duration::from_secs(60)).await.unwrap();
    let outputs = finished.outputs().await.unwrap();
    client.image(&outputs.final_images()[0].name).download().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn what_nodes_passed_on_long_ago_is_made_again() {
    let server = TestServer::builder().step_time(Duration::ZERO).start().unwrap();
    let client = server.client().unwrap();
    let mut workflow = client.workflow(WorkflowDefinition::from_path(TEXT).unwrap()).await.unwrap();
    let models = client.models().records().await.unwrap();
    workflow.set_named_field("Model", models.iter().find(|model| model.name == "tiny-sd1").unwrap()).unwrap();
    workflow.set_named_field("Prompt", "a lighthouse").unwrap();
    workflow.set_named_field("Steps", 1).unwrap();
    let first = picture_of(&client, &workflow, 1).await;
    // More than it keeps: a picture of 512 x 512 pixels is 0.75 MiB.
    for seed in 2..50 {
        assert_ne!(picture_of(&client, &workflow, seed).await, first);
    }
    let hits = || async { client.api().get_invocation_cache_status().send().await.unwrap().hits };
    let before = hits().await;
    let pixels = |png: &[u8]| image::load_from_memory(png).unwrap().to_rgb8();
    assert_eq!(pixels(&picture_of(&client, &workflow, 1).await), pixels(&first));
    let then = hits().await;
    picture_of(&client, &workflow, 1).await;
    assert!(hits().await - then > then - before, "the first time, it was made again; now it is there");
}

#[tokio::test]
async fn an_item_whose_number_another_batch_has_by_now_is_gone() {
    let server = TestServer::start().unwrap();
    let client = server.client().unwrap();
    let job = client.submit(&ready(&client).await).await.unwrap().job().unwrap();
    let finished = job.wait().timeout(Duration::from_secs(60)).await.unwrap();
    let port = server.url().trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    drop(server);
    // It has lost its database, and counts from the start again.
    let server = TestServer::builder().port(port).start().unwrap();
    // Without connections to the one that is gone.
    let client = server.client().unwrap();
    let other = client.submit(&ready(&client).await).await.unwrap().job().unwrap();
    other.wait().timeout(Duration::from_secs(60)).await.unwrap();
    assert_eq!(other.item_id(), job.item_id());
    assert!(matches!(finished.outputs().await, Err(Error::JobGone { .. })));
    assert!(matches!(finished.item().await, Err(Error::JobGone { .. })));
    assert!(matches!(job.refresh().await, Err(Error::JobGone { .. })));
    assert!(!other.outputs().await.unwrap().final_images().is_empty());
}
