//! Creating a board in a way that leaves no doubt whose it is.
//!
//! The server chooses the id, and names need not be unique. If the answer with the id is lost, nothing distinguishes
//! the new board from one of the same name that a user already has, or that another program creates at the same time.
//! So a board is created under a name that nobody else can have, and renamed once its id is known.

use super::{Board, Boards};
use crate::{Client, error::Result};

/// How much of the wanted name is part of the temporary one. The server takes 300 characters in all.
const SHOWN: usize = 200;

impl Boards {
    /// Creates a board (`POST /api/v1/boards/`). Other boards may have the same name.
    ///
    /// For a moment the board has a longer name, which no other board can have. If the server's answer is lost, the
    /// board is found by this name. If this program ends in between, a [clean-up](crate::cleanup) finds it in the same
    /// way.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) for a name of more than 300 characters; any error of a call.
    /// No board is left after an error, unless the request [may have been sent](crate::Error::may_have_been_sent).
    pub async fn create(&self, name: impl Into<String>) -> Result<Board> {
        let (client, name) = (&self.client, name.into());
        let marker = marker(&name);
        let mut creation = client.asset_log().create_board(&name, &marker).await?;
        let created = match create(client, &marker).await {
            Ok(created) => created,
            Err(error) => {
                if !error.may_have_been_sent() {
                    creation.refused().await;
                }
                return Err(error);
            }
        };
        let board = client.board(&created.board_id);
        let renamed = match creation.created(&created.board_id).await {
            Ok(()) => board.rename(&name).await,
            Err(unrecorded) => Err(unrecorded),
        };
        let error = match renamed {
            Ok(renamed) => return Ok(renamed),
            Err(error) => error,
        };
        // It may have been renamed all the same.
        if let Ok(Some(renamed)) = board.find().await
            && renamed.board_name == name
        {
            return Ok(renamed);
        }
        match board.delete().await {
            Err(kept) if !kept.is_not_found() => {
                // It stays recorded under its id.
                tracing::warn!(board_id = created.board_id, error = %kept, "a board without its own name is left");
                Err(error.after("create_board"))
            }
            _ => {
                creation.deleted(&created.board_id).await;
                Err(error)
            }
        }
    }

    /// The board that was created under this temporary name, which nobody else can have.
    pub(crate) async fn marked(&self, marker: &str) -> Result<Option<Board>> {
        Ok(self.named(marker).await?.pop())
    }
}

/// A name that no other board can have, and that shows people what it is for.
fn marker(name: &str) -> String {
    let shown: String = name.chars().take(SHOWN).collect();
    format!("{shown} (being created by invokeai-client, {})", uuid::Uuid::new_v4())
}

async fn create(client: &Client, marker: &str) -> Result<Board> {
    let api = client.api();
    let answer = api.create_board().board_name(marker).send_as::<Board>().await;
    match answer {
        // 6.9.0 to 6.11.1 create the board and answer 500: `boards_default.py` passes one count too many.
        Err(error) if error.may_have_been_sent() => match client.boards().marked(marker).await {
            Ok(Some(board)) => Ok(board),
            Ok(None) => Err(error),
            Err(unknown) => {
                tracing::warn!(%unknown, "cannot look for a board whose creation was not confirmed");
                Err(error)
            }
        },
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_unique_says_whose_it_is_and_is_not_too_long() {
        assert!(marker("Samples").starts_with("Samples (being created by invokeai-client, "));
        assert_ne!(marker("Samples"), marker("Samples"));
        assert!(marker(&"ä".repeat(1000)).chars().count() <= 300);
    }
}
