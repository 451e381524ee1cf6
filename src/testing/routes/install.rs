//! Installation of models. It is simulated: a record is created, and events report a download that never happens.

use super::{Answer, Call, Outcome};
use crate::testing::{
    store::{Store, models::InstallJob, new_id},
    world::World,
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// The size of every simulated file.
const BYTES: u64 = 4_000_000;
/// How many times progress is reported.
const PARTS: u64 = 8;

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "install_model" => install(call),
        "list_model_installs" => {
            let jobs: Vec<Value> = call.world.store().installs.iter().map(InstallJob::dto).collect();
            Ok(Answer::json(jobs))
        }
        "get_model_install_job" => job(call, 404).map(|job| Answer::json(job.dto())),
        "cancel_model_install_job" => cancel(call),
        "prune_model_install_jobs" => {
            call.world.store().installs.retain(|job| !job.has_ended());
            Ok(Answer::empty(204))
        }
        _ => return None,
    })
}

fn job(call: &Call<'_>, status: u16) -> Result<InstallJob, Answer> {
    let id = call.number("id").unwrap_or_default();
    let job = call.world.store().installs.iter().find(|job| job.id == id).cloned();
    job.ok_or_else(|| Answer::refusal(status, format!("No job with id {id} known")))
}

fn cancel(call: &Call<'_>) -> Outcome {
    let id = job(call, 415)?.id;
    if let Some(job) = call.world.store().installs.iter_mut().find(|job| job.id == id) {
        job.status = "cancelled";
    }
    Ok(Answer::json_with(201, Value::Null))
}

/// Where a model comes from.
enum Source {
    Local,
    Url,
    Hub,
}

fn kind_of(source: &str) -> Option<Source> {
    if Path::new(source).exists() {
        return Some(Source::Local);
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return Some(Source::Url);
    }
    // owner/name, and maybe variant and folder after colons.
    let repository = source.split(':').next().unwrap_or_default();
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let parts: Vec<&str> = repository.split('/').collect();
    (parts.len() == 2 && parts.into_iter().all(plain)).then_some(Source::Hub)
}

fn install(call: &Call<'_>) -> Outcome {
    let source = call.text("source").to_owned();
    let kind = kind_of(&source);
    let kind = kind.ok_or_else(|| Answer::refusal(409, format!("Unsupported model source: '{source}'")))?;
    let wanted_key = call.member("key").as_str();
    if wanted_key.is_some_and(|key| key.is_empty() || key.contains(['/', '\\']) || key.starts_with('.')) {
        let detail = format!("Invalid model key '{}': it must be a plain filename", wanted_key.unwrap_or_default());
        return Err(Answer::refusal(422, detail));
    }
    let inplace = call.flag("inplace").unwrap_or_default();
    let described = match kind {
        Source::Local => json!({"path": source, "inplace": inplace, "type": "local"}),
        Source::Url => json!({"url": source, "access_token": null, "type": "url"}),
        Source::Hub => json!({"repo_id": source, "variant": "fp16", "subfolder": null, "subfolders": null,
            "access_token": null, "type": "hf"}),
    };
    let mut store = call.world.store();
    let id = store.installs.last().map_or(0, |job| job.id + 1);
    let local = matches!(kind, Source::Local);
    let job = InstallJob {
        id,
        status: "waiting",
        error: None,
        config_in: config_in(&call.body, &source, &kind),
        config_out: Value::Null,
        inplace,
        source: described,
        local_path: source.clone(),
        bytes: 0,
        total_bytes: if local { 0 } else { BYTES },
        parts: json!([]),
    };
    let dto = job.dto();
    store.installs.push(job.clone());
    drop(store);
    let world = Arc::clone(call.world);
    tokio::spawn(async move {
        if !local && !download(&world, &job, &source).await {
            return;
        }
        finish(&world, job.id, &source, local);
    });
    Ok(Answer::json_with(201, dto))
}

/// The overrides as the server repeats them.
fn config_in(sent: &Value, source: &str, kind: &Source) -> Value {
    let members = [
        "source",
        "source_type",
        "source_api_response",
        "source_url",
        "name",
        "path",
        "description",
        "base",
        "type",
        "key",
        "hash",
        "file_size",
        "format",
        "trigger_phrases",
        "default_settings",
        "provider_id",
        "provider_model_id",
        "capabilities",
        "cpu_only",
        "variant",
        "prediction_type",
        "upcast_attention",
        "config_path",
    ];
    let mut config = json!({});
    for name in members {
        config[name] = sent.get(name).cloned().unwrap_or_default();
    }
    config["source"] = source.into();
    config["source_type"] = match kind {
        Source::Local => "path",
        Source::Url => "url",
        Source::Hub => "hf_repo_id",
    }
    .into();
    config
}

/// Changes a job, unless it was canceled or removed.
fn change(world: &World, id: i64, change: impl FnOnce(&mut InstallJob)) -> bool {
    let mut store = world.store();
    let job = store.installs.iter_mut().find(|job| job.id == id && !job.has_ended());
    job.map(change).is_some()
}

/// Simulates a download; false if it was canceled.
async fn download(world: &World, job: &InstallJob, source: &str) -> bool {
    let path = format!("/models/.tmp/{}", file_name(source));
    world.announce_to_admins("download_started", json!({"source": source, "download_path": path}));
    for part in 1..=PARTS {
        tokio::time::sleep(world.settings.step_time).await;
        let bytes = BYTES * part / PARTS;
        let parts = json!([{"url": source, "local_path": path, "bytes": bytes, "total_bytes": BYTES}]);
        let going_on = change(world, job.id, |job| {
            job.status = "downloading";
            job.bytes = bytes;
        });
        if !going_on {
            world.announce_to_admins("download_cancelled", json!({"source": source}));
            return false;
        }
        let progress = json!({"source": source, "download_path": path, "current_bytes": bytes, "total_bytes": BYTES});
        world.announce_to_admins("download_progress", progress);
        let progress = json!({"id": job.id, "source": job.source, "local_path": path, "bytes": bytes,
            "total_bytes": BYTES, "parts": parts});
        world.announce_to_admins("model_install_download_progress", progress);
    }
    let complete = json!({"source": source, "download_path": path, "total_bytes": BYTES});
    world.announce_to_admins("download_complete", complete);
    let complete = json!({"id": job.id, "source": job.source});
    world.announce_to_admins("model_install_downloads_complete", complete);
    change(world, job.id, |job| job.status = "downloads_done")
}

fn finish(world: &World, id: i64, source: &str, local: bool) {
    let Some(job) = world.store().installs.iter().find(|job| job.id == id).cloned() else { return };
    if !change(world, id, |job| job.status = "running") {
        return;
    }
    world.announce_to_admins("model_install_started", json!({"id": id, "source": job.source}));
    let mut store = world.store();
    if store.models.values().any(|model| model["source"] == source) {
        let reason = "DuplicateModelException".to_owned();
        let error = format!("A model with path '{source}' is already installed");
        drop(store);
        change(world, id, |job| {
            job.status = "error";
            job.error = Some((reason.clone(), error.clone()));
        });
        let data = json!({"id": id, "source": job.source, "error_type": reason, "error": error});
        world.announce_to_admins("model_install_error", data);
        return;
    }
    let config = record(&store, &job, source);
    let key = config["key"].as_str().unwrap_or_default().to_owned();
    store.models.insert(key.clone(), config.clone());
    drop(store);
    let total = if local { config["file_size"].as_u64().unwrap_or_default() } else { BYTES };
    change(world, id, |job| {
        job.status = "completed";
        job.config_out = config.clone();
        job.bytes = total;
        job.total_bytes = total;
    });
    let data = json!({"id": id, "source": job.source, "key": key, "total_bytes": total, "config": config});
    world.announce_to_admins("model_install_complete", data);
}

fn file_name(source: &str) -> &str {
    source.trim_end_matches('/').rsplit('/').next().unwrap_or(source)
}

/// The record of a model, guessed from its name where it was not given.
fn record(store: &Store, job: &InstallJob, source: &str) -> Value {
    let file = file_name(source);
    let name = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let lower = file.to_lowercase();
    let said = |member: &str| job.config_in[member].as_str().map(str::to_owned);
    let guess = |table: &[(&'static str, &'static str)]| {
        table.iter().find(|(part, _)| lower.contains(part)).map(|(_, meaning)| (*meaning).to_owned())
    };
    let bases =
        [("flux", "flux"), ("sdxl", "sdxl"), ("sd3", "sd-3"), ("sd1", "sd-1"), ("sd-1", "sd-1"), ("v1-5", "sd-1")];
    let kinds = [
        ("lora", "lora"),
        ("vae", "vae"),
        ("controlnet", "controlnet"),
        ("embedding", "embedding"),
        ("t5", "t5_encoder"),
        ("clip", "clip_embed"),
        ("upscaler", "spandrel_image_to_image"),
    ];
    let base = said("base").or_else(|| guess(&bases));
    let kind = said("type").or_else(|| guess(&kinds)).or_else(|| base.as_ref().map(|_| "main".into()));
    // A record of the same kind has the members that this kind has.
    let like = |model: &&Value| {
        Some(&model["type"]) == kind.clone().map(Value::from).as_ref()
            && base.as_ref().is_none_or(|base| model["base"] == base.as_str() || model["base"] == "any")
    };
    let mut config = store.models.values().find(like).cloned().unwrap_or_else(|| {
        json!({"key": null, "hash": null, "path": null, "file_size": 0, "name": null, "description": null,
            "source": null, "source_type": null, "source_api_response": null, "source_url": null,
            "cover_image": null, "type": kind.unwrap_or_else(|| "unknown".into()), "format": "unknown",
            "base": base.unwrap_or_else(|| "unknown".into())})
    });
    let key = said("key").unwrap_or_else(new_id);
    let size = std::fs::metadata(source).map_or(BYTES, |file| file.len());
    let path = if job.inplace { source.to_owned() } else { format!("{key}/{file}") };
    for (member, value) in [
        ("hash", format!("blake3:{}{}", new_id(), new_id()).replace('-', "").into()),
        ("path", path.into()),
        ("file_size", size.into()),
        ("name", said("name").unwrap_or_else(|| name.to_owned()).into()),
        ("description", said("description").into()),
        ("source", source.into()),
        ("source_type", job.config_in["source_type"].clone()),
        ("cover_image", Value::Null),
        ("key", key.into()),
    ] {
        config[member] = value;
    }
    config
}
