//! Use case 4: fetch the results of a run, and leave the server as it was.
//!
//! `cargo run --features testing --example use_case_4_outputs_and_cleanup -- [--server URL]`
//!
//! Results are sorted by node of the workflow. Clean-up deletes what this client made and nothing else: no other
//! program's items, nothing starred, nothing that another run shares.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{error::Error, path::Path};

use invokeai_client::{Client, OutputBoard, outputs::OutputValue};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    let workflow = workflow::ready(&client).await?;
    let board = OutputBoard::named_or_new("use case 4");
    let submission = client.submit(&workflow).board(board).await?;
    let finished = match submission.job()?.wait().await {
        Ok(finished) => finished,
        Err(error) => {
            println!("{}", submission.cleanup().everything().await?);
            return Err(error.to_string().into());
        }
    };

    println!("Retrieving workflow outputs...");
    let outputs = finished.outputs().await?;
    for image in outputs.final_images() {
        let size = format!("{}x{}", image.width.unwrap_or(0), image.height.unwrap_or(0));
        println!("Found image: {} ({size}) from {}, board {:?}", image.name, image.node.name(), image.board_id);
    }
    for node in outputs.nodes() {
        match &node.value {
            OutputValue::Latents { latents, width, height } => {
                println!("Found latents: {} ({width}x{height})", latents.latents_name);
            }
            OutputValue::Conditioning { conditioning } => {
                println!("Found conditioning: {}", conditioning.conditioning_name);
            }
            _ => {}
        }
    }

    let directory = Path::new("outputs").join(submission.batch_id());
    let downloads = outputs.download_to(&directory).sidecar(true).await?;
    for file in &downloads.saved {
        println!("Downloaded: {} ({} bytes)", file.path.display(), file.bytes);
    }
    for failure in &downloads.failed {
        println!("Failed to download {}: {:?}", failure.name, failure.error);
    }

    println!("\nCleaning up...");
    println!("Uploaded by this client: {:?}", client.uploaded_assets());
    // Results only once they are on disk.
    let report = submission.cleanup().everything().outputs(downloads.is_success()).await?;
    println!("{report}");
    if downloads.is_success() && report.is_success() { Ok(()) } else { Err("see what failed above".into()) }
}
