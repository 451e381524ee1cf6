//! `invokeai-client boards`.

use std::path::PathBuf;

use clap::Subcommand;
use futures::TryStreamExt as _;
use invokeai_client::{Client, boards::Board};

use crate::{completion, confirm::Confirm, exit::Exit, failure::Failure, table::Output};

#[derive(Debug, Subcommand)]
pub(crate) enum BoardsCommand {
    /// List all boards
    List {
        /// Include archived boards
        #[arg(long)]
        archived: bool,
    },
    /// Download all images of a board; skips files that already exist
    Get {
        /// Id or name
        #[arg(add = completion::boards())]
        board: String,
        /// Folder; created if it does not exist
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Create a board
    Put {
        /// Name
        name: String,
    },
    /// Delete boards; their images stay, uncategorized
    Rm {
        /// Ids or names
        #[arg(required = true, add = completion::boards())]
        boards: Vec<String>,
        /// Delete their images, too
        #[arg(long)]
        with_images: bool,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(crate) async fn run(command: BoardsCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        BoardsCommand::List { archived } => {
            let mut boards = std::pin::pin!(client.boards().list().include_archived(archived).stream());
            while let Some(board) = boards.try_next().await? {
                let count = format!("{} images", board.image_count.saturating_add(board.asset_count));
                output.row(&board, [36, 12, 0], [board.board_id.clone(), count, board.board_name.clone()])?;
            }
        }
        BoardsCommand::Get { board, out } => {
            let board = find(client, &board).await?;
            let report = client.board(&board.board_id).download_all(out).await?;
            return output.downloaded(&report);
        }
        BoardsCommand::Put { name } => {
            let board = client.boards().create(name).await?;
            output.row(&board, [36, 0], [board.board_id.clone(), board.board_name.clone()])?;
        }
        BoardsCommand::Rm { boards, with_images, confirm } => {
            // All are looked up first, so that a wrong name among them stops it before anything is deleted.
            let mut found = Vec::new();
            for name in &boards {
                found.push(find(client, name).await?);
            }
            let what: Vec<String> = found
                .iter()
                .map(|board| {
                    let count = board.image_count.saturating_add(board.asset_count);
                    let fate = if with_images { "with its" } else { "but not its" };
                    format!("delete the board {} ({}) {fate} {count} images", board.board_name, board.board_id)
                })
                .collect();
            if !confirm.allows(&what).await? {
                return Ok(Exit::Done);
            }
            for board in found {
                let handle = client.board(&board.board_id);
                match with_images {
                    true => handle.delete_with_contents().await?,
                    false => handle.delete().await?,
                };
                output.done("deleted", &board.board_id)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Finds a board by id, or by name.
pub(crate) async fn find(client: &Client, board: &str) -> Result<Board, Failure> {
    if let Some(found) = client.board(board).find().await? {
        return Ok(found);
    }
    let found = client.boards().find(board).await?;
    found.ok_or_else(|| Failure::other(format!("there is no board with the id or name `{board}`")))
}
