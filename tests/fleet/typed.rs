//! Generated structs as jobs of a fleet, and structs of their outputs.

use invokeai_client::{
    Client, Sweep, bindings,
    fleet::JobState,
    schema::NodeCatalog,
    typed::MainModel,
    workflow::{Workflow, WorkflowDefinition},
};
use text_to_image::{Outputs, Required, TextToImage};

use crate::stage::{Stage, TEXT, batches, servers};

/// What `invokeai-client bindings examples/workflows/text-to-image.json` prints.
#[expect(unreachable_pub, reason = "programs may show generated code to others")]
mod text_to_image {
    include!("text_to_image.rs");
}

#[test]
fn the_generated_struct_is_that_of_the_workflow() {
    let workflow = Workflow::new(WorkflowDefinition::from_path(TEXT).unwrap(), NodeCatalog::embedded());
    let code = bindings::generate(&workflow, "text_to_image").unwrap();
    let differences = code.differences(include_str!("text_to_image.rs"));
    assert!(code.is_same(include_str!("text_to_image.rs")), "generate it again: {differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_structs_are_jobs_and_what_they_give_are_structs() {
    let servers = servers(2, 1);
    let stage = Stage::new(&servers).await;
    let mut picture = TextToImage::new(Required { model: MainModel::named("tiny-sd1") }).unwrap();
    picture.set_width(128_u64).unwrap().set_height(64_u64).unwrap();
    let sweep = Sweep::over(TextToImage::PROMPT, ["a windmill", "a bridge", "a ship"]).unwrap();
    let submission = stage.fleet.submit(&picture).sweep(sweep).attempts(2).await.unwrap();
    let worker = stage.fleet.worker().server(Client::new(&stage.urls[0]).unwrap());
    let working = tokio::spawn(worker.server(Client::new(&stage.urls[1]).unwrap()).run(std::future::pending::<()>()));
    let jobs = stage.ended(60).await;
    assert_eq!(batches(&servers), 3);
    for (job, prompt) in jobs.iter().zip(["a windmill", "a bridge", "a ship"]) {
        assert_eq!(job.state, JobState::Done, "{job:?}");
        let made = stage.fleet.workflow(job).await.unwrap();
        assert_eq!(made.named_field("Prompt").unwrap().field.value(), Some(&prompt.into()), "its own value");
        let mut own = picture.clone();
        own.set_prompt(prompt).unwrap();
        assert_eq!(TextToImage::try_from(&made).unwrap(), own, "the struct of the job, with its model by name");
        let result = stage.fleet.result(&job.id).await.unwrap().expect("a result");
        let outputs = Outputs::from(&stage.fleet.outputs(&result).await.unwrap());
        let image = &outputs.latents_to_image_sd1_5_sdxl[0];
        assert_eq!((image.width, image.height), (Some(128), Some(64)), "{image:?}");
        let file = result.file(image).expect("it is kept");
        assert!(stage.fleet.file(file).await.unwrap().starts_with(b"\x89PNG"));
    }
    assert_eq!(submission.jobs.len(), 3);
    stage.is_clean().await;
    working.abort();
}

#[test]
fn a_model_by_name_or_key_comes_back_from_a_file() {
    for model in [MainModel::named("tiny-sd1"), MainModel::key("b2f0")] {
        let picture = TextToImage::new(Required { model: model.clone() }).unwrap();
        let file = Workflow::from(&picture).to_definition();
        let loaded = Workflow::new(file, NodeCatalog::embedded());
        assert_eq!(TextToImage::try_from(&loaded).unwrap(), picture);
        // What was set since counts, and not what the file has.
        let mut other = loaded.clone();
        let whole = MainModel::identifier("k", "h", "other", "sd-1", "main");
        other.set_named_field("Model", whole.clone()).unwrap();
        assert_eq!(TextToImage::try_from(&other).unwrap().model(), &whole);
    }
    let empty = Workflow::new(WorkflowDefinition::from_path(TEXT).unwrap(), NodeCatalog::embedded());
    assert!(TextToImage::try_from(&empty).is_err(), "a model that nobody named is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_struct_whose_model_no_server_has_waits_and_says_why() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let picture = TextToImage::new(Required { model: MainModel::named("no such model") }).unwrap();
    stage.fleet.submit(&picture).await.unwrap();
    let worker = stage.worker();
    stage.until_waiting_for("no such model").await;
    worker.kill();
}
