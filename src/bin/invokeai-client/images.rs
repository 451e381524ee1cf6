//! `invokeai-client images`.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Subcommand;
use futures::TryStreamExt as _;
use invokeai_client::{Client, Upload};

use crate::{boards, completion, confirm::Confirm, exit::Exit, failure::Failure, picture, print, table::Output};

#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// List images, newest first
    List {
        /// Only images on this board, by id or name; `none` for those on no board
        #[arg(long, value_name = "BOARD", add = completion::boards())]
        board: Option<String>,
        /// List intermediate images instead
        #[arg(long)]
        intermediate: bool,
        /// List at most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Download images
    Get {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
        /// Folder; created if it does not exist
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Write the metadata to `<file>.json` next to each image
        #[arg(long)]
        metadata: bool,
    },
    /// Show images on the terminal, if it supports that
    Show {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Upload images
    Put {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Put them on this board, by id or name
        #[arg(long, value_name = "BOARD", add = completion::boards())]
        board: Option<String>,
    },
    /// Delete images
    Rm {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(crate) async fn run(command: ImagesCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        ImagesCommand::List { board, intermediate, limit } => {
            let mut list = client.images().list().intermediate(intermediate).starred_first(false);
            if let Some(board) = board {
                list = match board.as_str() {
                    "none" => list.board(board),
                    board => list.board(boards::find(client, board).await?.board_id),
                };
            }
            let mut images = std::pin::pin!(list.stream());
            for _ in 0..limit {
                let Some(image) = images.try_next().await? else { break };
                let size = format!("{} x {}", image.width, image.height);
                let created = image.created_at.as_ref().map_or_else(String::new, ToString::to_string);
                output.row(&image, [42, 12, 0], [image.image_name.clone(), size, created])?;
            }
        }
        ImagesCommand::Get { names, out, metadata } => {
            let report = client.images().download(names, out).sidecar(metadata).await?;
            return output.downloaded(&report);
        }
        ImagesCommand::Show { names } => {
            if !print::shows_colors() {
                return Err(Failure::other("images are only shown on terminals with colors; `images get` saves them"));
            }
            for name in names {
                let bytes = client.image(&name).download().bytes().await?;
                let picture = picture::drawn(&bytes).map_err(|error| Failure::other(format!("{name}: {error}")))?;
                output.out.own_bytes(picture.as_bytes())?;
            }
        }
        ImagesCommand::Put { files, board } => {
            let board = match board {
                Some(board) => Some(boards::find(client, &board).await?.board_id),
                None => None,
            };
            for file in files {
                let mut upload = client.images().upload(Upload::path(file));
                if let Some(board) = &board {
                    upload = upload.board(board);
                }
                let image = upload.await?;
                output.row(&image, [0], [image.image_name.clone()])?;
            }
        }
        ImagesCommand::Rm { names, confirm } => {
            // All are looked up first, so that a wrong name among them stops it before anything is deleted.
            let mut missing: BTreeSet<&String> = names.iter().collect();
            for image in client.images().get_many(&names).await? {
                missing.remove(&image?.image_name);
            }
            if !missing.is_empty() {
                let missing: Vec<&str> = missing.into_iter().map(String::as_str).collect();
                return Err(Failure::other(format!("there is no image {}", missing.join(", "))));
            }
            let what: Vec<String> = names.iter().map(|name| format!("delete the image {name}")).collect();
            if !confirm.allows(&what).await? {
                return Ok(Exit::Done);
            }
            let outcome = client.images().delete(names).await;
            for name in &outcome.done {
                output.done("deleted", name)?;
            }
            let missing = outcome.skipped.clone();
            outcome.into_result()?;
            if !missing.is_empty() {
                return Err(Failure::other(format!("there is no image {}", missing.join(", "))));
            }
        }
    }
    Ok(Exit::Done)
}
