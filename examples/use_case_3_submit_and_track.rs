//! Use case 3: submit a workflow and follow it to its end. Needs a server.
//!
//! `cargo run --example use_case_3_submit_and_track -- [--server URL]` (or `INVOKEAI_URL`)
//!
//! Live events and polling tell the same: where the server cannot be reached by websocket, the same code polls.

#[path = "common/stage.rs"]
mod stage;

use std::{error::Error, time::Duration};

use invokeai_client::OutputBoard;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = stage::client()?;
    let workflow = stage::workflow(&client).await?;

    let submission = workflow
        .submit(&client)
        .board(OutputBoard::named_or_new("samples"))
        .on_invocation_started(|event| {
            if let Some(node) = event.invocation() {
                println!("Node started: {} ({})", node.source_id, node.node_type);
            }
        })
        .on_invocation_complete(|event| {
            if let Some(node) = event.invocation() {
                println!("Node complete: {}", node.source_id);
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
    println!("\nIt is all still there: use case 4 shows how to fetch results and clean up.");
    Ok(())
}
