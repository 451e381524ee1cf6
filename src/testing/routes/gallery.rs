//! Images and videos in one list, and boards of days. There are no videos here.

use super::{Answer, Call, Outcome, images};
use crate::testing::store::{images::Image, page};
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "list_gallery_items" => list(call),
        "list_gallery_item_names" | "get_gallery_item_names" => names(call),
        "list_virtual_boards_by_date" => by_date(call),
        "list_virtual_board_image_names_by_date" => names_of_date(call, "image_names"),
        "list_virtual_board_item_names_by_date" => names_of_date(call, "item_names"),
        // Truly none: requests that would add one are refused.
        "list_video_dtos" => {
            let (offset, limit) = (call.number("offset"), call.number("limit"));
            Ok(Answer::json(json!({"limit": limit, "offset": offset, "total": 0, "items": []})))
        }
        "get_video_names" => Ok(Answer::json(json!({"video_names": [], "starred_count": 0, "total_count": 0}))),
        _ => return None,
    })
}

fn item(image: &Image) -> Value {
    json!({
        "kind": "image",
        "name": image.name,
        "full_url": image.url(),
        "thumbnail_url": format!("api/v1/images/i/{}/thumbnail", image.name),
        "width": image.width,
        "height": image.height,
        "category": image.category,
        "starred": image.starred,
        "is_intermediate": image.is_intermediate,
        "board_id": image.board_id,
        "created_at": image.created_at,
        "duration": null,
        "fps": null,
    })
}

fn list(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let images = images::selected(call, &store, "origin")?;
    let total = images.len();
    let (offset, limit) = (call.number("offset"), call.number("limit"));
    let items: Vec<Value> = page(images, offset, limit).into_iter().map(item).collect();
    Ok(Answer::json(json!({"limit": limit, "offset": offset, "total": total, "items": items})))
}

fn answer_names(call: &Call<'_>, member: &str, date: Option<&str>) -> Outcome {
    let store = call.world.store();
    let mut images = images::selected(call, &store, "origin")?;
    if let Some(date) = date {
        images.retain(|image| image.created_at.starts_with(date));
    }
    let starred = images.iter().filter(|image| image.starred).count();
    let starred = if call.flag("starred_first") == Some(true) { starred } else { 0 };
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    Ok(Answer::json(json!({member: names, "starred_count": starred, "total_count": names.len()})))
}

fn names(call: &Call<'_>) -> Outcome {
    answer_names(call, "item_names", call.find("created_date"))
}

fn names_of_date(call: &Call<'_>, member: &str) -> Outcome {
    answer_names(call, member, Some(call.text("date")))
}

fn by_date(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let mut days: IndexMap<&str, Vec<&Image>> = IndexMap::new();
    for image in images::selected(call, &store, "origin")?.into_iter().filter(|image| !image.is_intermediate) {
        days.entry(image.created_at.get(..10).unwrap_or_default()).or_default().push(image);
    }
    let board = |(day, images): (&&str, &Vec<&Image>)| {
        let general = images.iter().filter(|image| image.category == "general").count();
        json!({
            "virtual_board_id": format!("by_date:{day}"),
            "board_name": day,
            "date": day,
            "image_count": general,
            "asset_count": images.len() - general,
            "video_count": 0,
            "cover_image_name": images.first().map(|image| &image.name),
            "cover_video_name": null,
        })
    };
    Ok(Answer::json(days.iter().map(board).collect::<Vec<_>>()))
}
