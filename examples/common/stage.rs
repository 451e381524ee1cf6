//! What the examples that need a server share: finding it, and a workflow that it can run.

use std::error::Error;

use invokeai_client::{
    Client, Upload,
    workflow::{Workflow, WorkflowDefinition},
};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

/// The server of `--server URL` or `INVOKEAI_URL`. Without either, says how to get one, and ends.
pub(crate) fn client() -> Result<Client, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|arg| arg == "--server").and_then(|at| args.get(at + 1).cloned());
    let Some(url) = given.or_else(|| std::env::var("INVOKEAI_URL").ok()) else {
        eprintln!("This needs a running InvokeAI server, 6.0 or later: give its address with --server URL or in");
        eprintln!("INVOKEAI_URL, for example http://127.0.0.1:9090. To get one: https://invoke-ai.github.io/InvokeAI/");
        std::process::exit(2);
    };
    Ok(Client::new(url)?)
}

/// FLUX image to image where the server has the models for it; else a workflow that needs none.
pub(crate) async fn workflow(client: &Client) -> Result<Workflow, Box<dyn Error>> {
    // A small picture, so that no file is needed.
    let slope = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 128]));
    let mut png = std::io::Cursor::new(Vec::new());
    slope.write_to(&mut png, image::ImageFormat::Png).map_err(std::io::Error::other)?;
    let picture = client.images().upload(Upload::bytes("slope.png", png.into_inner())).await?;

    let mut flux = client.workflow(WorkflowDefinition::from_path(FLUX)?).await?;
    let installed = client.models().records().await?;
    let known = flux.use_models(&installed).resolved;
    // The file names models of its author's server. Where this one lacks them, any that the editor would offer does.
    let pickers =
        flux.inputs().iter().filter(|input| input.field_type().is_some_and(|kind| kind.name == "ModelIdentifierField"));
    let pickers = pickers.filter(|input| {
        !known.iter().any(|found| (&found.usage.node_id, &found.usage.field) == (&input.node_id, &input.field_name))
    });
    let fitting = pickers.map(|input| {
        let filter = &input.field.template().model_filter;
        Some((input.system_name.clone(), installed.iter().find(|model| filter.matches(model))?))
    });
    if let Some(fitting) = fitting.collect::<Option<Vec<_>>>() {
        flux.set_inputs(fitting)?;
        flux.set_inputs([("prompt", "a serene mountain landscape at sunset"), ("image", &picture.image_name)])?;
        flux.set_input("num_steps", 4)?;
        return Ok(flux);
    }
    println!("The server lacks the models of FLUX; taking a workflow without models.\n");
    let mut resize = client.workflow(WorkflowDefinition::from_path(RESIZE)?).await?;
    resize.set_input("source.image", picture.image_name)?;
    Ok(resize)
}
