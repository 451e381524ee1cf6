//! One workflow with many values: prompts and seeds from a CSV file, one contact sheet as the result.
//!
//! `cargo run --features testing --example contact_sheet -- [--server URL] [FILE.csv]`
//!
//! The first line of the file names inputs of the workflow; each further line is a run. All runs are one batch.

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{env, error::Error, fs::File};

use futures::TryStreamExt as _;
use image::{RgbImage, imageops};
use invokeai_client::{Client, Submission, Sweep, workflow::WorkflowDefinition};

const TEXT_TO_IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");
const PROMPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/prompts.csv");
const COLUMNS: u32 = 3;
const SIDE: u32 = 192;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    let mut picture = client.workflow(WorkflowDefinition::from_path(TEXT_TO_IMAGE)?).await?;
    workflow::choose_models(&client, &mut picture).await?;
    picture.set_inputs([("Steps", 6), ("Width", 256), ("Height", 256)])?;

    let table = server.arguments.first().map_or(PROMPTS, String::as_str);
    let sweep = Sweep::new().csv(&picture, File::open(table)?)?;
    let submission = client.submit(&picture).sweep(sweep).await?;
    println!("{} runs, batch {}", submission.requested(), submission.batch_id());

    let sheet = contact_sheet(&client, &submission).await;
    let cleaned = workflow::cleaned(&submission.cleanup().everything().await?);
    let path = env::temp_dir().join("invokeai-contact-sheet.png");
    sheet?.save(&path)?;
    println!("The sheet: {}", path.display());
    cleaned
}

/// Waits for all runs and puts their pictures side by side, in the order of the table.
async fn contact_sheet(client: &Client, submission: &Submission) -> Result<RgbImage, Box<dyn Error>> {
    let ids = submission.item_ids();
    let rows = (ids.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbImage::new(COLUMNS * SIDE, rows * SIDE);
    let mut ends = submission.ends();
    while let Some((job, end)) = ends.try_next().await? {
        let outputs = end?.outputs().await?;
        let place = ids.iter().position(|id| *id == job.item_id()).unwrap_or_default() as u32;
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        let made = outputs.final_images();
        let first = made.first().ok_or("a run made no picture")?;
        let bytes = client.image(&first.name).download().bytes().await?;
        let small = image::load_from_memory(&bytes)?.thumbnail(SIDE, SIDE).to_rgb8();
        imageops::replace(&mut sheet, &small, (column * SIDE).into(), (row * SIDE).into());
        println!("row {}, column {}: {:?}", row + 1, column + 1, first.name);
    }
    Ok(sheet)
}
