//! `invokeai-client demo`: a server to play with.

use clap::Args;

use crate::{exit::Exit, failure::Failure, print::Out, stop::Stop};

#[derive(Debug, Args)]
#[command(after_help = "\
It runs in this program: no Python, no model, no GPU. It executes nodes that need no model for real, and pretends for
the others: the pictures are made up of prompt and seed. What is put onto it is gone when it ends.")]
pub(crate) struct DemoArgs {
    /// Port on this machine; 0 takes a free one
    #[arg(long, default_value_t = 9090)]
    port: u16,
}

/// The embedded server is a feature of its own, so that whoever installs the command does not compile a web server.
#[cfg(not(feature = "testing"))]
pub(crate) async fn run(args: DemoArgs, _out: &mut Out<'_>, _stop: &Stop) -> Result<Exit, Failure> {
    let problem = format!(
        "no server for port {}: this command was built without the embedded server; `cargo install invokeai-client \
         --features cli,testing` adds it",
        args.port
    );
    Err(Failure::other(problem))
}

#[cfg(feature = "testing")]
pub(crate) async fn run(args: DemoArgs, out: &mut Out<'_>, stop: &Stop) -> Result<Exit, Failure> {
    use crate::{
        print::{Text, paint},
        style,
    };
    use invokeai_client::testing::TestServer;
    use std::time::Duration;

    // Slow enough for the eye: see the progress, and the previews.
    let server = TestServer::builder().port(args.port).step_time(Duration::from_millis(150));
    let server = server.start().map_err(|error| {
        Failure::other(format!("cannot serve on port {}: {error}; `--port 0` takes a free one", args.port))
    })?;
    let url = server.url();
    let flag = if args.port == 9090 { String::new() } else { format!(" --server {url}") };
    out.line(Text::from("An InvokeAI-compatible server runs at ").then(paint(style::GOOD, url)))?;
    out.line("")?;
    out.line(paint(style::TITLE, "In another terminal, try"))?;
    for command in [
        "models list",
        "run examples/workflows/flux-image-to-image.json --set model=tiny-flux-dev --upload image=PHOTO.jpg --show",
        "watch",
        "run examples/workflows/resize-and-blur.json --upload Picture=PHOTO.jpg --out pictures --show",
        "images list",
    ] {
        out.line(format!("  invokeai-client {command}{flag}"))?;
    }
    out.line("")?;
    out.line("Ctrl-C ends it.")?;
    stop.asked().await;
    server.stop();
    Ok(Exit::Done)
}
