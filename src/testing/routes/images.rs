//! Records of images.

use super::{Answer, Call, Outcome, boards, not_found};
use crate::testing::store::{Store, images::Image, now, page};
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "create_image_upload_entry" => Err(Answer::refusal(501, "Not implemented")),
        "get_image_dto" => get(call),
        "get_image_metadata" => metadata(call),
        "get_image_workflow" => workflow(call),
        "get_image_urls" => urls(call),
        "update_image" => update(call),
        "delete_image" => delete(call),
        "delete_images_from_list" => delete_many(call),
        "delete_uncategorized_images" => delete_uncategorized(call),
        "star_images_in_list" => star(call, true),
        "unstar_images_in_list" => star(call, false),
        "get_intermediates_count" => count_intermediates(call),
        "clear_intermediates" => clear_intermediates(call),
        "list_image_dtos" => list(call),
        "get_image_names" => names(call),
        "get_images_by_names" => by_names(call),
        _ => return None,
    })
}

/// The image, or `None` if it does not exist but the caller would have access.
pub(super) fn owned<'a>(call: &Call<'_>, store: &'a Store, name: &str) -> Result<Option<&'a Image>, Answer> {
    let image = store.images.get(name);
    let board = image.and_then(|image| store.boards.get(image.board_id.as_ref()?));
    let caller = &call.caller;
    let allowed = caller.is_admin
        || image.is_some_and(|image| image.user_id == caller.user_id)
        || board.is_some_and(|board| board.user_id == caller.user_id || board.is_public());
    if allowed { Ok(image) } else { Err(Answer::refusal(403, "Not authorized to modify this image")) }
}

/// The image, if the caller may look at it; `None` if it does not exist.
pub(super) fn readable<'a>(call: &Call<'_>, store: &'a Store, name: &str) -> Result<Option<&'a Image>, Answer> {
    let image = store.images.get(name);
    if call.caller.is_admin {
        return Ok(image);
    }
    let image = image.ok_or_else(|| Answer::refusal(404, "Image not found"))?;
    let board = image.board_id.as_ref().and_then(|board| store.boards.get(board));
    if image.user_id == call.caller.user_id || board.is_some_and(|board| !board.is_private()) {
        return Ok(Some(image));
    }
    Err(Answer::refusal(403, "Not authorized to access this image"))
}

fn named<'a>(call: &Call<'_>, store: &'a Store) -> Result<&'a Image, Answer> {
    readable(call, store, call.text("image_name"))?.ok_or_else(not_found)
}

fn get(call: &Call<'_>) -> Outcome {
    Ok(Answer::json(named(call, &call.world.store())?.dto()))
}

fn metadata(call: &Call<'_>) -> Outcome {
    Ok(Answer::json(named(call, &call.world.store())?.metadata.clone().unwrap_or_default()))
}

fn workflow(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let image = named(call, &store)?;
    Ok(Answer::json(json!({"workflow": image.workflow, "graph": image.graph})))
}

fn urls(call: &Call<'_>) -> Outcome {
    // It does not check whether there is such an image, unless it must check whose it is.
    let name = call.text("image_name");
    readable(call, &call.world.store(), name)?;
    let url = |kind| format!("api/v1/images/i/{name}/{kind}");
    Ok(Answer::json(json!({"image_name": name, "image_url": url("full"), "thumbnail_url": url("thumbnail")})))
}

fn update(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let name = call.text("image_name");
    owned(call, &store, name)?;
    let image = store.images.get_mut(name).ok_or_else(|| Answer::refusal(400, "Failed to update image"))?;
    if let Some(category) = call.member("image_category").as_str() {
        image.category = category.into();
    }
    if let Some(session) = call.member("session_id").as_str() {
        image.session_id = Some(session.into());
    }
    image.is_intermediate = call.member("is_intermediate").as_bool().unwrap_or(image.is_intermediate);
    image.starred = call.member("starred").as_bool().unwrap_or(image.starred);
    image.updated_at = now();
    Ok(Answer::json(image.dto()))
}

fn deletion(deleted: Vec<Image>) -> Answer {
    let mut boards: Vec<String> = deleted.iter().map(Image::board_or_none).collect();
    boards.sort();
    boards.dedup();
    let names: Vec<String> = deleted.into_iter().map(|image| image.name).collect();
    Answer::json(json!({"affected_boards": boards, "deleted_images": names, "failed_images": []}))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let name = call.text("image_name");
    owned(call, &store, name)?;
    let image = store.delete_image(name).ok_or_else(|| Answer::refusal(404, "Image not found"))?;
    Ok(deletion(vec![image]))
}

fn delete_many(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let mut deleted = Vec::new();
    for name in call.names("image_names") {
        // Images that do not exist or are not theirs are skipped.
        if owned(call, &store, &name).is_ok() {
            deleted.extend(store.delete_image(&name));
        }
    }
    Ok(deletion(deleted))
}

fn delete_uncategorized(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let names: Vec<String> = store.images_on(None).map(|image| image.name.clone()).collect();
    let mut deleted = Vec::new();
    for name in names {
        if owned(call, &store, &name).is_ok() {
            deleted.extend(store.delete_image(&name));
        }
    }
    Ok(deletion(deleted))
}

fn star(call: &Call<'_>, starred: bool) -> Outcome {
    let mut store = call.world.store();
    let (mut changed, mut boards) = (Vec::new(), Vec::new());
    for name in call.names("image_names") {
        if owned(call, &store, &name).is_err() {
            continue;
        }
        if let Some(image) = store.images.get_mut(&name) {
            image.starred = starred;
            image.updated_at = now();
            if !boards.contains(&image.board_or_none()) {
                boards.push(image.board_or_none());
            }
            changed.push(name);
        }
    }
    let member = if starred { "starred_images" } else { "unstarred_images" };
    Ok(Answer::json(json!({"affected_boards": boards, member: changed, "failed_images": []})))
}

fn count_intermediates(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let mine = |image: &&Image| image.is_intermediate && (call.caller.is_admin || image.user_id == call.caller.user_id);
    Ok(Answer::json(store.images.values().filter(mine).count()))
}

fn clear_intermediates(call: &Call<'_>) -> Outcome {
    if !call.caller.is_admin {
        return Err(Answer::refusal(403, "Only admins can clear all intermediates"));
    }
    let mut store = call.world.store();
    let intermediates = store.images.values().filter(|image| image.is_intermediate);
    let names: Vec<String> = intermediates.map(|image| image.name.clone()).collect();
    for name in &names {
        store.delete_image(name);
    }
    Ok(Answer::json(names.len()))
}

/// The images that a list asks for, in its order.
pub(super) fn selected<'a>(call: &Call<'_>, store: &'a Store, origin: &str) -> Result<Vec<&'a Image>, Answer> {
    let board = call.find("board_id");
    if let Some(id) = board.filter(|id| *id != "none" && !call.caller.is_admin) {
        boards::readable(call, store, id)?;
    }
    let categories = call.list("categories");
    let search = call.find("search_term").unwrap_or_default().to_lowercase();
    let matches = |image: &&Image| {
        let text =
            || format!("{} {}", image.metadata.as_ref().map(Value::to_string).unwrap_or_default(), image.created_at);
        call.find(origin).is_none_or(|origin| image.origin == origin)
            && categories.as_ref().is_none_or(|categories| categories.contains(&image.category.as_str()))
            && call.flag("is_intermediate").is_none_or(|wanted| image.is_intermediate == wanted)
            && board.is_none_or(|board| image.board_or_none() == board)
            && (search.is_empty() || text().to_lowercase().contains(&search))
            && readable(call, store, &image.name).is_ok()
    };
    let mut images: Vec<&Image> = store.images.values().filter(matches).collect();
    if call.text("order_dir") != "ASC" {
        images.reverse();
    }
    if call.flag("starred_first") == Some(true) {
        images.sort_by_key(|image| !image.starred);
    }
    Ok(images)
}

fn list(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let images = selected(call, &store, "image_origin")?;
    let total = images.len();
    let (offset, limit) = (call.number("offset"), call.number("limit"));
    let items: Vec<Value> = page(images, offset, limit).into_iter().map(Image::dto).collect();
    Ok(Answer::json(json!({"limit": limit, "offset": offset, "total": total, "items": items})))
}

fn names(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let images = selected(call, &store, "image_origin")?;
    let starred = images.iter().filter(|image| image.starred).count();
    let starred = if call.flag("starred_first") == Some(true) { starred } else { 0 };
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    Ok(Answer::json(json!({"image_names": names, "starred_count": starred, "total_count": names.len()})))
}

fn by_names(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let asked = call.member("image_names").as_array().into_iter().flatten().filter_map(Value::as_str);
    let found = asked.filter_map(|name| readable(call, &store, name).ok().flatten());
    Ok(Answer::json(found.map(Image::dto).collect::<Vec<_>>()))
}
