//! Installs a model and shows its progress.
//!
//! `cargo run --features testing --example install_model -- [--server URL] [PATH | URL | OWNER/REPOSITORY]`
//!
//! Paths are on the server's machine. Without a source it writes a tiny LoRA file, installs it in place, and deletes it
//! again.

#[path = "common/server.rs"]
mod server;

use std::{env, error::Error, fs, path::Path};

use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use invokeai_client::{
    Client,
    models::{InstallOutcome, ModelRecord, ModelSource},
};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    if let Some(source) = server.arguments.first() {
        let source = match source {
            url if url.contains("://") => ModelSource::url(url),
            path if Path::new(path).is_absolute() => ModelSource::local_in_place(path),
            repository => ModelSource::hugging_face(repository),
        };
        return install(&client, source).await.map(drop);
    }
    let path = env::temp_dir().join(format!("tiny-lora-{}.safetensors", std::process::id()));
    fs::write(&path, tiny_lora()?)?;
    let installed = install(&client, ModelSource::local_in_place(&path)).await;
    if let Ok(model) = &installed {
        client.model(&model.key).delete().await?;
    }
    fs::remove_file(&path)?;
    installed.map(drop)
}

async fn install(client: &Client, source: ModelSource) -> Result<ModelRecord, Box<dyn Error>> {
    let install = client.models().install(source).await?;
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {msg}")?;
    let bar = ProgressBar::no_length().with_style(style);
    let mut states = install.progress();
    let mut outcome = None;
    while let Some(job) = states.try_next().await? {
        bar.set_length(job.total_bytes);
        bar.set_position(job.bytes);
        bar.set_message(job.status.to_string());
        if bar.is_hidden() {
            println!("  {}: {} of {} bytes", job.status, job.bytes, job.total_bytes);
        }
        outcome = job.outcome();
    }
    bar.finish_and_clear();
    match outcome {
        Some(InstallOutcome::Installed(model)) => {
            println!("Installed {} `{}` for {}, key {}", model.model_type, model.name, model.base, model.key);
            Ok(model)
        }
        other => Err(format!("not installed: {other:?}").into()),
    }
}

/// A LoRA for one layer of Stable Diffusion 1, all zero: just what InvokeAI looks at to recognize the file.
fn tiny_lora() -> Result<Vec<u8>, Box<dyn Error>> {
    let layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let header = json!({
        format!("{layer}.lora_down.weight"): {"dtype": "F16", "shape": [1, 768], "data_offsets": [0, 1536]},
        format!("{layer}.lora_up.weight"): {"dtype": "F16", "shape": [320, 1], "data_offsets": [1536, 2176]},
    });
    let header = serde_json::to_vec(&header)?;
    // Each file is different: the server refuses a model that it already has.
    let mut weights = vec![0; 2176];
    weights[..4].copy_from_slice(&std::process::id().to_le_bytes());
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &weights].concat())
}
