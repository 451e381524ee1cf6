//! Jobs on a real server: real denoising with tiny models, waiting, canceling, resuming, sweeping.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _};
use invokeai_client::{
    Client, Error, Submission, Sweep, WhenFull,
    queue::ItemStatus,
    schema::ModelRecord,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::{Value, json};
use workflows::additions;

use crate::common::{artifacts, live, workflows};

const DEADLINE: Duration = Duration::from_secs(120);

/// A failing workflow: an image that does not exist.
fn failing() -> Value {
    json!({
        "name": "failing", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"}, "exposedFields": [],
        "nodes": [{"id": "blur", "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
            "id": "blur", "type": "img_blur", "version": "1.2.2", "nodePack": "invokeai", "label": "Soften", "notes": "",
            "isOpen": true, "isIntermediate": true, "useCache": false,
            "inputs": {"image": {"name": "image", "label": "", "description": "",
                                 "value": {"image_name": "no-such-image.png"}}}}}],
        "edges": [],
    })
}

async fn workflow(client: &Client, document: Value) -> Workflow {
    client.workflow(WorkflowDefinition::from_value(document).unwrap()).await.unwrap()
}

/// Removes the items of a submission, and checks that nothing of it is left.
async fn remove(submission: &Submission) {
    submission.cancel().await.unwrap();
    let queue = submission.queue();
    for id in queue.batch_item_ids(submission.batch_id()).await.unwrap() {
        queue.delete_item(id).await.unwrap();
    }
    assert_eq!(submission.status().await.unwrap().counts.total, 0);
}

/// Runs a test body on a client, within a deadline.
async fn on_server(body: impl AsyncFnOnce(Client)) {
    if let Some((client, _turn)) = live::client().await {
        tokio::time::timeout(DEADLINE, body(client)).await.expect("the test ends in time");
    }
}

#[tokio::test]
async fn a_cold_start_loses_no_event_and_the_result_is_right() {
    on_server(async |client| {
        let mut workflow = workflow(&client, additions()).await;
        workflow.set_inputs([("first a", 20), ("first b", 22)]).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| {
            let told = Arc::clone(&told);
            move |event: &invokeai_client::events::Event| {
                let node = event.invocation().map(|node| node.id).unwrap_or_default();
                told.lock().unwrap().push(format!("{what} {}", event.status().unwrap_or(&node)));
            }
        };
        let submission = client
            .submit(&workflow)
            .queue("live-jobs")
            .on_status_changed(note("status"))
            .on_invocation_started(note("started"))
            .on_invocation_complete(note("complete"))
            .await
            .unwrap();
        let job = submission.job().unwrap();
        let finished = job.wait().timeout(Duration::from_secs(60)).await.unwrap();
        assert_eq!(
            *told.lock().unwrap(),
            [
                "status in_progress",
                "started first",
                "complete first",
                "started second",
                "complete second",
                "status completed",
            ]
        );
        let item = finished.item().await.unwrap();
        let sums: Vec<i64> = item.session["results"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(|result| result["value"].as_i64())
            .collect();
        assert!(sums.contains(&42) && sums.contains(&44), "{sums:?}");
        assert!(item.elapsed().unwrap() < Duration::from_secs(60));
        let progress = job.progress();
        assert_eq!((progress.status.clone(), progress.nodes_done, progress.nodes_total), (ItemStatus::Completed, 2, 2));

        // A second wait, and one by another process, for a job that has ended.
        job.wait().await.unwrap();
        let ticket = serde_json::to_string(&submission.ticket()).unwrap();
        let again = Submission::attach(&client, &serde_json::from_str(&ticket).unwrap()).await.unwrap();
        again.job().unwrap().wait().timeout(Duration::from_secs(10)).await.unwrap();
        remove(&submission).await;
        let gone = Submission::attach(&client, &serde_json::from_str(&ticket).unwrap()).await.unwrap();
        let error = gone.job().unwrap().wait().timeout(Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, Error::JobGone { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn polling_alone_gives_the_same() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let submission = client.submit(&workflow).queue("live-jobs").subscribe_events(false).await.unwrap();
        let job = submission.job().unwrap();
        let mut told = Vec::new();
        job.wait()
            .poll_interval(Duration::from_millis(100))
            .on_progress(|progress| told.push(progress.status.clone()))
            .await
            .unwrap();
        assert_eq!(told.last(), Some(&ItemStatus::Completed));
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn a_failure_names_its_node() {
    on_server(async |client| {
        let workflow = workflow(&client, failing()).await;
        let submission = client.submit(&workflow).queue("live-jobs").await.unwrap();
        let job = submission.job().unwrap();
        let error = job.wait().await.unwrap_err();
        let Error::JobFailed(failure) = &error else { panic!("{error:?}") };
        let node = failure.node.as_ref().unwrap();
        assert_eq!(
            (node.id.as_str(), node.title.as_deref(), node.node_type.as_str()),
            ("blur", Some("Soften"), "img_blur")
        );
        assert_eq!(failure.error_type, "ImageRecordNotFoundException");
        assert!(failure.traceback.as_ref().unwrap().contains("Traceback"));
        assert!(!error.to_string().contains("Traceback"), "{error}");

        let retried = job.retry().await.unwrap();
        assert_ne!(retried.item_id(), job.item_id());
        assert!(matches!(retried.wait().await.unwrap_err(), Error::JobFailed(_)));
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn flux_image_to_image_shows_steps_and_previews() {
    on_server(async |client| {
        let models: Vec<ModelRecord> = models(&client).await;
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
        let mut workflow = client.workflow(WorkflowDefinition::from_path(path).unwrap()).await.unwrap();
        for (input, model_type) in [
            ("model", "main"),
            ("t5_encoder_model", "t5_encoder"),
            ("clip_embed_model", "clip_embed"),
            ("vae_model", "vae"),
        ] {
            let fits =
                |model: &&ModelRecord| model.model_type == model_type && (model.base == "flux" || model.base == "any");
            let Some(model) = models.iter().find(fits) else {
                panic!("the test server has no FLUX {model_type}: start it with --models all");
            };
            workflow.set_input(input, model.to_json()).unwrap();
        }
        let picture = artifacts::picture(&client, 128).await;
        workflow.set_input("prompt", "a lighthouse at dusk").unwrap();
        workflow.set_input("image", picture.as_str()).unwrap();
        workflow.set_input("num_steps", 6).unwrap();

        let started = std::time::Instant::now();
        let submission = client.submit(&workflow).queue("live-jobs").await.unwrap();
        let job = submission.job().unwrap();
        let mut updates = std::pin::pin!(job.progress_updates());
        let (mut percentages, mut previews) = (Vec::new(), 0);
        while let Some(progress) = updates.next().await {
            percentages.extend(progress.node_fraction);
            previews += usize::from(progress.preview.is_some());
        }
        job.wait().await.unwrap();
        eprintln!("FLUX image to image, 6 steps: {:?}, {percentages:?}", started.elapsed());
        assert!(percentages.iter().any(|part| *part > 0.0 && *part < 1.0), "{percentages:?}");
        assert!(previews > 0, "no preview");

        let item = job.item().await.unwrap();
        // The picture that went in is among the results: its node passes it on.
        let images = artifacts::results(&item, "image_name");
        assert!(images.contains(&picture) && images.len() > 1, "{images:?}");
        for name in images {
            client.api().delete_image().image_name(name).send().await.unwrap();
        }
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn canceling_before_and_after_the_end() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let submission = client.submit(&workflow).queue("live-jobs").runs(20).await.unwrap();
        let last = submission.jobs().pop().unwrap();
        assert_eq!(last.cancel().await.unwrap(), ItemStatus::Canceled);
        assert!(matches!(last.wait().await.unwrap_err(), Error::JobCanceled { .. }));
        let canceled = submission.cancel().await.unwrap();
        assert!(canceled >= 10, "{canceled}");
        let ends: Vec<_> = submission.ends().try_collect().await.unwrap();
        assert_eq!(ends.len(), 20);
        // Canceling what has ended changes nothing.
        assert_eq!(last.cancel().await.unwrap(), ItemStatus::Canceled);
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn a_wait_can_time_out_and_cancel() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let submission = client.submit(&workflow).queue("live-jobs").runs(30).await.unwrap();
        let last = submission.jobs().pop().unwrap();
        let error = last.wait().timeout(Duration::from_millis(50)).cancel_on_timeout(true).await.unwrap_err();
        assert!(matches!(&error, Error::WaitTimeout { .. }), "{error}");
        assert!(error.to_string().contains("pending"), "{error}");
        assert_eq!(last.refresh().await.unwrap(), ItemStatus::Canceled);
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn a_sweep_runs_every_combination_with_seeds_of_its_own() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let sweep = Sweep::new().product(&workflow, "first a", [1, 2, 3]).unwrap();
        let sweep = sweep.random_seeds(&workflow, "first b");
        // `add.b` takes any integer, so it can stand for a seed.
        let submission = client.submit(&workflow).queue("live-jobs").sweep(sweep.unwrap()).runs(2).await.unwrap();
        assert_eq!(submission.enqueued(), 6);
        submission.wait_all().await.unwrap();
        let mut seeds = std::collections::BTreeSet::new();
        for item in submission.queue().summaries(&submission.item_ids()).await.unwrap() {
            for value in item.unwrap().field_values.unwrap() {
                if value.field_name == "b" {
                    seeds.insert(value.value.to_string());
                }
            }
        }
        assert_eq!(seeds.len(), 6, "{seeds:?}");
        let error = Sweep::new().product(&workflow, "first a", ["many"]).unwrap_err().to_string();
        assert!(error.contains("many"), "{error}");
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn a_sweep_over_images_needs_no_other_value_and_results_say_their_row() {
    on_server(async |client| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
        let mut workflow = client.workflow(WorkflowDefinition::from_path(path).unwrap()).await.unwrap();
        let mut uploads = Vec::new();
        for color in [40, 200] {
            let png = live::png(color);
            uploads.push(client.images().upload(invokeai_client::Upload::bytes("x.png", png)).await.unwrap());
        }
        // What an upload returns can be a value.
        workflow.set_input("Picture", &uploads[0]).unwrap();
        workflow.clear_input("Picture").unwrap();
        assert!(!workflow.problems().is_empty());
        let sweep = Sweep::new().product(&workflow, "Picture", &uploads).unwrap();
        let submission = client.submit(&workflow).queue("live-jobs").sweep(sweep).await.unwrap();
        let mut seen = Vec::new();
        let wait = submission.wait_all().timeout(DEADLINE).on_progress(|all| seen.push(all.fraction()));
        let finished = wait.await.unwrap();
        assert_eq!(seen.last(), Some(&1.0));
        for (finished, upload) in finished.iter().zip(&uploads) {
            let outputs = finished.outputs().await.unwrap();
            assert_eq!(outputs.field_values().len(), 1);
            assert_eq!(outputs.field_value("source", "image").unwrap()["image_name"], upload.image_name.as_str());
            let names: Vec<_> = outputs.final_images().iter().map(|image| image.name.clone()).collect();
            assert!(!names.is_empty());
            client.images().delete(names).await.into_result().unwrap();
        }
        client.images().delete(uploads.iter().map(|upload| &upload.image_name)).await.into_result().unwrap();
        remove(&submission).await;
    })
    .await;
}

#[tokio::test]
async fn a_thousand_items_are_all_accounted_for() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let sweep = Sweep::new().product(&workflow, "first a", 0..1000).unwrap();
        let submission = client
            .submit(&workflow)
            .queue(live::unique("thousand"))
            .sweep(sweep)
            .when_full(WhenFull::Feed)
            .await
            .unwrap();
        assert_eq!(submission.requested(), 1000);
        // Running them all takes minutes; canceling also reports each of them.
        while submission.enqueued() < 1000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        submission.cancel().await.unwrap();
        let ends: Vec<_> = submission.ends().try_collect().await.unwrap();
        assert_eq!(ends.len(), 1000);
        let canceled = ends.iter().filter(|(_, end)| matches!(end, Err(Error::JobCanceled { .. }))).count();
        let completed = ends.iter().filter(|(_, end)| end.is_ok()).count();
        assert_eq!(canceled + completed, 1000);
        let counts = submission.status().await.unwrap().counts;
        assert_eq!((counts.completed, counts.canceled), (completed as u64, canceled as u64));
        // One by one would be slow for this many; this queue is this test's own.
        submission.queue().prune().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn fifty_submissions_at_once() {
    on_server(async |client| {
        let workflow = workflow(&client, additions()).await;
        let queue = live::unique("fifty");
        let submissions = (0..50).map(|_| async { client.submit(&workflow).queue(&queue).await.unwrap() });
        let submissions = futures::future::join_all(submissions).await;
        let waits = submissions.iter().map(|submission| async { submission.wait_all().await.unwrap().len() });
        let done: usize = futures::future::join_all(waits).await.into_iter().sum();
        assert_eq!(done, 50);
        client.queue(queue).prune().await.unwrap();
    })
    .await;
}

async fn models(client: &Client) -> Vec<ModelRecord> {
    let list = client.api().list_model_records().send_as::<Value>().await.unwrap();
    list["models"].as_array().unwrap().iter().filter_map(ModelRecord::from_json).collect()
}
