//! Boards.

use super::{Store, images::Image, new_id, now};
use serde_json::{Value, json};

/// A board.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) user_id: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) archived: bool,
    pub(crate) visibility: String,
    /// Chosen by somebody.
    pub(crate) cover: Option<String>,
}

impl Board {
    pub(crate) fn is_private(&self) -> bool {
        self.visibility == "private"
    }

    pub(crate) fn is_public(&self) -> bool {
        self.visibility == "public"
    }
}

impl Store {
    pub(crate) fn make_board(&mut self, name: &str, user_id: &str) -> String {
        let id = new_id();
        let created_at = now();
        self.boards.insert(
            id.clone(),
            Board {
                id: id.clone(),
                name: name.into(),
                user_id: user_id.into(),
                updated_at: created_at.clone(),
                created_at,
                archived: false,
                visibility: "private".into(),
                cover: None,
            },
        );
        id
    }

    /// Images of a board, or of none.
    pub(crate) fn images_on(&self, board: Option<&str>) -> impl Iterator<Item = &Image> {
        self.images.values().filter(move |image| image.board_id.as_deref() == board)
    }

    /// `BoardDTO`. Only lists name the owner.
    pub(crate) fn board_dto(&self, board: &Board) -> Value {
        let shown = |image: &&Image| !image.is_intermediate;
        let on_board: Vec<&Image> = self.images_on(Some(&board.id)).filter(shown).collect();
        let images = on_board.iter().filter(|image| image.category == "general").count();
        let cover = board.cover.clone().filter(|name| self.images.contains_key(name));
        let cover = cover.or_else(|| on_board.last().map(|image| image.name.clone()));
        json!({
            "board_id": board.id,
            "board_name": board.name,
            "user_id": board.user_id,
            "created_at": board.created_at,
            "updated_at": board.updated_at,
            "deleted_at": null,
            "cover_image_name": cover,
            "archived": board.archived,
            "board_visibility": board.visibility,
            "cover_video_name": null,
            "image_count": images,
            "video_count": 0,
            "asset_count": on_board.len() - images,
            "owner_username": null,
        })
    }
}
