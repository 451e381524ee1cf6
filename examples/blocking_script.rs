//! A script without `async`: submit a workflow, wait for it, fetch the picture, leave nothing behind.
//!
//! `cargo run --features blocking,testing --example blocking_script -- [--server URL]`

#[path = "common/server.rs"]
mod server;

use std::{error::Error, time::Duration};

use invokeai_client::{Error as ClientError, OutputBoard, Upload, blocking::Client, workflow::WorkflowDefinition};

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    println!("InvokeAI {} at {}", client.server_version()?, client.base_url());

    let mut workflow = client.workflow(WorkflowDefinition::from_path(WORKFLOW)?)?;
    for input in workflow.inputs() {
        println!("  {} ({})", input.user_name, input.system_name);
    }
    let picture = client.images().upload(Upload::bytes("slope.png", slope()?)).call()?;
    workflow.set_input("source.image", picture.image_name)?;

    let submission = client.submit(&workflow).board(OutputBoard::named_or_new("samples")).call()?;
    println!("Batch submitted: {}", submission.batch_id());
    println!("Items enqueued: {}/{}", submission.enqueued(), submission.requested());

    let job = submission.job()?;
    let waited = job
        .wait()
        .timeout(Duration::from_secs(60))
        .cancel_on_timeout(true)
        .on_progress(|progress| println!("  Status: {} {:.0} %", progress.status, progress.fraction() * 100.0))
        .call();
    let finished = match waited {
        Ok(finished) => finished,
        Err(error @ ClientError::WaitTimeout { .. }) => return Err(format!("Job timed out: {error}").into()),
        Err(error) => return Err(format!("Job failed: {error}").into()),
    };
    println!("Job {} took {:?}", job.item_id(), finished.item()?.elapsed());

    let folder = std::env::temp_dir().join("invokeai-client-blocking-script");
    for file in finished.outputs().call()?.download_to(folder).call()?.saved {
        println!("Picture: {}", file.path.display());
    }
    let report = client.cleanup().everything().call()?;
    println!("Cleaned up:\n{report}");
    if report.is_success() { Ok(()) } else { Err("not everything could be cleaned up".into()) }
}

/// A small picture, so that no file is needed.
fn slope() -> Result<Vec<u8>, Box<dyn Error>> {
    let slope = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 128]));
    let mut png = std::io::Cursor::new(Vec::new());
    slope.write_to(&mut png, image::ImageFormat::Png)?;
    Ok(png.into_inner())
}
