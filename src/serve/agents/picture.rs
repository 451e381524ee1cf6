//! Pictures for models: small enough to be read, whatever the size of the original.

use std::io::Cursor;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use image::{DynamicImage, ImageReader, Limits, codecs::jpeg::JpegEncoder};
use rmcp::model::ContentBlock;

use crate::serve::problem::Problem;

/// Longest side, in pixels.
const SIDE: u32 = 1024;

/// Most memory that an original may take when it is read.
const MEMORY: u64 = 512 << 20;

/// How good a JPEG is, of 100.
const QUALITY: u8 = 85;

/// The picture as content of an answer.
pub(super) async fn content(bytes: Bytes) -> Result<ContentBlock, Problem> {
    let made = tokio::task::spawn_blocking(move || small(&bytes)).await;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "a picture cannot be made smaller");
        Problem::new(StatusCode::BAD_GATEWAY, "failed", "the picture cannot be read")
    };
    let (bytes, kind) = made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(ContentBlock::image(STANDARD.encode(bytes), kind))
}

/// A JPEG, or a PNG where something shines through, with at most this many pixels on each side.
fn small(bytes: &[u8]) -> image::ImageResult<(Vec<u8>, &'static str)> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut picture = reader.decode()?;
    if picture.width().max(picture.height()) > SIDE {
        picture = picture.thumbnail(SIDE, SIDE);
    }
    let mut file = Cursor::new(Vec::new());
    let shines = picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] < u8::MAX);
    if shines {
        picture.write_to(&mut file, image::ImageFormat::Png)?;
        return Ok((file.into_inner(), "image/png"));
    }
    let opaque = DynamicImage::ImageRgb8(picture.to_rgb8());
    opaque.write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY))?;
    Ok((file.into_inner(), "image/jpeg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, image::ImageFormat::Png).expect("a picture");
        file.into_inner()
    }

    #[test]
    fn pictures_are_small_and_keep_what_shines_through() {
        let (bytes, kind) = small(&png(&DynamicImage::new_rgb8(3000, 1500))).expect("a picture");
        let picture = image::load_from_memory(&bytes).expect("a picture");
        assert_eq!((picture.width(), picture.height(), kind), (1024, 512, "image/jpeg"));
        let (bytes, kind) = small(&png(&DynamicImage::new_rgba8(8, 8))).expect("a picture");
        assert_eq!((image::load_from_memory(&bytes).expect("a picture").width(), kind), (8, "image/png"));
        assert!(small(b"no picture").is_err());
    }
}
