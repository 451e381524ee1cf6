//! Workflows that any server can run, and what they need.

use std::{error::Error, io, path::PathBuf};

use invokeai_client::{
    Client, FinishedJob, Upload,
    cleanup::CleanupReport,
    download::SavedFile,
    workflow::{Input, Workflow, WorkflowDefinition},
};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

/// FLUX image to image if the server has models for it, otherwise a workflow that needs none. Ready to be submitted.
#[allow(dead_code, reason = "not every example takes it")]
pub(crate) async fn ready(client: &Client) -> Result<Workflow, Box<dyn Error>> {
    let picture = client.images().upload(slope()?).await?;
    let mut flux = client.workflow(WorkflowDefinition::from_path(FLUX)?).await?;
    match choose_models(client, &mut flux).await {
        Ok(()) => {
            flux.set_inputs([("prompt", "a serene mountain landscape at sunset"), ("image", &picture.image_name)])?;
            flux.set_input("num_steps", 4)?;
            Ok(flux)
        }
        Err(lacking) => {
            println!("{lacking}; using a workflow without models.\n");
            let mut resize = client.workflow(WorkflowDefinition::from_path(RESIZE)?).await?;
            resize.set_input("source.image", picture.image_name)?;
            Ok(resize)
        }
    }
}

/// Sets the models of a workflow: those that its file names if the server has them, otherwise any that the editor would
/// offer instead.
#[allow(dead_code, reason = "not every example takes it")]
pub(crate) async fn choose_models(client: &Client, workflow: &mut Workflow) -> Result<(), Box<dyn Error>> {
    let installed = client.models().records().await?;
    let known = workflow.use_models(&installed).resolved;
    let is_known = |input: &Input| {
        known.iter().any(|model| (&model.usage.node_id, &model.usage.field) == (&input.node_id, &input.field_name))
    };
    let mut chosen = Vec::new();
    for input in workflow.inputs().iter().filter(|input| !is_known(input)) {
        let Some(filter) = input.field.model_filter() else { continue };
        let fitting = installed.iter().find(|model| filter.matches(model));
        let lacking = || format!("The server has no model for `{}` ({filter})", input.user_name);
        chosen.push((input.system_name.clone(), fitting.ok_or_else(lacking)?));
    }
    Ok(workflow.set_inputs(chosen)?)
}

/// The results of a run that has ended, downloaded. Fails if one of them could not be downloaded, or if there are none.
#[allow(dead_code, reason = "not every example takes it")]
pub(crate) async fn fetch(
    end: invokeai_client::Result<FinishedJob>,
    folder: impl Into<PathBuf>,
) -> Result<Vec<SavedFile>, Box<dyn Error>> {
    let report = end?.outputs().await?.download_to(folder).await?;
    match report.failed.first() {
        Some(failure) => Err(format!("{} was not downloaded: {:?}", failure.name, failure.error).into()),
        None if report.saved.is_empty() => Err("the run made no picture".into()),
        None => Ok(report.saved),
    }
}

/// Prints the result of a clean-up. Fails if something could not be deleted.
#[allow(dead_code, reason = "not every example takes it")]
pub(crate) fn cleaned(report: &CleanupReport) -> Result<(), Box<dyn Error>> {
    println!("\n{report}\n");
    if report.is_success() { Ok(()) } else { Err("not everything could be cleaned up".into()) }
}

/// A small picture, so that no file is needed.
pub(crate) fn slope() -> io::Result<Upload> {
    let pixels = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 128]));
    let mut png = io::Cursor::new(Vec::new());
    pixels.write_to(&mut png, image::ImageFormat::Png).map_err(io::Error::other)?;
    Ok(Upload::bytes("slope.png", png.into_inner()))
}
