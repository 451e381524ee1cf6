//! Only cleans up: deletes what a batch left on the server, given the batch's id.
//!
//! `cargo run --features testing --example cleanup -- [--server URL] [BATCH…]`
//!
//! Without ids it runs something first, without cleaning up. The batches may be another program's; whatever others
//! made, starred or still need stays.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::error::Error;

use invokeai_client::{Client, assets::Asset};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let mut batches = server.arguments.clone();
    let mut upload = None;
    if batches.is_empty() {
        let client = Client::new(&server.url)?;
        let submission = client.submit(&workflow::ready(&client).await?).await?;
        submission.wait_all().await?;
        upload = client.uploaded_assets().pop();
        batches.push(submission.batch_id().to_owned());
    }

    // A client that knows nothing about what was done before.
    let client = Client::new(&server.url)?;
    for batch in &batches {
        let wanted = client.cleanup().batch(batch).everything();
        println!("Batch {batch}:\n{}\n", wanted.clone().dry_run(true).await?);
        let report = wanted.await?;
        println!("{report}\n");
        if !report.is_success() {
            return Err("not everything could be deleted".into());
        }
        let again = client.cleanup().batch(batch).everything().await?;
        if !again.deleted.is_empty() {
            return Err(format!("the first time left something:\n{again}").into());
        }
    }
    // An input is not the batch's own, so only the client that uploaded it may treat it as its own.
    if let Some(Asset::Image(name)) = upload {
        println!("The input is still there, because another client uploaded it: {name}");
        client.image(name).delete().await?;
    }
    Ok(())
}
