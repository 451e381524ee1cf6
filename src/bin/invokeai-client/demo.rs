//! `invokeai-client demo`: a server to play with.

use std::io::Write;

use clap::Args;

use crate::Failure;

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
pub(crate) async fn run(args: DemoArgs, _out: &mut dyn Write) -> Result<(), Failure> {
    let problem = format!(
        "no server for port {}: this command was built without the embedded server; `cargo install invokeai-client \
         --features cli,testing` adds it",
        args.port
    );
    Err(Failure::Other(problem.into()))
}

#[cfg(feature = "testing")]
pub(crate) async fn run(args: DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
    use crate::style::{self, paint};
    use invokeai_client::testing::TestServer;
    use std::time::Duration;

    // Slow enough for the eye: see the progress, and the previews.
    let server = TestServer::builder().port(args.port).step_time(Duration::from_millis(150));
    let server = server.start().map_err(|error| {
        Failure::Other(format!("cannot serve on port {}: {error}; `--port 0` takes a free one", args.port).into())
    })?;
    let url = server.url();
    let flag = if args.port == 9090 { String::new() } else { format!(" --server {url}") };
    writeln!(out, "An InvokeAI-compatible server runs at {}", paint(style::GOOD, url))?;
    writeln!(out, "\n{}", paint(style::TITLE, "In another terminal, try"))?;
    for command in [
        "models list",
        "run examples/workflows/flux-image-to-image.json --set model=tiny-flux-dev --upload image=PHOTO.jpg --show",
        "watch",
        "run examples/workflows/resize-and-blur.json --upload Picture=PHOTO.jpg --out pictures --show",
        "images list",
    ] {
        writeln!(out, "  invokeai-client {command}{flag}")?;
    }
    writeln!(out, "\nCtrl-C ends it.")?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    server.stop();
    eprintln!();
    Ok(())
}
