//! What must work with every release that this crate is tested with: run it against a server of each.
//!
//! Uses nothing that a release from 6.0.2 on lacks, and names no type that is generated, so that it is also built from the
//! documents of other releases. Releases before 6.0 must be refused before anything happens on the server.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, Error, FinishedJob, OutputBoard, Submission, Upload,
    events::Event,
    schema::ModelRecord,
    workflow::{ProblemKind, Workflow, WorkflowDefinition, field::InkField},
};

use crate::common::{artifacts, live, skip};

const DEADLINE: Duration = Duration::from_secs(240);
const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

/// Runs a test body on a client, within a deadline; not on servers that are too old to run workflows.
async fn on_server(body: impl AsyncFnOnce(Client)) {
    let Some((client, _turn)) = live::alone().await else { return };
    let compatibility = client.compatibility().await.unwrap();
    if !compatibility.can_run() {
        skip::skipped(format_args!("running workflows: {compatibility}"));
        return;
    }
    tokio::time::timeout(DEADLINE, body(client)).await.expect("the test ends in time");
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let shade = uuid::Uuid::new_v4().into_bytes()[0];
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, shade]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Everything on the server that a run can add to.
async fn rows(client: &Client, queue: &str) -> (BTreeSet<String>, BTreeSet<String>, Vec<i64>) {
    let images: Vec<_> = client.images().list().limit(1000).stream().try_collect().await.unwrap();
    let boards: Vec<_> = client.boards().list().include_archived(true).stream().try_collect().await.unwrap();
    (
        images.into_iter().map(|image| image.image_name).collect(),
        boards.into_iter().map(|board| board.board_id).collect(),
        client.queue(queue).item_ids().await.unwrap(),
    )
}

#[tokio::test]
async fn the_server_is_known() {
    let Some((client, _turn)) = live::client().await else { return };
    let version = client.server_version().await.unwrap();
    if let Ok(told) = std::env::var("INVOKEAI_TEST_VERSION") {
        assert_eq!(version, told);
    }
    eprintln!("{}", client.compatibility().await.unwrap());
    // The nodes are the server's own, whatever this crate was built from.
    let catalog = client.catalog().await.unwrap();
    let unreadable: Vec<_> = catalog.unreadable().iter().map(|u| (&*u.schema, u.field.as_deref())).collect();
    eprintln!("{} node types, not readable: {unreadable:?}", catalog.len());
    assert!(catalog.len() > 150);
    // A free-form object since 6.14, a hidden list of anything before 6.10: the editor leaves both out, too.
    let left_out = ["CallSavedWorkflowInvocation", "CollectInvocation"];
    assert!(unreadable.iter().all(|(schema, _)| left_out.contains(schema)), "{unreadable:?}");
}

/// Inputs for models say which models they take, in the encoding of any release.
#[tokio::test]
async fn inputs_for_models_say_which() {
    let Some((client, _turn)) = live::client().await else { return };
    let catalog = client.catalog().await.unwrap();
    let filter = |node: &str, input: &str| catalog.get(node).unwrap().inputs[input].model_filter.clone();
    for (node, input, base, model_type) in [
        ("main_model_loader", "model", Some("sd-1"), "main"),
        ("sdxl_model_loader", "model", Some("sdxl"), "main"),
        ("flux_model_loader", "model", Some("flux"), "main"),
        ("flux_model_loader", "t5_encoder_model", None, "t5_encoder"),
        ("flux_model_loader", "clip_embed_model", None, "clip_embed"),
        ("vae_loader", "vae_model", None, "vae"),
        ("controlnet", "control_model", None, "controlnet"),
    ] {
        let filter = filter(node, input);
        assert!(filter.model_type.iter().any(|name| name == model_type), "{node}.{input}: {filter}");
        assert!(!filter.model_type.iter().any(|name| name == "embedding"), "{node}.{input}: {filter}");
        if let Some(base) = base.filter(|_| !filter.base.is_empty()) {
            assert!(filter.base.iter().any(|name| name == base), "{node}.{input}: {filter}");
        }
    }
    assert!(filter("flux_model_loader", "model").base.iter().all(|base| base == "flux"));
}

#[tokio::test]
async fn an_operation_that_the_server_lacks_is_reported_as_such() {
    let Some((client, _turn)) = live::client().await else { return };
    let version = client.server_version().await.unwrap();
    match client.system_prompts().list().await {
        Ok(_) => {}
        // The server lacks it, or the document that this crate was built from.
        Err(Error::Unsupported { operation, server_version, .. }) => {
            assert_eq!(operation, "list_system_prompts");
            assert!(server_version.is_none_or(|told| told == version));
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_workflow_without_models_from_upload_to_clean_up() {
    on_server(async |client| {
        let queue = live::unique("releases");
        let before = rows(&client, &queue).await;

        let definition = WorkflowDefinition::from_path(RESIZE).unwrap();
        let mut workflow = client.workflow(definition).await.unwrap();
        assert_eq!(**workflow.catalog(), *client.catalog().await.unwrap(), "the server's own nodes");
        let upload = client.images().upload(Upload::bytes("in.png", picture(60, 40))).await.unwrap();
        assert_eq!((upload.width, upload.height), (60, 40));
        workflow.set_input("Picture", upload.image_name.as_str()).unwrap();
        workflow.set_input("Width", 32).unwrap();
        workflow.set_input("Height", 24).unwrap();

        let told = Arc::new(Mutex::new(BTreeSet::new()));
        let note = || {
            let told = Arc::clone(&told);
            move |event: &Event| _ = told.lock().unwrap().insert(event.name().to_owned())
        };
        let board = live::unique("board");
        let submission = client
            .submit(&workflow)
            .queue(&queue)
            .board(OutputBoard::named_or_new(&board))
            .on_status_changed(note())
            .on_invocation_started(note())
            .on_invocation_complete(note())
            .await
            .unwrap();
        let finished = wait(&submission).await;
        let expected = ["invocation_complete", "invocation_started", "queue_item_status_changed"];
        assert!(expected.iter().all(|name| told.lock().unwrap().contains(*name)), "{told:?}");

        let outputs = finished.outputs().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let report = outputs.download_to(folder.path()).await.unwrap();
        assert!(report.is_success() && !report.saved.is_empty(), "{report:?}");
        for saved in &report.saved {
            let made = image::open(&saved.path).unwrap();
            assert_eq!((made.width(), made.height()), (32, 24));
        }
        let boards: Vec<_> = client.boards().list().stream().try_collect::<Vec<_>>().await.unwrap();
        let made = boards.iter().find(|other| other.board_name == board).unwrap();
        assert!(!client.board(&made.board_id).image_names().await.unwrap().is_empty());

        let report = client.cleanup().everything().await.unwrap();
        assert!(report.is_success(), "{report:?}");
        assert_eq!(rows(&client, &queue).await, before);
        assert!(client.assets().is_empty());
    })
    .await;
}

#[tokio::test]
async fn canceling_and_deleting() {
    on_server(async |client| {
        let mut workflow = client.workflow(WorkflowDefinition::from_path(RESIZE).unwrap()).await.unwrap();
        let picture = artifacts::picture(&client, 64).await;
        workflow.set_input("Picture", picture.as_str()).unwrap();
        let queue = live::unique("releases");
        let submission = client.submit(&workflow).queue(&queue).runs(20).await.unwrap();
        let last = submission.jobs().pop().unwrap();
        last.cancel().await.unwrap();
        assert!(matches!(last.wait().await.unwrap_err(), Error::JobCanceled { .. }));
        submission.cancel().await.unwrap();
        assert_eq!(submission.item_ids().len(), 20);
        client.cleanup().everything().await.unwrap();
        assert_eq!(client.queue(&queue).item_ids().await.unwrap(), Vec::<i64>::new());
        let report = client.images().delete([picture]).await;
        assert!(report.done.len() + report.skipped.len() == 1, "{report:?}");
    })
    .await;
}

/// Real denoising, with the models of the release's own kind: the FLUX workflow of the examples, and the SD 1 workflow
/// that InvokeAI ships.
#[tokio::test]
async fn workflows_with_models() {
    on_server(async |client| {
        let models = client.models().records().await.unwrap();
        if !models.iter().any(|model| model.base == "flux") || !models.iter().any(|model| model.base == "sd-1") {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the server of CI has models");
            skip::skipped(format_args!("workflows with models: the server has none for SD 1 and FLUX"));
            return;
        }
        let queue = live::unique("releases");
        let before = rows(&client, &queue).await;
        let picture = client.images().upload(Upload::bytes("in.png", picture(128, 128))).await.unwrap();

        let flux = client.workflow(WorkflowDefinition::from_path(FLUX).unwrap()).await.unwrap();
        let shipped = client.library().list().search("Text to Image - SD1.5").stream().try_collect::<Vec<_>>();
        let shipped = shipped.await.unwrap();
        let sd1 = shipped.first().expect("the workflow that every release ships");
        let sd1 = client.saved_workflow(&sd1.workflow_id).definition().await.unwrap();
        let sd1 = client.workflow(sd1).await.unwrap();
        for (mut workflow, base) in [(flux, "flux"), (sd1, "sd-1")] {
            fill(&mut workflow, base, &models, &picture.image_name);
            let began = std::time::Instant::now();
            let submission = client.submit(&workflow).queue(&queue).await.unwrap();
            let finished = wait(&submission).await;
            let images = artifacts::results(&finished.item().await.unwrap(), "image_name");
            eprintln!("{base}: {:?}, {} images", began.elapsed(), images.len());
            assert!(images.iter().any(|name| *name != picture.image_name), "{images:?}");
        }
        client.cleanup().everything().await.unwrap();
        assert_eq!(rows(&client, &queue).await, before);
    })
    .await;
}

/// Models of one base, few steps, small pictures.
fn fill(workflow: &mut Workflow, base: &str, models: &[ModelRecord], picture: &str) {
    let nodes = workflow.definition().as_value()["nodes"].clone();
    let fields = nodes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node["data"]["inputs"].as_object()?)));
    for (node, name) in fields.flat_map(|(node, inputs)| inputs.keys().map(move |name| (node, name))) {
        let Ok(field) = workflow.node_field(node, name) else { continue };
        let most = match name.as_str() {
            "steps" | "num_steps" => 4,
            "width" | "height" => 128,
            _ => i64::MAX,
        };
        if field.get::<i64>().is_some_and(|now| now > most) {
            workflow.set_node_field(node, name, most).unwrap();
        } else if let Some(filter) = field.model_filter().cloned() {
            let fits = |model: &&ModelRecord| filter.matches(model) && (model.base == base || model.base == "any");
            if let Some(model) = models.iter().find(fits) {
                workflow.set_node_field(node, name, model.to_json()).unwrap();
            }
        }
    }
    for problem in workflow.problems().iter().filter(|problem| problem.kind == ProblemKind::MissingInput) {
        let (node, field) = (&*problem.node.as_ref().unwrap().id, problem.field.as_deref().unwrap());
        let value = match workflow.node_field(node, field).unwrap() {
            InkField::Image(_) => picture,
            InkField::String(_) => "a lighthouse at dusk",
            _ => continue,
        };
        workflow.set_node_field(node, field, value).unwrap();
    }
    assert_eq!(workflow.problems(), []);
}

async fn wait(submission: &Submission) -> FinishedJob {
    submission.job().unwrap().wait().timeout(DEADLINE).cancel_on_timeout(true).await.unwrap()
}

#[tokio::test]
async fn servers_that_are_too_old_are_refused_before_anything_happens() {
    let Some((client, _turn)) = live::client().await else { return };
    let version = client.server_version().await.unwrap();
    if client.compatibility().await.unwrap().can_run() {
        return;
    }
    let workflow = client.workflow(WorkflowDefinition::from_path(RESIZE).unwrap()).await.unwrap();
    let queue = live::unique("releases");
    let board = live::unique("board");
    let submit = client.submit(&workflow).queue(&queue).board(OutputBoard::named_or_new(&board)).validate(false);
    let error = submit.await.unwrap_err();
    assert!(matches!(error, Error::TooOld { .. }), "{error:?}");
    assert!(error.to_string().contains(&version), "{error}");
    eprintln!("{error}");
    assert_eq!(client.queue(&queue).status().await.unwrap().queue.counts.total, 0);
    let boards: Vec<_> = client.boards().list().stream().try_collect::<Vec<_>>().await.unwrap();
    assert!(boards.iter().all(|other| other.board_name != board));
}
