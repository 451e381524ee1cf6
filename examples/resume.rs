//! A program dies right after submitting; the next one picks up its job, and cleans up after both.
//!
//! `cargo run --features testing --example resume -- [--server URL]`
//!
//! The ledger is written before each call, so it knows of everything. The ticket says which job to wait for.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{env, error::Error, fs, path::Path, process::Command};

use invokeai_client::{Client, Submission, Ticket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    if let [mode, folder] = &server.arguments[..]
        && mode == "--die"
    {
        return submit_and_die(&server.url, Path::new(folder)).await;
    }

    let folder = env::temp_dir().join(format!("invokeai-resume-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // This program once more, as another process.
    let mut child = Command::new(env::current_exe()?);
    let status = child.args(["--server", &server.url, "--die"]).arg(&folder).status()?;
    println!("The first process ended: {status}\n");

    let client = Client::builder(&server.url).ledger(folder.join("ledger")).build()?;
    let left = client.assets();
    println!("It left {} upload(s) and {} batch(es) on the server", left.uploads.len(), left.batches.len());

    let ticket: Ticket = serde_json::from_str(&fs::read_to_string(folder.join("ticket.json"))?)?;
    let submission = Submission::attach(&client, &ticket).await?;
    let pictures = workflow::fetch(submission.job()?.wait().await, folder.join("pictures")).await;
    let cleaned = workflow::cleaned(&client.cleanup().everything().outputs(pictures.is_ok()).await?);
    for file in pictures? {
        println!("The picture: {}", file.path.display());
    }
    if client.assets().is_empty() { cleaned } else { Err("something was left on the server".into()) }
}

async fn submit_and_die(url: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(url).ledger(folder.join("ledger")).build()?;
    let submission = client.submit(&workflow::ready(&client).await?).await?;
    fs::write(folder.join("ticket.json"), serde_json::to_string(&submission.ticket())?)?;
    println!("Submitted item {:?}; dying now", submission.item_ids());
    std::process::abort()
}
