//! `invokeai-client demo`: a server to play with.

use clap::Args;

#[cfg(not(feature = "testing"))]
use crate::{exit::Exit, failure::Failure, stop::Stop, table::Output};

#[derive(Debug, Args)]
#[command(after_help = "\
The server runs inside this program: no Python, no model, no GPU. It really executes nodes that need no model, and
simulates the others: it makes up their images from prompt and seed. Everything on it is lost when it stops.")]
pub(crate) struct DemoArgs {
    /// Port on this machine; 0 takes a free one
    #[arg(long, default_value_t = 9090)]
    port: u16,
}

/// The embedded server is a separate feature, so that people who install the command need not compile a web server.
#[cfg(not(feature = "testing"))]
pub(crate) async fn run(args: DemoArgs, _out: &mut Output<'_>, _stop: &Stop) -> Result<Exit, Failure> {
    let problem = format!(
        "no server for port {}: this command was built without the embedded server; `cargo install invokeai-client \
         --features cli,testing` adds it",
        args.port
    );
    Err(Failure::other(problem))
}

#[cfg(feature = "testing")]
pub(crate) use with_server::run;

#[cfg(feature = "testing")]
mod with_server {
    use std::{io::Cursor, time::Duration};

    use image::{ImageFormat, Rgb, RgbImage};
    use invokeai_client::{Client, Upload, testing::TestServer, workflow::WorkflowDefinition};
    use serde_json::json;

    use super::DemoArgs;
    use crate::{
        exit::Exit,
        failure::Failure,
        print::{Text, is_quiet, paint},
        stop::Stop,
        style, suggest,
        table::Output,
    };

    const FLUX: &str = include_str!("../../../examples/workflows/flux-image-to-image.json");
    const RESIZE: &str = include_str!("../../../examples/workflows/resize-and-blur.json");

    /// The models of the embedded server that the FLUX workflow needs, by its inputs.
    const MODELS: [(&str, &str); 4] = [
        ("model", "tiny-flux-dev"),
        ("t5_encoder_model", "tiny-t5"),
        ("clip_embed_model", "tiny-clip-l"),
        ("vae_model", "tiny-FLUX.1-schnell_ae"),
    ];

    pub(crate) async fn run(args: DemoArgs, output: &mut Output<'_>, stop: &Stop) -> Result<Exit, Failure> {
        // Slow enough to see the progress and the previews.
        let server = TestServer::builder().port(args.port).step_time(Duration::from_millis(150));
        let server = server.start().map_err(|error| {
            Failure::other(format!("cannot serve on port {}: {error}; `--port 0` takes a free one", args.port))
        })?;
        let url = server.url();
        match stop.or(furnish(&server.client()?)).await {
            Ok(furnished) => furnished?,
            // That is how a user ends it.
            Err(_) => return Ok(Exit::Done),
        }
        if output.json {
            output.out.json(&json!({ "url": url }))?;
        } else if is_quiet() {
            output.out.line(url)?;
        } else {
            introduce(url, output)?;
        }
        stop.asked().await;
        server.stop();
        Ok(Exit::Done)
    }

    /// Prints the address and what to do with it.
    fn introduce(url: &str, Output { out, .. }: &mut Output<'_>) -> Result<(), Failure> {
        out.line(Text::from("An InvokeAI-compatible server is running at ").then(paint(style::GOOD, url)))?;
        out.line("It has two workflows, an image and tiny models.")?;
        out.line("")?;
        out.line(paint(style::TITLE, "In another terminal, try"))?;
        for command in [
            "workflows list",
            "inspect saved:'Resize and blur'",
            "run saved:flux-image-to-image --set prompt='a lighthouse' --show",
            "run saved:'Resize and blur' --each Width=128,256,384 --out pictures --name '{index}-{width}'",
            "images list",
            "watch",
        ] {
            out.line(format!("  invokeai-client {command} --server {}", suggest::quoted(url)))?;
        }
        out.line("")?;
        out.line("Ctrl-C stops it.")?;
        Ok(())
    }

    /// Puts what the suggestions name on the server.
    async fn furnish(client: &Client) -> Result<(), Failure> {
        let upload = Upload::bytes("landscape.png", picture()?);
        let picture = client.images().upload(upload).await?.image_name;
        let installed = client.models().records().await?;
        for (text, input, models) in [(FLUX, "image", &MODELS[..]), (RESIZE, "Picture", &[])] {
            let definition: WorkflowDefinition = text.parse().map_err(Failure::other)?;
            let mut workflow = client.workflow(definition).await?;
            workflow.set_input(input, &picture).map_err(invokeai_client::Error::from)?;
            for (input, model) in models {
                let model = installed.iter().find(|record| record.name == *model);
                let model = model.ok_or_else(|| Failure::other("the embedded server lacks a model"))?;
                workflow.set_input(*input, model).map_err(invokeai_client::Error::from)?;
            }
            client.library().create(&workflow.to_definition()).await?;
        }
        Ok(())
    }

    /// A sky over the sea.
    fn picture() -> Result<Vec<u8>, Failure> {
        let color = |_, y: u32| match y {
            0..200 => Rgb([120 + (y / 2) as u8, 170 + (y / 4) as u8, 230]),
            _ => Rgb([20, 90 + ((y - 200) / 3) as u8, 150]),
        };
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_fn(512, 384, color).write_to(&mut png, ImageFormat::Png).map_err(Failure::other)?;
        Ok(png.into_inner())
    }
}
