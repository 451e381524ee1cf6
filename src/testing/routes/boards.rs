//! Boards.

use super::{Answer, Call, Outcome};
use crate::testing::store::{Store, boards::Board, now, page};
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "create_board" => create(call),
        "get_board" => get(call),
        "update_board" => update(call),
        "delete_board" => delete(call),
        "list_boards" => list(call),
        "list_all_board_image_names" => image_names(call),
        _ => return None,
    })
}

/// The board, or the refusal that all routes use.
pub(super) fn find<'a>(store: &'a Store, id: &str) -> Result<&'a Board, Answer> {
    store.boards.get(id).ok_or_else(|| Answer::refusal(404, "Board not found"))
}

/// The board, if the caller may look at it.
pub(super) fn readable<'a>(call: &Call<'_>, store: &'a Store, id: &str) -> Result<&'a Board, Answer> {
    let board = find(store, id)?;
    if call.caller.is_admin || board.user_id == call.caller.user_id || !board.is_private() {
        return Ok(board);
    }
    Err(Answer::refusal(403, "Not authorized to access this board"))
}

fn owned<'a>(call: &Call<'_>, store: &'a Store, what: &str) -> Result<&'a Board, Answer> {
    let board = find(store, call.text("board_id"))?;
    if call.caller.is_admin || board.user_id == call.caller.user_id {
        return Ok(board);
    }
    Err(Answer::refusal(403, format!("Not authorized to {what} this board")))
}

fn create(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let id = store.make_board(call.text("board_name"), &call.caller.user_id);
    let dto = store.board_dto(find(&store, &id)?);
    Ok(Answer::json_with(201, dto))
}

fn get(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let board = readable(call, &store, call.text("board_id"))?;
    Ok(Answer::json(store.board_dto(board)))
}

fn update(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    owned(call, &store, "update")?;
    let cover = call.member("cover_image_name").as_str();
    if cover.is_some_and(|name| !store.images.contains_key(name)) {
        return Err(Answer::refusal(500, "Failed to update board"));
    }
    let id = call.text("board_id");
    if let Some(board) = store.boards.get_mut(id) {
        let text = |name| call.member(name).as_str().map(str::to_owned);
        board.name = text("board_name").unwrap_or_else(|| board.name.clone());
        board.cover = text("cover_image_name").or_else(|| board.cover.clone());
        board.archived = call.member("archived").as_bool().unwrap_or(board.archived);
        board.visibility = text("board_visibility").unwrap_or_else(|| board.visibility.clone());
        board.updated_at = now();
    }
    Ok(Answer::json_with(201, store.board_dto(find(&store, id)?)))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    owned(call, &store, "delete")?;
    let id = call.text("board_id");
    let with_images = call.flag("include_images") == Some(true);
    let on_board: Vec<String> = store.images_on(Some(id)).map(|image| image.name.clone()).collect();
    let mut deleted = Vec::new();
    if with_images {
        for name in &on_board {
            let mine = |owner: &str| call.caller.is_admin || owner == call.caller.user_id;
            if store.images.get(name).is_some_and(|image| mine(&image.user_id)) {
                store.delete_image(name);
                deleted.push(name.clone());
            }
        }
    }
    for name in &on_board {
        if let Some(image) = store.images.get_mut(name) {
            image.board_id = None;
        }
    }
    store.boards.shift_remove(id);
    Ok(Answer::json(json!({
        "board_id": id,
        "deleted_board_images": if with_images { Vec::new() } else { on_board },
        "deleted_images": deleted,
        "deleted_board_videos": [],
        "deleted_videos": [],
        "failed_images": [],
        "failed_videos": [],
    })))
}

fn list(call: &Call<'_>) -> Outcome {
    let all = call.flag("all") == Some(true);
    let (offset, limit) = (call.number("offset"), call.number("limit"));
    if !all && (offset.is_none() || limit.is_none()) {
        let detail = "Invalid request: Must provide either 'all' or both 'offset' and 'limit'";
        return Err(Answer::refusal(400, detail));
    }
    let store = call.world.store();
    let with_archived = call.flag("include_archived") == Some(true);
    let visible = |board: &&Board| {
        (with_archived || !board.archived)
            && (call.caller.is_admin || board.user_id == call.caller.user_id || !board.is_private())
    };
    let mut boards: Vec<&Board> = store.boards.values().filter(visible).collect();
    if call.text("order_by") == "board_name" {
        boards.sort_by_key(|board| board.name.to_lowercase());
    }
    if call.text("direction") != "ASC" {
        boards.reverse();
    }
    let total = boards.len();
    let shown = if all { boards } else { page(boards, offset, limit) };
    // Only lists say whose they are, even on a server without users.
    let named = |board: &Board| {
        let mut dto = store.board_dto(board);
        let owner = store.users.name(&board.user_id);
        dto["owner_username"] = owner.unwrap_or_else(|| "System".into()).into();
        dto
    };
    let items: Vec<Value> = shown.into_iter().map(named).collect();
    if all {
        return Ok(Answer::json(items));
    }
    Ok(Answer::json(json!({"limit": limit, "offset": offset, "total": total, "items": items})))
}

fn image_names(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let id = call.text("board_id");
    let board = if id == "none" { None } else { Some(readable(call, &store, id)?.id.as_str()) };
    let categories = call.list("categories");
    let intermediate = call.flag("is_intermediate");
    let names: Vec<&str> = store
        .images_on(board)
        .filter(|image| {
            categories.as_ref().is_none_or(|categories| categories.contains(&image.category.as_str()))
                && intermediate.is_none_or(|wanted| image.is_intermediate == wanted)
                && (board.is_some() || call.caller.is_admin || image.user_id == call.caller.user_id)
        })
        .map(|image| image.name.as_str())
        .collect();
    Ok(Answer::json(json!(names)))
}
