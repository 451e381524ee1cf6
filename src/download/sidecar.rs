//! Descriptions beside downloaded files: `<file>.json`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    Collision,
    file::{Writer, taken},
    transfer::Source,
};
use crate::{
    Client,
    base::local_file,
    error::{Error, Result},
};

/// Longest file that is looked at. Descriptions have some kilobytes; metadata of huge workflows may have more.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Where the description of a file is, if it has one.
pub(super) fn path_of(source: &Source, file: &Path) -> Option<PathBuf> {
    let described =
        matches!(source, Source::Image(_) | Source::ImageThumbnail(_) | Source::Video(_) | Source::VideoThumbnail(_));
    let mut name = file.file_name().filter(|_| described)?.to_owned();
    name.push(".json");
    Some(file.with_file_name(name))
}

/// What the server knows about an image or a video, all of it, as the text of a file.
pub(super) async fn text(client: &Client, source: &Source) -> Result<Bytes> {
    let (api, name) = (client.api(), source.name());
    let description = if matches!(source, Source::Video(_) | Source::VideoThumbnail(_)) {
        let video: Value = api.get_video_dto().video_name(name).send_as().await?;
        let metadata: Value = api.get_video_metadata().video_name(name).send_as().await?;
        json!({ "video": video, "metadata": metadata })
    } else {
        let image: Value = api.get_image_dto().image_name(name).send_as().await?;
        let metadata: Value = api.get_image_metadata().image_name(name).send_as().await?;
        json!({ "image": image, "metadata": metadata })
    };
    Ok(format!("{description:#}\n").into())
}

/// Checks that nothing is there that is not ours. `name` is that of the image or video on the server.
pub(super) async fn check(path: &Path, name: &str) -> Result<()> {
    place(path, name).await.map(drop)
}

/// Writes a description. It replaces an older one of the same image or video, and nothing else.
pub(super) async fn write(path: &Path, name: &str, text: Bytes, durable: bool) -> Result<()> {
    let collision = place(path, name).await?;
    let mut writer = Writer::create(path, collision).await?;
    writer.write(text).await?;
    writer.place(durable).await.map(drop)
}

/// How a description may be written there: as a new file, or in place of an older one.
async fn place(path: &Path, name: &str) -> Result<Collision> {
    let metadata = match tokio::fs::symlink_metadata(path).await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Collision::Error),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let mut ours = false;
    if metadata.is_file() && metadata.len() <= LONGEST {
        let (owned, name) = (path.to_owned(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            local_file::open(&owned)?.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(describes(&bytes, &name))
        });
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        ours = read.map_err(|error| Error::io("read", path, error))?;
    }
    match ours {
        true => Ok(Collision::Overwrite),
        false => Err(taken(path, &format!("the existing file is not a description of `{name}`, and stays"))),
    }
}

/// Whether this is a description, as `text` makes it, of the image or video of this name.
fn describes(text: &[u8], name: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Description {
        image: Option<Image>,
        video: Option<Video>,
        #[serde(rename = "metadata")]
        _metadata: IgnoredAny,
    }

    struct Image {
        image_name: String,
    }

    crate::json::record::readable! { Image { 0 image_name } }

    struct Video {
        video_name: String,
    }

    crate::json::record::readable! { Video { 0 video_name } }

    let described = match serde_json::from_slice(text) {
        Ok(Description { image: Some(image), video: None, .. }) => Some(image.image_name),
        Ok(Description { image: None, video: Some(video), .. }) => Some(video.video_name),
        _ => None,
    };
    described.is_some_and(|described| described == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptions_of_the_same_file_are_ours() {
        for ours in [
            r#"{"image": {"image_name": "a.png", "width": 8}, "metadata": null}"#,
            r#"{"video": {"video_name": "a.png"}, "metadata": {"seed": 7}}"#,
        ] {
            assert!(describes(ours.as_bytes(), "a.png"), "{ours}");
        }
        for other in [
            r#"{"image": {"image_name": "b.png"}, "metadata": null}"#,
            r#"{"image": {"image_name": "a.png"}, "metadata": null, "notes": "of the user"}"#,
            r#"{"image": {"image_name": "a.png"}}"#,
            r#"{"metadata": {}}"#,
            r#"{"name": "a package", "version": "1.0.0"}"#,
            "[]",
            "",
            "\u{feff}{}",
        ] {
            assert!(!describes(other.as_bytes(), "a.png"), "{other}");
        }
    }
}
