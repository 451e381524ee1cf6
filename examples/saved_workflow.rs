//! Runs a workflow that is saved on the server, by its name.
//!
//! `cargo run --features testing --example saved_workflow -- [--server URL] [NAME JSON]`
//!
//! `NAME JSON` are the name of a saved workflow and its inputs, for example `"Text to image" '{"Prompt": "a cat"}'`. Without
//! them it saves a workflow first, and deletes it at the end.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{env, error::Error};

use invokeai_client::{Client, workflow::WorkflowDefinition};
use serde_json::{Value, json};

const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    if let [name, inputs] = &server.arguments[..] {
        return run(&client, name, serde_json::from_str(inputs)?).await;
    }

    let saved = client.library().create(&WorkflowDefinition::from_path(RESIZE)?).await?;
    println!("Saved `{}` as {}", saved.name, saved.workflow_id);
    let picture = client.images().upload(workflow::slope()?).await?;
    // The id would do as well; it is needed if several have the same name.
    let done = run(&client, &saved.workflow_id, json!({"Picture": picture.image_name, "Width": 320})).await;
    client.saved_workflow(saved.workflow_id).delete().await?;
    done
}

async fn run(client: &Client, name_or_id: &str, inputs: Value) -> Result<(), Box<dyn Error>> {
    // Fails before anything is sent if an input does not exist, does not fit or is missing.
    let submission = client.submit_saved_workflow(name_or_id, inputs).await?;
    let pictures = workflow::fetch(submission.job()?.wait().await, env::temp_dir().join("invokeai-saved")).await;
    let cleaned = workflow::cleaned(&submission.cleanup().everything().outputs(pictures.is_ok()).await?);
    for file in pictures? {
        println!("The picture: {} ({} bytes)", file.path.display(), file.bytes);
    }
    cleaned
}
