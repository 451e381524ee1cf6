//! Images on boards.

use super::{Answer, Call, Outcome, images};
use crate::testing::store::Store;
use serde_json::json;

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "add_image_to_board" => add(call, false),
        "add_images_to_board" => add(call, true),
        "remove_image_from_board" => remove(call, false),
        "remove_images_from_board" => remove(call, true),
        _ => return None,
    })
}

fn names(call: &Call<'_>, many: bool) -> Vec<String> {
    if many {
        call.names("image_names")
    } else {
        call.member("image_name").as_str().map(str::to_owned).into_iter().collect()
    }
}

/// Adds a name once.
fn note(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn move_to(store: &mut Store, name: &str, board: Option<&str>, affected: &mut Vec<String>) {
    if let Some(image) = store.images.get_mut(name) {
        note(affected, image.board_or_none());
        image.board_id = board.map(str::to_owned);
        note(affected, image.board_or_none());
    }
}

fn add(call: &Call<'_>, many: bool) -> Outcome {
    let mut store = call.world.store();
    let id = call.member("board_id").as_str().unwrap_or_default().to_owned();
    let board = super::boards::find(&store, &id)?;
    if !call.caller.is_admin && board.user_id != call.caller.user_id && !board.is_public() {
        return Err(Answer::refusal(403, "Not authorized to modify this board"));
    }
    let (mut added, mut affected) = (Vec::new(), Vec::new());
    for name in names(call, many) {
        match images::owned(call, &store, &name) {
            Ok(image) if image.is_some() => {}
            Ok(_) | Err(_) if many => continue,
            Ok(_) => return Err(Answer::refusal(500, "Failed to add image to board")),
            Err(refusal) => return Err(refusal),
        }
        move_to(&mut store, &name, Some(&id), &mut affected);
        added.push(name);
    }
    Ok(Answer::json_with(201, json!({"affected_boards": affected, "added_images": added, "failed_images": []})))
}

fn remove(call: &Call<'_>, many: bool) -> Outcome {
    let mut store = call.world.store();
    let (mut removed, mut affected) = (Vec::new(), Vec::new());
    for name in names(call, many) {
        match images::owned(call, &store, &name) {
            Ok(image) if image.is_some() => {}
            Ok(_) | Err(_) if many => continue,
            Ok(_) => return Err(Answer::refusal(500, "Failed to remove image from board")),
            Err(refusal) => return Err(refusal),
        }
        move_to(&mut store, &name, None, &mut affected);
        removed.push(name);
    }
    Ok(Answer::json_with(201, json!({"affected_boards": affected, "removed_images": removed, "failed_images": []})))
}
