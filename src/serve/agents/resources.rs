//! Boards and files of the server, as resources: `invokeai://boards/ID`, `invokeai://images/NAME` and
//! `invokeai://videos/NAME`. A fleet has no boards.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;

use crate::{
    media::{FileKind, HEAD, Kind},
    serve::{backend::Backend, problem::Problem},
};

const IMAGES: &str = "invokeai://images/";
const VIDEOS: &str = "invokeai://videos/";
const BOARDS: &str = "invokeai://boards/";

/// Most images of a board that are listed.
const LISTED: usize = 500;

/// A link to a file.
pub(super) fn file(kind: FileKind, name: &str) -> Resource {
    let (place, mime) = match kind {
        FileKind::Image => (IMAGES, "image/png"),
        FileKind::Video => (VIDEOS, "video/mp4"),
    };
    Resource::new(format!("{place}{name}"), name).with_mime_type(mime)
}

/// What can be read beside what is listed.
pub(super) fn templates(backend: &Backend) -> Vec<ResourceTemplate> {
    let image =
        ResourceTemplate::new(format!("{IMAGES}{{name}}"), "image").with_description("An image on the server, whole.");
    let board = ResourceTemplate::new(format!("{BOARDS}{{board_id}}"), "board")
        .with_description("The images of a board; `none` for those on no board.")
        .with_mime_type("application/json");
    let video = ResourceTemplate::new(format!("{VIDEOS}{{name}}"), "video").with_description("A video on the server.");
    if backend.has_boards() { vec![image, video, board] } else { vec![image, video] }
}

/// Every board.
pub(super) async fn boards(backend: &Backend) -> Result<Vec<Resource>, Problem> {
    if !backend.has_boards() {
        return Ok(Vec::new());
    }
    let boards = backend.boards().await.map_err(|error| Problem::of_error(&error))?;
    let all = boards.into_iter().map(|board| (board.board_id, board.board_name));
    let all = all.chain([("none".to_owned(), "Images on no board".to_owned())]);
    Ok(all.map(|(id, name)| Resource::new(format!("{BOARDS}{id}"), name).with_mime_type("application/json")).collect())
}

/// One of them; `None` if there is none.
pub(super) async fn read(uri: &str, backend: &Backend) -> Result<Option<ReadResourceResult>, Problem> {
    let file = [(FileKind::Image, IMAGES), (FileKind::Video, VIDEOS)];
    let file = file.into_iter().find_map(|(kind, place)| Some((kind, uri.strip_prefix(place)?)));
    let contents = if let Some((kind, name)) = file {
        let bytes = match backend.file(kind, name).await {
            Err(error) if error.is_not_found() => return Ok(None),
            bytes => bytes.map_err(|error| Problem::of_error(&error))?,
        };
        let kind = Kind::of_bytes(bytes.get(..HEAD.min(bytes.len())).unwrap_or_default());
        ResourceContents::BlobResourceContents {
            uri: uri.to_owned(),
            mime_type: kind.map(|kind| kind.label().to_owned()),
            blob: STANDARD.encode(&bytes),
            meta: None,
        }
    } else if let Some(id) = uri.strip_prefix(BOARDS).filter(|_| backend.has_boards()) {
        let names = match backend.images_of(id).await {
            Err(error) if error.is_not_found() => return Ok(None),
            names => names.map_err(|error| Problem::of_error(&error))?,
        };
        let listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("{IMAGES}{name}")).collect();
        let text = json!({ "images": names.len(), "newest": listed }).to_string();
        ResourceContents::TextResourceContents {
            uri: uri.to_owned(),
            mime_type: Some("application/json".to_owned()),
            text,
            meta: None,
        }
    } else {
        return Ok(None);
    };
    Ok(Some(ReadResourceResult::new(vec![contents])))
}
