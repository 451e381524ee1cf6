//! Files of images: uploads, downloads, zips.

use super::{Answer, Call, Outcome, boards, images, not_found};
use crate::{
    testing::{
        png,
        store::{
            images::{Image, NewImage},
            new_id,
        },
        zip,
    },
    workflow::png_text,
};
use axum::http::header;
use image::DynamicImage;
use serde_json::{Value, json};

/// Most pixels that an upload may be enlarged to.
const MAX_RESIZED: u64 = 4096 * 4096;

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "upload_image" => upload(call),
        "get_image_full" => full(call),
        "get_image_full_head" => head(call),
        "get_image_thumbnail" => thumbnail(call),
        "download_images_from_list" => download(call),
        "get_bulk_download_item" => downloaded(call),
        _ => return None,
    })
}

fn upload(call: &Call<'_>) -> Outcome {
    let board_id = call.find("board_id").map(str::to_owned);
    if let Some(id) = &board_id {
        let store = call.world.store();
        let board = boards::find(&store, id)?;
        if !call.caller.is_admin && board.user_id != call.caller.user_id && !board.is_public() {
            return Err(Answer::refusal(403, "Not authorized to upload to this board"));
        }
    }
    let file = call.part("file").ok_or_else(not_found)?;
    if !file.content_type.as_deref().is_some_and(|kind| kind.starts_with("image")) {
        return Err(Answer::refusal(415, "Not an image"));
    }
    let mut pixels = image::load_from_memory(&file.bytes).map_err(|_| Answer::refusal(415, "Failed to read image"))?;
    if call.flag("crop_visible") == Some(true) {
        pixels = visible_part(pixels);
    }
    if let Some(size) = call.form_text("resize_to").filter(|size| !size.is_empty()) {
        let invalid = || Answer::refusal(400, "Invalid resize_to format or size");
        let size: Value = serde_json::from_str(&size).map_err(|_| invalid())?;
        let side = |name: &str| size[name].as_u64().and_then(|side| u32::try_from(side).ok()).filter(|side| *side > 0);
        let (width, height) = side("width").zip(side("height")).ok_or_else(invalid)?;
        if u64::from(width) * u64::from(height) > MAX_RESIZED {
            return Err(invalid());
        }
        pixels = pixels.resize_exact(width, height, image::imageops::FilterType::Triangle);
    }
    // Texts that cannot be read count as missing.
    let embedded = |key| png_text::find(&file.bytes, key).ok().flatten();
    let object = |text: String| serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
    let metadata = match call.form_text("metadata").filter(|text| !text.is_empty()) {
        Some(given) => object(given),
        None => embedded("invokeai_metadata").and_then(object),
    };
    let image = NewImage {
        pixels,
        origin: "external",
        category: call.text("image_category").into(),
        is_intermediate: call.flag("is_intermediate").unwrap_or_default(),
        session_id: call.find("session_id").map(str::to_owned),
        node_id: None,
        board_id,
        user_id: call.caller.user_id.clone(),
        metadata,
        workflow: embedded("invokeai_workflow").filter(|text| object(text.clone()).is_some()),
        graph: embedded("invokeai_graph").filter(|text| object(text.clone()).is_some()),
    };
    let image = image.encode().map_err(|_| Answer::refusal(500, "Failed to create image"))?;
    let mut store = call.world.store();
    let image = store.add_image(image);
    Ok(Answer::json_with(201, image.dto()).with_header(header::LOCATION, &image.url()))
}

/// The part of a picture that is not transparent, or not black where nothing can be.
fn visible_part(image: DynamicImage) -> DynamicImage {
    let has_alpha = image.color().has_alpha();
    let pixels = image.to_rgba8();
    let shown = pixels.enumerate_pixels().filter(|(_, _, pixel)| {
        let [red, green, blue, alpha] = pixel.0;
        if has_alpha { alpha > 0 } else { red > 0 || green > 0 || blue > 0 }
    });
    let corners = shown.fold(None, |corners: Option<[u32; 4]>, (x, y, _)| {
        let [left, top, right, bottom] = corners.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
    });
    match corners {
        Some([left, top, right, bottom]) => image.crop_imm(left, top, right - left + 1, bottom - top + 1),
        None => image,
    }
}

fn found(call: &Call<'_>) -> Result<Image, Answer> {
    let store = call.world.store();
    images::readable(call, &store, call.text("image_name"))?.cloned().ok_or_else(not_found)
}

fn cached(call: &Call<'_>, answer: Answer) -> Answer {
    let policy = if call.world.settings.multiuser { "private, no-store" } else { "max-age=31536000" };
    answer.with_header(header::CACHE_CONTROL, policy)
}

fn full(call: &Call<'_>) -> Outcome {
    let image = found(call)?;
    let name = format!("inline; filename=\"{}\"", image.name);
    let answer = Answer::bytes("image/png", image.png).with_header(header::CONTENT_DISPOSITION, &name);
    Ok(cached(call, answer))
}

fn head(call: &Call<'_>) -> Outcome {
    let answer = full(call)?;
    let length = answer.body.len().to_string();
    Ok(Answer { body: Default::default(), ..answer }.with_header(header::CONTENT_LENGTH, &length))
}

fn thumbnail(call: &Call<'_>) -> Outcome {
    let image = found(call)?;
    let small = png::thumbnail(&image.png).map_err(|_| not_found())?;
    Ok(cached(call, Answer::bytes("image/webp", small)))
}

fn download(call: &Call<'_>) -> Outcome {
    let names = call.names("image_names");
    let board = call.member("board_id").as_str();
    if names.is_empty() && board.is_none() {
        return Err(Answer::refusal(400, "No images or board id specified."));
    }
    let store = call.world.store();
    let board_name = match board {
        Some("none") | None => None,
        // An unknown board is an error that the server does not catch.
        Some(id) => match boards::readable(call, &store, id) {
            Ok(board) => Some(board.name.clone()),
            Err(_) if call.caller.is_admin => return Err(Answer::crash()),
            Err(refusal) => return Err(refusal),
        },
    };
    for name in &names {
        images::readable(call, &store, name)?;
    }
    let images: Result<Vec<Image>, String> = match board {
        Some(id) => Ok(store
            .images_on(Some(id).filter(|id| *id != "none"))
            .filter(|image| !image.is_intermediate)
            .cloned()
            .collect()),
        None => names.iter().map(|name| store.images.get(name).cloned().ok_or_else(|| name.clone())).collect(),
    };
    drop(store);
    let item_id = match (board, board_name) {
        (Some("none"), _) => format!("Uncategorized_{}", new_id()),
        (_, Some(name)) => format!("{name}_{}", new_id()),
        _ => new_id(),
    };
    let world = std::sync::Arc::clone(call.world);
    let (item, user) = (item_id.clone(), call.caller.user_id.clone());
    // The answer goes out first.
    tokio::task::spawn_blocking(move || {
        world.announce_download("bulk_download_started", &item, &user, None);
        match images {
            Ok(images) => {
                let files = images.iter().map(|image| (format!("{}/{}", image.category, image.name), &image.png[..]));
                let zip = zip::zip(files);
                world.store().downloads.insert(format!("{item}.zip"), (user.clone(), zip.into()));
                world.announce_download("bulk_download_complete", &item, &user, None);
            }
            Err(_) => {
                let error = "The Bulk Download Image Record Not Found";
                world.announce_download("bulk_download_error", &item, &user, Some(error));
            }
        }
    });
    let answer = json!({"response": null, "bulk_download_item_name": format!("{item_id}.zip")});
    Ok(Answer::json_with(202, answer))
}

fn downloaded(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let name = call.text("bulk_download_item_name");
    let (owner, _) = store.downloads.get(name).ok_or_else(not_found)?;
    if *owner != call.caller.user_id && !call.caller.is_admin {
        return Err(Answer::refusal(403, "Not authorized to access this download"));
    }
    // It can be fetched once.
    let (_, zip) = store.downloads.remove(name).ok_or_else(not_found)?;
    Ok(Answer::bytes("application/zip", zip).with_header(header::CACHE_CONTROL, "max-age=31536000"))
}
