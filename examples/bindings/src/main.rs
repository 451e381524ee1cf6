//! A workflow as a Rust struct, which the build script made.
//!
//! `cargo run --manifest-path examples/bindings/Cargo.toml`
//!
//! It runs on the server that `INVOKEAI_URL` names, else on the embedded one.

use std::{env, error::Error, path::Path};

use invokeai_client::{Client, Sweep, Upload, testing::TestServer};
use resize_and_blur::{KindOfBlur, Outputs, Required, ResizeAndBlur};

/// Resizes a picture and blurs it.
mod resize_and_blur {
    invokeai_client::include_bindings!("resize_and_blur");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let embedded = TestServer::start()?;
    let client = Client::new(env::var("INVOKEAI_URL").unwrap_or_else(|_| embedded.url().to_string()))?;
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("picture.png");
    let uploaded = client.images().upload(Upload::path(picture)).await?;

    // A member too few here, or one of another type, and this does not compile.
    let mut workflow = ResizeAndBlur::new(Required { picture: uploaded.image_name.into() })?;
    workflow.set_width(128)?.set_height(96)?.set_kind_of_blur(KindOfBlur::Box)?;
    println!("{workflow:?}");

    // Bounds are checked when a value is set.
    if let Err(refused) = workflow.set_blur(-1.0) {
        println!("{refused}");
    }

    let sweep = Sweep::over(ResizeAndBlur::BLUR, [1.0, 4.0, 16.0])?;
    let submission = client.submit(&workflow).sweep(sweep).await?;
    for finished in submission.jobs() {
        let outputs = Outputs::from(&finished.wait().await?.outputs().await?);
        for image in &outputs.result {
            println!("{}: {:?} x {:?}", image.name, image.width, image.height);
        }
    }
    let cleaned = client.cleanup().everything().outputs(true).await?;
    println!("cleaned up: {}", cleaned.is_success());
    Ok(())
}
