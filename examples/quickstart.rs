//! A workflow from its file to a picture on disk, and nothing left behind.
//!
//! `cargo run --example quickstart -- --server http://127.0.0.1:9090 [PICTURE]`
//!
//! The server can also be named by `INVOKEAI_URL`. Needs no model. Without a picture it makes one.

use std::{env, error::Error, path::PathBuf, time::Duration};

use invokeai_client::{Client, Upload, workflow::WorkflowDefinition};

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (server, picture) = arguments();
    let client = Client::new(server)?;
    println!("InvokeAI {} at {}", client.server_version().await?, client.base_url());

    // The workflow is the editor's own file. Its inputs are those of its form.
    let mut workflow = client.workflow(WorkflowDefinition::from_path(WORKFLOW)?).await?;
    println!("workflow `{}`", workflow.definition().name());
    for input in workflow.inputs() {
        let value = input.value().map_or("-".to_owned(), ToString::to_string);
        println!("  {:<14} {:<16} {value}", input.user_name, input.field.ink_type());
    }

    let picture = picture.map_or_else(|| Upload::bytes("gradient.bmp", gradient()), Upload::path);
    let uploaded = client.images().upload(picture).intermediate(true).await?;
    println!("uploaded {} ({} x {})", uploaded.image_name, uploaded.width, uploaded.height);

    workflow.set_input("Picture", uploaded.image_name.as_str())?;
    workflow.set_input("Width", 320)?;
    workflow.set_input("Height", 240)?;

    let submission = workflow.submit(&client).await?;
    let job = submission.job()?;
    let finished = job
        .wait()
        .timeout(Duration::from_secs(120))
        .cancel_on_timeout(true)
        .on_progress(|progress| match &progress.node {
            Some(node) => println!("  {:>3.0} %  {}", progress.fraction() * 100.0, node.node_type),
            None => println!("  {:>3.0} %  {}", progress.fraction() * 100.0, progress.status),
        })
        .await?;

    // The run made an image for each of three nodes; only the saved one is for keeps.
    let outputs = finished.outputs().await?;
    for saved in outputs.download_to(env::temp_dir()).await?.saved {
        println!("downloaded {}", saved.path.display());
    }

    // Everything that this program put on the server goes again.
    println!("{}", client.cleanup().everything().await?);
    Ok(())
}

/// Server and picture, from the command line or the environment.
fn arguments() -> (String, Option<PathBuf>) {
    let mut server = env::var("INVOKEAI_URL").ok();
    let mut picture = None;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--server" => server = arguments.next(),
            url if url.starts_with("http") => server = Some(url.to_owned()),
            path => picture = Some(PathBuf::from(path)),
        }
    }
    (server.unwrap_or_else(|| "http://127.0.0.1:9090".to_owned()), picture)
}

/// A small picture, as an uncompressed BMP file.
fn gradient() -> Vec<u8> {
    let (width, height) = (128_u32, 96_u32);
    let size = 54 + width * height * 3;
    let mut file = b"BM".to_vec();
    for number in [size, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    for y in 0..height {
        file.extend((0..width).flat_map(|x| [90, (y * 2) as u8, (x * 2) as u8]));
    }
    file
}
