//! Use case 3: submit a workflow and follow it to its end.
//!
//! `cargo run --features testing --example use_case_3_submit_and_track -- [--server URL]`
//!
//! Live events and polling report the same: if the server cannot be reached by websocket, the same code polls.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{error::Error, time::Duration};

use invokeai_client::{Client, OutputBoard};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    let workflow = workflow::ready(&client).await?;

    let submission = client
        .submit(&workflow)
        .board(OutputBoard::named_or_new("samples"))
        .on_invocation_started(|event| {
            if let Some(node) = event.invocation() {
                println!("Node started: {} ({})", node.id, node.node_type);
            }
        })
        .on_invocation_complete(|event| {
            if let Some(node) = event.invocation() {
                println!("Node complete: {}", node.id);
            }
        })
        .await?;
    println!("Batch submitted: {}", submission.batch_id());
    println!("Items enqueued: {}/{}", submission.enqueued(), submission.requested());

    let job = submission.job()?;
    let finished = job
        .wait()
        .timeout(Duration::from_secs(600))
        .cancel_on_timeout(true)
        .on_progress(|progress| println!("  {} {:.0} %", progress.status, progress.fraction() * 100.0))
        .await?;

    let item = finished.item().await?;
    println!("Final status: {}", item.status);
    println!("Session ID: {}", item.session_id);
    if let Some(elapsed) = item.elapsed() {
        println!("Execution time: {:.3} s", elapsed.as_secs_f32());
    }
    println!("\nNothing was fetched or cleaned up: see use case 4.");
    Ok(())
}
