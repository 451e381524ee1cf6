//! From a workflow's file to a picture on disk, and nothing left behind.
//!
//! `cargo run --features testing --example quickstart -- [--server URL] [PICTURE]`
//!
//! Without `--server` (or `INVOKEAI_URL`) it starts the embedded server, which only simulates models. Without a picture
//! it creates one.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{env, error::Error, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use invokeai_client::{Client, OutputBoard, Upload, workflow::WorkflowDefinition};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    println!("InvokeAI {}\n", client.server_version().await?);

    // The editor's own file. Its inputs are the fields that its author put into the form.
    let mut flux = client.workflow(WorkflowDefinition::from_path(FLUX)?).await?;
    println!("Workflow: {} ({})", flux.definition().name(), flux.definition().description());
    workflow::choose_models(&client, &mut flux).await?;

    let picture = server.arguments.first().map_or_else(workflow::slope, |path| Ok(Upload::path(path)))?;
    let uploaded = client.images().upload(picture).await?;
    flux.set_input("prompt", "a serene mountain landscape at sunset")?;
    flux.set_input("image", &uploaded.image_name)?;
    flux.set_input("num_steps", 12)?;
    for input in flux.inputs() {
        let value = input.value().map(|value| value.get("name").unwrap_or(value).to_string());
        println!("  {:<17} {:<20} {}", input.user_name, input.field.ink_type(), value.unwrap_or_default());
    }

    let submission = client.submit(&flux).board(OutputBoard::named_or_new("quickstart")).await?;
    println!("\nSubmitted batch {}, item {:?}", submission.batch_id(), submission.item_ids());

    let bar = ProgressBar::new(100).with_style(ProgressStyle::with_template("{bar:40} {percent:>3} % {msg}")?);
    let job = submission.job()?;
    let wait = job.wait().timeout(Duration::from_secs(600)).cancel_on_timeout(true).on_progress(|progress| {
        let percent = (progress.fraction() * 100.0) as u64;
        let doing = progress.node.as_ref().map_or(progress.status.to_string(), |node| node.node_type.clone());
        if bar.is_hidden() && (bar.position(), bar.message()) != (percent, doing.clone()) {
            println!("  {percent:>3} % {doing}");
        }
        bar.set_position(percent);
        bar.set_message(doing);
    });
    let pictures = workflow::fetch(wait.await, env::temp_dir().join("invokeai-quickstart")).await;
    bar.finish_and_clear();

    // What this program put on the server is deleted, even after a failure; results only once they are on disk.
    let cleaned = workflow::cleaned(&client.cleanup().everything().outputs(pictures.is_ok()).await?);
    for file in pictures? {
        println!("The picture: {} ({} bytes)", file.path.display(), file.bytes);
    }
    cleaned
}
