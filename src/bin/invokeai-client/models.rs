//! `invokeai-client models`.

use clap::Subcommand;
use futures::TryStreamExt as _;
use invokeai_client::{
    Client,
    models::{InstallOutcome, ModelSource},
    schema::ModelRecord,
};

use crate::{
    completion,
    confirm::Confirm,
    exit::Exit,
    failure::Failure,
    near::near,
    print::{aside, note},
    table::Output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List installed models
    List {
        /// Only models with this base, for example `flux`
        #[arg(long)]
        base: Option<String>,
        /// Only models of this type, for example `main` or `lora`
        #[arg(long = "type", value_name = "TYPE")]
        model_type: Option<String>,
    },
    /// Show one model, as JSON
    Get {
        /// Key or name
        #[arg(add = completion::models())]
        model: String,
    },
    /// Install a model, and show the progress
    Put {
        /// A path on the server, a URL, or a Hugging Face repository `owner/name`
        source: String,
        /// Leave the model where it is; otherwise the server moves it into its own folder
        #[arg(long)]
        in_place: bool,
    },
    /// Delete models
    Rm {
        /// Keys or names
        #[arg(required = true, add = completion::models())]
        models: Vec<String>,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(crate) async fn run(command: ModelsCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        ModelsCommand::List { base, model_type } => {
            let fits = |model: &ModelRecord| {
                base.as_ref().is_none_or(|base| model.base == *base)
                    && model_type.as_ref().is_none_or(|kind| model.model_type == *kind)
            };
            for model in client.models().records().await?.into_iter().filter(fits) {
                print(&model, output)?;
            }
        }
        ModelsCommand::Get { model } => {
            let model = find(&client.models().records().await?, &model)?;
            output.out.json_document(&model.to_json())?;
        }
        ModelsCommand::Put { source, in_place } => {
            let source = match source {
                source if source.starts_with("http://") || source.starts_with("https://") => ModelSource::url(source),
                source if source.starts_with(['/', '.', '~']) && in_place => ModelSource::local_in_place(source),
                source if source.starts_with(['/', '.', '~']) => ModelSource::local_move(source),
                source => ModelSource::hugging_face(source),
            };
            let install = client.models().install(source).await?;
            aside("Ctrl-C stops watching, not the installation");
            let mut progress = std::pin::pin!(install.progress());
            while let Some(job) = progress.try_next().await? {
                aside(format!("{} {} of {} bytes", job.status, job.bytes, job.total_bytes));
            }
            match install.wait().await? {
                InstallOutcome::Installed(model) => print(&model, output)?,
                InstallOutcome::UnknownType(model) => {
                    print(&model, output)?;
                    note("InvokeAI does not know what this is: no node can use it");
                }
                InstallOutcome::Duplicate { message } => {
                    return Err(Failure::other(format!("already installed: {message}")));
                }
                InstallOutcome::Failed { reason, message } => {
                    return Err(Failure::other(format!("not installed: {reason}: {message}")));
                }
                // Canceled, or an outcome of a later version.
                other => return Err(Failure::other(format!("not installed: {other:?}"))),
            }
        }
        ModelsCommand::Rm { models, confirm } => {
            let installed = client.models().records().await?;
            let found = models.iter().map(|model| find(&installed, model)).collect::<Result<Vec<_>, _>>()?;
            let what: Vec<String> = found
                .iter()
                .map(|model| format!("delete the model {} ({}, {})", model.name, model.base, model.key))
                .collect();
            if !confirm.allows(&what).await? {
                return Ok(Exit::Done);
            }
            for model in found {
                client.model(&model.key).delete().await?;
                output.done("deleted", &model.key)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Finds a model by key, or by name. Several may have the same name.
fn find(installed: &[ModelRecord], wanted: &str) -> Result<ModelRecord, Failure> {
    if let Some(model) = installed.iter().find(|model| model.key == wanted) {
        return Ok(model.clone());
    }
    let named: Vec<&ModelRecord> = installed.iter().filter(|model| model.name == wanted).collect();
    match named.as_slice() {
        [model] => Ok((*model).clone()),
        [] => {
            let near = near(wanted, installed.iter().map(|model| model.name.as_str()));
            Err(Failure::other(format!("there is no model with the key or name `{wanted}`{near}")))
        }
        several => {
            let keys: Vec<&str> = several.iter().map(|model| model.key.as_str()).collect();
            Err(Failure::other(format!(
                "several models are called `{wanted}`; name one by its key: {}",
                keys.join(", ")
            )))
        }
    }
}

fn print(model: &ModelRecord, output: &mut Output<'_>) -> std::io::Result<()> {
    let cells = [model.key.clone(), model.base.clone(), model.model_type.clone(), model.name.clone()];
    output.row(&model.to_json(), [36, 12, 14, 0], cells)
}
